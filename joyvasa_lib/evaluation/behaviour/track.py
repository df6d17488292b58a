"""``BehaviourTrack``: the curves from which behaviour is measured, of a video or of a motion.

The head's motion is taken out by the similarity transform that best fits 19 stable points to a
mean face (Umeyama 1991); a face that only turns, shifts and grows keeps all its lengths.

Axis legend: ``t`` frames, ``n`` landmarks, ``s`` scores, ``u`` blendshapes.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.errors import NoFaceError
from joyvasa_lib.evaluation.curves import Curve, filled
from joyvasa_lib.face.landmarks.blendshape_scores import blendshape_scores
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.face.landmarks.face_landmarker import mean_mesh
from joyvasa_lib.motion import BLENDSHAPES, Motion
from joyvasa_lib.motion.driving.blendshapes import compose_blendshapes
from joyvasa_lib.motion.keypoints import rotation_angles
from joyvasa_lib.rig.fitting import similarity
from joyvasa_lib.rig.head_rig import HeadRig, bundled_rig
from joyvasa_lib.rig.lips import eye_distance
from joyvasa_lib.rig.regions import (
    EYE_CORNERS,
    EYES,
    INNER_LIP_MIDDLES,
    INNER_UPPER_LIP,
    IRISES,
    OUTER_EYE_CORNERS,
    STABLE_POINTS,
)

RATE = 25.0
"""Frames a second at which behaviour is measured, that of the real speakers' curves."""
SCORES = (
    ("browInnerUp",),
    ("eyeSquintLeft", "eyeSquintRight"),
    ("mouthSmileLeft", "mouthSmileRight"),
    ("mouthUpperUpLeft", "mouthUpperUpRight"),
    ("mouthLowerDownLeft", "mouthLowerDownRight"),
    ("jawOpen",),
    ("mouthPucker",),
    ("mouthFunnel",),
    ("mouthPressLeft", "mouthPressRight"),
)
"""Blendshapes on the ``s`` axis; of two sides the mean."""
_BROWS = tuple(point for eye in EYES for point in eye.brow_top)
_INNER_CORNERS = (INNER_UPPER_LIP[0], INNER_UPPER_LIP[-1])
_LENGTHS = 5
"""Numbers of a frame before the scores: distance of the eyes, aperture, width, brows, gaze."""
_NUMBERS = _LENGTHS + len(SCORES) + 3


@dataclass(frozen=True, eq=False)
class BehaviourTrack:
    """Curves of one face without the head's motion; NaN where it was not seen, or not known.

    Lengths are in distances of the outer eye corners.

    Attributes:
        fps: frames a second.
        aperture: [t] distance of the middles of the lips' inner edges.
        width: [t] distance of the inner corners of the mouth.
        brows: [t] height of the upper edge of both brows.
        gaze: [t] horizontal place of the irises between the corners of their eyes, mean of both,
            in widths of an eye; positive to the image's right.
        scores: [t, s] of :data:`SCORES`: MediaPipe's scores in a video, activations in a motion.
        rotation: [t, 3] pitch, yaw, roll of the head in degrees.
    """

    fps: float
    aperture: Curve
    width: Curve
    brows: Curve
    gaze: Curve
    scores: Curve
    rotation: Curve

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.rotation)

    @property
    def seconds(self) -> float:
        """Duration."""
        return len(self) / self.fps

    @property
    def lost(self) -> float:
        """Share of frames in which no face was found."""
        return float(np.isnan(self.rotation[:, 0]).mean()) if len(self) else 0.0

    def score(self, name: str) -> Curve:
        """[t] the score of a blendshape, or of one side's name the mean of both sides."""
        return self.scores[:, next(i for i, names in enumerate(SCORES) if name in names)]

    def at_rate(self, fps: float = RATE) -> BehaviourTrack:
        """The same curves at another rate, interpolated linearly; NaN stays NaN."""
        if fps == self.fps or len(self) == 0:
            return self
        count = max(1, round(self.seconds * fps))
        places = np.minimum(np.arange(count) * (self.fps / fps), len(self) - 1)
        nearest = np.round(places).astype(int)

        def resample(curve: Curve) -> Curve:
            if curve.ndim == 2:
                return np.stack([resample(column) for column in curve.T], axis=1)
            between = np.interp(places, np.arange(len(curve)), filled(curve))
            return np.where(np.isfinite(curve[nearest]), between, np.nan)

        curves = {name: resample(value) for name, value in vars(self).items() if name != "fps"}
        return replace(self, fps=fps, **curves)


class BehaviourTracker:
    """Collects the curves of one face over the frames of a video: 68 bytes a frame.

    Args:
        fps: frames a second.
    """

    def __init__(self, fps: float) -> None:
        self.fps = fps
        self._numbers = array("f")

    def see(self, face: Face | None) -> None:
        """Takes the face of the next frame, with 478 landmarks; None where it is not seen."""
        if face is None:
            self._numbers.extend([float("nan")] * _NUMBERS)
            return
        own, turn = without_head_motion(face.landmarks.astype(np.float64))
        scores = blendshape_scores(face.landmarks)
        upper, lower = INNER_LIP_MIDDLES
        left, right = _INNER_CORNERS
        lengths = (
            _distance(own, *OUTER_EYE_CORNERS),
            _distance(own, upper, lower),
            _distance(own, left, right),
            -float(own[list(_BROWS), 1].mean()),
            _gaze(own),
        )
        self._numbers.extend(lengths)
        self._numbers.extend(float(scores[list(ids)].mean()) for ids in _SCORE_INDICES)
        self._numbers.extend(rotation_angles(turn).tolist())

    def track(self) -> BehaviourTrack:
        """The curves over all frames so far.

        Raises:
            NoFaceError: no frame had a face.
        """
        rows = np.frombuffer(self._numbers, np.float32).reshape(-1, _NUMBERS).astype(np.float64)
        if not np.isfinite(rows).any():
            raise NoFaceError(f"No face was found in any of {len(rows)} frames; give another video")
        rows[:, 1:4] /= np.nanmedian(rows[:, 0])
        return BehaviourTrack(
            self.fps,
            aperture=rows[:, 1],
            width=rows[:, 2],
            brows=rows[:, 3],
            gaze=rows[:, 4],
            scores=rows[:, _LENGTHS:-3],
            rotation=rows[:, -3:],
        )


_SCORE_INDICES = [[BLENDSHAPES.index(name) for name in names] for names in SCORES]


def behaviour_track(motion: Motion) -> BehaviourTrack:
    """The curves of a motion: lengths on the rig's mean head, activations, the head's angles.

    Of a space without blendshapes only the head's angles are known.
    """
    rotation = motion.rotation.astype(np.float64)
    unknown = np.full(len(rotation), np.nan)
    if not motion.space.has_blendshapes:
        scores = np.full((len(rotation), len(SCORES)), np.nan)
        return BehaviourTrack(
            motion.fps, unknown, unknown, unknown, unknown, scores=scores, rotation=rotation
        )
    space, rig = motion.space, bundled_rig()
    calm = np.zeros(len(space.blendshape_names), np.float32)
    units = compose_blendshapes(calm, motion.blendshapes, space=space).astype(np.float64)
    effects = _effects(rig)[[rig.blendshape_index(name) for name in space.blendshape_names]]
    aperture, width, brows, gaze = (units @ effects).T
    left, right = rig.mean[rig.landmark_vertex[list(_INNER_CORNERS)], 0]
    known = [units[:, list(space.blendshape_indices(names))].mean(axis=1) for names in SCORES]
    return BehaviourTrack(
        motion.fps,
        aperture=np.maximum(aperture, 0.0),
        width=width + float(right - left) / eye_distance(rig),
        brows=brows,
        gaze=gaze,
        scores=np.stack(known, axis=1),
        rotation=rotation,
    )


def without_head_motion(landmarks: Curve) -> tuple[Curve, Curve]:
    """Removes the head's motion from landmarks.

    Args:
        landmarks: [n, 3] of the 478, in pixels.

    Returns:
        The points [n, 3] in the coordinates of the landmarker's mean face, and the head's rotation
        [3, 3] for row vectors.
    """
    still = list(STABLE_POINTS)
    model = mean_mesh().astype(np.float64)[still]
    turn, scale, shift = similarity(model, landmarks[still], np.ones(len(still)))
    return (landmarks - shift) @ turn.T / max(scale, 1e-9), turn


def _distance(points: Curve, first: int, second: int) -> float:
    """Of two points seen from the front."""
    return float(np.hypot(*(points[first, :2] - points[second, :2])))


def _gaze(points: Curve) -> float:
    """Mean place of the irises between the corners of their eyes, in widths of the eye."""
    places = []
    for iris, (start, end) in zip(IRISES, EYE_CORNERS[::-1], strict=True):
        span = points[end, :2] - points[start, :2]
        away = points[iris[0], :2] - (points[start, :2] + points[end, :2]) / 2
        places.append(float(away @ span) / max(float(span @ span), 1e-12))
    return float(np.mean(places))


def _effects(rig: HeadRig) -> NDArray[np.float64]:
    """[u, 4] change of aperture, width, brows and gaze at full activation, on the mean head."""
    moved = rig.blendshapes.astype(np.float64)
    mesh = moved[:, rig.landmark_vertex]
    upper, lower = INNER_LIP_MIDDLES
    left, right = _INNER_CORNERS
    gaze = []
    for eyeball, (start, end) in zip(rig.iris_vertex, EYE_CORNERS[::-1], strict=True):
        corners = rig.mean[rig.landmark_vertex[[start, end]], 0]
        between = (mesh[:, start, 0] + mesh[:, end, 0]) / 2
        gaze.append((moved[:, eyeball, 0] - between) / float(corners[1] - corners[0]))
    lengths = (
        mesh[:, lower, 1] - mesh[:, upper, 1],
        mesh[:, right, 0] - mesh[:, left, 0],
        -mesh[:, list(_BROWS), 1].mean(axis=1),
    )
    effects = np.stack([*lengths, np.mean(gaze, axis=0)], axis=1)
    effects[:, :3] /= eye_distance(rig)
    return effects
