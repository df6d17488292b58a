"""Named sets of face landmarks: which points are the eyes, the lids and the lips of each.

Left and right are the image's. Positions of the points that crops and ratios use are those of
LivePortrait's published code (arXiv 2407.03168); 68 points are the iBUG 300-W mark-up (Sagonas et
al. 2013), 468 the MediaPipe face mesh.

Axis legend: ``...`` any leading axes, ``n`` points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joyvasa_lib.errors import OptionError

Indices = tuple[int, ...]
"""Points whose mean is meant."""


@dataclass(frozen=True)
class Opening:
    """An eye or a mouth: what opens (upper, lower) and what spans it (start, end)."""

    upper: Indices
    lower: Indices
    start: Indices
    end: Indices


@dataclass(frozen=True)
class LandmarkSet:
    """One mark-up of the face.

    Attributes:
        name: the ``scheme`` of a :class:`~joyvasa_lib.face.landmarks.detector.Face`.
        count: number of points.
        left_eye, right_eye, lips: points whose mean is the centre of the eye on the image's
            left, of the other, and of the mouth.
        eyes: both eyes' openings, or None where the set has no lids.
        mouth: the lips' opening, or None where the set has no lips' edges.
        outline: points that bound the face from brows to chin; None means all.
    """

    name: str
    count: int
    left_eye: Indices
    right_eye: Indices
    lips: Indices
    eyes: tuple[Opening, Opening] | None = None
    mouth: Opening | None = None
    outline: Indices | None = None


# fmt: off
_MESH_TO_68: Indices = (
    127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356,  # jaw
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300,  # brows
    168, 197, 5, 4, 98, 97, 2, 326, 327,  # nose
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,  # lids
    61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91,  # lips, outside
    78, 81, 13, 311, 308, 402, 14, 178,  # lips, inside
)
# fmt: on

_SETS = (
    LandmarkSet(
        "mediapipe468",
        468,
        left_eye=(33, 133, 159, 145),
        right_eye=(362, 263, 386, 374),
        lips=(61, 291),
        eyes=(Opening((159,), (145,), (33,), (133,)), Opening((386,), (374,), (362,), (263,))),
        mouth=Opening((13,), (14,), (61,), (291,)),
        outline=_MESH_TO_68,
    ),
    LandmarkSet(
        "liveportrait203",
        203,
        left_eye=(0, 6, 12, 18),
        right_eye=(24, 30, 36, 42),
        lips=(48, 66),
        eyes=(Opening((6,), (18,), (0,), (12,)), Opening((30,), (42,), (24,), (36,))),
        mouth=Opening((90,), (102,), (48,), (66,)),
    ),
    LandmarkSet(
        "insightface106",
        106,
        left_eye=(33, 35, 40, 39),
        right_eye=(87, 89, 94, 93),
        lips=(52, 61),
    ),
    LandmarkSet(
        "liveportrait101",
        101,
        left_eye=(39, 42, 45, 48),
        right_eye=(51, 54, 57, 60),
        lips=(75, 81),
    ),
    LandmarkSet(
        "ibug68",
        68,
        left_eye=(36, 39),
        right_eye=(42, 45),
        lips=(48, 54),
        eyes=(
            Opening((37, 38), (41, 40), (36,), (39,)),
            Opening((43, 44), (47, 46), (42,), (45,)),
        ),
        mouth=Opening((62,), (66,), (48,), (54,)),
    ),
    # Four eye corners, the nose, the corners of the mouth, the upper and the lower lip.
    LandmarkSet(
        "animal9",
        9,
        left_eye=(2, 3),
        right_eye=(0, 1),
        lips=(5, 6),
        mouth=Opening((7,), (8,), (5,), (6,)),
    ),
    # The eyes, the tip of the nose, the corners of the mouth.
    LandmarkSet("five", 5, left_eye=(0,), right_eye=(1,), lips=(3, 4)),
)

LANDMARK_SETS: dict[str, LandmarkSet] = {one.name: one for one in _SETS}
"""All known sets by name."""

_CONVERSIONS: dict[tuple[str, str], tuple[Indices, ...]] = {
    ("mediapipe468", "ibug68"): tuple((point,) for point in _MESH_TO_68),
    ("mediapipe468", "animal9"): (
        *((362,), (263,), (33,), (133,), (4,)),
        *((61,), (291,), (13,), (14,)),
    ),
    ("mediapipe468", "five"): ((33, 133), (362, 263), (4,), (61,), (291,)),
    ("ibug68", "animal9"): (
        *((42,), (45,), (36,), (39,), (30,)),
        *((48,), (54,), (62,), (66,)),
    ),
    ("ibug68", "five"): ((36, 39), (42, 45), (30,), (48,), (54,)),
    ("animal9", "five"): ((2, 3), (0, 1), (4,), (5,), (6,)),
}
"""For each target point, the source points whose mean it is."""


def landmark_set(key: str | int) -> LandmarkSet:
    """The set of a name, or of a number of points.

    Args:
        key: a name of :data:`LANDMARK_SETS` or a number of points. More than 101 points of an
            unknown set count as the 101-point set, whose points come first.

    Raises:
        OptionError: there is no such set; the message lists them.
    """
    if isinstance(key, str):
        if key in LANDMARK_SETS:
            return LANDMARK_SETS[key]
    else:
        for one in _SETS:
            if one.count == key:
                return one
        if key > 101:
            return LANDMARK_SETS["liveportrait101"]
    known = ", ".join(f"{one.name} ({one.count})" for one in _SETS)
    what = f"named {key!r}" if isinstance(key, str) else f"of {key} points"
    raise OptionError(f"No landmark set {what} is known; use one of {known}")


def take(landmarks: NDArray[Any], indices: Indices) -> NDArray[Any]:
    """The mean [..., 2 or 3] of some of the points [..., n, 2 or 3]."""
    return np.asarray(landmarks[..., list(indices), :].mean(-2))


def anchor_points(
    landmarks: ArrayLike, scheme: str | None = None
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The centres of the eye on the image's left, of the other eye, and of the mouth.

    Args:
        landmarks: [..., n, 2 or 3] points in pixels.
        scheme: the set's name; told from the number of points by default.

    Returns:
        Three arrays [..., 2] in pixels.

    Raises:
        OptionError: the set is unknown, or has another number of points.
    """
    points, marks = _checked(landmarks, scheme)
    flat = points[..., :2]
    return take(flat, marks.left_eye), take(flat, marks.right_eye), take(flat, marks.lips)


def outline_points(landmarks: ArrayLike, scheme: str | None = None) -> NDArray[Any]:
    """The points [..., m, 2] that bound the face from brows to chin, without the forehead.

    Only the mesh of 468 has a forehead; of all other sets these are all points, so that squares
    around any human set are alike.

    Raises:
        OptionError: the set is unknown, or has another number of points.
    """
    points, marks = _checked(landmarks, scheme)
    flat = points[..., :2]
    return flat if marks.outline is None else flat[..., list(marks.outline), :]


def convert_landmarks(landmarks: ArrayLike, target: str, source: str | None = None) -> NDArray[Any]:
    """Points of another, smaller set: means of the given ones.

    Args:
        landmarks: [..., n, 2 or 3] points.
        target: name of the wanted set.
        source: name of the given set; told from the number of points by default.

    Returns:
        [..., m, 2 or 3] points.

    Raises:
        OptionError: the given set does not hold what the wanted one needs.
    """
    points, marks = _checked(landmarks, source)
    wanted = landmark_set(target)
    if wanted == marks:
        return points
    groups = conversion_groups(marks.name, wanted.name)
    return np.stack([take(points, group) for group in groups], -2)


def conversion_groups(source: str, target: str) -> tuple[Indices, ...]:
    """For each point of ``target``, the points of ``source`` whose mean it is.

    Raises:
        OptionError: ``source`` does not hold what ``target`` needs.
    """
    groups = _CONVERSIONS.get((source, target))
    if groups is None:
        possible = ", ".join(f"{a} to {b}" for a, b in _CONVERSIONS)
        raise OptionError(
            f"Landmarks {source} cannot be converted to {target}; possible are {possible}"
        )
    return groups


def _checked(landmarks: ArrayLike, scheme: str | None) -> tuple[NDArray[Any], LandmarkSet]:
    points = np.asarray(landmarks)
    if points.ndim < 2 or points.shape[-1] not in (2, 3):
        raise OptionError(
            f"Landmarks are [..., points, 2 or 3] numbers, not an array of shape {points.shape}"
        )
    marks = landmark_set(points.shape[-2] if scheme is None else scheme)
    if points.shape[-2] != marks.count and not (scheme is None and points.shape[-2] > 101):
        raise OptionError(f"{marks.name} has {marks.count} landmarks, not {points.shape[-2]}")
    return points[..., : marks.count, :], marks
