"""The head of one motion for another: rotation, translation and size, without the face.

Axis legend: ``t`` frames.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion.driving.pose import relative_motion
from joyvasa_lib.motion.keypoints import rotation_angles, rotation_matrix
from joyvasa_lib.motion.motion import Motion
from joyvasa_lib.motion.space import Floats

TURNING = 8.0
"""Frames on either side of an end within which :class:`HeadTrack` slows down and turns back."""


def head_change(motion: Motion, *, pivot: ArrayLike = (0.0, 0.0, 0.0)) -> Motion:
    """What the head of a motion does, as changes from its first frame; the face is at rest.

    Args:
        motion: of any reference; of one relative to a source the head is taken as it is.
        pivot: [3] canonical point about which a head of blendshapes turns.

    Returns:
        Motion of as many frames with ``reference="source"`` and no expression.

    Raises:
        MotionError: the motion has no frames.
    """
    if len(motion) == 0:
        raise MotionError("A motion without frames has no head to follow; give one with frames")
    still = replace(motion, expression=np.zeros_like(motion.expression))
    if motion.space.has_blendshapes or motion.reference == "source":
        return relative_motion(still, pivot=pivot)
    # LivePortrait's own rule: places differ, sizes are a ratio, turns follow the first turn.
    turn = rotation_matrix(motion.rotation.astype(np.float64))
    return replace(
        still,
        rotation=rotation_angles(turn @ turn[0].T).astype(np.float32),
        translation=motion.translation - motion.translation[:1],
        scale=(motion.scale / np.maximum(motion.scale[:1], 1e-9)).astype(np.float32),
        reference="source",
    )


class HeadTrack:
    """The head of a motion for as long as it is wanted: to its end, back, and so on.

    The first pass shows every frame as it is. At the ends the motion slows down within
    :data:`TURNING` frames and turns back, so there is neither a jump nor a corner.
    """

    def __init__(self, motion: Motion, fps: float) -> None:
        """Keeps the head.

        Args:
            motion: relative to a source, at least one frame.
            fps: frames a second of the result.
        """
        motion = motion if motion.fps == fps else motion.retime(fps=fps)
        pose = np.concatenate([motion.scale, motion.translation, motion.rotation], axis=1)
        pose = pose.astype(np.float64)
        pose[:, 4:] = np.unwrap(pose[:, 4:], period=360.0, axis=0)
        self._pose = pose

    def __call__(self, start: int, count: int) -> Floats:
        """[t, 7] scale, translation and rotation in degrees of frames ``start`` to ``+ count``."""
        place = back_and_forth(start + np.arange(count), len(self._pose))
        frames = np.arange(len(self._pose))
        columns = [np.interp(place, frames, column) for column in self._pose.T]
        return np.stack(columns, axis=1).astype(np.float32)


def back_and_forth(frames: NDArray[np.integer], n_frames: int) -> NDArray[np.float64]:
    """Places [t] in ``[0, n_frames - 1]`` of a motion that is run through forwards and backwards.

    A triangle wave of slope 1 whose corners, but for the one at frame 0, are parabolas.

    Args:
        frames: [t] frames wanted, from 0 on.
        n_frames: frames of the motion, at least 1.
    """
    last = float(n_frames - 1)
    if last == 0.0:
        return np.zeros(len(frames))
    time = frames.astype(np.float64)
    corner = np.round(time / last)
    away = np.abs(time - corner * last)
    near = min(TURNING, 0.5 * last)
    rounded = np.where(away < near, 0.5 * (away * away / near + near), away)
    away = np.where(corner > 0, rounded, away)
    return np.where(corner % 2 == 0, away, last - away)


def put_on(first: Floats, change: Floats) -> Floats:
    """Poses of a head that starts from a pose and changes.

    Args:
        first: [7] scale, translation and rotation in degrees.
        change: [t, 7] factor on the scale, shift, and rotation that follows the first.

    Returns:
        [t, 7] poses.
    """
    turn = rotation_matrix(change[:, 4:].astype(np.float64))
    turn = turn @ rotation_matrix(first[4:].astype(np.float64))
    return np.concatenate(
        [first[:1] * change[:, :1], first[1:4] + change[:, 1:4], rotation_angles(turn)], axis=1
    ).astype(np.float32)
