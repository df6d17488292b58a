"""From the IPA that espeak-ng writes to the symbols of :mod:`..phonemes`.

What a face does not show is left out: tones, secondary articulations, phonation. Sounds outside
the classes become the one whose mouth looks most alike.
"""

from __future__ import annotations

import unicodedata

from joyvasa_lib.datasets.speech_corpus.phonemes import DIPHTHONGS, is_phoneme
from joyvasa_lib.errors import OptionError

STRESS = "ˈ"
NASAL = "\u0303"
LENGTH_MARKS = ("ː", "ʲ", "ʰ", NASAL)
"""Marks that voices may know; they sound as part of the symbol before them."""
_TWO_LETTERS = ("tʃ", "dʒ", "ts", "dz", "tɕ", "dʑ")
_ALIKE = {
    "ɘ": "ə", "ɵ": "ø", "ʉ": "u", "ʏ": "y", "ɶ": "œ", "ɞ": "ɜ", "ɝ": "ɚ", "ä": "a", "ᵻ": "ɪ",
    "ħ": "h", "ʕ": "h", "ɦ": "h", "ɭ": "l", "ɬ": "l", "ɮ": "l", "ʟ": "l", "ɱ": "v", "ʀ": "ʁ",
    "ɧ": "ʃ", "ɓ": "b", "ɗ": "d", "ɠ": "ɡ", "ʄ": "ɟ", "ʙ": "b", "ʍ": "w", "g": "ɡ", "ɺ": "ɾ",
    "ʋ": "ʋ", "ⱱ": "v", "ᵊ": "ə", "ʌ": "ʌ", "ɫ": "ɫ",
}  # fmt: skip
_SILENT = set("ˌ.-'|‖_^*;:`\"͡?!,\u200d\u200c") | set("0123456789") | set("˥˦˧˨˩ˤˠʷⁿˀˑᵝˡ̚˞")


def read_ipa(text: str) -> list[str]:
    """Returns the symbols of one phoneme as espeak-ng writes it.

    Args:
        text: such as ``"ˈaɪ"``, ``"tʃ"``, ``"pʲ"``, ``"uː"``, ``"oɔ6"``.

    Returns:
        An optional ``"ˈ"``, then phonemes, each followed by the ``LENGTH_MARKS`` it had. Nothing
        for marks without a sound.

    Raises:
        OptionError: a letter is not known.
    """
    stressed = STRESS in text
    letters = unicodedata.normalize("NFD", text.replace(STRESS, "").replace("ç", "\ue000"))
    plain = "".join(
        "ç" if letter == "\ue000" else letter
        for letter in letters
        if letter == NASAL or (not unicodedata.combining(letter) and letter not in _SILENT)
    )
    # In tone languages espeak-ng writes a tone as "ɜ", and "h" for aspiration, after the sound.
    plain = plain[:1] + plain[1:].replace("ɜ", "").replace("h", "ʰ")
    sounds = [*([STRESS] if stressed and plain else [])]
    if plain in DIPHTHONGS:
        return [*sounds, plain]
    while plain:
        size = 2 if plain[:2] in _TWO_LETTERS else 1
        symbol = _ALIKE.get(plain[:size], plain[:size])
        if symbol not in LENGTH_MARKS and not is_phoneme(symbol):
            raise OptionError(
                f"{symbol!r} in the transcription {text!r} is no known sound; "
                "add what it looks like to speech_corpus/text/ipa.py"
            )
        sounds.append(symbol)
        plain = plain[size:]
    return sounds


def sounds_alone(symbols: list[str]) -> list[str]:
    """Returns the symbols without marks."""
    return [symbol for symbol in symbols if symbol != STRESS and symbol not in LENGTH_MARKS]
