"""The background behind a person, filled once for each portrait.

Axis legend: ``s`` side of the crop.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.person.patch_fill import patch_fill
from joyvasa_lib.rig.head_rig import Floats

Bytes = NDArray[np.uint8]

_RIM = 0.007
"""Sides of the crop around the matte in which colours may still be the hair's."""
_SOME = 0.02
"""Share of a pixel from which on it shows the person."""
_FRINGE, _THING = 40.0, 90.0
"""Grey levels between a pixel beside the person and the fill up to which it may be a fringe of
hair, and from which it is something else, which stays."""
_SEEN = 0.14
"""Sides of the crop behind the person's edge that a moving head can uncover."""


def fill_background(image: Bytes, matte: Floats) -> Bytes:
    """The image [s, s, 3] without the person.

    Args:
        image: [s, s, 3] uint8 RGB.
        matte: [s, s] share of each pixel that the person covers.
    """
    reach = max(1, round(_RIM * len(image)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    hidden = cv2.dilate((matte > _SOME).astype(np.uint8), disc) > 0
    seen = cv2.distanceTransform(hidden.astype(np.uint8), cv2.DIST_L2, 5) < _SEEN * len(image)
    filled = patch_fill(image, ~hidden, hidden & seen)
    # Beside the person, what is far from the fill is no fringe of hair but a thing of its own.
    apart = np.abs(image - filled).max(-1)
    kept = np.clip((apart - _FRINGE) / (_THING - _FRINGE), 0.0, 1.0) * (matte <= _SOME)
    filled += kept[..., None] * (image - filled)
    mixed = np.where(hidden[..., None], filled, image)
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
