"""What moves in a face beside the head: places of landmarks and scores against a first frame.

Axis legend: ``t`` frames, ``n`` = 478 landmarks, ``m`` = 146 scored landmarks, ``f`` = 2 m + 51
features: x and y of each scored landmark, then the scores.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.face.landmarks.blendshape_scores import blendshape_scores
from joyvasa_lib.rig.regions import OUTER_EYE_CORNERS, SCORED_POINTS, STABLE_POINTS

Doubles = NDArray[np.float64]

_SCORED, _STABLE = list(SCORED_POINTS), list(STABLE_POINTS)
SCORE_WEIGHT = 0.05
"""Distances of the eye corners that count as much as a change of a score by 1."""
_SCORES = 51
"""Scores that the network gives; it has none for the tongue."""
_NOISE = 0.008
"""Standard deviation of a landmark's own error, distances of the outer eye corners."""
_SHARED_NOISE, _SHARED_REACH = 0.004, 0.15
"""That of the error that neighbours share, and the distance of such neighbours."""
_POSE_NOISE = 0.01
"""How far a wrong pose moves landmarks: shift, size and turn, in distances of the eye corners."""
_SCORE_NOISE = 0.1
"""Standard deviation of a score's error."""


def face_features(landmarks: NDArray[np.floating], first: NDArray[np.floating]) -> Doubles:
    """Changes [t, f] of a face since its first frame, head motion taken out.

    Args:
        landmarks: [t, n, 3] pixels.
        first: [n, 3] those of the first frame.
    """
    reference = np.asarray(first, np.float64)
    aligned = _aligned(np.asarray(landmarks, np.float64), reference)
    left, right = reference[list(OUTER_EYE_CORNERS), :2]
    across = (right - left) / np.square(right - left).sum()
    axes = np.array([across, [-across[1], across[0]]])
    moved = (aligned - reference)[:, _SCORED, :2] @ axes.T
    scores = blendshape_scores(np.concatenate([reference[None], landmarks]))[:, :_SCORES]
    change = SCORE_WEIGHT * (scores[1:] - scores[0])
    return np.concatenate([moved.reshape(len(moved), -1), change], axis=1)


def feature_noise(first: NDArray[np.floating]) -> Doubles:
    """[f, f] covariance of the features' errors.

    A landmark errs by itself and with its neighbours, and all err together where the head's pose
    is misjudged.

    Args:
        first: [n, 3] landmarks of the first frame, pixels.
    """
    reference = np.asarray(first, np.float64)
    left, right = reference[list(OUTER_EYE_CORNERS), :2]
    place = reference[_SCORED] / np.hypot(*(right - left))
    place -= place.mean(0)
    x, y, z = place.T
    distance = np.square(place[:, None, :2] - place[None, :, :2]).sum(-1)
    each = _SHARED_NOISE**2 * np.exp(-0.5 * distance / _SHARED_REACH**2)
    each += _NOISE**2 * np.eye(len(place))
    one, none = np.ones_like(x), np.zeros_like(x)
    poses = [(one, none), (none, one), (x, y), (-y, x), (z, none), (none, z)]
    wrong = np.array([np.stack(pose, axis=1).ravel() for pose in poses]) * _POSE_NOISE
    size = 2 * len(place)
    noise = np.eye(size + _SCORES) * (SCORE_WEIGHT * _SCORE_NOISE) ** 2
    noise[:size, :size] = wrong.T @ wrong
    noise[:size:2, :size:2] += each
    noise[1:size:2, 1:size:2] += each
    return noise


def _aligned(landmarks: Doubles, reference: Doubles) -> Doubles:
    """Landmarks [t, n, 3] moved rigidly and scaled so that the stable ones lie on a reference's.

    Least squares in closed form for all frames at once (Umeyama 1991).
    """
    points, wanted = landmarks[:, _STABLE], reference[_STABLE]
    centre, middle = points.mean(1, keepdims=True), wanted.mean(0)
    a, b = points - centre, wanted - middle
    u, sizes, vt = np.linalg.svd(np.swapaxes(a, 1, 2) @ b)
    sign = np.ones_like(sizes)
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    rotation = (u * sign[:, None]) @ vt
    scale = (sizes * sign).sum(1) / np.square(a).sum((1, 2))
    return np.asarray(scale[:, None, None] * ((landmarks - centre) @ rotation) + middle)
