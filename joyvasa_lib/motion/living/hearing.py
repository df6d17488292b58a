"""What a listener hears while it is said: whether somebody speaks, and that a phrase has ended.

The rules are those of :mod:`~joyvasa_lib.motion.living.heard`, without the future: loud speech and
noise are followed from sound to sound, speech counts once it lasts longer than a click, and a
phrase has ended when the pause after it is long enough.

Axis legend: ``n`` samples at 16 kHz.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.media.audio import SAMPLE_RATE
from joyvasa_lib.motion.living.heard import (
    ABOVE_NOISE,
    BELOW_SPEECH,
    BURST,
    GAP,
    PAUSE,
    PHRASE,
    SECONDS,
    SILENCE,
)

_STEP = round(SECONDS * SAMPLE_RATE)
_QUIETEST_SPEECH = -48.0
"""Decibels relative to full scale below which nothing is taken for loud speech."""
_NOISE = -65.0
"""Decibels of a room of which nothing is known yet."""
_LOUD_FALLS, _NOISE_RISES = 1.5, 4.0
"""Decibels a second by which the level of loud speech is forgotten, and that of noise grows."""
_LONGEST_WAIT = 10.0
"""Seconds of sound that may wait to be heard; older sound is not heard any more."""


@dataclass(frozen=True)
class Moment:
    """What was heard in one moment.

    Attributes:
        speech: whether somebody speaks.
        phrase_ended: whether a phrase has just ended.
    """

    speech: bool = False
    phrase_ended: bool = False


class Hearing:
    """Takes sound as it comes, and tells what is heard of it as time passes."""

    def __init__(self) -> None:
        self._rest: NDArray[np.float32] = np.zeros(0, np.float32)
        self._levels: deque[float] = deque(maxlen=round(_LONGEST_WAIT / SECONDS))
        self._due = 0.0  # intervals of time that passed and are not heard yet
        self._loud, self._noise = _QUIETEST_SPEECH, _NOISE
        self._above = self._below = 0.0  # seconds since the level last was below, above
        self._speech = False
        self._spoken = 0.0

    def push(self, samples: NDArray[np.float32]) -> None:
        """Takes samples [n]; they are heard as fast as they sound, however early they come."""
        sound = np.concatenate([self._rest, samples])
        whole = len(sound) // _STEP * _STEP
        power = np.square(sound[:whole].reshape(-1, _STEP), dtype=np.float64).mean(axis=1)
        self._levels.extend(10.0 * np.log10(power + 10.0 ** (SILENCE / 10.0)))
        self._rest = sound[whole:]

    def listen(self, seconds: float) -> Moment:
        """What is heard in so many seconds from here on; where nothing sounds it is silent."""
        self._due += seconds / SECONDS
        ended = False
        while self._due >= 1.0:
            self._due -= 1.0
            ended |= self._interval(self._levels.popleft() if self._levels else SILENCE)
        return Moment(self._speech, ended)

    def _interval(self, level: float) -> bool:
        """Hears 20 ms; returns whether a phrase ended in them."""
        self._loud = max(level, self._loud - _LOUD_FALLS * SECONDS, _QUIETEST_SPEECH)
        self._noise = min(level, self._noise + _NOISE_RISES * SECONDS)
        if level > max(self._loud - BELOW_SPEECH, self._noise + ABOVE_NOISE):
            self._above, self._below = self._above + SECONDS, 0.0
        else:
            self._above, self._below = 0.0, self._below + SECONDS
        if not self._speech and self._above >= BURST - 1e-9:
            self._speech = True
            self._spoken += self._above
        elif self._speech:
            self._spoken += SECONDS
            self._speech = self._below < GAP - 1e-9
        if self._spoken > 0.0 and self._below >= PAUSE - 1e-9:
            ended, self._spoken = self._spoken - GAP >= PHRASE, 0.0
            return ended
        return False
