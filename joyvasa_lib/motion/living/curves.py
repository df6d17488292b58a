"""Random curves over time that are read in pieces: waves, postures, and changes now and then.

Each is a function of time alone, whatever the pieces, and keeps only what is still going on.

Axis legend: ``t`` times in seconds, ``c`` curves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Doubles = NDArray[np.float64]

_WAVES = 5
"""Sine waves in a curve of noise."""


def ease(phase: ArrayLike) -> Doubles:
    """Rises from 0 to 1 over phases 0 to 1 with the least jerk (Flash and Hogan 1985)."""
    x = np.clip(np.asarray(phase, np.float64), 0.0, 1.0)
    return np.asarray(x**3 * (10.0 - 15.0 * x + 6.0 * x * x))


class Waves:
    """Smooth noise: sums of sine waves."""

    def __init__(self, rng: np.random.Generator, hertz: tuple[float, float], size: Doubles) -> None:
        """Draws curves with frequencies in a band and these standard deviations [c]."""
        shape = (_WAVES, len(size))
        self._turn = 2.0 * np.pi * rng.uniform(*hertz, shape)
        self._phase = rng.uniform(0.0, 2.0 * np.pi, shape)
        self._size = size * np.sqrt(2.0 / _WAVES)

    def __call__(self, times: Doubles) -> Doubles:
        """Values [t, c]."""
        phase = times[:, None, None] * self._turn + self._phase
        return np.asarray(np.sin(phase).sum(axis=1) * self._size)


class Postures:
    """Positions that are held for seconds and change slowly, around 0."""

    def __init__(
        self,
        rng: np.random.Generator,
        size: Doubles,
        *,
        held: tuple[float, float],
        moving: tuple[float, float],
        stays: float = 0.3,
    ) -> None:
        """Starts in a random position.

        Args:
            rng: of every choice.
            size: [c] standard deviation of positions.
            held: shortest and mean seconds of rest between two changes.
            moving: shortest and longest seconds of a change.
            stays: share of a position that stays in the next one.
        """
        self._rng, self._size, self._held, self._moving = rng, size, held, moving
        self._stays = stays
        self._starts, self._seconds = [0.0], [1.0]
        self._places = [self._draw(np.zeros(len(size)))] * 2

    def _draw(self, before: Doubles) -> Doubles:
        fresh = np.sqrt(1.0 - self._stays**2) * np.clip(
            self._rng.normal(size=len(self._size)), -1.8, 1.8
        )
        return np.asarray(self._stays * before + self._size * fresh)

    def __call__(self, times: Doubles) -> Doubles:
        """Values [t, c]; times never go back behind those of an earlier call."""
        shortest, mean = self._held
        while len(times) and self._starts[-1] <= times[-1]:
            rest = shortest + float(self._rng.gamma(2.0, (mean - shortest) / 2.0))
            self._starts.append(self._starts[-1] + self._seconds[-1] + rest)
            self._seconds.append(float(self._rng.uniform(*self._moving)))
            self._places.append(self._draw(self._places[-1]))
        starts, places = np.array(self._starts), np.stack(self._places)
        which = np.searchsorted(starts, times, side="right") - 1
        phase = (times - starts[which]) / np.array(self._seconds)[which]
        values = places[which] + ease(phase)[:, None] * (places[which + 1] - places[which])
        done = int(which[-1]) if len(which) else 0
        del self._starts[:done], self._seconds[:done], self._places[:done]
        return np.asarray(values)


@dataclass(frozen=True)
class Change:
    """A value that comes, stays and goes.

    Attributes:
        start: seconds.
        rise: seconds until it is there.
        stay: seconds that it stays.
        fall: seconds until it is gone.
        size: [c] values while it is there.
    """

    start: float
    rise: float
    stay: float
    fall: float
    size: Doubles

    @property
    def end(self) -> float:
        """Seconds at which it is gone."""
        return self.start + self.rise + self.stay + self.fall

    def at(self, times: Doubles) -> Doubles:
        """Values [t, c]."""
        risen = ease((times - self.start) / self.rise)
        fallen = ease((times - self.start - self.rise - self.stay) / self.fall)
        return np.asarray((risen - fallen)[:, None] * self.size)


class Changes:
    """Changes one after the other, at random times or at given ones."""

    def __init__(self, width: int, following: Callable[[float], Change | None]) -> None:
        """Starts at time 0.

        Args:
            width: c.
            following: the change after a time, which must start after it; None for no more.
        """
        self._width, self._following = width, following
        self._now: list[Change] = []
        self._next = following(0.0)

    def __call__(self, times: Doubles) -> Doubles:
        """Values [t, c]; times never go back behind those of an earlier call."""
        values = np.zeros((len(times), self._width))
        if not len(times):
            return values
        while self._next is not None and self._next.start <= times[-1]:
            self._now.append(self._next)
            self._next = self._following(self._next.end)
        for change in self._now:
            first, last = np.searchsorted(times, (change.start, change.end))
            values[first:last] += change.at(times[first:last])
        self._now = [change for change in self._now if change.end > times[-1]]
        return values
