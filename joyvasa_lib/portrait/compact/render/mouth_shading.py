"""Ambient occlusion inside the mouth: the closer the lips, the less light comes in.

Axis legend: ``h`` x ``w`` a window of the frame.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.layers import MOUTH_LAYERS

_REACH = 0.09
"""Rig units inside the lips over which the shadow fades."""
_FROM_ABOVE = 0.035
"""Rig units by which the shadow is moved down: light mostly comes from above."""
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
