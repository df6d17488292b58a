"""A person who does not speak: idles, or listens to somebody.

The mouth is shut and the jaw still. The person breathes 12 to 16 times a minute, changes posture
every few seconds by a degree or two, looks at the viewer and aside, and blinks 17 times a minute as
people at rest do (Bentivoglio et al. 1997); brows and the corners of the mouth move now and then.

A listener looks at the viewer most of the time (Argyle and Cook 1976), holds still and a little
forward, smiles at times, blinks after the other's phrases (Nakano and Kitazawa 2010), and nods in
the pauses after them: the place where listeners answer (Duncan 1972; Ward and Tsukahara 2000), at 2
to 3 nods a second, often twice (Hadar et al. 1985).

Axis legend: ``t`` frames; a pose is pitch, yaw and roll in degrees, and a shift x, y, z.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

import numpy as np

from joyvasa_lib.checks import checked_choice, checked_float, checked_int
from joyvasa_lib.errors import OptionError
from joyvasa_lib.motion.arguments import MOST_FRAMES, checked_fps
from joyvasa_lib.motion.living.body import (
    ATTENTIVE,
    BREATHS,
    BROW_RAISE,
    BROWS,
    HELD,
    LEANING,
    MOVING,
    POSTURE,
    SMILE,
    SMILES,
    SMILES_LISTENING,
    SWAY,
    SWAY_HERTZ,
    breathing,
    living_motion,
    now_and_then,
)
from joyvasa_lib.motion.living.curves import Changes, Doubles, Postures, Waves
from joyvasa_lib.motion.living.eyes import EyeHabits, EyeTrack
from joyvasa_lib.motion.living.heard import Heard
from joyvasa_lib.motion.living.nods import nods_after
from joyvasa_lib.motion.motion import Motion
from joyvasa_lib.motion.operations.limits import Limits, soft_limit
from joyvasa_lib.motion.performance import PIECE, Performance
from joyvasa_lib.motion.space import MotionSpace

IdleGaze = Literal["placed", "viewer"]
LIVELIEST = 2.0

AT_REST = EyeHabits(4.0, (2.6, 0.5), (1.3, 0.5))
LISTENING = EyeHabits(4.6, (4.0, 0.5), (0.7, 0.4))
ENDS = 0.6
"""Seconds in which a motion leaves its rest, and returns to it."""
_LAST_BLINK = 0.45
"""Seconds before the return to rest within which no blink starts."""


class _Person:
    """Somebody who does not speak, read piece by piece."""

    def __init__(
        self,
        frames: int,
        fps: float,
        seed: int,
        liveliness: float,
        gaze: IdleGaze,
        heard: Heard | None,
    ) -> None:
        rng = np.random.default_rng((seed, 0x1D1E))
        self._frames, self._fps, self._amount, self._heard = frames, fps, liveliness, heard
        self._ramp = max(min(ENDS * fps, 0.5 * (frames - 1)), 1e-9)
        habits = AT_REST if heard is None else LISTENING
        if gaze == "viewer":
            habits = EyeHabits(habits.blink_interval, habits.at_viewer, habits.aside, False)
        last = frames / fps - ENDS - _LAST_BLINK
        self._eyes = EyeTrack(seed, fps, habits, no_blink_after=last)
        calm = 1.0 if heard is None else ATTENTIVE
        self._breath = float(rng.uniform(*BREATHS))
        self._breath_drift = Waves(rng.spawn(1)[0], (0.01, 0.05), np.array([0.5]))
        self._sway = Waves(rng.spawn(1)[0], SWAY_HERTZ, calm * SWAY)
        self._postures = Postures(rng.spawn(1)[0], calm * POSTURE, held=HELD, moving=MOVING)
        smiles = SMILES if heard is None else SMILES_LISTENING
        self._brows = now_and_then(rng.spawn(1)[0], BROW_RAISE, BROWS, (0.2, 1.0))
        self._smiles = now_and_then(rng.spawn(1)[0], SMILE, smiles, (1.0, 2.5))
        self._nods: Changes | None = None
        if heard is not None:
            nods = nods_after(heard.pauses(), frames / fps - ENDS, rng.spawn(1)[0])
            coming = iter(nods)
            self._nods = Changes(1, lambda _: next(coming, None))

    def __call__(self, start: int, count: int) -> tuple[Doubles, Doubles, Doubles]:
        """Pose [t, 6], blendshapes of eyes [t, 10] and of the face [t, 7] of the next frames."""
        frames = start + np.arange(count)
        times = frames / self._fps
        near = np.minimum(frames, self._frames - 1 - frames) / self._ramp
        awake = np.clip(near, 0.0, 1.0)[:, None]
        awake = awake * awake * (3.0 - 2.0 * awake)
        pose = self._postures(times) + self._sway(times)
        pose += breathing(times, self._breath, self._breath_drift)
        if self._heard is not None:
            pose += LEANING
        pose *= self._amount * awake
        if self._nods is not None:
            pose[:, :1] += min(self._amount, 1.5) * self._nods(times)
        limits = Limits()
        for axis, limit in enumerate((limits.pitch, limits.yaw, limits.roll)):
            pose[:, axis] = soft_limit(pose[:, axis], limit, knee=limits.knee)
        other = np.zeros(count, bool) if self._heard is None else self._heard.speaking(times)
        eyes = self._eyes(np.asarray(pose[:, :3], np.float32), other).astype(np.float64)
        eyes[:, 2:] *= min(self._amount, 1.0) * awake
        face = self._amount * awake * (self._brows(times) + self._smiles(times))
        return pose, eyes, face


def idle_performance(
    seconds: float,
    *,
    space: MotionSpace,
    fps: float = 25.0,
    heard: Heard | None = None,
    seed: int = 0,
    liveliness: float = 1.0,
    gaze: IdleGaze = "placed",
) -> Performance:
    """Motion of somebody who does not speak, made while it is read, in memory that does not grow.

    Args:
        seconds: length, ``round(seconds * fps)`` frames.
        space: of the motion. Without blendshapes only the head moves.
        fps: frames a second.
        heard: to whom the person listens; None for nobody.
        seed: the same seed gives the same bytes.
        liveliness: factor from 0 to 2 on how far head, brows and the corners of the mouth move; 0
            is still. Looks aside and nods grow to that of 1 and of 1.5 only.
        gaze: ``"placed"``: on the viewer most of the time, aside now and then; or always on the
            ``"viewer"``.

    Returns:
        Relative to the source; the first and the last frame are the source at rest.

    Raises:
        OptionError: a value out of range.
        MotionError: ``fps`` is not a positive number.
    """
    rate = checked_fps(fps)
    length = checked_float("seconds", seconds, above=0.0)
    if not 1 <= round(length * rate) <= MOST_FRAMES:
        raise OptionError(
            f"seconds={seconds!r} are {length * rate:.3g} frames of {rate:g} a second; give a "
            f"length of 1 to {MOST_FRAMES} frames"
        )
    seed = checked_int("seed", seed, least=0, most=2**63 - 1)
    amount = checked_float("liveliness", liveliness, least=0.0, most=LIVELIEST)
    checked_choice("gaze", gaze, get_args(IdleGaze))
    frames = round(length * rate)

    def pieces() -> Iterator[Motion]:
        person = _Person(frames, rate, seed, amount, gaze, heard)
        for start in range(0, frames, PIECE):
            count = min(PIECE, frames - start)
            if amount == 0.0:
                yield Motion.neutral(count, space=space, fps=rate)
            else:
                yield living_motion(*person(start, count), space, rate)

    return Performance(frames, rate, space, pieces)
