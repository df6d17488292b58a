"""The eyes without their eyelids: what a lid that rises, or an iris that moves, uncovers.

An image shows an eyeball as far as its lids leave it free. An iris depends on the distance from its
middle, so its hidden part is painted as the visible part is at the same distance, and the white
beside it goes on behind the lids. What the visible part has besides, light from one side and the
lid's shadow, is continued beyond its edge and fades.

Axis legend: ``s`` side of the crop, ``h`` x ``w`` the surroundings of one eye, ``v`` vertices.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.luminance import LUMA
from joyvasa_lib.rig.eyelids import lid_edges
from joyvasa_lib.rig.head_rig import Floats, HeadRig
from joyvasa_lib.rig.regions import IRISES

Bytes = NDArray[np.uint8]

IRIS_RADIUS = 0.115
"""Radius of the iris, rig units: 5.9 mm on a face whose outer eye corners are 90 mm apart."""
_REACH = 0.16
"""Rig units around an eye's opening in which its eyeball is completed: what lids may uncover."""
_LASHES, _RIM = 0.035, 0.02
"""Rig units inside the upper and the lower lid's edge that lashes, liner and shadow may cover."""
_STEPS, _FARTHEST = 12, 2.0
"""Steps of the profile along one radius of the iris, and its end, radii."""
_PUPIL, _DARK = 0.4, 0.25
"""Radius of a pupil that is hidden whole, radii of the iris, and its colour over the iris'."""
_WHITE_FROM = 1.2
"""Radii from which on there is white."""
_RIMS, _RISE = (0.75, 1.6), 20.0
"""Radii of the landmarks' iris between which its edge is looked for, and the grey levels by which
white is lighter there."""
_CONTINUED = 0.35
"""Standard deviation in radii over which what the visible part has besides is continued."""
_FEWEST = 24
"""Least number of pixels of which a colour is read."""
_LEAST_OPEN = 0.25
"""Visible part of an eyeball, over the area of its iris, from which on it is completed, and the
distance of its lids, over the radius of the iris."""
_FRACTION = 8
"""Fractional bits of a contour's coordinates."""


@dataclass(frozen=True, eq=False)
class WholeEyes:
    """An image whose eyes have no lids.

    Attributes:
        image: [s, s, 3] RGB.
        shown: [s, s] share of each pixel that the portrait's image shows of an eyeball, 255 for all
            of it; 255 elsewhere than around the eyes.
        known: [2] 1 for an eye that is open enough to be completed, 0 for another; left and right.
    """

    image: Bytes
    shown: Bytes
    known: Floats


def complete_eyes(
    rig: HeadRig, image: Bytes, vertices: Floats, landmarks: Floats | None, scale: float
) -> WholeEyes:
    """The eyes of an image without their lids.

    Args:
        rig: the head model.
        image: [s, s, 3] RGB crop.
        vertices: [v, 3] the fitted head on it, pixels.
        landmarks: [468 or 478, 3] of the crop, pixels; the last ten are the irises. Without them
            irises are where the fit has them.
        scale: pixels per rig unit.
    """
    eyes = WholeEyes(image.copy(), np.full(image.shape[:2], 255, np.uint8), np.zeros(2, np.float32))
    for eye, (upper, lower) in enumerate(lid_edges(rig)):
        middle, radius = _iris(rig, eye, vertices, landmarks, scale)
        ring = vertices[np.concatenate([upper, lower[-2:0:-1]]), :2]
        reach = _REACH * scale
        left, top = np.maximum(np.floor(ring.min(0) - reach), 0).astype(int)
        right, bottom = np.minimum(np.ceil(ring.max(0) + reach), len(image)).astype(int)
        if right - left < 4 or bottom - top < 4 or radius < 1.0:
            continue
        part = image[top:bottom, left:right].astype(np.float32)
        open_by = (vertices[lower[1:-1], 1].mean() - vertices[upper[1:-1], 1].mean()) / radius
        seen = _visible(ring - [left, top], part.shape[:2], scale)
        if open_by < _LEAST_OPEN or float(seen.sum()) < max(
            _LEAST_OPEN * np.pi * radius**2, _FEWEST
        ):
            continue
        completed = _completed(part, seen, middle - [left, top], radius)
        eyes.image[top:bottom, left:right] = np.clip(np.rint(completed), 0, 255).astype(np.uint8)
        eyes.shown[top:bottom, left:right] = np.rint(255.0 * seen).astype(np.uint8)
        eyes.known[eye] = 1.0
    return eyes


def _iris(
    rig: HeadRig, eye: int, vertices: Floats, landmarks: Floats | None, scale: float
) -> tuple[NDArray[np.float64], float]:
    """Middle [2] and radius of an iris, pixels."""
    if landmarks is not None and len(landmarks) > max(IRISES[eye]):
        middle, *rim = landmarks[list(IRISES[eye]), :2].astype(np.float64)
        return middle, float(np.linalg.norm(np.array(rim) - middle, axis=1).mean())
    return vertices[rig.iris_vertex[eye], :2].astype(np.float64), IRIS_RADIUS * scale


def _visible(ring: Floats, size: tuple[int, ...], scale: float) -> Floats:
    """Share [h, w] of each pixel that an open eye shows of its eyeball, lashes left out."""
    opening = np.zeros(size[:2], np.uint8)
    contour = np.rint(ring * 2**_FRACTION).astype(np.int32)
    cv2.fillPoly(opening, [contour], 255, lineType=cv2.LINE_AA, shift=_FRACTION)
    rim, lashes = max(1, round(_RIM * scale)), max(1, round(_LASHES * scale))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * rim + 1, 2 * rim + 1))
    inner = cv2.erode(opening, disc, borderValue=0)
    lowered = np.zeros_like(opening)
    lowered[lashes:] = opening[:-lashes]
    inner = np.minimum(inner, lowered)
    return np.asarray(cv2.GaussianBlur(inner, (0, 0), 0.5 * rim), np.float32) / 255.0


def _completed(part: Floats, seen: Floats, middle: NDArray[np.float64], radius: float) -> Floats:
    """Colours [h, w, 3] of an eyeball that is partly seen [h, w]."""
    rows, columns = np.indices(seen.shape, dtype=np.float32)
    distance = np.hypot(columns - middle[0], rows - middle[1]).astype(np.float32) / radius
    larger = _rim(part @ LUMA, seen, distance)
    radius, distance = radius * larger, distance / np.float32(larger)
    plain = _by_distance(part, seen, distance)
    spread = _CONTINUED * radius
    weight = cv2.GaussianBlur(seen, (0, 0), spread)
    besides = cv2.GaussianBlur((part - plain) * seen[..., None], (0, 0), spread)
    besides = besides / (weight + 0.1)[..., None]
    return np.asarray(seen[..., None] * part + (1.0 - seen[..., None]) * (plain + besides))


def _rim(light: Floats, seen: Floats, distance: Floats) -> float:
    """Radii from the middle of an iris at which white begins; 1 where that is not seen.

    Landmarks know the irises of people; those of drawn faces are larger.
    """
    steps = np.arange(round(_RIMS[0] * _STEPS), round(_RIMS[1] * _STEPS) + 1)
    mean = np.full(steps[-1] + 3, np.nan)
    ring = (distance * _STEPS).astype(int)
    for step in range(steps[0] - 2, len(mean)):
        own = light[(seen > 0.6) & (ring == step)]
        if len(own) >= _FEWEST // 4:
            mean[step] = np.median(own)
    rise = 0.5 * (mean[steps] + mean[steps + 1] - mean[steps - 1] - mean[steps - 2])
    if not np.isfinite(rise).any() or np.nanmax(rise) < _RISE:
        return 1.0
    return float(steps[int(np.nanargmax(rise))]) / _STEPS


def _by_distance(part: Floats, seen: Floats, distance: Floats) -> Floats:
    """Colours [h, w, 3] that depend on the distance [h, w] from the middle of the iris alone."""
    known = seen > 0.6
    white = part[known & (distance > _WHITE_FROM)]
    ring = np.minimum((distance * _STEPS).astype(int), round(_FARTHEST * _STEPS))
    profile = np.full((round(_FARTHEST * _STEPS) + 1, 3), np.nan, np.float32)
    for step in range(round(_WHITE_FROM * _STEPS)):
        own = part[known & (ring == step)]
        if len(own):
            profile[step] = np.median(own, axis=0)
    if len(white) >= _FEWEST // 4:
        light = white[white @ LUMA >= np.median(white @ LUMA)]
        profile[round(_WHITE_FROM * _STEPS) :] = np.median(light, axis=0)
    there = np.flatnonzero(~np.isnan(profile[:, 0]))
    if there[0] > _PUPIL * _STEPS:  # it is hidden whole
        profile[: round(_PUPIL * _STEPS)] = _DARK * profile[there[0]]
        there = np.flatnonzero(~np.isnan(profile[:, 0]))
    steps = np.arange(len(profile))
    smooth = np.stack([np.interp(steps, there, profile[there, c]) for c in range(3)], 1)
    at = np.clip(distance * _STEPS - 0.5, 0, len(profile) - 1)
    return np.stack([np.interp(at, steps, smooth[:, c]) for c in range(3)], -1).astype(np.float32)
