"""Gives what is painted into a frame the softness of the image around it.

A blurred image is the blur of a sharp one. Where the sharp one would change by what is painted, the
blurred one changes by the blur of that change.

Axis legend: ``s`` side of a frame.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.rig.head_rig import Floats

Frames = NDArray[np.uint8]

_DRAWN = 0.6
"""Softness of edges as they are drawn, pixels."""
_LEAST = 0.5
"""Standard deviation of the blur from which on it is visible, pixels."""
_REACHES = 2.0
"""Spreads around paint within which all change is softened."""


def softening(softness: float) -> float:
    """Standard deviation in pixels of the blur that makes drawn edges so soft; 0 for none.

    Args:
        softness: see :attr:`~joyvasa_lib.portrait.compact.encode.appearance.Appearance.softness`.
    """
    spread = float(np.sqrt(max(softness**2 - _DRAWN**2, 0.0)))
    return spread if spread >= _LEAST else 0.0


def soften(frame: Frames, before: Frames, spread: float, cover: Floats) -> None:
    """Softens what was painted, in place.

    Args:
        frame: [s, s, 3] the frame.
        before: [s, s, 3] the frame before.
        spread: standard deviation of the blur, pixels.
        cover: [s, s] share of paint in each pixel. Where there is none the frame is the image's
            own, and is left as it is.
    """
    changed = cover > 0.0
    rows, columns = (np.flatnonzero(changed.any(axis)) for axis in (1, 0))
    if not len(rows):
        return
    room = int(np.ceil((_REACHES + 3.0) * spread)) + 1
    box = (
        slice(max(rows[0] - room, 0), rows[-1] + 1 + room),
        slice(max(columns[0] - room, 0), columns[-1] + 1 + room),
    )
    own, under = frame[box].astype(np.float32), before[box].astype(np.float32)
    soft = under + cv2.GaussianBlur(own - under, (0, 0), spread)
    reach = 2 * int(np.ceil(_REACHES * spread)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    near = cv2.GaussianBlur(cv2.dilate(cover[box], disc), (0, 0), spread)
    soft = own + near[..., None] * (soft - own)
    frame[box] = np.clip(np.rint(soft), 0, 255).astype(np.uint8)
