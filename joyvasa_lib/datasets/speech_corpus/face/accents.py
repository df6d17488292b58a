"""What a speaker's body answers to: accents, phrases and pauses of a recording.

Axis legend: ``m`` steps at 100 Hz, ``t`` frames at 25 Hz.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from joyvasa_lib.datasets.speech_corpus.phonemes import (
    DIPHTHONGS,
    PHONEME_CLASSES,
    SILENCE,
    TimedPhoneme,
)
from joyvasa_lib.datasets.speech_corpus.speech_recording import SpeechRecording
from joyvasa_lib.motion.data import FPS

Doubles = NDArray[np.float64]

PAUSE = 0.15
"""Seconds of silence that end a phrase."""
_VOWELS = frozenset(
    PHONEME_CLASSES.index(name) for name in ("i", "ih", "e", "a", "uh", "o", "u", "y")
)
_OCTAVE = 12.0
_LOUD, _HIGH, _LONG, _STRESS = 0.35, 0.45, 0.2, 0.5
"""What energy, pitch and length against the phrase's other vowels, and stress, say of an accent."""
_FROM = 0.55
"""Prominence from which on a vowel is an accent."""


@dataclass(frozen=True)
class Accent:
    """An accented syllable.

    Attributes:
        time: seconds, the middle of its vowel.
        end: seconds, the end of its vowel.
        strength: 0 to 1.
        last: whether it is the last of its phrase.
    """

    time: float
    end: float
    strength: float
    last: bool = False


@dataclass(frozen=True)
class Phrase:
    """Speech between two pauses.

    Attributes:
        start: seconds.
        end: seconds.
        pause: seconds of silence before it.
        accents: in order.
        asks: whether it ends a question.
    """

    start: float
    end: float
    pause: float
    accents: tuple[Accent, ...] = ()
    asks: bool = False


def find_phrases(recording: SpeechRecording) -> list[Phrase]:
    """The phrases of a recording, with their accents.

    An accent is a vowel that is higher, louder or longer than the others of its phrase, or
    stressed by its word: what pitch trackers and dictionaries know of prominence.
    """
    found: list[Phrase] = []
    spoken: list[TimedPhoneme] = []
    silent = 0.0
    for phoneme in [*recording.phonemes, TimedPhoneme(SILENCE, 0.0, 1e9)]:
        if phoneme.symbol != SILENCE:
            spoken.append(phoneme)
            continue
        length = phoneme.end - phoneme.start
        if length < PAUSE:
            continue
        if spoken:
            found.append(_phrase(spoken, silent, recording))
            spoken, silent = [], 0.0
        silent += length
    return found


def _phrase(spoken: Sequence[TimedPhoneme], pause: float, recording: SpeechRecording) -> Phrase:
    vowels = [one for one in spoken if one.symbol in DIPHTHONGS or one.phoneme_class in _VOWELS]
    accents: list[Accent] = []
    if vowels:
        loud = _against_others([_peak(recording.energy, one) for one in vowels], 6.0)
        high = _against_others([_pitch(recording.pitch, one) for one in vowels], 3.0)
        long = _against_others([np.log(max(one.end - one.start, 0.02)) for one in vowels], 0.5)
        stress = np.array([1.0 if one.stressed else 0.0 for one in vowels])
        prominence = _LOUD * loud + _HIGH * high + _LONG * long + _STRESS * stress
        for number, one in enumerate(vowels):
            around = prominence[max(0, number - 1) : number + 2]
            if prominence[number] >= _FROM and prominence[number] >= around.max():
                strength = float(np.clip(prominence[number] / 1.5, 0.0, 1.0))
                accents.append(Accent((one.start + one.end) / 2, one.end, strength))
    if accents:
        last = accents[-1]
        accents[-1] = Accent(last.time, last.end, last.strength, last=True)
    sentence = spoken[-1].sentence
    asks = 0 <= sentence < len(recording.marks) and recording.marks[sentence] == "?"
    return Phrase(spoken[0].start, spoken[-1].end, pause, tuple(accents), asks)


def speech_level(phrases: Sequence[Phrase], frames: int) -> Doubles:
    """[t] 0 where nobody speaks to 1 in speech, without jumps."""
    middle = (np.arange(frames) + 0.5) / FPS
    level = np.zeros(frames)
    for phrase in phrases:
        level[(middle >= phrase.start) & (middle <= phrase.end)] = 1.0
    return np.asarray(gaussian_filter1d(level, 0.3 * FPS, mode="nearest"))


def _against_others(values: Sequence[float], unit: float) -> Doubles:
    known = np.asarray(values, np.float64)
    middle = float(np.nanmedian(known)) if np.isfinite(known).any() else 0.0
    return np.clip(np.nan_to_num((known - middle) / unit), -1.5, 1.5)


def _peak(energy: NDArray[np.float32], phoneme: TimedPhoneme) -> float:
    first = int(phoneme.start * 100)
    part = energy[first : max(int(phoneme.end * 100), first + 1)]
    return float(part.max()) if len(part) else float("nan")


def _pitch(pitch: NDArray[np.float32], phoneme: TimedPhoneme) -> float:
    """Highest pitch of a vowel in semitones; NaN where it is not voiced."""
    part = pitch[int(phoneme.start * 100) : int(phoneme.end * 100) + 1]
    part = part[part > 0]
    return _OCTAVE * float(np.log2(np.percentile(part, 90))) if len(part) >= 2 else float("nan")
