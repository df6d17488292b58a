"""Named sets of face landmarks: centres of eyes and mouth, outline, conversion between sets.

Which points these are is in :mod:`joyvasa_lib.rig.regions`. Left and right are the image's.

Axis legend: ``...`` any leading axes, ``n`` points.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joyvasa_lib.errors import OptionError
from joyvasa_lib.rig.regions import CONVERSIONS, LANDMARK_SETS, Indices, LandmarkSet


def landmark_set(key: str | int) -> LandmarkSet:
    """The set of a name, or of a number of points.

    Args:
        key: a name of :data:`~joyvasa_lib.rig.regions.LANDMARK_SETS` or a number of points. More
            than 101 points of an unknown set count as the 101-point set, whose points come first.

    Raises:
        OptionError: there is no such set; the message lists them.
    """
    if isinstance(key, str):
        if key in LANDMARK_SETS:
            return LANDMARK_SETS[key]
    else:
        for one in LANDMARK_SETS.values():
            if one.count == key:
                return one
        if key > 101:
            return LANDMARK_SETS["liveportrait101"]
    known = ", ".join(f"{one.name} ({one.count})" for one in LANDMARK_SETS.values())
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
        scheme: the set's name; by default the one with this number of points.

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

    Only the meshes of 468 and 478 have a forehead; of all other sets these are all points, so that
    squares around any human set are alike.

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
        source: name of the given set; by default the one with this number of points.

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
    groups = CONVERSIONS.get((source, target))
    if groups is None:
        possible = ", ".join(f"{a} to {b}" for a, b in CONVERSIONS)
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
