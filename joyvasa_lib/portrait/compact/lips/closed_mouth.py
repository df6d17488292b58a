"""The image without the inside of its mouth: what lips show that are brought together.

Where an image shows parted lips, the pixels between them belong to teeth and to the dark of the
mouth. They are replaced by the colours of the two lips, each read along its own middle, so that
lips that move there never carry a rim of teeth or a dark corner along. Where a smile has stretched
a lip to a thread, its colour is that of its thicker parts.

Axis legend: ``s`` side of the crop, ``v`` vertices, ``n`` points of a contour, ``m`` columns along
the mouth, ``k`` samples across a lip.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from joyvasa_lib.rig.head_rig import Floats, HeadRig
from joyvasa_lib.rig.lips import lip_rims
from joyvasa_lib.rig.regions import (
    INNER_LOWER_LIP,
    INNER_UPPER_LIP,
    OUTER_LOWER_LIP,
    OUTER_UPPER_LIP,
)
from joyvasa_lib.rig.spreading import height_of

Bytes = NDArray[np.uint8]

_LEAST_GAP = 0.02
"""Rig units between the lips up to which they count as closed: nothing shows between them."""
_RIM, _CORNER = 0.03, 0.06
"""Rig units around the mouth's inside, and beyond its corners, in which teeth and shadow blend into
the lips."""
_FRACTION = 8
"""Fractional bits of the contour's coordinates."""
_CONTOURS = (INNER_UPPER_LIP, INNER_LOWER_LIP, OUTER_UPPER_LIP, OUTER_LOWER_LIP)
_COLUMNS, _SAMPLES = 61, 5
"""Columns along the mouth in which the lips' colours are read, and samples in each."""
_MIDDLE = (0.25, 0.7)
"""Between these shares of a lip's height its colour is read, from its outer contour inwards."""
_EVEN = 0.12
"""Standard deviation of the blur of a lip's colour along the mouth, in lengths of it."""


@dataclass(frozen=True, eq=False)
class LipContours:
    """Contours of the lips from corner to corner, pixels.

    Attributes:
        upper: [n, 2] where the upper lip ends below.
        lower: [n, 2] where the lower lip ends above.
        above: [n, 2] where the upper lip begins.
        below: [n, 2] where the lower lip ends in the chin.
    """

    upper: Floats
    lower: Floats
    above: Floats
    below: Floats


def seen_contours(landmarks: Floats) -> LipContours:
    """The lips of a face.

    Args:
        landmarks: [468 or 478, 3] of the crop, pixels.
    """
    return LipContours(*(landmarks[list(ids), :2] for ids in _CONTOURS))


def fitted_contours(rig: HeadRig, vertices: Floats) -> LipContours:
    """The lips of the fitted head.

    Args:
        rig: the head model.
        vertices: [v, 3] the fitted head on the crop, pixels.
    """
    first, last = rig.landmark_vertex[[INNER_UPPER_LIP[0], INNER_UPPER_LIP[-1]]]
    upper, lower = (vertices[[first, *rim, last], :2] for rim in lip_rims(rig))
    outer = (vertices[rig.landmark_vertex[list(ids)], :2] for ids in _CONTOURS[2:])
    return LipContours(upper, lower, *outer)


def without_mouth(image: Bytes, lips: LipContours, scale: float) -> Bytes:
    """The image [s, s, 3] with lips in place of what lies between them; itself if they are closed.

    Args:
        image: [s, s, 3] RGB crop.
        lips: their contours.
        scale: pixels per rig unit.
    """
    upper, lower = lips.upper, lips.lower
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
    if not mask.any():  # hand-given landmarks may lie beyond the image
        return image
    reach = max(1, round(_RIM * scale))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    wide = cv2.dilate(cv2.dilate(mask, disc), disc)
    rows, columns = (np.flatnonzero(wide.any(axis)) for axis in (1, 0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    cover = cv2.GaussianBlur(cv2.dilate(mask, disc)[box], (0, 0), 0.5 * reach)
    row, column = np.mgrid[box]
    place = np.stack([column, row], -1) - upper[0]
    x, end = place @ along, float((upper[-1] - upper[0]) @ along)
    ending = np.clip(1.0 - np.maximum(-x, x - end) / (_CORNER * scale), 0.0, 1.0)
    cover = (np.maximum(cover, mask[box]) * ending * np.float32(1 / 255))[..., None]
    painted = _lip_colours(image, lips, np.stack([along, across]), place)
    filled = image.copy()
    filled[box] = np.rint(image[box] + cover * (painted - image[box])).astype(np.uint8)
    return filled


def _lip_colours(
    image: Bytes, lips: LipContours, axes: NDArray[np.floating], place: NDArray[np.floating]
) -> Floats:
    """[..., 3] colours that go over from those of the upper lip to those of the lower one.

    Args:
        image: [s, s, 3] RGB crop.
        lips: their contours.
        axes: [2, 2] unit vectors along the mouth and across it.
        place: [..., 2] pixels relative to the first point of ``lips.upper``.
    """
    origin = lips.upper[0]
    upper, lower, above, below = (
        (contour - origin) @ axes.T for contour in (lips.upper, lips.lower, lips.above, lips.below)
    )
    x = np.linspace(upper[0, 0], max(upper[-1, 0], upper[0, 0] + 1.0), _COLUMNS)
    edges = [height_of(contour, x) for contour in (upper, lower, above, below)]
    colours = []
    for inner, outer in ((edges[0], edges[2]), (edges[1], edges[3])):
        across = outer + np.linspace(*_MIDDLE, _SAMPLES)[:, None] * (inner - outer)
        where = origin + x[:, None] * axes[0] + across[..., None] * axes[1]
        seen = cv2.remap(
            image, where.astype(np.float32), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        ).mean(0)
        thick = np.square(inner - outer) + 1e-3
        spread = _EVEN * _COLUMNS
        colours.append(
            gaussian_filter1d(thick[:, None] * seen, spread, axis=0)
            / gaussian_filter1d(thick, spread)[:, None]
        )
    along, height = place @ axes[0], place @ axes[1]
    top, bottom = (height_of(np.stack([x, edge], 1), along) for edge in edges[:2])
    share = np.clip((height - top) / np.maximum(bottom - top, 1.0), 0.0, 1.0)
    column = np.clip((along - x[0]) / (x[-1] - x[0]), 0.0, 1.0) * (_COLUMNS - 1)
    low, high = (
        np.stack([np.interp(column, np.arange(_COLUMNS), one[:, c]) for c in range(3)], -1)
        for one in colours
    )
    return np.asarray(low + share[..., None] * (high - low), np.float32)
