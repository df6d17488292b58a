"""The shadow that closing eyelids and their lashes throw on an eyeball.

The image shows eyeballs in the light that its open eyes let in, in which they glare between lids
that are half closed. In eight films of people who blink, the lightest tenth of what is seen there
lies 26 units of L* below the cheek; in the open eye's light it would lie 19 below.

Axis legend: ``h`` x ``w`` a window of the frame, ``n`` samples along one side of a pixel.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.layers import EYE
from joyvasa_lib.rig.head_rig import Floats

_DARKENED = 0.45
"""Share of its light that an eyeball has lost when its lids meet; half of it when they are half
closed."""
_SEEN = 0.01
"""Loss of light that is not worth drawing."""
_EYE = (np.arange(256) == EYE).astype(np.uint8) * 255


def shade_eye(part: NDArray[np.uint8], layer: NDArray[np.uint8], closed: float) -> Floats | None:
    """Darkens the eyeball in a window of a frame, in place.

    Args:
        part: [h, w, 3] RGB.
        layer: [n h, n w] layer of the head that each sample shows.
        closed: how far the eye has closed from how the image shows it, [0, 1].

    Returns:
        [h, w] share of each pixel that is in shadow; None where nothing is.
    """
    lost = _DARKENED * closed
    if lost < _SEEN:
        return None
    tall, wide = part.shape[:2]
    eyeball = cv2.resize(cv2.LUT(layer, _EYE), (wide, tall), interpolation=cv2.INTER_AREA)
    shaded = eyeball.astype(np.float32) / np.float32(255.0)
    lit = part * (1.0 - lost * shaded)[..., None]
    np.copyto(part, np.rint(lit), casting="unsafe")
    return shaded
