"""What a listener hears: when the other one speaks, and where phrases end.

A phrase ends where at least half a second of speech is followed by a pause of a third of a second:
the cue to which listeners answer most often (Duncan 1972). Ward and Tsukahara (2000) add a region
of low pitch before it; pitch is not tracked here.

Axis legend: ``n`` samples at 16 kHz, ``e`` intervals of 20 ms.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.media.audio import SAMPLE_RATE

Doubles = NDArray[np.float64]

_STEP = SAMPLE_RATE // 50
"""Samples of an interval."""
SECONDS = _STEP / SAMPLE_RATE
BELOW_SPEECH, ABOVE_NOISE, APART = 22.0, 8.0, 6.0
"""Decibels: an interval is speech where it lies at most so far below loud speech and so far above
the noise, but the threshold stays so far below loud speech in any noise."""
GAP, BURST = 0.2, 0.1
"""Seconds: shorter pauses are closures of consonants, shorter speech is a click."""
PHRASE, PAUSE = 0.5, 0.35
"""Seconds of speech that make a phrase, and of the pause that ends it."""
SILENCE = -90.0


@dataclass(frozen=True)
class Pause:
    """A pause after a phrase.

    Attributes:
        start: seconds, the end of the phrase.
        end: seconds, where speech goes on; infinity after the last phrase.
    """

    start: float
    end: float


class Heard:
    """When somebody speaks in a recording; a bit for 20 ms of it is kept."""

    def __init__(self, blocks: Iterable[NDArray[np.float32]]) -> None:
        """Listens to all of it.

        Args:
            blocks: consecutive pieces [n] of it.
        """
        self._speaks = _tidied(_speech_intervals(_levels(blocks)))
        edges = np.diff(np.concatenate([[0], self._speaks.astype(np.int8), [0]]))
        self.starts: Doubles = np.flatnonzero(edges == 1).astype(np.float64) * SECONDS
        """Seconds at which speech starts."""
        self.ends: Doubles = np.flatnonzero(edges == -1).astype(np.float64) * SECONDS
        """Seconds at which it ends."""

    def speaking(self, times: Doubles) -> NDArray[np.bool_]:
        """Whether somebody speaks at times [t] in seconds; after the recording nobody does."""
        which = np.floor(times / SECONDS + 1e-6).astype(np.int64)
        inside = which < len(self._speaks)
        return np.asarray(inside & self._speaks[np.where(inside, which, 0)])

    def pauses(self) -> list[Pause]:
        """The pauses after phrases."""
        found, spoken = [], 0.0
        following = np.append(self.starts, np.inf)[1:]
        for start, end, again in zip(self.starts, self.ends, following, strict=True):
            spoken += end - start
            if again - end >= PAUSE:
                if spoken >= PHRASE:
                    found.append(Pause(float(end), float(again)))
                spoken = 0.0
        return found


def _levels(blocks: Iterable[NDArray[np.float32]]) -> Doubles:
    """[e] decibels relative to full scale; what is left at the end is dropped."""
    found: list[Doubles] = []
    rest = np.zeros(0, np.float32)
    for block in blocks:
        rest = np.concatenate([rest, block])
        whole = len(rest) // _STEP * _STEP
        power = np.square(rest[:whole].reshape(-1, _STEP), dtype=np.float64).mean(axis=1)
        found.append(10.0 * np.log10(power + 10.0 ** (SILENCE / 10.0)))
        rest = rest[whole:]
    return np.concatenate([*found, np.full(1, SILENCE)])


def _speech_intervals(levels: Doubles) -> NDArray[np.bool_]:
    loud, noise = np.quantile(levels, 0.95), np.quantile(levels, 0.1)
    threshold = min(max(loud - BELOW_SPEECH, noise + ABOVE_NOISE), loud - APART)
    return np.asarray(levels > max(threshold, SILENCE + 10.0))


def _tidied(speaks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Speech without short gaps, then without short bursts."""
    for value, seconds in ((False, GAP), (True, BURST)):
        edges = np.flatnonzero(np.diff(speaks)) + 1
        starts = np.concatenate([[0], edges])
        lengths = np.diff(np.concatenate([starts, [len(speaks)]]))
        inside = (starts > 0) & (starts + lengths < len(speaks))
        short = (
            (speaks[starts] == value)
            & (lengths < round(seconds / SECONDS))
            & (inside if not value else True)
        )
        speaks = np.repeat(speaks[starts] ^ short, lengths)
    return speaks
