"""Carries the head's displacement into the picture around it: hair follows, background stays.

Outside the head mesh the displacement ``d`` solves the screened Poisson equation
``laplacian(d) = d / reach^2`` with the mesh's displacement as its boundary value: it continues
without a step at the silhouette and fades with distance. ``reach`` is a picture, long on the person
and short on the background. A few Gauss-Seidel sweeps on a coarse-to-fine pyramid are enough.
"""

from __future__ import annotations

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.frame_threads import for_each_frame

Floats = NDArray[np.float32]

_FINEST = 64
_SWEEPS = (60, 24, 12)


@njit(cache=True, fastmath=True, nogil=True)  # type: ignore[untyped-decorator]
def _relax(field, known, screening, sweeps):  # type: ignore[no-untyped-def]
    height, width, _ = field.shape
    for _ in range(sweeps):
        for row in range(height):
            up, down = max(row - 1, 0), min(row + 1, height - 1)
            for column in range(width):
                if known[row, column] > 0.5:
                    continue
                left, right = max(column - 1, 0), min(column + 1, width - 1)
                scale = np.float32(1.0) / (np.float32(4.0) + screening[row, column])
                for axis in range(2):
                    field[row, column, axis] = scale * (
                        field[up, column, axis]
                        + field[down, column, axis]
                        + field[row, left, axis]
                        + field[row, right, axis]
                    )


def _pool(flow: Floats, triangle: NDArray[np.int32], side: int) -> tuple[Floats, Floats]:
    """Mean displacement [b, side, side, 2] of the mesh in each cell, and 1 where there is some."""
    batch = len(triangle)
    field = np.empty((batch, side, side, 2), dtype=np.float32)
    cover = np.empty((batch, side, side), dtype=np.float32)

    def frame(b: int) -> None:
        mesh = (triangle[b] >= 0).astype(np.float32)
        share = cv2.resize(mesh, (side, side), interpolation=cv2.INTER_AREA)
        total = cv2.resize(flow[b] * mesh[..., None], (side, side), interpolation=cv2.INTER_AREA)
        field[b] = total / np.maximum(share, 1e-6)[..., None]
        cover[b] = share > 1e-6

    for_each_frame(frame, batch)
    return field, cover


def screening_picture(reach: Floats, side: int) -> Floats:
    """Screening ``(cell / reach)^2`` for a grid of ``side`` cells.

    Args:
        reach: [s, s] distance in units of the picture's side over which displacement fades.
        side: cells along one side.
    """
    small = cv2.resize(reach, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray((1.0 / (side * np.maximum(small, 1e-3))) ** 2, dtype=np.float32)


def extend_flow(flow: Floats, triangle: NDArray[np.int32], reach: Floats) -> Floats:
    """Displacement outside the mesh on a coarse grid.

    Args:
        flow: [b, s, s, 2] displacement in pixels, valid where ``triangle >= 0``.
        triangle: [b, s, s] triangle index or -1.
        reach: [s, s] fading distance in units of the picture's side.

    Returns:
        [b, 64, 64, 2] displacement in pixels; resize bilinearly to the picture's size.
    """
    fine, known = _pool(flow, triangle, _FINEST)
    levels = [(fine, known)]
    for _ in range(len(_SWEEPS) - 1):
        field, cover = levels[-1]
        b, side = cover.shape[:2]
        shape = (b, side // 2, 2, side // 2, 2)
        weight = cover.reshape(shape).sum((2, 4))
        total = (field * cover[..., None]).reshape(*shape, 2).sum((2, 4))
        levels.append(
            (total / np.maximum(weight, 1e-6)[..., None], (weight > 0).astype(np.float32))
        )
    guess: Floats | None = None
    for (field, cover), sweeps in zip(reversed(levels), _SWEEPS, strict=True):
        side = cover.shape[1]
        if guess is not None:
            doubled = guess.repeat(2, 1).repeat(2, 2)
            field = np.where(cover[..., None] > 0.5, field, doubled)
        guess = np.ascontiguousarray(field, dtype=np.float32)
        _relax_batch(guess, cover, screening_picture(reach, side), sweeps)
    assert guess is not None
    return guess


def _relax_batch(field: Floats, known: Floats, screening: Floats, sweeps: int) -> None:
    for_each_frame(lambda b: _relax(field[b], known[b], screening, sweeps), len(field))
