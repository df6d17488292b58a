"""Speech and the times of its phonemes.

Axis legend: ``n`` samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.speech_corpus.phonemes import SILENCE, TimedPhoneme
from joyvasa_lib.datasets.speech_corpus.text.ipa import LENGTH_MARKS, STRESS
from joyvasa_lib.datasets.speech_corpus.text.pseudo_text import PAUSES

Floats = NDArray[np.float32]
BETWEEN_WORDS = " "
_SHORTEST_PAUSE = 0.06
"""Seconds; a gap between words that is shorter belongs to the sound before it."""
_LONGEST_CLOSURE = 0.15
"""Seconds; a gap before a stop that is shorter is its closure."""
STOPS = frozenset(("p", "b", "t", "d", "ʈ", "ɖ", "k", "ɡ", "q", "c", "ɟ", "tʃ", "dʒ", "ts", "dz"))


@dataclass(frozen=True)
class Spoken:
    """Speech and its phonemes.

    Attributes:
        waveform: float32 [n].
        sample_rate: samples a second.
        phonemes: in order, without gaps.
    """

    waveform: Floats
    sample_rate: int
    phonemes: tuple[TimedPhoneme, ...]


def time_phonemes(
    symbols: Sequence[str], seconds: NDArray[np.floating]
) -> tuple[TimedPhoneme, ...]:
    """Lays phonemes end to end.

    The time of a stress mark goes to the sound after it, as does a short gap between words if that
    sound is a stop, whose closure it is; the time of a length mark and of another short gap goes to
    the sound before it; punctuation and longer gaps are silence.

    Args:
        symbols: IPA, stress and length marks, spaces, punctuation, ``SILENCE``.
        seconds: how long each lasts.
    """
    result: list[TimedPhoneme] = []
    now, start, stressed, word = 0.0, 0.0, False, 0
    following = [*symbols[1:], SILENCE]
    for symbol, after, length in zip(symbols, following, seconds, strict=True):
        now += float(length)
        if symbol == STRESS:
            stressed = True
            continue
        quiet = symbol in (SILENCE, BETWEEN_WORDS, *PAUSES)
        gap = symbol == BETWEEN_WORDS and now - start < _SHORTEST_PAUSE
        if symbol == BETWEEN_WORDS and after in STOPS and now - start < _LONGEST_CLOSURE:
            word += 1
            continue
        if result and (gap or symbol in LENGTH_MARKS):
            result.append(replace(result.pop(), end=now))
        elif now > start:
            result.append(
                TimedPhoneme(SILENCE, start, now)
                if quiet
                else TimedPhoneme(symbol, start, now, stressed, word)
            )
            stressed = False
        if symbol == BETWEEN_WORDS:
            word += 1
        start = now
    return tuple(result)
