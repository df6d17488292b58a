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

_RIM = 0.012
"""Sides of the crop around the matte in which colours may still be the hair's."""
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
    hidden = cv2.dilate((matte > 0.02).astype(np.uint8), disc) > 0
    seen = cv2.distanceTransform(hidden.astype(np.uint8), cv2.DIST_L2, 5) < _SEEN * len(image)
    filled = patch_fill(image, ~hidden, hidden & seen)
    mixed = np.where(hidden[..., None], filled, image)
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
