"""The head of one motion for another: rotation, translation and size, without the face.

Axis legend: ``t`` frames.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion.driving.pose import relative_motion
from joyvasa_lib.motion.keypoints import rotation_angles, rotation_matrix
from joyvasa_lib.motion.motion import Motion
from joyvasa_lib.motion.space import Floats

TURNING = 14
"""Frames after an end within which :class:`HeadTrack` comes to a stop and turns back."""
_SPEED_OVER = 3
"""Frames over which the speed at an end is measured."""


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

    The first pass shows every frame as it is. Beyond an end the head goes on a little, comes to a
    stop and turns back within :data:`TURNING` frames, so there is neither a jump nor a corner.
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
        steps = min(_SPEED_OVER, len(pose) - 1)
        into_ends = np.stack([pose[0] - pose[steps], pose[-1] - pose[-1 - steps]])
        self._speed = into_ends / max(steps, 1)

    def __call__(self, start: int, count: int) -> Floats:
        """[t, 7] scale, translation and rotation in degrees of frames ``start`` to ``+ count``."""
        last = len(self._pose) - 1
        if last == 0:
            return np.repeat(self._pose, count, axis=0).astype(np.float32)
        turns, since = np.divmod(start + np.arange(count), last)
        pose = self._pose[np.where(turns % 2 == 0, since, last - since)]
        # A pass back has the opposite speed from its first frame on; twice the speed before, which
        # dies away, makes both one.
        width = min(TURNING, last)
        going_on = 2.0 * since * np.maximum(1.0 - since / width, 0.0) ** 3 * (turns > 0)
        pose = pose + going_on[:, None] * self._speed[turns % 2]
        return np.asarray(pose, np.float32)


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
