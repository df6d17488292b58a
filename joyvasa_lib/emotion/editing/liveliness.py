"""Natural variation of an expression: it unfolds in order and wavers; head and eyes move with it.

All of it is a function of time and a seed, so a performance can be edited in pieces. Amount, speed
and the head's pose depend on the emotion. The directions of the poses are those that people read:
a head that is lowered in sadness and anger, raised in contempt, drawn back in surprise, fear and
disgust (Mignault & Chaudhuri 2003, Journal of Nonverbal Behavior 27; Witkower & Tracy 2019,
Emotion Review 11). So are those of the gaze: averted in sadness and fear, on the viewer in
happiness and anger (Adams & Kleck 2005, Emotion 5); in disgust the eyes turn away with the head.
All sizes were chosen by eye on rendered portraits.

Axis legend: ``t`` frames, ``n`` components of an emotion, ``b`` basic emotions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from joyvasa_lib.emotion.action_units import COMPONENTS, UNIT_OF
from joyvasa_lib.emotion.curve import Curve
from joyvasa_lib.emotion.editing.unfolding import Unfolding
from joyvasa_lib.emotion.prototypes import BASIC, likeness
from joyvasa_lib.motion.living.curves import Change, Changes
from joyvasa_lib.motion.living.eyes import CLOSED, CLOSING, OPENING, blink_shape

MEAN_INTERVAL = 3.6
"""Seconds from blink to blink of somebody at rest: 17 a minute (Bentivoglio et al. 1997)."""
SHORTEST_INTERVAL = 1.2
"""Seconds; closer blinks look like fluttering."""


@dataclass(frozen=True)
class Movement:
    """Head movement and blinking of a face with an emotion.

    Attributes:
        slow: head movement below 0.5 Hz, degrees.
        quick: head movement above 0.5 Hz, degrees.
        blinks: factor on the usual number of blinks.
        pose: pitch (down positive), yaw and roll of the head, degrees.
        gaze: activations by which eyes that are averted turn down, and to the person's left.
    """

    slow: float
    quick: float
    blinks: float
    pose: tuple[float, float, float]
    gaze: tuple[float, float] = (0.0, 0.0)


MOVEMENTS = {
    "happiness": Movement(slow=1.5, quick=0.5, blinks=1.0, pose=(0.0, 0.0, 2.5)),
    "sadness": Movement(slow=1.0, quick=0.0, blinks=0.8, pose=(5.0, 0.0, 2.0), gaze=(0.4, 0.1)),
    "surprise": Movement(slow=0.4, quick=0.2, blinks=0.4, pose=(-2.0, 0.0, 0.0)),
    "fear": Movement(slow=0.5, quick=0.6, blinks=1.5, pose=(-1.5, 0.0, 0.0), gaze=(0.0, 0.15)),
    "anger": Movement(slow=0.8, quick=0.5, blinks=0.7, pose=(3.0, 0.0, 0.0)),
    "disgust": Movement(slow=0.8, quick=0.2, blinks=1.1, pose=(-2.0, 3.0, 0.0), gaze=(0.1, -0.3)),
    "contempt": Movement(slow=0.8, quick=0.1, blinks=0.8, pose=(-4.0, 0.0, -2.0)),
}
SLOW_HZ, QUICK_HZ = (0.1, 0.5), (0.5, 1.4)
"""Bands of slow and quick head movement in hertz."""
_AXES = np.array([0.7, 1.0, 0.6])
"""Factors on pitch, yaw and roll of head movement."""
_WAVER = 0.2
"""Relative change of an expression by wavering at full liveliness."""
_WAVES = 5
"""Sine waves in a curve of noise."""
_AVERTED, _MET = (1.8, 0.4), (1.0, 0.4)
"""Seconds that eyes are averted, and that they meet the viewer's: median, deviation of the
logarithm."""
_SACCADE = 0.08
"""Seconds in which eyes turn."""
_GAZE = ("AU64_left", "AU64_right"), ("AU61_left", "AU61_right"), ("AU62_left", "AU62_right")
"""Components that turn the eyes down, to the left and to the right."""

LOOK_AHEAD, LOOK_BACK = 0.6, 1.8
"""Seconds around a blink in which the motion's own eyelids must be open for it to take place."""
_SHUT = 0.3
"""Closure from which eyelids do not count as open."""
_LENGTH = 1.2 * (CLOSING + CLOSED + OPENING)


_WITHOUT_DIRECTION = np.array([1, 1, 1, 0, 0, 0, 0, 0])
"""What a face has of its movement that shows none of the basic emotions."""


def movement_of(vectors: Curve) -> Curve:
    """Slow and quick movement, blinks, the head's pose and the gaze [t, 8] of emotions [t, n].

    A mean over the basic emotions, weighted by likeness. A neutral face does not move,
    and blinks as usual.
    """
    moves = [MOVEMENTS[name] for name in BASIC]
    table = np.array([(m.slow, m.quick, m.blinks, *m.pose, *m.gaze) for m in moves])
    shares = likeness(vectors)
    some = shares.sum(axis=1, keepdims=True) > 0.0
    mean = np.where(some, shares @ table, table.mean(axis=0) * _WITHOUT_DIRECTION)
    strength = np.minimum(np.abs(vectors).max(axis=1, initial=0.0), 1.0)[:, None]
    found = strength * mean
    found[:, 2] += 1.0 - strength[:, 0]
    return np.asarray(found)


class Waves:
    """Smooth noise as a function of time: sums of sine waves that are zero at time 0."""

    def __init__(self, rng: np.random.Generator, curves: int, band: tuple[float, float]) -> None:
        """Draws a number of curves with frequencies in a band in hertz."""
        low, high = band
        self._frequency = rng.uniform(low, high, (_WAVES, curves))
        self._weight = rng.choice([-1.0, 1.0], (_WAVES, curves)) / np.sqrt(_WAVES / 2.0)

    def __call__(self, times: Curve) -> Curve:
        """Values [t, c] of c curves of root mean square 1 at times [t] in seconds."""
        phase = 2.0 * np.pi * times[:, None, None] * self._frequency
        return np.asarray((np.sin(phase) * self._weight).sum(axis=1))


class Liveliness:
    """Natural variation of one face, read in order of time."""

    def __init__(self, seed: int, amount: float, emotion: Callable[[Curve], Curve]) -> None:
        """Draws the random waves of a face.

        Args:
            seed: the same seed gives the same variation.
            amount: of liveliness in [0, 1].
            emotion: vectors [t, n] at times [t].
        """
        rng = np.random.default_rng((seed, 0x11FE))
        self._amount = amount
        self._emotion = emotion
        self._head_slow = Waves(rng, 3, SLOW_HZ)
        self._head_quick = Waves(rng, 3, QUICK_HZ)
        regions = sorted({unit.region for unit in UNIT_OF.values()})
        self._region_of = np.array([regions.index(UNIT_OF[name].region) for name in COMPONENTS])
        self._waver = Waves(rng, len(regions), SLOW_HZ)
        self._rng = rng
        own = np.random.default_rng((seed, 0x0FACE))
        self._unfolding = Unfolding(own, amount)
        self._averted = Changes(1, lambda after: _look_away(own, after))
        self._blinks: list[tuple[float, float]] = []  # start, depth of those that take place
        self._next = self._interval(0.0)

    def expression(self, times: Curve) -> Curve:
        """The emotion [t, n] as it unfolds and wavers at times [t]; gaze is not part of it."""
        noise = np.clip(self._waver(times), -2.0, 2.0)
        waver = 1.0 + _WAVER * self._amount * noise[:, self._region_of]
        return np.clip(self._unfolding(self._emotion, times) * waver, -1.0, 1.0)

    def gaze(self, times: Curve, vectors: Curve) -> Curve:
        """Intensities [t, n] that turn averted eyes; called with consecutive times.

        Args:
            times: [t] seconds.
            vectors: [t, n] emotions.
        """
        amount = self._amount * self._averted(times)
        down, left = (amount * movement_of(vectors)[:, 6:]).T
        turned = np.zeros_like(vectors)
        for names, values in zip(
            _GAZE, (down, np.maximum(left, 0), np.maximum(-left, 0)), strict=True
        ):
            turned[:, [COMPONENTS.index(name) for name in names]] = values[:, None]
        return turned

    def head(self, times: Curve, vectors: Curve) -> Curve:
        """Degrees of pitch, yaw and roll [t, 3] at times [t] under emotions [t, n]."""
        movement = movement_of(vectors)
        slow, quick = self._head_slow(times), self._head_quick(times)
        moving = _AXES * (movement[:, :1] * slow + movement[:, 1:2] * quick) / 2.0
        return np.asarray(self._amount * (moving + movement[:, 3:6]))

    def blinks(self, times: Curve, known: Curve, eyelids: Curve) -> Curve:
        """Closure of the eyelids [t] at times [t]; called with consecutive times.

        Args:
            times: seconds.
            known: [s] times at which the motion's own eyelids are known, from LOOK_BACK before the
                first to LOOK_AHEAD after the last of ``times``, or to the ends of the motion.
            eyelids: [s] their closure in [0, 1].
        """
        while len(times) and self._next <= times[-1]:
            start = self._next
            near = (known > start - LOOK_BACK) & (known < start + LOOK_AHEAD)
            depth = self._rng.uniform(0.93, 1.0)
            if not (eyelids[near] > _SHUT).any():
                self._blinks.append((start, float(depth)))
            self._next += self._interval(start)
        curve = np.zeros(len(times))
        for start, depth in self._blinks:
            curve = np.maximum(curve, depth * blink_shape(times - start))
        if len(times):
            self._blinks = [one for one in self._blinks if one[0] + _LENGTH > times[-1]]
        return curve

    def _interval(self, time: float) -> float:
        """Seconds from a blink at a time to the next."""
        vectors = self._emotion(np.array([time]))
        often = float(movement_of(vectors)[0, 2]) * (0.5 + 0.5 * self._amount)
        spread = (MEAN_INTERVAL - SHORTEST_INTERVAL) / 2.0
        return SHORTEST_INTERVAL + float(self._rng.gamma(2.0, spread)) / max(often, 0.1)


def _look_away(rng: np.random.Generator, after: float) -> Change:
    """The next time that eyes are averted."""
    met, averted = (middle * math.exp(rng.normal(0.0, wide)) for middle, wide in (_MET, _AVERTED))
    return Change(after + met, _SACCADE, averted, _SACCADE, np.ones(1))
