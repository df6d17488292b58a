"""The sounds of a sentence, as espeak-ng reads it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from joyvasa_lib.datasets.speech_corpus.text.ipa import read_ipa, sounds_alone
from joyvasa_lib.datasets.speech_corpus.text.pseudo_text import Utterance

BETWEEN_WORDS = " "
_MARK = re.compile(r"\([\w-]+\)")
"""Where espeak-ng reads a word as another language's."""


def utterance_of(clauses: Sequence[str], mark: str, language: str) -> Utterance:
    """Puts together what espeak-ng says of a sentence.

    Args:
        clauses: IPA of each clause, ``"_"`` between phonemes, spaces between words.
        mark: what ends the sentence.
        language: whose words.

    Raises:
        OptionError: a sound is not known.
    """
    symbols: list[str] = []
    for clause in clauses:
        words = [symbols_of(word) for word in _MARK.sub("", clause).split()]
        words = [word for word in words if sounds_alone(word)]
        if not words:
            continue
        if symbols:
            symbols += [",", BETWEEN_WORDS]
        for index, word in enumerate(words):
            symbols += [BETWEEN_WORDS, *word] if index else word
    return Utterance((*symbols, mark), language)


def symbols_of(word: str) -> list[str]:
    """Returns the symbols of a word whose phonemes are separated by ``"_"``."""
    return [symbol for phoneme in word.split("_") for symbol in read_ipa(phoneme)]
