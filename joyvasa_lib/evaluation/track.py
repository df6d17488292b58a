"""``FaceTrack``: curves of a face over time, from a motion or from a video.

Both have the same units, so the same scores apply to a motion and to its rendered video. Landmarks
are brought into the head's own frame by the similarity transform that best fits the bony parts of
the face (Umeyama 1991), so that turning the head does not change the opening of the mouth.

Axis legend: ``t`` frames, ``n`` mesh points, ``v`` rig vertices, ``u`` blendshapes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.errors import MotionError, NoFaceError
from joyvasa_lib.face.landmarks.blendshape_scores import blendshape_scores
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.motion import BLENDSHAPES, Motion
from joyvasa_lib.motion.driving.blendshapes import compose_blendshapes
from joyvasa_lib.motion.keypoints import rotation_angles
from joyvasa_lib.rig.fitting import similarity
from joyvasa_lib.rig.head_rig import bundled_rig
from joyvasa_lib.rig.lips import eye_distance, lip_opening
from joyvasa_lib.rig.regions import MIDDLE_INNER_LOWER_LIP, MIDDLE_INNER_UPPER_LIP

Curve = NDArray[np.float64]

_STILL_POINT = 0.03
"""Displacement in rig units that no blendshape exceeds at a point of the bony face."""
_BLINK = [BLENDSHAPES.index("eyeBlinkLeft"), BLENDSHAPES.index("eyeBlinkRight")]
_USUALLY = 25
"""Percentile of the blink scores of a video that is the eyes' usual opening."""
_SHUT, _LEAST_BLINK = 0.65, 0.3
"""Score of closed eyes, and the least by which it exceeds that of eyes that are narrow as usual."""


@dataclass(frozen=True, eq=False)
class FaceTrack:
    """Curves of one face; NaN in frames where no face was found.

    Attributes:
        fps: frames a second.
        aperture: [t] distance of the inner edges of the lips, in distances of the outer eye
            corners: 0 is closed, 0.1 is usual in speech, 0.4 is a wide open mouth.
        eyelids: [t] closure, mean of both eyes, from 0 (open as usual) to 1 (closed).
        rotation: [t, 3] pitch, yaw, roll in degrees.
        bones: [t, b, 3] bony points without head motion, in distances of the outer eye corners;
            None for a motion.
    """

    fps: float
    aperture: Curve
    eyelids: Curve
    rotation: Curve
    bones: NDArray[np.float32] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.aperture)

    @property
    def lost(self) -> float:
        """Share of frames in which no face was found."""
        return float(np.isnan(self.aperture).mean()) if len(self) else 0.0


def track_motion(motion: Motion) -> FaceTrack:
    """The curves of a motion on the rig's mean head.

    Args:
        motion: of a space with the compact preset's blendshapes.

    Raises:
        MotionError: the space has no blendshapes; its rendered video can be tracked instead.
    """
    if not motion.space.has_blendshapes:
        raise MotionError(
            f"Motion of space {motion.space.name!r} has no blendshapes to measure; render it and "
            "evaluate the video"
        )
    rig = bundled_rig()
    space = motion.space
    calm = np.zeros(len(space.blendshape_names), np.float32)
    units = compose_blendshapes(calm, motion.blendshapes, space=space)
    names = [rig.blendshape_index(name) for name in space.blendshape_names]
    blink = space.blendshape_indices(("eyeBlinkLeft", "eyeBlinkRight"))
    return FaceTrack(
        fps=motion.fps,
        aperture=np.maximum(units @ lip_opening(rig)[names], 0.0),
        eyelids=np.clip(units[:, blink].mean(axis=1), 0.0, 1.0).astype(np.float64),
        rotation=motion.rotation.astype(np.float64),
    )


def eyelid_closure(scores: Curve) -> Curve:
    """[t] closure of the eyelids, 0 as open as usual to 1 closed, NaN where the score is.

    Args:
        scores: [t] scores of ``eyeBlinkLeft`` and ``eyeBlinkRight``, their mean.
    """
    if not np.isfinite(scores).any():
        return scores
    usual = float(np.nanpercentile(scores, _USUALLY))
    shut = max(_SHUT, usual + _LEAST_BLINK)
    return np.clip((scores - usual) / (shut - usual), 0.0, 1.0)


class FaceTracker:
    """Collects the curves of one face over the frames of a video.

    Args:
        fps: frames per second.
    """

    def __init__(self, fps: float) -> None:
        self.fps = fps
        self._blinks: list[float] = []
        self._aperture: list[float] = []
        self._rotation: list[Curve] = []
        self._bones: list[NDArray[np.float32]] = []

    def see(self, frame: NDArray[np.uint8], face: Face | None) -> None:
        """Takes the next frame [h, w, 3] RGB with its face of 478 landmarks, if it has one."""
        still = bony_points()
        if face is None:
            self._blinks.append(np.nan)
            self._aperture.append(np.nan)
            self._rotation.append(np.full(3, np.nan))
            self._bones.append(np.full((len(still), 3), np.nan, np.float32))
            return
        self._blinks.append(float(blendshape_scores(face.landmarks)[_BLINK].mean()))
        own, turn = in_head_frame(face.landmarks.astype(np.float64))
        gap = own[list(MIDDLE_INNER_LOWER_LIP), 1] - own[list(MIDDLE_INNER_UPPER_LIP), 1]
        self._aperture.append(max(float(gap.mean()), 0.0))
        self._rotation.append(rotation_angles(turn))
        self._bones.append(own[still].astype(np.float32))

    def track(self) -> FaceTrack:
        """The curves over all frames so far.

        Raises:
            NoFaceError: no frame had a face.
        """
        aperture = np.array(self._aperture)
        if not np.isfinite(aperture).any():
            raise NoFaceError(
                f"No face was found in any of {len(aperture)} frames; give another video"
            )
        return FaceTrack(
            fps=self.fps,
            aperture=aperture,
            eyelids=eyelid_closure(np.array(self._blinks)),
            rotation=np.stack(self._rotation),
            bones=np.stack(self._bones),
        )


def follow_face(
    frames: Iterable[NDArray[np.uint8]], detector: MediaPipeFaceDetector | None = None
) -> Iterator[tuple[NDArray[np.uint8], Face | None]]:
    """Each frame [h, w, 3] with its face, the largest of the first frame, tracked over frames."""
    detector = detector or MediaPipeFaceDetector()
    face: Face | None = None
    for frame in frames:
        face = None if face is None else detector.follow(frame, face)
        if face is None:
            face = next(iter(detector.detect(frame)), None)
        yield frame, face


@lru_cache(maxsize=1)
def mean_face() -> Curve:
    """Mesh points [468, 3] on the rig's mean head, in rig units."""
    rig = bundled_rig()
    return rig.mean[rig.landmark_vertex].astype(np.float64)


@lru_cache(maxsize=1)
def bony_points() -> NDArray[np.intp]:
    """Indices of mesh points that no expression moves: forehead, temples, bridge of the nose."""
    rig = bundled_rig()
    moved = np.linalg.norm(rig.blendshapes[:, rig.landmark_vertex].astype(np.float64), axis=-1).max(
        0
    )
    return np.flatnonzero((moved < _STILL_POINT) & (rig.landmark_weight > 0.5))


def in_head_frame(landmarks: Curve) -> tuple[Curve, Curve]:
    """Removes the head's motion from mesh points.

    Args:
        landmarks: [n, 3] in pixels, the 468 mesh points first.

    Returns:
        The points [n, 3] in distances of the outer eye corners, in the coordinates of the mean
        face, and the head's rotation [3, 3] for row vectors.
    """
    still = bony_points()
    model = mean_face()[still]
    turn, scale, shift = similarity(model, landmarks[still], np.ones(len(still)))
    own = ((landmarks - shift) @ turn.T / max(scale, 1e-9)) / eye_distance(bundled_rig())
    return own, turn
