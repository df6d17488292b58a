"""Lashes that stand before the skin between an open eye and its brow.

They go down with the eyelid. Where the texture of a closed eye shows the image's own skin, above
its crease, the tips of long lashes would stay behind as strokes and blots.

Axis legend: ``h`` x ``w`` window of the closed eye.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.encode.eyelids.eyelid_place import EyelidPlace
from joyvasa_lib.portrait.compact.luminance import luminance
from joyvasa_lib.rig.head_rig import Floats

_WIDE = 0.1
"""Rig units of the widest lash, or tuft of them; what is wider is a shadow."""
_DARKER = (0.1, 0.25)
"""How much darker than the skin beside it, as a share, a lash is at least, and for certain."""
_LONG = 0.25
"""Length along the eye, in its lengths, from which on what is dark is no lash but a crease, a line
of make-up or the rim of glasses."""
_BELOW_BROW = (0.45, 0.8)
"""Shares of the way from crease to brow over which lashes end and hairs of the brow begin."""
_CORNERS = 0.45
"""Share of the eye's length beyond its corners at which they end; up to half of it all are."""
_AROUND, _SOFT = 0.05, 0.012
"""Rig units around lashes that are hidden with them, as more of them are too fine to be found, and
standard deviation of the blur of that."""


def standing_lashes(image: Floats, at: EyelidPlace, pixel: float) -> Floats:
    """[h, w] share in [0, 1] to which lashes hide the skin above a closed eye.

    Args:
        image: [h, w, 3] what the image shows there, [0, 255].
        at: where the pixels lie.
        pixel: pixels per rig unit.
    """
    light = np.maximum(luminance(image), np.float32(4.0)).astype(np.float32)
    skin = cv2.morphologyEx(light, cv2.MORPH_CLOSE, _disc(_WIDE * pixel))
    dark = 1.0 - light / np.maximum(skin, light)
    along = np.ones((1, _odd(_LONG * at.length * pixel)), np.uint8)
    dark = dark - cv2.morphologyEx(dark, cv2.MORPH_OPEN, along)
    lashes = np.interp(dark, _DARKER, (0.0, 1.0)).astype(np.float32)
    lashes *= np.interp(at.to_brow, _BELOW_BROW, (1.0, 0.0)) * (at.above > 0.0)
    lashes *= np.minimum(2.0 * at.between_corners(_CORNERS), 1.0)
    lashes = cv2.dilate(lashes, _disc(_AROUND * pixel))
    lashes = cv2.GaussianBlur(lashes, (0, 0), max(_SOFT * pixel, 0.5))
    return np.asarray(np.where(at.above > 0.0, lashes, 0.0), np.float32)


def _disc(across: float) -> NDArray[np.uint8]:
    side = _odd(across)
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def _odd(size: float) -> int:
    return 2 * max(1, round(size / 2.0)) + 1
