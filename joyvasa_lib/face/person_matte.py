"""Which pixels of a crop show the person: hair, body and clothes included.

MediaPipe's selfie segmenter (a network of 256 x 256 pixels) tells roughly; the edge is then fitted
to the image by a guided filter (He, Sun and Tang 2013, "Guided image filtering", eq. 14 to 19), so
that hair ends softly and where the image shows it. Before a restless background one set of factors
cannot tell hair from what is behind; what the network took along there is cut off where the colours
and edges of the image say so (GrabCut: Rother, Kolmogorov and Blake 2004). The network knows people
and paintings of people; what it says is used only where it agrees with the face.

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
_TOLD = (0.4, 0.65)
"""Share of the rough matte's variance that colours explain around a pixel, from which on they are
believed, and from which on wholly: before a restless background they tell nothing, and pieces of
it would move with the head."""
_STEADY = 2e-3
"""Variance of the rough matte that is none."""
_CUTS, _ROUNDS = 0.045, 3
"""How far the cut may lie from the network's edge, sides of the crop, and rounds of GrabCut."""
_GAIN = 0.08
"""Share of the variance that colours have to explain more where a cut is better than the edge."""
_BESIDE = 0.05
"""Probability up to which the network is sure that there is nobody."""
_SURE = 0.99
"""Probability from which on it is sure of a person."""
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
    few = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    wanted = cv2.resize(rough, small, interpolation=cv2.INTER_AREA)
    colours, radius = few.astype(np.float32) / 255.0, max(2, round(_RADIUS * side * ratio))
    factors = _guided(colours, wanted, radius)
    if (_believed(factors[..., 4]) < 1.0)[(wanted > _BESIDE) & (wanted < 1.0 - _BESIDE)].any():
        less = wanted * _cut(few, wanted)
        gained = _guided(colours, less, radius)[..., 4] - factors[..., 4]
        wanted = wanted + np.clip(gained / _GAIN, 0.0, 1.0) * (less - wanted)
        factors = _guided(colours, wanted, radius)
    told = _believed(factors[..., 4])
    factors = cv2.resize(factors[..., :4], (width, height), interpolation=cv2.INTER_LINEAR)
    full = image.astype(np.float32) * np.float32(1.0 / 255.0)
    matte = (factors[..., :3] * full).sum(-1) + factors[..., 3]
    told, wanted = (
        cv2.resize(one, (width, height), interpolation=cv2.INTER_LINEAR) for one in (told, wanted)
    )
    matte = wanted + told * (matte - wanted)
    matte = np.clip((matte - _NONE) / (_CERTAIN - _NONE), 0.0, 1.0)
    return _near_edge(matte, wanted, side)


def _believed(explained: Floats) -> Floats:
    """How far colours are believed where they explain a share of the rough matte's variance."""
    return np.clip((explained - _TOLD[0]) / (_TOLD[1] - _TOLD[0]), 0.0, 1.0)


def _cut(image: Bytes, rough: Floats) -> Floats:
    """1 [h, w] on the person as colours and edges tell it near the edge of a rough matte, else 0.

    Args:
        image: [h, w, 3].
        rough: [h, w] in [0, 1].
    """
    person = (rough > 0.5).astype(np.uint8)
    inside, outside = (
        cv2.distanceTransform(one, cv2.DIST_L2, 5) > _CUTS * max(rough.shape)
        for one in (person, 1 - person)
    )
    label = np.where(person > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    label[inside | (rough > _SURE)] = cv2.GC_FGD
    label[outside & (rough < _BESIDE)] = cv2.GC_BGD
    if not (label == cv2.GC_FGD).any() or not (label == cv2.GC_BGD).any():
        return np.ones(rough.shape, np.float32)
    cv2.setRNGSeed(0)  # its first groups of colours are drawn by chance
    models = np.zeros((2, 1, 65))
    cv2.grabCut(image, label, None, models[0], models[1], _ROUNDS, cv2.GC_INIT_WITH_MASK)
    return np.isin(label, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)


def _near_edge(matte: Floats, rough: Floats, side: int) -> Floats:
    """The matte [h, w] kept near the rough one's edge; 1 farther inside, 0 farther outside."""
    person = (rough > 0.5).astype(np.uint8)
    inside = cv2.distanceTransform(person, cv2.DIST_L2, 5) / (_INNER * side)
    outside = cv2.distanceTransform(1 - person, cv2.DIST_L2, 5) / (_OUTER * side)
    least = np.clip(2.0 * inside - 1.0, 0.0, 1.0)
    most = np.clip(2.0 - 2.0 * outside, 0.0, 1.0)
    return np.asarray(np.minimum(np.maximum(matte, least), most), np.float32)


def _guided(image: Floats, wanted: Floats, radius: int) -> Floats:
    """Factors on an image's colours that give a rough matte, and how well, [h, w, 5].

    Three are of the colours, the fourth is added to give ``wanted``, the fifth is the share of its
    variance that they explain.

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
    explained = slope[0] * to_red + slope[1] * to_green + slope[2] * to_blue
    # Where nothing changes there is nothing to explain.
    spread = mean(covariance(wanted, wanted, (target, target)))
    told = (mean(explained) + _STEADY) / (spread + _STEADY)
    return np.dstack([mean(np.dstack([*slope, offset]).astype(np.float32)), told])


def _person_probability(image: Bytes) -> Floats:
    """[h, w] the network's probability of a person at each pixel of an image [h, w, 3]."""
    session = onnx_session("mediapipe_selfie_segmenter.onnx")
    height, width = image.shape[:2]
    method = cv2.INTER_AREA if max(height, width) > _SIDE else cv2.INTER_LINEAR
    small = cv2.resize(image, (_SIDE, _SIDE), interpolation=method).astype(np.float32) / 255.0
    (found,) = session.run(None, {session.get_inputs()[0].name: small[None]})
    return np.asarray(cv2.resize(found[0, ..., 0], (width, height)), np.float32)
