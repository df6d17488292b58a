"""Shadow inside the mouth: lips keep light out, the more the closer they are.

Axis legend: ``h`` x ``w`` a window of the frame.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.render.lookup import MOUTH_LAYERS

_REACH = 0.09
"""Rig units from the lips over which light comes back."""
_FROM_ABOVE = 0.035
"""Rig units by which the upper lip shades more than the lower one."""
_DARKEST = 0.34
"""Light in a slit."""

_OPEN = np.clip((np.arange(256) / 255.0 - 0.12) / 0.75, 0.0, 1.0)
LIGHT = (_DARKEST + (1.0 - _DARKEST) * _OPEN * _OPEN * (3.0 - 2.0 * _OPEN)).astype(np.float32)
"""Light [256] at a place from which so much of the sky is seen."""
_INSIDE = np.isin(np.arange(256), MOUTH_LAYERS).astype(np.uint8) * 255


def ambient_visibility(layer: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """How much of the sky each place in the mouth sees [h, w]; 255 outside the mouth.

    Args:
        layer: [h, w] layer of the head.
        scale: pixels per rig unit.
    """
    inside = np.asarray(cv2.LUT(layer, _INSIDE))
    if not inside.any():
        return np.full_like(layer, 255)
    reach = 2 * round(_REACH * scale) + 1
    visibility = cv2.blur(cv2.blur(inside, (reach, reach)), (reach, reach))
    down = round(_FROM_ABOVE * scale)
    if 0 < down < len(visibility):
        visibility[down:] = visibility[:-down].copy()
        visibility[:down] = visibility[down]
    return np.asarray(cv2.max(visibility, 255 - inside))
