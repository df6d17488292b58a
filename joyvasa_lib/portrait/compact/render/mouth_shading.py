"""Ambient occlusion inside the mouth: the closer the lips, the less light comes in.

Axis legend: ``h`` x ``w`` a window of the frame.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.render.lookup import MOUTH_LAYERS

_REACH = 0.09
"""Rig units inside the lips over which the shadow fades."""
_FROM_ABOVE = 0.035
"""Rig units by which the shadow is moved down: light mostly comes from above."""
_DARKEST = 0.34
"""Light where the lips leave only a slit; it is reflected, so it is never 0."""

_OPEN = np.clip((np.arange(256) / 255.0 - 0.12) / 0.75, 0.0, 1.0)
LIGHT = (_DARKEST + (1.0 - _DARKEST) * _OPEN * _OPEN * (3.0 - 2.0 * _OPEN)).astype(np.float32)
"""Light [256] for each level of :func:`ambient_visibility`: a smooth step."""
_INSIDE = np.isin(np.arange(256), MOUTH_LAYERS).astype(np.uint8) * 255


def ambient_visibility(layer: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """Share [h, w] of ambient light that reaches each pixel of the mouth; 255 is all, as outside.

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
