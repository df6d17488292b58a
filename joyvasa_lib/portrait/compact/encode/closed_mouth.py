"""The image without the inside of its mouth: what lips show that are brought together.

Where an image shows parted lips, the pixels between them belong to teeth and to the dark of the
mouth. They are replaced by the colours of the lips around, so that lips that move there never carry
a rim of teeth or a dark corner along.

Axis legend: ``s`` side of the crop, ``v`` vertices, ``n`` points of a contour.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.rig.head_rig import Floats, HeadRig
from joyvasa_lib.rig.lips import lip_rims
from joyvasa_lib.rig.regions import INNER_LOWER_LIP, INNER_UPPER_LIP

Bytes = NDArray[np.uint8]

_LEAST_GAP = 0.02
"""Rig units between the lips up to which they count as closed: nothing shows between them."""
_RIM, _CORNER = 0.03, 0.06
"""Rig units around the mouth's inside, and beyond its corners, in which teeth and shadow blend into
the lips."""
_FRACTION = 8
"""Fractional bits of the contour's coordinates."""


def seen_contours(landmarks: Floats) -> tuple[Floats, Floats]:
    """[n, 2] inner contours of upper and lower lip from corner to corner, pixels.

    Args:
        landmarks: [468 or 478, 3] of the crop, pixels.
    """
    upper, lower = (landmarks[list(ids), :2] for ids in (INNER_UPPER_LIP, INNER_LOWER_LIP))
    return upper, lower


def fitted_contours(rig: HeadRig, vertices: Floats) -> tuple[Floats, Floats]:
    """[n, 2] inner contours of upper and lower lip from corner to corner, pixels.

    Args:
        rig: the head model.
        vertices: [v, 3] the fitted head on the crop, pixels.
    """
    first, last = rig.landmark_vertex[[INNER_UPPER_LIP[0], INNER_UPPER_LIP[-1]]]
    upper, lower = (vertices[[first, *rim, last], :2] for rim in lip_rims(rig))
    return upper, lower


def without_mouth(image: Bytes, contours: tuple[Floats, Floats], scale: float) -> Bytes:
    """The image [s, s, 3] with lips in place of what lies between them; itself if they are closed.

    Args:
        image: [s, s, 3] RGB crop.
        contours: [n, 2] of the upper and the lower lip from corner to corner, pixels.
        scale: pixels per rig unit.
    """
    upper, lower = contours
    along = upper[-1] - upper[0]
    along = along / max(float(np.hypot(*along)), 1.0)
    across = np.array([-along[1], along[0]])
    gap = float((lower[len(lower) // 2] - upper[len(upper) // 2]) @ across)
    if gap <= _LEAST_GAP * scale:
        return image
    beyond = _CORNER * scale * along
    ring = np.concatenate([upper[:1] - beyond, upper, upper[-1:] + beyond, lower[::-1]])
    mask = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint(ring * 2**_FRACTION).astype(np.int32)], 255, shift=_FRACTION)
    reach = max(1, round(_RIM * scale))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    mask = np.asarray(cv2.dilate(mask, disc), np.uint8)
    return np.asarray(cv2.inpaint(image, mask, 2 * reach, cv2.INPAINT_TELEA), np.uint8)
