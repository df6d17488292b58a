"""The head of generated motion as the user wants it: how much, how far, around which pose, whose.

Axis legend: ``t`` frames; a pose [7] is scale, translation (x, y, z), and pitch, yaw and roll in
degrees.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.checks import checked_float
from joyvasa_lib.errors import OptionError
from joyvasa_lib.motion.driving.head import HeadTrack, put_on
from joyvasa_lib.motion.motion import Motion
from joyvasa_lib.motion.operations.limits import Limits, soft_limit

Floats = NDArray[np.float32]
Axes: TypeAlias = "float | Sequence[float]"
"""One number for pitch, yaw and roll, or three numbers."""
HeadSource: TypeAlias = "Motion | str | os.PathLike[str]"
"""Whose head: a motion; for the pipeline also a motion file or a video."""

REST_AFTER = 25
"""Frames in which a head whose first frame is the portrait's own pose goes to its rest."""
_AXES = ("pitch", "yaw", "roll")
_IMAGE = Limits()


def checked_axes(
    name: str,
    value: Any,
    *,
    least: float = -math.inf,
    most: float = math.inf,
    above: float | None = None,
) -> float | tuple[float, float, float]:
    """One number, or three for pitch, yaw and roll; three that are equal are one.

    Args:
        name: the option.
        value: what was given.
        least: smallest number allowed.
        most: largest number allowed.
        above: every number must be larger than this.

    Raises:
        OptionError: neither, or a number out of range.
    """
    numbers = _listed(value)
    if numbers is None:
        return checked_float(name, value, least=least, most=most, above=above)
    if len(numbers) != 3:
        raise OptionError(
            f"{name} must be one number, or three for pitch, yaw and roll, not {value!r}"
        )
    pitch, yaw, roll = (
        checked_float(f"{axis} of {name}", number, least=least, most=most, above=above)
        for axis, number in zip(_AXES, numbers, strict=True)
    )
    return pitch if pitch == yaw == roll else (pitch, yaw, roll)


def checked_rest(value: Any, limit: Axes | None) -> tuple[float, float, float]:
    """A pose at rest, pitch, yaw and roll in degrees, that an image can show and a limit allows.

    Raises:
        OptionError: not three numbers, or one out of range.
    """
    angles = _listed(value)
    if angles is None or len(angles) != 3:
        raise OptionError(
            f"head_pose must be pitch, yaw and roll in degrees, such as (0, 8, -3), not {value!r}"
        )
    rest = []
    for axis, number, bound in zip(_AXES, angles, _three(limit, math.inf), strict=True):
        widest = getattr(_IMAGE, axis)
        angle = checked_float(f"{axis} of head_pose", number, least=-widest, most=widest)
        if abs(angle) >= bound:
            raise OptionError(
                f"{axis} of head_pose, {angle:g} degrees, lies outside head_limit, {bound:g}; "
                "raise head_limit or choose a pose within it"
            )
        rest.append(angle)
    return rest[0], rest[1], rest[2]


def _listed(value: Any) -> tuple[Any, ...] | None:
    """The members of a sequence or an array; None of anything else."""
    if isinstance(value, np.ndarray) and value.ndim:
        return tuple(value)
    is_text = isinstance(value, str | bytes)
    return tuple(value) if isinstance(value, Sequence) and not is_text else None


def checked_head(source: Any) -> Motion:
    """A motion whose head can be followed.

    Raises:
        OptionError: it is none, has no frames, or its poses are absolute.
    """
    if not isinstance(source, Motion):
        raise OptionError(
            f"head_from must be a Motion here, not {source!r}; load a file with Motion.load, or "
            "give the file or video to JoyVASAPipeline, which reads both"
        )
    if len(source) == 0:
        raise OptionError("head_from is a motion without frames; give one with frames")
    if source.reference == "absolute":
        raise OptionError(
            "head_from has poses as extracted from images; give it to JoyVASAPipeline, or its "
            "changes from the first frame: head_change() of joyvasa_lib.motion.driving.head"
        )
    return source


class HeadShape:
    """Shapes consecutive pieces of a head's poses.

    The order: the head of another motion in place of the generated one, the factor, the pose at
    rest, the limit.
    """

    def __init__(
        self,
        motion: Axes,
        limit: Axes | None,
        rest: Sequence[float],
        source: HeadSource | None,
        *,
        fps: float,
        absolute: bool,
        within_image: bool,
    ) -> None:
        """Takes the options of one performance.

        Args:
            motion: factor on the change of the pose, one or that of pitch, yaw and roll.
            limit: degrees, likewise; None for none.
            rest: pitch, yaw and roll in degrees around which the head moves.
            source: motion whose head replaces the generated one, relative to a source.
            fps: frames a second.
            absolute: whether generated poses are as extracted from images, so that the first frame
                is the portrait's own pose.
            within_image: whether angles stay within what an image can show
                (:class:`~joyvasa_lib.motion.operations.limits.Limits`), also without a limit.
        """
        self._gain = _gains(motion)
        limits = np.array(_three(limit, math.inf))
        # A head that was seen goes as far as it went; the portrait model says what it can show.
        if within_image and source is None:
            limits = np.minimum(limits, [_IMAGE.pitch, _IMAGE.yaw, _IMAGE.roll])
        self._limit = limits
        self._rest = np.asarray(rest, np.float32)
        self._track = None if source is None else HeadTrack(checked_head(source), fps)
        self._absolute = absolute
        self._own = np.array([1, 0, 0, 0, 0, 0, 0], np.float32)
        self._frame = 0

    def __call__(self, pose: Floats) -> Floats:
        """The next poses [t, 7], shaped; what no option changes keeps its bits."""
        start, count = self._frame, len(pose)
        self._frame += count
        if start == 0 and self._absolute and count:
            self._own = pose[0].copy()
        if self._track is not None:
            change = self._track(start, count)
            pose = put_on(self._own, change) if self._absolute else change
        if not self._shapes:
            return pose
        moved = self._gain * (pose - self._own)
        rotation = moved[:, 4:]
        rest = np.broadcast_to(self._rest, rotation.shape)
        if self._absolute:
            time = np.minimum((start + np.arange(count, dtype=np.float32)) / REST_AFTER, 1.0)
            rest = rest * (time * time * (3.0 - 2.0 * time))[:, None].astype(np.float32)
        for axis, limit in enumerate(self._limit):
            rotation[:, axis] = _limited(rotation[:, axis], float(limit), rest[:, axis])
        rotation += rest
        return np.asarray(self._own + moved, np.float32)

    def change(self, pose: Floats) -> Floats:
        """Rotation [t, 3] of poses against the portrait's own, degrees."""
        return pose[:, 4:] - self._own[4:]

    @property
    def _shapes(self) -> bool:
        """Whether any option but the source changes poses."""
        unlimited = bool(np.isinf(self._limit).all())
        return not (unlimited and (self._gain == 1).all() and not self._rest.any())


def _limited(change: Floats, limit: float, rest: Floats) -> Floats:
    """Changes [t] of an angle around its rest [t], bent so that the angle stays within a limit."""
    knee = _IMAGE.knee
    if math.isinf(limit) or not rest.any():
        return soft_limit(change, limit, knee=knee)
    room = np.maximum(limit - np.sign(change) * rest, 1e-3)
    return np.asarray(room * soft_limit(change / room, 1.0, knee=knee), np.float32)


def _gains(motion: Axes) -> Floats:
    """[7] factors on a pose: a nod lifts the head, a turn moves it to the side."""
    pitch, yaw, roll = _three(motion, 1.0)
    others = pitch if pitch == yaw == roll else (pitch + yaw + roll) / 3.0
    return np.array([others, yaw, pitch, others, pitch, yaw, roll], np.float32)


def _three(value: Axes | None, default: float) -> tuple[float, float, float]:
    if value is None:
        return default, default, default
    if isinstance(value, Sequence):
        pitch, yaw, roll = value
        return pitch, yaw, roll
    return value, value, value
