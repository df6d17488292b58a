"""The image without the inside of its mouth: what lips show that are brought together.

Where an image shows parted lips, the pixels between them belong to teeth and to the dark of the
mouth. They are replaced by the colours of the lips around, so that lips that move there never carry
a rim of teeth or a dark corner along.

Axis legend: ``s`` side of the crop, ``v`` vertices.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.rig.correction import lip_rims
from joyvasa_lib.rig.head_rig import Floats, HeadRig
from joyvasa_lib.rig.regions import INNER_UPPER_LIP

Bytes = NDArray[np.uint8]

_LEAST_GAP = 0.02
"""Rig units between the lips up to which they count as closed: nothing shows between them."""
_RIM, _CORNER = 0.03, 0.09
"""Rig units around the mouth's inside, and beyond its corners, in which teeth and shadow blend into
the lips."""
_FINEST = 8
"""Fractional bits of the contour's coordinates."""


def without_mouth(rig: HeadRig, image: Bytes, vertices: Floats, scale: float) -> Bytes:
    """The image [s, s, 3] with lips in place of what lies between them; itself if they are closed.

    Args:
        rig: the head model.
        image: [s, s, 3] RGB crop.
        vertices: [v, 3] the fitted head on it, pixels.
        scale: pixels per rig unit.
    """
    corners = rig.landmark_vertex[[INNER_UPPER_LIP[0], INNER_UPPER_LIP[-1]]]
    upper, lower = lip_rims(rig)
    middle = len(upper) // 2
    gap = vertices[lower, 1].max() - vertices[upper[middle], 1]
    if gap <= _LEAST_GAP * scale:
        return image
    ends = vertices[corners, :2]
    beyond = (_CORNER * scale / max(float(np.hypot(*(ends[1] - ends[0]))), 1.0)) * (
        ends[1] - ends[0]
    )
    ring = np.concatenate(
        [ends[:1] - beyond, vertices[upper, :2], ends[1:] + beyond, vertices[lower[::-1], :2]]
    )
    mask = np.zeros(image.shape[:2], np.uint8)
    contour = np.rint(ring * 2**_FINEST).astype(np.int32)
    cv2.fillPoly(mask, [contour], 255, shift=_FINEST)
    reach = max(1, round(_RIM * scale))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    mask = np.asarray(cv2.dilate(mask, disc), np.uint8)
    return np.asarray(cv2.inpaint(image, mask, 2 * reach, cv2.INPAINT_TELEA), np.uint8)
