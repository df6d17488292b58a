"""Eyes placed by rule: where they look, and when they blink.

Nothing in speech says when eyes turn or close, and a denoiser averages what it cannot know away: a
stare. So the eyes of people who talk to somebody are drawn at random. They rest on the viewer most
of the time, for about two seconds (Rogers et al. 2018), look aside for a moment, and turn against
the head while it moves, which keeps them where they look. They blink 26 times a minute at
log-normal intervals (Bentivoglio et al. 1997), often with a shift of gaze (Evinger et al. 1994) and
when a phrase ends (Nakano and Kitazawa 2010).

Axis legend: ``t`` frames.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.motion.data import FPS

Floats = NDArray[np.float32]

EYE_BLENDSHAPES: tuple[str, ...] = tuple(
    f"eye{part}{side}"
    for part in ("Blink", "LookIn", "LookOut", "LookUp", "LookDown")
    for side in ("Left", "Right")
)
"""What the eyes move, in the order of the columns of :class:`EyeTrack`."""

BLINK_SPREAD = 0.6
"""Standard deviation of the logarithm of the seconds from blink to blink."""
SHORTEST_INTERVAL = 0.7
"""Seconds; closer blinks look like fluttering."""
CLOSING, CLOSED, OPENING = 0.08, 0.05, 0.16
"""Seconds of the three phases of a blink: eyelids close about twice as fast as they open."""
_LONGEST_BLINK = 0.4
_TURN = np.array([5.8, 3.7])
"""Standard deviation of a look aside: to the side and up or down, degrees."""
_LEAST_TURN = 4.0
_TREMBLE, _TREMBLE_SECONDS = 0.45, 0.6
"""Standard deviation in degrees of the small saccades on one target, mean seconds between them."""
_BLINK_WITH_SHIFT, _SHIFT_BLINKS_FROM = 0.4, 5.5
"""Share of shifts of gaze, from so many degrees on, that come with a blink."""
_BLINK_AT_END = 0.4
"""Share of the ends of phrases with a blink."""
_PHRASE, _PAUSE = 0.6, 0.12
"""Seconds of speech that make a phrase, and of rest that end it."""
_AGAINST_HEAD = 0.8
"""Share of the head's turn that the eyes make good."""
_SIDE, _UP, _DOWN = 28.0, 14.0, 20.0
"""Degrees by which an eye turns for an activation of 1."""
_FARTHEST = np.array([16.0, 9.0])
"""Degrees of the farthest look to the side, and up or down."""


@dataclass(frozen=True)
class EyeHabits:
    """How the eyes of a person behave in one situation.

    Attributes:
        blink_interval: median seconds from blink to blink, apart from those with shifts of gaze and
            at the ends of phrases.
        at_viewer: seconds that eyes rest on the viewer: median, deviation of the logarithm.
        aside: the same for looks aside.
        looks_aside: whether they look aside at all.
    """

    blink_interval: float
    at_viewer: tuple[float, float]
    aside: tuple[float, float]
    looks_aside: bool = True


SPEAKING = EyeHabits(3.1, (2.2, 0.5), (0.65, 0.45))
"""26 blinks a minute in all (Bentivoglio et al. 1997)."""


@dataclass
class _Looking:
    """What the eyes do at one time; seconds and degrees."""

    next_blink: float
    next_shift: float
    next_tremble: float
    at_viewer: bool = True
    spoken: float = 0.0
    rested: float = 1.0
    last_blink: float = -10.0


class EyeTrack:
    """Endless, seeded eyes of a person with the viewer, read piece by piece.

    Attributes:
        habits: how often they blink and look aside; another one holds from the next choice on.
    """

    def __init__(
        self,
        seed: int,
        fps: float = FPS,
        habits: EyeHabits = SPEAKING,
        *,
        no_blink_after: float = math.inf,
    ) -> None:
        """Starts at frame 0, eyes open and on the viewer.

        Args:
            seed: of every random choice.
            fps: frames a second.
            habits: how often they blink and look aside.
            no_blink_after: seconds from which on no blink starts.
        """
        self.habits = habits
        self._last_start = no_blink_after
        self._rng = np.random.default_rng((seed, 0xE7E))
        self._fps = fps
        self._frame = 0
        self._blinks: list[tuple[float, float, float]] = []  # start, stretch, depth
        self._target, self._tremble = np.zeros(2), np.zeros(2)
        rng = self._rng
        self._now = _Looking(
            float(rng.uniform(0.6, habits.blink_interval)), float(rng.uniform(0.8, 2.5)), 0.3
        )

    def __call__(self, rotation: Floats, speaking: NDArray[np.bool_]) -> Floats:
        """Returns activations [t, 10] of :data:`EYE_BLENDSHAPES` in the next frames.

        Args:
            rotation: [t, 3] pitch, yaw and roll of the head in these frames against its rest,
                degrees.
            speaking: [t] whether the mouth speaks; of a listener, whether the other one does.
        """
        count = len(rotation)
        aside = np.empty((count, 2))
        for frame in range(count):
            self._step((self._frame + frame) / self._fps, bool(speaking[frame]))
            aside[frame] = self._target + self._tremble
        times = (self._frame + np.arange(count)) / self._fps
        self._frame += count
        closed = np.zeros(count)
        for start, stretch, depth in self._blinks:
            first, last = np.searchsorted(times, (start, start + _LONGEST_BLINK))
            shape = depth * blink_shape((times[first:last] - start) / stretch)
            closed[first:last] = np.maximum(closed[first:last], shape)
        end = self._frame / self._fps
        self._blinks = [blink for blink in self._blinks if blink[0] + _LONGEST_BLINK > end]
        # A head that turns to the image's left or down leaves its eyes where they looked.
        aside += _AGAINST_HEAD * np.asarray(rotation, np.float64)[:, [1, 0]]
        return _activations(closed, _FARTHEST * np.tanh(aside / _FARTHEST))

    def _step(self, time: float, speaking: bool) -> None:
        """Draws what begins in one frame."""
        now, rng = self._now, self._rng
        if speaking:
            now.spoken, now.rested = now.spoken + 1.0 / self._fps, 0.0
        else:
            now.rested += 1.0 / self._fps
            if now.spoken >= _PHRASE and now.rested >= _PAUSE:
                now.spoken = 0.0
                if rng.random() < _BLINK_AT_END:
                    now.next_blink = min(now.next_blink, time + float(rng.uniform(0.0, 0.3)))
        if time >= now.next_shift:
            self._shift(time)
        if time >= now.next_tremble:
            now.next_tremble = time + float(rng.exponential(_TREMBLE_SECONDS)) + 0.15
            self._tremble = rng.normal(0.0, _TREMBLE, 2)
        if time >= now.next_blink:
            late = now.last_blink + SHORTEST_INTERVAL - time
            if late > 0.0:
                now.next_blink = time + late
                return
            stretch, depth = rng.uniform(0.85, 1.2), rng.uniform(0.93, 1.0)
            if time <= self._last_start:
                self._blinks.append((time, float(stretch), float(depth)))
            now.last_blink = time
            interval = self.habits.blink_interval * float(np.exp(rng.normal(0.0, BLINK_SPREAD)))
            now.next_blink = time + max(interval, SHORTEST_INTERVAL)

    def _shift(self, time: float) -> None:
        now, rng = self._now, self._rng
        before = self._target
        now.at_viewer = not (now.at_viewer and self.habits.looks_aside)
        if now.at_viewer:
            self._target = np.zeros(2)
        else:
            turn = rng.normal(0.0, 1.0, 2) * _TURN
            self._target = turn * max(1.0, _LEAST_TURN / max(float(np.hypot(*turn)), 1e-6))
        median, spread = self.habits.at_viewer if now.at_viewer else self.habits.aside
        now.next_shift = time + median * float(np.exp(rng.normal(0.0, spread)))
        far = float(np.hypot(*(self._target - before)))
        if far >= _SHIFT_BLINKS_FROM and rng.random() < _BLINK_WITH_SHIFT:
            now.next_blink = time


def blink_shape(time: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the closure of the eyelids [t] in [0, 1] at times in seconds after a blink starts."""
    closing = np.clip(time / CLOSING, 0.0, 1.0)
    opening = np.clip((time - CLOSING - CLOSED) / OPENING, 0.0, 1.0)
    return 0.5 * (np.cos(np.pi * opening) - np.cos(np.pi * closing))


def _activations(closed: NDArray[np.float64], look: NDArray[np.float64]) -> Floats:
    """Columns of :data:`EYE_BLENDSHAPES` for closed lids [t] and looks [t, 2] in degrees.

    Looks are positive towards the image's right, which is the person's left, and upwards.
    """
    left, right = np.maximum(look[:, 0], 0.0) / _SIDE, np.maximum(-look[:, 0], 0.0) / _SIDE
    up, down = np.maximum(look[:, 1], 0.0) / _UP, np.maximum(-look[:, 1], 0.0) / _DOWN
    columns = (closed, closed, right, left, left, right, up, up, down, down)
    return np.stack(columns, axis=1).astype(np.float32)
