"""Sparse Laplacians against dense ones written out."""

from __future__ import annotations

import numpy as np
from scipy.sparse.linalg import spsolve

from joyvasa_lib.rig.laplacian import (
    degrees,
    grid_neighbours,
    mesh_neighbours,
    screened_laplacian,
)


def test_cells_of_a_grid_are_neighbours_where_they_share_a_side() -> None:
    found = grid_neighbours(3, 4).toarray()
    row, column = (axis.ravel() for axis in np.mgrid[:3, :4])
    apart = np.abs(row[:, None] - row) + np.abs(column[:, None] - column)
    np.testing.assert_array_equal(found, apart == 1)


def test_vertices_are_neighbours_once_however_many_triangles_share_their_edge() -> None:
    triangles = np.array([[0, 1, 2], [2, 1, 3]])
    found = mesh_neighbours(triangles, 5)
    expected = np.zeros((5, 5))
    for a, b in ((0, 1), (1, 2), (0, 2), (1, 3), (2, 3)):
        expected[a, b] = expected[b, a] = 1.0
    np.testing.assert_array_equal(found.toarray(), expected)
    np.testing.assert_array_equal(degrees(found), (2, 3, 3, 2, 0))


def test_between_two_held_ends_of_a_line_the_solution_is_linear() -> None:
    cells = grid_neighbours(1, 9)
    held = np.zeros(9)
    held[[0, 8]] = 1e9
    values = np.zeros(9)
    values[8] = 4.0
    solved = spsolve(screened_laplacian(cells, degrees(cells) + held), held * values)
    np.testing.assert_allclose(solved, np.linspace(0.0, 4.0, 9), atol=1e-6)
