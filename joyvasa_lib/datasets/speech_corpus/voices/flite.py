"""Flite: CMU's small synthesiser of English, whose segments have exact ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from joyvasa_lib.datasets.speech_corpus.phonemes import SILENCE, TimedPhoneme
from joyvasa_lib.datasets.speech_corpus.text.sentences import Sentence
from joyvasa_lib.datasets.speech_corpus.voices.programs import ask
from joyvasa_lib.datasets.speech_corpus.voices.spoken import Spoken

VOICES: tuple[str, ...] = ("slt", "awb", "kal16")
"""Voices of training: one woman, one Scotsman, one man of joined diphones."""
HELD_OUT_VOICE = "rms"
PHONES: dict[str, str] = {
    "aa": "ɑ", "ae": "æ", "ah": "ʌ", "ao": "ɔ", "aw": "aʊ", "ax": "ə", "axr": "ɚ", "ay": "aɪ",
    "b": "b", "ch": "tʃ", "d": "d", "dh": "ð", "dx": "ɾ", "eh": "ɛ", "el": "l", "em": "m",
    "en": "n", "er": "ɚ", "ey": "eɪ", "f": "f", "g": "ɡ", "hh": "h", "hv": "h", "ih": "ɪ",
    "iy": "i", "jh": "dʒ", "k": "k", "l": "l", "m": "m", "n": "n", "ng": "ŋ", "nx": "n",
    "ow": "oʊ", "oy": "ɔɪ", "p": "p", "r": "ɹ", "s": "s", "sh": "ʃ", "t": "t", "th": "θ",
    "uh": "ʊ", "uw": "u", "v": "v", "w": "w", "y": "j", "z": "z", "zh": "ʒ",
    "pau": SILENCE, "h#": SILENCE, "brth": SILENCE,
}  # fmt: skip
"""IPA of the radio phone set."""


def speak(sentences: Sequence[Sentence], voice: str, tempo: float) -> list[Spoken]:
    """Speaks English sentences.

    Args:
        sentences: in Latin letters.
        voice: of ``VOICES``, or the held-out one.
        tempo: 1 is the voice's own.

    Raises:
        MissingDependencyError: Flite is not installed, or lacks the voice.
    """
    request = {
        "voice": voice,
        "stretch": 1.0 / tempo,
        "texts": [sentence.written for sentence in sentences],
    }
    answer, sound = ask("flite", request)
    result, start = [], 0
    for text in answer["texts"]:
        stop = start + int(text["samples"])
        waveform = sound[start:stop].astype(np.float32) / np.float32(32768.0)
        seconds = len(waveform) / int(text["rate"])
        phonemes = times_of_segments(text["segments"], seconds)
        result.append(Spoken(waveform, int(text["rate"]), phonemes))
        start = stop
    return result


def times_of_segments(
    segments: Sequence[tuple[str, float, bool, int]], seconds: float
) -> tuple[TimedPhoneme, ...]:
    """Lays segments end to end.

    Args:
        segments: name in the radio phone set, end in seconds, whether its syllable is stressed, and
            the number of its word or -1.
        seconds: length of the sound, which may end within the last silence.
    """
    result: list[TimedPhoneme] = []
    start = 0.0
    for name, planned, stressed, word in segments:
        symbol, end = PHONES[name], min(float(planned), seconds)
        if end <= start:
            continue
        if symbol == SILENCE:
            if result and result[-1].symbol == SILENCE:
                result.append(replace(result.pop(), end=end))
            else:
                result.append(TimedPhoneme(SILENCE, start, end))
        else:
            result.append(TimedPhoneme(symbol, start, end, bool(stressed), int(word)))
        start = end
    return tuple(result)
