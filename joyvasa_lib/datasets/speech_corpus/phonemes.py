"""Phoneme classes that the speech encoder learns to tell apart, and phonemes with their times.

Sounds of one class look alike on a face or can hardly be told apart by ear; voicing is kept, since
it helps to hear where a closure starts and ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

SILENCE = "sil"
STEP_SECONDS = 0.02
"""Length of a labelled step: the hop of wav2vec 2.0."""

_SYMBOLS: dict[str, str] = {
    SILENCE: SILENCE,
    "p": "p", "b": "b", "m": "m",
    "f": "f ɸ", "v": "v ʋ β",
    "th": "θ ð",
    "t": "t ʈ", "d": "d ɖ", "n": "n ɲ ɳ", "ng": "ŋ ɴ",
    "s": "s ts", "z": "z dz",
    "sh": "ʃ ʒ tʃ dʒ ɕ ʑ tɕ dʑ ʂ ʐ ç ʝ",
    "l": "l ʎ ɫ", "r": "ɹ ɻ r ɾ ɽ ʁ",
    "k": "k q c", "g": "ɡ ɟ ɣ ɰ", "h": "h x χ ʔ",
    "j": "j", "w": "w ɥ",
    "i": "i ɨ", "ih": "ɪ", "e": "e ɛ", "a": "a ɑ æ ɐ", "uh": "ʌ ə ɜ ɚ ɤ",
    "o": "o ɔ ɒ", "u": "u ʊ ɯ", "y": "y ø œ",
}  # fmt: skip
PHONEME_CLASSES: tuple[str, ...] = tuple(_SYMBOLS)
CLOSURES: tuple[str, ...] = ("p", "b", "m")
"""Classes on which the lips close."""
_CLASS_OF = {
    symbol: index for index, symbols in enumerate(_SYMBOLS.values()) for symbol in symbols.split()
}
DIPHTHONGS: dict[str, tuple[str, str]] = {
    "eɪ": ("e", "ɪ"), "aɪ": ("a", "ɪ"), "oʊ": ("o", "ʊ"), "aʊ": ("a", "ʊ"), "ɔɪ": ("ɔ", "ɪ"),
}  # fmt: skip


@dataclass(frozen=True)
class TimedPhoneme:
    """One phoneme as it was spoken.

    Attributes:
        symbol: IPA, or ``SILENCE``.
        start: seconds.
        end: seconds.
        stressed: whether the syllable that it opens or carries is stressed.
        word: number of its word in the recording; -1 in silence and where words are not known.
        phrase: number of its phrase, which lasts from one silence to the next; -1 in silence and
            where phrases are not known.
        sentence: number of its sentence; -1 in silence and where sentences are not known.
    """

    symbol: str
    start: float
    end: float
    stressed: bool = False
    word: int = -1
    phrase: int = -1
    sentence: int = -1

    @property
    def phoneme_class(self) -> int:
        """Index into ``PHONEME_CLASSES``."""
        return phoneme_class(self.symbol)


def phoneme_class(symbol: str) -> int:
    """Returns the class of an IPA symbol.

    Raises:
        KeyError: the symbol belongs to no class.
    """
    return _CLASS_OF[symbol]


def is_phoneme(symbol: str) -> bool:
    """Whether an IPA symbol belongs to a class, or is one of ``DIPHTHONGS``."""
    return symbol in _CLASS_OF or symbol in DIPHTHONGS


def split_diphthongs(phonemes: Sequence[TimedPhoneme]) -> list[TimedPhoneme]:
    """Returns the phonemes with each diphthong as its two vowels, the first taking 60 %."""
    result = []
    for phoneme in phonemes:
        parts = DIPHTHONGS.get(phoneme.symbol)
        if parts is None:
            result.append(phoneme)
            continue
        middle = phoneme.start + 0.6 * (phoneme.end - phoneme.start)
        result.append(replace(phoneme, symbol=parts[0], end=middle))
        result.append(replace(phoneme, symbol=parts[1], start=middle))
    return result


def label_steps(phonemes: Sequence[TimedPhoneme], steps: int) -> NDArray[np.uint8]:
    """Returns the class [steps] spoken at the middle of each 20 ms step; silence elsewhere."""
    labels = np.zeros(steps, np.uint8)
    for phoneme in phonemes:
        first = int(np.ceil(phoneme.start / STEP_SECONDS - 0.5))
        last = int(np.ceil(phoneme.end / STEP_SECONDS - 0.5))
        labels[max(first, 0) : max(last, 0)] = phoneme.phoneme_class
    return labels
