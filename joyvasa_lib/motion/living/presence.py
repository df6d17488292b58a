"""A person in a conversation who does not speak at the moment, frame by frame, without an end.

The same breath, postures, brows, smiles, eyes and nods as in
:mod:`~joyvasa_lib.motion.living.idle`, but nothing is known in advance: attention to somebody who
speaks comes and goes, and a nod answers a phrase once its end has been heard.

Axis legend: a pose [6] is pitch, yaw and roll in degrees, and a shift x, y, z.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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
from joyvasa_lib.motion.living.curves import Change, Doubles, Postures, Waves, ease
from joyvasa_lib.motion.living.eyes import EYE_BLENDSHAPES, SPEAKING, EyeTrack
from joyvasa_lib.motion.living.idle import AT_REST, LISTENING
from joyvasa_lib.motion.living.nods import ANSWERED, NOD, NOD_SECONDS, SECOND, TWICE, nod
from joyvasa_lib.motion.operations.limits import Limits, soft_limit
from joyvasa_lib.motion.space import MotionSpace

Floats = NDArray[np.float32]

_TURNING = 0.8
"""Seconds in which somebody turns to a speaker, and away."""
_ANSWER = (0.02, 0.2)
"""Seconds from the moment when a phrase is known to have ended to a nod."""


class Presence:
    """Somebody who is there, idling or listening, one frame after the other."""

    def __init__(self, space: MotionSpace, fps: float, seed: int, liveliness: float = 1.0) -> None:
        """Starts at rest.

        Args:
            space: of the motion. Without blendshapes only the head moves.
            fps: frames a second.
            seed: of every random choice.
            liveliness: factor from 0 to 2, as of
                :func:`~joyvasa_lib.motion.living.idle.idle_performance`.
        """
        rng = np.random.default_rng((seed, 0x11FE))
        self._space, self._fps, self._amount = space, fps, liveliness
        self._rng = rng.spawn(1)[0]
        self._breath = float(rng.uniform(*BREATHS))
        self._breath_drift = Waves(rng.spawn(1)[0], (0.01, 0.05), np.array([0.5]))
        self._sway = Waves(rng.spawn(1)[0], SWAY_HERTZ, SWAY)
        self._postures = Postures(rng.spawn(1)[0], POSTURE, held=HELD, moving=MOVING)
        self._brows = now_and_then(rng.spawn(1)[0], BROW_RAISE, BROWS, (0.2, 1.0))
        smiles = (SMILES, SMILES_LISTENING)
        self._smiles = [now_and_then(rng.spawn(1)[0], SMILE, how, (1.0, 2.5)) for how in smiles]
        self._eyes = EyeTrack(seed, fps, AT_REST)
        self._nods: list[Change] = []
        self._attention = 0.0
        self._frame = 0

    def __call__(self, *, listening: bool = False, phrase_ended: bool = False) -> Floats:
        """The next frame, eyes apart: a motion vector [3k + 7].

        Args:
            listening: whether somebody else speaks, or has just spoken, and is listened to.
            phrase_ended: whether a phrase of theirs has just been heard to end.
        """
        time = self._frame / self._fps
        times = np.array([time])
        self._frame += 1
        step = 1.0 / (_TURNING * self._fps)
        self._attention = min(max(self._attention + (step if listening else -step), 0.0), 1.0)
        attention = float(ease(self._attention))
        pose = self._postures(times) + self._sway(times)
        pose *= 1.0 + attention * (ATTENTIVE - 1.0)
        pose += breathing(times, self._breath, self._breath_drift) + attention * LEANING
        awake = self._amount * float(ease(time / _TURNING))
        pose *= awake
        if phrase_ended and listening:
            self._answer(time)
        for change in self._nods:
            pose[:, :1] += min(self._amount, 1.5) * change.at(times)
        self._nods = [change for change in self._nods if change.end > time]
        limits = Limits()
        for axis, limit in enumerate((limits.pitch, limits.yaw, limits.roll)):
            pose[:, axis] = soft_limit(pose[:, axis], limit, knee=limits.knee)
        face = self._brows(times) + self._smile(times, attention)
        still = np.zeros((1, len(EYE_BLENDSHAPES)))
        return living_motion(pose, still, awake * face, self._space, self._fps).vector[0]

    def eyes(self, rotation: Floats, *, speaking: bool, listening: bool, heard: bool) -> Floats:
        """What eyes add to the next frame's expression [3k], zeros without blendshapes.

        Args:
            rotation: [3] pitch, yaw and roll of the head in this frame, degrees.
            speaking: whether this person speaks.
            listening: whether they listen.
            heard: whether the other one speaks just now.
        """
        names = self._space.blendshape_names
        self._eyes.habits = SPEAKING if speaking else LISTENING if listening else AT_REST
        talks = np.array([speaking or heard])
        values = self._eyes(np.asarray(rotation, np.float32)[None], talks)[0]
        values[2:] *= min(self._amount, 1.0)
        activations = np.zeros((1, len(names)), np.float32)
        if not self._space.has_blendshapes:
            return np.zeros(3 * self._space.keypoint_count, np.float32)
        for name, value in zip(EYE_BLENDSHAPES, values, strict=True):
            if name in names:
                activations[0, self._space.blendshape_index(name)] = value
        return self._space.from_blendshapes(activations).reshape(-1)

    def _smile(self, times: Doubles, attention: float) -> Doubles:
        idle, listening = (smiles(times) for smiles in self._smiles)
        return np.asarray(idle + attention * (listening - idle))

    def _answer(self, time: float) -> None:
        """Nods, once or twice, or not."""
        rng = self._rng
        answers, twice = rng.random() < ANSWERED, rng.random() < TWICE
        seconds, wait = float(rng.uniform(*NOD_SECONDS)), float(rng.uniform(*_ANSWER))
        size, second = float(rng.uniform(*NOD)), float(rng.uniform(*SECOND))
        if not answers or self._nods:
            return
        self._nods.append(nod(time + wait, seconds, size))
        if twice:
            self._nods.append(nod(time + wait + seconds, seconds, second * size))
