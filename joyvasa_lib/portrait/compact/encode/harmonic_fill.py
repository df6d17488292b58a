"""Harmonic interpolation of the known colours of an image: smooth where they are unknown.

Axis legend: ``h`` x ``w`` the image.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.rig.laplacian import degrees, factored, grid_neighbours, screened_laplacian

Floats = NDArray[np.float32]

_CELLS = 44
"""Cells along the image's longer side in which the equation is solved: the result is smooth."""
_WEIGHT = 0.5
"""Weight of known colours against smoothness: they are followed, their noise is not."""
_LEAST = 0.2
"""Share of known pixels from which on a cell is known."""


def harmonic_fill(image: NDArray[np.floating], weight: Floats, blur: float) -> Floats:
    """Smooth colours [h, w, 3] through those of an image, by a screened Poisson equation.

    Args:
        image: [h, w, 3].
        weight: [h, w] in [0, 1], where its colours are to be kept.
        blur: pixels over which they are averaged first.
    """
    height, width = weight.shape
    ratio = min(1.0, _CELLS / max(height, width))
    tall, wide = max(4, round(height * ratio)), max(4, round(width * ratio))
    weighted = np.dstack([image * weight[..., None], weight]).astype(np.float32)
    mean = cv2.GaussianBlur(weighted, (0, 0), max(blur, 0.5))
    small = cv2.resize(mean, (wide, tall), interpolation=cv2.INTER_AREA).reshape(-1, 4)
    share = small[:, 3].astype(np.float64)
    if (share <= _LEAST).all():
        return np.broadcast_to(image.mean((0, 1)), image.shape).astype(np.float32)
    values = small[:, :3] / np.maximum(share, 1e-3)[:, None]
    cells = grid_neighbours(tall, wide)
    screening = _WEIGHT * share * (share > _LEAST)
    system = screened_laplacian(cells, degrees(cells) + screening)
    solved = factored(system).solve(screening[:, None] * values)
    field = solved.reshape(tall, wide, 3).astype(np.float32)
    return np.asarray(cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC))
