"""Extends the head's displacement to the image around it: hair follows, background stays.

Outside the part of the face that the image shows well, the displacement ``u`` of the image
solves the screened Poisson equation ``laplacian(u) = u / reach^2`` with the face's displacement as
its boundary value: it is continuous at the silhouette and fades with distance. ``reach`` varies
over the image, long on the person and short on the background. Expression has a shorter reach than
head motion: an opening jaw does not move the collar as a turning head does. The equation is linear
and its domain is the image, so it is solved once per portrait, as matrices from the displacement
along the face's edge to that of every cell of a coarse grid.

Axis legend: ``b`` frames, ``v`` vertices, ``f`` triangles, ``s`` side of the image, ``g`` side of
the coarse grid, ``k`` cells of the face, ``e`` those at its edge, ``o`` cells outside.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from joyvasa_lib.portrait.compact.person.carried import Carried
from joyvasa_lib.rig.laplacian import degrees, factored, grid_neighbours, screened_laplacian
from joyvasa_lib.rig.rasterizer import barycentric_weights

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

GRID = 64
"""Cells along one side of the coarse grid."""
_MOST_SAMPLES = 4
"""Samples along one side of a cell from which its displacement is averaged."""
_INVERSION_STEPS = 10
"""Fixed-point steps; each halves the error where the displacement is smooth."""


@dataclass(frozen=True, eq=False)
class FlowExtension:
    """A portrait's solved extension.

    Attributes:
        side: side of the image in pixels.
        inside: [k] flat indices of the cells whose displacement the face itself gives.
        outside: [o] flat indices of the others.
        average: [k, v] sparse: mean displacement of a cell from those of the vertices.
        edge: [e] positions in ``inside`` of the cells next to an outside cell.
        spread: [o, e] displacement of the outside cells from that of the edge cells, as far as the
            head as a whole moves; [0, 0] where they are carried.
        spread_expression: [o, e] the same from the edge cells as far as its expression changes.
        carried: how cells move with the head that do not show the face from in front; None where
            the person is not told from the background.
    """

    side: int
    inside: Ints
    outside: Ints
    average: sparse.csr_matrix
    edge: Ints
    spread: Floats
    spread_expression: Floats
    carried: Carried | None = None

    def forward(self, head: Floats, expression: Floats) -> Floats:
        """Displacement of the image's cells.

        Args:
            head: [b, v, 2] displacement of the vertices with the head as a whole, pixels.
            expression: [b, v, 2] the rest of their displacement.

        Returns:
            [b, g, g, 2] pixels.
        """
        batch = len(head)
        both = np.concatenate([head, expression]).astype(np.float32, copy=False)
        flat = both.transpose(1, 0, 2).reshape(-1, 4 * batch)
        known = np.asarray(self.average @ flat, dtype=np.float32)
        moved, bent = known[:, : 2 * batch], known[:, 2 * batch :]
        field = np.empty((GRID * GRID, 2 * batch), dtype=np.float32)
        field[self.inside] = moved
        if self.carried is None:
            field[self.outside] = self.spread @ moved[self.edge]
        else:
            anchors = flat[self.carried.anchors, : 2 * batch]
            field[self.carried.cells] = self.carried.displacement(anchors)
        field[self.inside] += bent
        field[self.outside] += self.spread_expression @ bent[self.edge]
        return np.ascontiguousarray(
            field.reshape(GRID, GRID, batch, 2).transpose(2, 0, 1, 3), dtype=np.float32
        )

    def backward(self, head: Floats, expression: Floats) -> Floats:
        """Backward flow from each cell of the frame to the image.

        Args:
            head: [b, v, 2] displacement of the vertices with the head as a whole, pixels.
            expression: [b, v, 2] the rest of their displacement.

        Returns:
            [b, g, g, 2] flow from the frame to the image, pixels.
        """
        cell = self.side / GRID
        forward = self.forward(head, expression) / cell
        steps = _INVERSION_STEPS if self.carried is None else 3 * _INVERSION_STEPS
        found = np.stack([invert_displacement(field, steps) for field in forward])
        return found * np.float32(cell)


def invert_displacement(field: Floats, steps: int = _INVERSION_STEPS) -> Floats:
    """The flow ``d`` [g, g, 2] with ``d(x) = -field(x + d(x))``, in cells.

    A damped fixed-point iteration; it converges where the displacement does not fold the image.
    """
    side = len(field)
    line = np.arange(side, dtype=np.float32)
    grid = np.stack(np.meshgrid(line, line), -1)
    found = -field
    for _ in range(steps):
        there = cv2.remap(
            field, grid + found, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        found = np.float32(0.5) * (found - there)
    return np.asarray(found, dtype=np.float32)


def build_extension(
    triangle: Ints,
    trusted: NDArray[np.bool_],
    vertices: Floats,
    triangles: Ints,
    reach: Floats,
    reach_expression: Floats,
    carried: Carried | None = None,
) -> FlowExtension:
    """Solves the extension for one portrait.

    Args:
        triangle: [s, s] triangle that each pixel of the image shows, -1 outside the head.
        trusted: [f] triangles whose own displacement counts.
        vertices: [v, 3] the head on the image, pixels.
        triangles: [f, 3] vertex indices.
        reach: [s, s] fading distance of the head's motion in units of the image's side.
        reach_expression: [s, s] the same of its expression.
        carried: how cells move with the head where a matte tells the person; ``reach`` does not
            matter then.
    """
    side = len(triangle)
    shown = np.append(trusted, False)[triangle]
    cover = cv2.resize(shown.astype(np.float32), (GRID, GRID), interpolation=cv2.INTER_AREA)
    known = cover > 0.5
    average, known = _cell_average(triangle, shown, known, vertices, triangles)
    inside = np.flatnonzero(known.ravel())
    outside = np.flatnonzero(~known.ravel())
    cells = grid_neighbours(GRID, GRID)
    edge = np.flatnonzero(degrees(cells[inside][:, outside]) > 0)
    coupling = cells[outside][:, inside[edge]].toarray()
    inner, degree = cells[outside][:, outside], degrees(cells)

    def spread(far: Floats) -> Floats:
        if not len(outside) or not len(edge):
            return np.zeros((len(outside), len(edge)), np.float32)
        small = cv2.resize(far, (GRID, GRID), interpolation=cv2.INTER_AREA)
        screening = (1.0 / (GRID * np.maximum(small, 1e-3))) ** 2
        system = screened_laplacian(inner, (degree + screening.ravel())[outside])
        return np.asarray(factored(system).solve(coupling), np.float32)

    return FlowExtension(
        side=side,
        inside=inside.astype(np.int32),
        outside=outside.astype(np.int32),
        average=average,
        edge=edge.astype(np.int32),
        spread=spread(reach) if carried is None else np.zeros((0, 0), np.float32),
        spread_expression=spread(reach_expression),
        carried=None if carried is None else carried.only(carried.free | ~known.ravel()),
    )


def _cell_average(
    triangle: Ints,
    shown: NDArray[np.bool_],
    known: NDArray[np.bool_],
    vertices: Floats,
    triangles: Ints,
) -> tuple[sparse.csr_matrix, NDArray[np.bool_]]:
    """[k, v] mean barycentric weights of the shown pixels of each known cell, and those cells."""
    side = len(triangle)
    step = max(1, side // (GRID * _MOST_SAMPLES))
    line = np.arange(0, side, step)
    row, column = (axis.ravel() for axis in np.meshgrid(line, line, indexing="ij"))
    cell = (row * GRID // side) * GRID + column * GRID // side
    use = shown[row, column] & known.ravel()[cell]
    row, column, cell = row[use], column[use], cell[use]
    corner = triangles[triangle[row, column]]
    weight = barycentric_weights(corner, vertices, np.stack([column, row], 1))
    sampled = np.zeros(GRID * GRID, dtype=bool)
    sampled[cell] = True
    number = np.cumsum(sampled) - 1
    count = np.bincount(cell, minlength=GRID * GRID)
    share = (weight / count[cell][:, None]).astype(np.float32)
    rows = np.repeat(number[cell], 3)
    average = sparse.coo_matrix(
        (share.ravel(), (rows, corner.ravel())), shape=(int(sampled.sum()), len(vertices))
    )
    return average.tocsr(), sampled.reshape(GRID, GRID)
