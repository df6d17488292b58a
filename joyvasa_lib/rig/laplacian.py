"""Sparse Laplacians of pixel grids and meshes, for screened Poisson equations.

``(diag(degree + screening) - neighbours) u = source``: ``u`` is smooth where nothing is known and
follows the source where the screening is strong.

Axis legend: ``n`` cells or vertices, ``f`` triangles, ``e`` edges.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import SuperLU, splu


@lru_cache(maxsize=8)
def grid_neighbours(height: int, width: int) -> sparse.csr_matrix:
    """[n, n] 1 for every two cells of a grid, numbered row by row, that share a side; read-only."""
    cells = np.arange(height * width).reshape(height, width)
    across = np.stack([cells[:, :-1].ravel(), cells[:, 1:].ravel()], 1)
    down = np.stack([cells[:-1].ravel(), cells[1:].ravel()], 1)
    return _symmetric(np.concatenate([across, down]), cells.size)


def mesh_neighbours(triangles: NDArray[np.integer], count: int) -> sparse.csr_matrix:
    """[n, n] 1 for every two of ``count`` vertices that an edge of the triangles [f, 3] joins."""
    both = _symmetric(mesh_edges(triangles), count)
    return (both > 0).astype(np.float64)


def mesh_edges(triangles: NDArray[np.integer]) -> NDArray[np.integer]:
    """[e, 2] the edges of triangles [f, 3]; inner edges occur once for each of their triangles."""
    return np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])


def degrees(neighbours: sparse.csr_matrix) -> NDArray[np.float64]:
    """[n] number of neighbours."""
    return np.asarray(neighbours.sum(1)).ravel()


def screened_laplacian(
    neighbours: sparse.csr_matrix, diagonal: NDArray[np.float64]
) -> sparse.csc_matrix:
    """[n, n] the matrix of the equation, whose diagonal is :func:`degrees` plus the screening."""
    return sparse.csc_matrix(sparse.diags(diagonal) - neighbours)


def factored(system: sparse.csc_matrix) -> SuperLU:
    """The factors of such a matrix, which is symmetric and positive definite: ``solve`` it."""
    options = {"SymmetricMode": True}
    return splu(system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)


def _symmetric(pairs: NDArray[np.integer], count: int) -> sparse.csr_matrix:
    links = sparse.coo_matrix((np.ones(len(pairs)), tuple(pairs.T)), shape=(count, count))
    return (links + links.T).tocsr()
