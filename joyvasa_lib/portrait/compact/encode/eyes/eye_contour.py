"""What belongs to an eye: its opening, lashes, liner and shadow, and where clean skin begins.

Between the eye and clean skin lie lashes, liner and shadow. Colour is sampled along lines from the
fitted contour outwards, up to the brow and down onto the cheek, until it is that of skin.

Axis legend: ``s`` side of the crop, ``v`` vertices, ``n`` lines across one eye, ``m`` samples along
a line.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.rig.eyelids import (
    distance_from_brows,
    distance_from_eyelids,
    eye_margin,
    lid_edges,
)
from joyvasa_lib.rig.head_rig import Floats, HeadRig
from joyvasa_lib.rig.regions import EYES

Bytes = NDArray[np.uint8]

NEAR_BROW, NEAR_EYE, EDGE = 0.12, 0.05, 0.04
"""Distances of clean skin from the brow and from the eye's margin, and the width of its soft edge,
rig units."""
_RIM = 0.02
"""Rig units by which the matte is dilated, so that no rim of the eye stays."""
_FRACTION = 8
"""Fractional bits of the contour's coordinates."""
_LINES, _SAMPLES = 9, 32
"""Lines across one eye, whose median is taken, and samples along each."""
_LIKE_SKIN = 0.3
"""Largest colour difference from skin that counts as skin, relative to the eye's own."""
_FARTHEST_UP, _FARTHEST_DOWN = 0.75, 0.3
"""Ends of the search: share of the way to the brow, share of the eye's width downwards."""

_CONTOURS = tuple(
    (
        (eye.inner_corner, eye.outer_corner),
        eye.upper_lid[-2:0:-1],
        eye.lower_lid[-2:0:-1],
        eye.brow_bottom[::-1],
    )
    for eye in EYES
)
"""Corners, upper and lower contour without them, lower edge of the brow, of each eye."""


def eye_margins(rig: HeadRig, source_image: NDArray[np.uint8], vertices: Floats) -> Floats:
    """How far clean skin lies outside the fitted contour of each eye.

    Args:
        rig: the head model.
        source_image: [s, s, 3] the crop.
        vertices: [v, 3] the head on it, pixels.

    Returns:
        [2, 2] pixels: person's left and right eye; above the upper and below the lower eyelid.
    """
    margins = np.zeros((2, 2), dtype=np.float32)
    points = vertices[rig.landmark_vertex, :2].astype(np.float64)
    for eye, (corners, upper, lower, brow) in enumerate(_CONTOURS):
        across = points[corners[1]] - points[corners[0]]
        width = float(np.hypot(*across))
        if width < 4.0:
            continue
        blurred = cv2.GaussianBlur(source_image, (0, 0), max(0.5, 0.03 * width))
        top, bottom, edge = (
            _resampled(points[list(ids)], points[corners[0]], across)
            for ids in (upper, lower, brow)
        )
        up = _FARTHEST_UP * (edge - top)
        down = _FARTHEST_DOWN * width * _normal(across, top.mean(0) - bottom.mean(0))
        inside = _along(blurred, top, bottom - top).reshape(-1, 3)
        margins[eye, 0] = _distance_to_skin(blurred, top, up, inside)
        margins[eye, 1] = _distance_to_skin(
            blurred, bottom, np.broadcast_to(down, up.shape), inside
        )
    return margins


def clean_skin(rig: HeadRig, margins: Floats) -> Floats:
    """[v] 1 on skin that shows neither lashes nor brows, 0 on those; ``margins`` in rig units."""
    from_eye = (distance_from_eyelids(rig) - eye_margin(rig, margins) - NEAR_EYE) / EDGE
    from_brow = (distance_from_brows(rig) - NEAR_BROW) / EDGE
    clean = np.clip(np.minimum(from_eye, from_brow), 0.0, 1.0) * rig.skin_vertex
    return np.asarray(clean, dtype=np.float32)


def eye_matte(rig: HeadRig, vertices: Floats, side: int, scale: float) -> Bytes:
    """Share [s, s] of each pixel that belongs to an open eye, 255 for all of it.

    Args:
        rig: the head model.
        vertices: [v, 3] the fitted head on the crop, pixels.
        side: of the crop in pixels.
        scale: pixels per rig unit.
    """
    matte = np.zeros((side, side), dtype=np.uint8)
    for upper, lower in lid_edges(rig):
        ring = vertices[np.concatenate([upper, lower[-2:0:-1]]), :2]
        contour = np.rint(ring * 2**_FRACTION).astype(np.int32)
        cv2.fillPoly(matte, [contour], 255, lineType=cv2.LINE_AA, shift=_FRACTION)
    reach = 2 * max(1, round(_RIM * scale)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    matte = np.asarray(cv2.dilate(matte, disc), np.uint8)
    return np.asarray(cv2.GaussianBlur(matte, (0, 0), max(0.7, 0.5 * _RIM * scale)), np.uint8)


def _normal(across: NDArray[np.float64], upwards: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit vector across the eye's axis, away from ``upwards``."""
    normal = np.array([-across[1], across[0]]) / np.hypot(*across)
    return normal if normal @ upwards <= 0 else -normal


def _resampled(
    curve: NDArray[np.float64], start: NDArray[np.float64], across: NDArray[np.float64]
) -> NDArray[np.float64]:
    """[n, 2] points of a curve at even steps along the eye's axis, corners left out."""
    along = (curve - start) @ across / (across @ across)
    order = np.argsort(along)
    at = np.linspace(0.22, 0.78, _LINES)
    return np.stack([np.interp(at, along[order], curve[order, axis]) for axis in range(2)], 1)


def _along(
    image: NDArray[np.uint8], start: NDArray[np.float64], way: NDArray[np.float64]
) -> Floats:
    """Colours [n, m, 3] along lines from ``start`` [n, 2] over ``way`` [n, 2]."""
    step = np.linspace(0.0, 1.0, _SAMPLES)
    where = (start[:, None] + step[:, None] * way[:, None]).astype(np.float32)
    colour = cv2.remap(image, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(colour, dtype=np.float32)


def _distance_to_skin(
    image: NDArray[np.uint8],
    start: NDArray[np.float64],
    way: NDArray[np.float64],
    inside: Floats,
) -> float:
    """Median distance along lines until their colour is no longer that of ``inside`` [k, 3]."""
    colour = _along(image, start, way)
    # Skin is the lighter half of what the outer two thirds of the lines show.
    outer = colour[:, _SAMPLES // 3 :].reshape(-1, 3)
    light = outer.sum(1)
    skin = outer[light >= np.median(light)].mean(0)
    own = float(np.percentile(np.linalg.norm(inside - skin, axis=1), 80))
    if own < 12.0:
        return 0.0
    foreign = np.linalg.norm(colour - skin, axis=-1) > _LIKE_SKIN * own
    # The eye ends at the first sample of skin.
    steps = np.cumprod(foreign, axis=1).sum(1)
    length = np.linalg.norm(way, axis=1)
    return float(np.median(np.minimum(steps, _SAMPLES - 1) / (_SAMPLES - 1) * length))
