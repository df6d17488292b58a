"""The motions of one person in several shots of a video, as one motion.

Axis legend: ``t`` frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion.driving.extracted import fill_gaps
from joyvasa_lib.motion.motion import Motion
from joyvasa_lib.motion.operations.joining import concatenate

_SETTLES = 0.5
"""Seconds over which the head of a new shot takes its own pose, from that of the last one."""
_PLACE, _TURN, _SIZE = 0.8, 12.0, 0.15
"""Distance of a shot's median pose from the first one's (translation, degrees, natural logarithm of
size) from which on its camera stands elsewhere."""


@dataclass(frozen=True, eq=False)
class ShotMotion:
    """What one shot shows of a person.

    Attributes:
        motion: [t] of the frames in which the face was seen.
        seen: [t] numbers of these frames in the video, increasing.
    """

    motion: Motion
    seen: Sequence[int]


def join_shots(shots: Sequence[ShotMotion], n_frames: int) -> Motion:
    """One motion for all frames of a video.

    A shot whose camera stands elsewhere is moved, so that its median pose is the first shot's.
    Where the pose still jumps at a cut, the head goes on from where it was and takes its own pose
    within half a second; expression is left as it is. Frames in between are interpolated.

    Args:
        shots: in order of time, one at least.
        n_frames: frames of the video.

    Raises:
        MotionError: there is no shot, or frame numbers do not fit.
    """
    if not shots:
        raise MotionError("There is no shot to join")
    first = shots[0]
    if len(shots) == 1:
        return fill_gaps(first.motion, first.seen, n_frames)
    usual = np.median(_poses(first.motion), axis=0)
    joined = [first.motion]
    seen = list(first.seen)
    for shot in shots[1:]:
        poses = _poses(shot.motion)
        away = np.median(poses, axis=0) - usual
        away[:3] = (away[:3] + 180.0) % 360.0 - 180.0
        limits = (_TURN, _PLACE, _SIZE)
        parts = (away[:3], away[3:6], away[6:])
        if any(np.abs(part).max() > limit for part, limit in zip(parts, limits, strict=True)):
            poses = poses - away
        if shot.seen[0] == seen[-1] + 1:
            jump = _poses(joined[-1])[-1] - poses[0]
            jump[:3] = (jump[:3] + 180.0) % 360.0 - 180.0
            poses = poses + jump * _fading(len(poses), shot.motion.fps)[:, None]
        joined.append(_with_poses(shot.motion, poses))
        seen += shot.seen
    return fill_gaps(concatenate(joined), seen, n_frames)


def _fading(frames: int, fps: float) -> NDArray[np.float64]:
    """[t] from 1 to 0, smoothly."""
    share = np.clip(np.arange(frames) / (_SETTLES * fps), 0.0, 1.0)
    return 1.0 - share * share * (3.0 - 2.0 * share)


def _poses(motion: Motion) -> NDArray[np.float64]:
    """[t, 7] degrees, translation, natural logarithm of size."""
    size = np.log(np.maximum(motion.scale, 1e-6))
    return np.concatenate([motion.rotation, motion.translation, size], axis=1).astype(np.float64)


def _with_poses(motion: Motion, poses: NDArray[np.float64]) -> Motion:
    exact = poses.astype(np.float32)
    return replace(
        motion,
        rotation=exact[:, :3],
        translation=exact[:, 3:6],
        scale=np.exp(exact[:, 6:]),
    )
