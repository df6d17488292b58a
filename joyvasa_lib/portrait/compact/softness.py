"""How soft the edges of an image are: what is painted into it gets edges of the same softness.

Blurring an edge again lowers its slope the less, the softer it is already (Zhuo and Sim 2011,
"Defocus map estimation from a single image", eq. 6). Two blurs are compared, so that noise hardly
counts: an edge of softness ``s`` has slopes in the ratio ``R`` with
``R^2 = (s^2 + b^2) / (s^2 + a^2)``.

Axis legend: ``s`` side of the crop.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.rig.head_rig import Floats

Bytes = NDArray[np.uint8]

_NARROW, _WIDE = 1.0, 2.0
"""Standard deviations of the two blurs, pixels."""
_OF_SLOPES = 0.4
"""Variance of the blur that differences between pixels are themselves: of a box two pixels wide
along the slope, 1/3, and more on slanted edges."""
_STRONGEST = 85
"""Percentile of the edges' slopes from which on an edge counts: weak ones are grain."""
_STEEP = 0.2
"""Share of the steepest slope from which on an edge counts."""
_SHARPEST = 30
"""Percentile of the edges' softness that counts: light and shadow on skin are softer edges."""
_FEWEST = 40
"""Least number of pixels on edges."""
_MOST = 10.0
"""Greatest softness that is told, pixels."""


def edge_softness(image: Bytes, inside: NDArray[np.bool_]) -> float:
    """Standard deviation in pixels of the blur that a part of an image shows; 0 if it is sharp.

    Args:
        image: [s, s, 3] uint8 RGB.
        inside: [s, s] the part whose edges are measured.
    """
    rows, columns = (np.flatnonzero(inside.any(axis)) for axis in (1, 0))
    if not len(rows):
        return 0.0
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    grey = cv2.cvtColor(np.ascontiguousarray(image[box]), cv2.COLOR_RGB2GRAY).astype(np.float32)
    (narrow, ridge), (wide, _) = (_slopes(grey, spread) for spread in (_NARROW, _WIDE))
    edges = inside[box] & ridge & (wide > 0.0)
    if not edges.any():
        return 0.0
    slopes = narrow[edges]
    edges &= narrow >= max(np.percentile(slopes, _STRONGEST), _STEEP * slopes.max())
    if edges.sum() < _FEWEST:
        return 0.0
    ratio = np.square(narrow[edges] / wide[edges])
    squared = (_WIDE**2 - ratio * _NARROW**2) / np.maximum(ratio - 1.0, 1e-3) - _OF_SLOPES
    softness = np.sqrt(np.clip(squared, 0.0, _MOST**2))
    return float(np.percentile(softness, _SHARPEST))


def _slopes(grey: Floats, spread: float) -> tuple[Floats, NDArray[np.bool_]]:
    """[h, w] slopes of an image that is blurred by a Gaussian, and where they are an edge's top."""
    soft = cv2.GaussianBlur(grey, (0, 0), spread)
    across, down = cv2.Sobel(soft, cv2.CV_32F, 1, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 1)
    slope = np.hypot(across, down)
    flat = np.abs(across) > np.abs(down)
    beside = np.pad(slope, 1)
    left_right = np.maximum(beside[1:-1, :-2], beside[1:-1, 2:])
    above_below = np.maximum(beside[:-2, 1:-1], beside[2:, 1:-1])
    return slope, slope >= np.where(flat, left_right, above_below)
