"""How far eyes and lips are open, as ratios of a face's own lengths.

``|upper - lower| / (|start - end| + 1e-6)`` of an eye's eyelids and corners, or of the lips and the
corners of the mouth: what LivePortrait's retargeting networks are conditioned on (arXiv
2407.03168, section 3.3). Ratios do not depend on where the face is, on its size or its roll.

Axis legend: ``...`` any leading axes (frames), ``n`` points.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joyvasa_lib.errors import OptionError
from joyvasa_lib.face.landmark_sets import landmark_set, take
from joyvasa_lib.rig.regions import Opening

_EPSILON = 1e-6
"""Pixels added to the width, so that coinciding points do not divide by zero."""


def eye_open_ratio(landmarks: ArrayLike, scheme: str | None = None) -> NDArray[np.float32]:
    """[..., 2] how far the eye on the image's left and the other are open.

    Near 0 is closed, 0.3 is usual.

    Args:
        landmarks: [..., n, 2 or 3] of a set with eyelids: 203, 478, 468 or 68 points; z is not
            used.
        scheme: the set's name; by default the one with this number of points.

    Raises:
        OptionError: the set is unknown or has no eyelids.
    """
    points, marks = _points(landmarks, scheme)
    if marks.eyes is None:
        raise OptionError(
            f"Landmarks {marks.name} have no eyelids; use mediapipe478, liveportrait203 or ibug68"
        )
    return np.stack([_ratio(points, eye) for eye in marks.eyes], -1)


def lip_open_ratio(landmarks: ArrayLike, scheme: str | None = None) -> NDArray[np.float32]:
    """[..., 1] how far the lips are apart, over the width of the mouth.

    Args:
        landmarks: [..., n, 2 or 3] of a set with inner lips: 203, 478, 468, 68 or 9 points.
        scheme: the set's name; by default the one with this number of points.

    Raises:
        OptionError: the set is unknown or has no inner lips.
    """
    points, marks = _points(landmarks, scheme)
    if marks.mouth is None:
        raise OptionError(
            f"Landmarks {marks.name} have no inner lips; use mediapipe478, liveportrait203, "
            "ibug68 or animal9"
        )
    return _ratio(points, marks.mouth)[..., None]


def _points(landmarks: ArrayLike, scheme: str | None) -> tuple[NDArray[np.float64], Any]:
    points = np.asarray(landmarks, dtype=np.float64)
    if points.ndim < 2 or points.shape[-1] not in (2, 3):
        raise OptionError(
            f"Landmarks are [..., points, 2 or 3] numbers, not an array of shape {points.shape}"
        )
    marks = landmark_set(points.shape[-2] if scheme is None else scheme)
    if points.shape[-2] != marks.count:
        raise OptionError(f"{marks.name} has {marks.count} landmarks, not {points.shape[-2]}")
    return points[..., :2], marks


def _ratio(points: NDArray[np.float64], opening: Opening) -> NDArray[np.float32]:
    height = np.linalg.norm(take(points, opening.upper) - take(points, opening.lower), axis=-1)
    width = np.linalg.norm(take(points, opening.start) - take(points, opening.end), axis=-1)
    return np.asarray(height / (width + _EPSILON), dtype=np.float32)
