"""Whether lips are seen where a face has them, or something that hides them.

Landmarks of hidden lips lie where lips would be. Lips and the line between them differ in colour;
cloth, a hand or a microphone in front of them is one colour there, whatever it is.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.face.crop_geometry import apply_matrix, face_square
from joyvasa_lib.face.sampling import as_rgb, sample
from joyvasa_lib.rig.regions import EYES, OUTER_BROWS, OUTER_LIPS, Indices

_SIDE, _AROUND = 160, 1.1
"""Pixels of the small upright face that is measured, and its square over the landmarks' box."""
_GRAIN = 1.0
"""Standard deviation of the blur that takes grain away, pixels of the small face."""
_FLAT = 0.1
"""Spread of colours, CIE Lab, up to which eyes and brows show nothing."""


def lip_contrast(image: NDArray[np.uint8], landmarks: NDArray[np.floating]) -> float:
    """Spread of the colours between the outlines of the lips, over that of eyes and brows.

    Args:
        image: [h, w, 3] uint8 RGB; grey and alpha are allowed.
        landmarks: [478, 2 or 3] in image pixels.

    Returns:
        Ratio of two standard deviations in CIE Lab; 1 where eyes and brows have one colour, too.

    Raises:
        MediaError: it is not an image of 8-bit pixels.
    """
    matrix = face_square(landmarks, scale=_AROUND, shift=(0.0, 0.0)).matrix(_SIDE)
    small = sample(as_rgb(image), matrix, _SIDE).astype(np.float32) / np.float32(255)
    colours = cv2.cvtColor(cv2.GaussianBlur(small, (0, 0), _GRAIN), cv2.COLOR_RGB2Lab)
    points = apply_matrix(matrix, landmarks[:, :2])
    eyes = EYES[0].lids + EYES[1].lids + OUTER_BROWS
    lips, upper = (_spread(colours, points, region) for region in (OUTER_LIPS, eyes))
    return lips / upper if upper > _FLAT else 1.0


def _spread(colours: NDArray[np.float32], points: NDArray[np.float64], region: Indices) -> float:
    """Standard deviation of the colours in the convex hull of some landmarks."""
    hull = cv2.convexHull(np.rint(points[list(region)]).astype(np.int32))
    inside = cv2.fillConvexPoly(np.zeros(colours.shape[:2], np.uint8), hull, 1) > 0
    return float(np.sqrt(colours[inside].var(0).sum())) if inside.any() else 0.0
