"""Which pixels of a crop show the person: hair, body and clothes included.

MediaPipe's selfie segmenter (a network of 256 x 256 pixels) tells roughly; the edge is then fitted
to the image by a guided filter (He, Sun and Tang 2013, "Guided image filtering", eq. 14 to 19), so
that hair ends softly and where the image shows it. The network knows people and paintings of
people; what it says is used only where it agrees with the face.

Axis legend: ``s`` side of the crop.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.face.image_fill import continued
from joyvasa_lib.face.landmark_sets import outline_points
from joyvasa_lib.face.landmarks.blaze_face import onnx_session

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

_SIDE = 256
"""Input side of the network."""
_FINE = 256
"""Largest side at which the guided filter's coefficients are found."""
_RADIUS = 0.024
"""Radius of the guided filter's windows, sides of the crop."""
_SMOOTH = 4e-4
"""Variance of colours in [0, 1] that counts as an edge."""
_INNER, _OUTER = 0.05, 0.06
"""How far the edge may lie from the network's, sides of the crop: inwards and outwards."""
_FACE = 0.9
"""Least mean probability on the face from which the network knows this kind of person."""
_ALL = 0.97
"""Mean probability on the whole crop from which it tells nothing."""
_NONE, _CERTAIN = 0.2, 0.8
"""Filtered values taken for no person, and for person alone."""


def person_matte(crop: FaceCrop) -> Floats | None:
    """Share [s, s] of each pixel of a crop that the person covers; None where that is not known.

    It is not known of animals and of faces without a person around them: there the network and
    the landmarks disagree.

    Args:
        crop: of a still image; beyond the image's border the person is continued.
    """
    left, top, right, bottom = crop.seen
    if right - left < 32 or bottom - top < 32:
        return None
    seen = crop.image[top:bottom, left:right]
    rough = _person_probability(seen)
    face = np.zeros((crop.size, crop.size), np.uint8)
    outline = outline_points(crop.landmarks, crop.face.scheme)[:, :2]
    hull = cv2.convexHull(np.round(outline).astype(np.int32))
    cv2.fillConvexPoly(face, hull, 1)
    inside = face[top:bottom, left:right] > 0
    if not inside.any() or rough[inside].mean() < _FACE or rough.mean() > _ALL:
        return None
    matte = refined_matte(seen, np.maximum(rough, inside))
    whole = np.zeros((crop.size, crop.size, 1), np.float32)
    whole[top:bottom, left:right, 0] = matte
    return np.clip(continued(whole, crop.seen)[..., 0], 0.0, 1.0)


def refined_matte(image: Bytes, rough: Floats) -> Floats:
    """A rough matte whose edge is fitted to the image.

    Args:
        image: [h, w, 3] uint8 RGB.
        rough: [h, w] in [0, 1].
    """
    height, width = rough.shape
    side = max(height, width)
    ratio = min(1.0, _FINE / side)
    small = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    colours = cv2.resize(image, small, interpolation=cv2.INTER_AREA).astype(np.float32) / 255.0
    wanted = cv2.resize(rough, small, interpolation=cv2.INTER_AREA)
    factors = _guided(colours, wanted, max(2, round(_RADIUS * side * ratio)))
    factors = cv2.resize(factors, (width, height), interpolation=cv2.INTER_LINEAR)
    full = image.astype(np.float32) * np.float32(1.0 / 255.0)
    matte = (factors[..., :3] * full).sum(-1) + factors[..., 3]
    matte = np.clip((matte - _NONE) / (_CERTAIN - _NONE), 0.0, 1.0)
    return _near_edge(matte, rough, side)


def _near_edge(matte: Floats, rough: Floats, side: int) -> Floats:
    """The matte [h, w] kept near the rough one's edge; 1 farther inside, 0 farther outside."""
    person = (rough > 0.5).astype(np.uint8)
    inside = cv2.distanceTransform(person, cv2.DIST_L2, 5) / (_INNER * side)
    outside = cv2.distanceTransform(1 - person, cv2.DIST_L2, 5) / (_OUTER * side)
    least = np.clip(2.0 * inside - 1.0, 0.0, 1.0)
    most = np.clip(2.0 - 2.0 * outside, 0.0, 1.0)
    return np.asarray(np.minimum(np.maximum(matte, least), most), np.float32)


def _guided(image: Floats, wanted: Floats, radius: int) -> Floats:
    """[h, w, 4] factors on an image's three colours, and what is added, that give ``wanted``.

    Args:
        image: [h, w, 3] in [0, 1].
        wanted: [h, w].
        radius: of the windows in which one set of factors holds, pixels.
    """
    size = (2 * radius + 1, 2 * radius + 1)

    def mean(values: Floats) -> Floats:
        return np.asarray(cv2.blur(values, size, borderType=cv2.BORDER_REFLECT))

    average, target = mean(image), mean(wanted)

    def covariance(one: Floats, other: Floats, means: tuple[Floats, Floats]) -> Floats:
        return mean(one * other) - means[0] * means[1]

    red, green, blue = (np.ascontiguousarray(image[..., c]) for c in range(3))
    reds, greens, blues = (np.ascontiguousarray(average[..., c]) for c in range(3))
    rr = covariance(red, red, (reds, reds)) + _SMOOTH
    rg = covariance(red, green, (reds, greens))
    rb = covariance(red, blue, (reds, blues))
    gg = covariance(green, green, (greens, greens)) + _SMOOTH
    gb = covariance(green, blue, (greens, blues))
    bb = covariance(blue, blue, (blues, blues)) + _SMOOTH
    to_red = covariance(red, wanted, (reds, target))
    to_green = covariance(green, wanted, (greens, target))
    to_blue = covariance(blue, wanted, (blues, target))
    # The inverse of a symmetric matrix by its cofactors.
    c_rr, c_rg, c_rb = gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg
    c_gg, c_gb, c_bb = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    whole = rr * c_rr + rg * c_rg + rb * c_rb
    slope = [
        (c_rr * to_red + c_rg * to_green + c_rb * to_blue) / whole,
        (c_rg * to_red + c_gg * to_green + c_gb * to_blue) / whole,
        (c_rb * to_red + c_gb * to_green + c_bb * to_blue) / whole,
    ]
    offset = target - slope[0] * reds - slope[1] * greens - slope[2] * blues
    return np.asarray(mean(np.dstack([*slope, offset]).astype(np.float32)))


def _person_probability(image: Bytes) -> Floats:
    """[h, w] the network's probability of a person at each pixel of an image [h, w, 3]."""
    session = onnx_session("mediapipe_selfie_segmenter.onnx")
    height, width = image.shape[:2]
    method = cv2.INTER_AREA if max(height, width) > _SIDE else cv2.INTER_LINEAR
    small = cv2.resize(image, (_SIDE, _SIDE), interpolation=method).astype(np.float32) / 255.0
    (found,) = session.run(None, {session.get_inputs()[0].name: small[None]})
    return np.asarray(cv2.resize(found[0, ..., 0], (width, height)), np.float32)
