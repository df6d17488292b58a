"""Words that nobody has ever said: text for training speech, in the sounds of many languages.

Sentences are strings of pseudo-words whose sounds follow a language's inventory and syllable
shapes. Nothing is quoted from anyone, every language with an inventory is covered, and lips close
as often as the recipe asks.

The inventories are reduced from the IPA's illustrations (Handbook of the International Phonetic
Association, 1999) to what the voices can say.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PAUSES = (",", ".", "?", "!", ";")


@dataclass(frozen=True)
class SoundInventory:
    """What syllables of a language are made of; a sound written twice is twice as likely.

    Attributes:
        onsets: consonants and clusters before the vowel, "-" for none.
        vowels: vowels and diphthongs.
        codas: consonants after the vowel, "-" for none.
        syllables: chance of words of 1, 2, 3 and 4 syllables.
    """

    onsets: str
    vowels: str
    codas: str
    syllables: tuple[float, float, float, float]


LANGUAGES: dict[str, SoundInventory] = {
    "english": SoundInventory(
        "- - p p b b m m f v θ ð ð t t d n n s s z ʃ tʃ dʒ l ɹ k k ɡ h w w j pl bl pɹ bɹ tɹ dɹ kɹ "
        "kl fl fɹ st sp sm sk sl sw tw kw stɹ",
        "i ɪ ɪ e ɛ ɛ æ æ ɑ ɔ ʊ u ʌ ʌ ə ə ə ɜ eɪ eɪ aɪ aɪ oʊ oʊ aʊ ɔɪ",
        "- - - - p b m m f v θ t t d n n ŋ s z z ʃ tʃ l l ɹ k ɡ nt nd mp st ks ts",
        (0.5, 0.3, 0.15, 0.05),
    ),
    "spanish": SoundInventory(
        "- p p b b m m f t t d d n n ɲ s s tʃ l l r ɾ ɾ k k ɡ x j w pɾ bɾ tɾ pl bl kl",
        "a a a e e e i i o o o u",
        "- - - - - - n s s l ɾ ð",
        (0.25, 0.4, 0.25, 0.1),
    ),
    "italian": SoundInventory(
        "- p p b m m f v t t d n n ɲ s z ts tʃ dʒ l l ʎ r r k k ɡ j w pr br tr st sp",
        "a a a e ɛ i i o ɔ u",
        "- - - - - - n r l m",
        (0.15, 0.4, 0.3, 0.15),
    ),
    "german": SoundInventory(
        "- p b b m f f v v t d d n z z s ʃ ʃ ts l ʁ ʁ k ɡ ɡ h j pf ʃt ʃp bʁ tʁ kl bl fʁ",
        "a a ɛ ɛ e ɪ i ɔ o ʊ u y ø œ ə ə ə aɪ aʊ ɔɪ",
        "- - - p m f t t n n ŋ s s ç x ʃ l ʁ k nt st xt",
        (0.35, 0.4, 0.2, 0.05),
    ),
    "french": SoundInventory(
        "- p p b m m f v v t t d d n ɲ s s z ʃ ʒ ʒ l l ʁ ʁ k k ɡ j w ɥ pl bl pʁ tʁ kʁ",
        "a a a ɛ e e i i o ɔ u y y ø œ ə ə",
        "- - - - - p m t d n s z ʒ l ʁ ʁ k j",
        (0.4, 0.35, 0.2, 0.05),
    ),
    "mandarin": SoundInventory(
        "- p pʰ b m m f t d d n n l l ts tɕ tɕ ɕ ɕ ʂ ʂ ʐ k ɡ x x j j w w",
        "a a i i u u ɤ ɤ ə o y ɛ aɪ eɪ aʊ oʊ",
        "- - - - n n ŋ ŋ",
        (0.5, 0.45, 0.05, 0.0),
    ),
    "japanese": SoundInventory(
        "- - k k k s s ɕ t t tɕ ts n n h ɸ m m j ɾ ɾ w ɡ z dʑ d b p",
        "a a a i i ɯ ɯ e e o o o",
        "- - - - - - - ɴ",
        (0.1, 0.4, 0.3, 0.2),
    ),
    "hindi": SoundInventory(
        "- p pʰ b b m m f ʋ ʋ t t d d ʈ ɖ n n s s ʃ tʃ dʒ l l ɾ ɾ ɽ k k ɡ h h j",
        "a a ə ə ə ɪ i e ɛ o ɔ ʊ u",
        "- - - - m n n t l ɾ k s",
        (0.3, 0.45, 0.2, 0.05),
    ),
    "russian": SoundInventory(
        "- p b b m m f v v t t d d n n s s z ʂ ʐ tɕ ɕ ts l l r r k k ɡ x j pr vr st kr zd",
        "a a a ə ə i i ɨ e ɛ o o u",
        "- - - - m t n n s l r k j x",
        (0.25, 0.35, 0.3, 0.1),
    ),
    "portuguese": SoundInventory(
        "- p p b m m f v t t d d n ɲ s s z ʃ ʒ l ʎ ɾ ʁ k k ɡ w j pɾ tɾ bɾ",
        "a a ɐ e ɛ i i o ɔ u u",
        "- - - - - s ʃ ɾ l n",
        (0.25, 0.4, 0.25, 0.1),
    ),
}
_SEPARABLE = ("tʃ", "dʒ", "ts", "dz", "tɕ", "dʑ", "eɪ", "aɪ", "oʊ", "aʊ", "ɔɪ")
_BILABIALS = ("p", "b", "m")


@dataclass(frozen=True)
class Utterance:
    """Sounds to be spoken.

    Attributes:
        symbols: IPA symbols, ``" "`` between words, punctuation as pauses, ``"ˈ"`` before the
            vowel of a stressed syllable.
        language: whose sounds.
    """

    symbols: tuple[str, ...]
    language: str


def write_utterance(
    rng: np.random.Generator, language: str, words: int, lip_closures: float = 0.12
) -> Utterance:
    """Makes up a sentence.

    Args:
        rng: source of every random choice.
        language: key of ``LANGUAGES``.
        words: number of words.
        lip_closures: share of onsets that are replaced by /p b m/, beyond the language's own.
    """
    inventory = LANGUAGES[language]
    symbols: list[str] = []
    until_pause = int(rng.integers(3, 10))
    for index in range(words):
        symbols += _word(rng, inventory, lip_closures)
        until_pause -= 1
        last = index == words - 1
        if last or until_pause == 0:
            symbols.append(str(rng.choice(PAUSES, p=[0.5, 0.3, 0.08, 0.07, 0.05])))
            until_pause = int(rng.integers(3, 10))
        if not last:
            symbols.append(" ")
    return Utterance(tuple(symbols), language)


def _word(rng: np.random.Generator, inventory: SoundInventory, lip_closures: float) -> list[str]:
    chances = np.asarray(inventory.syllables)
    syllables = 1 + int(rng.choice(4, p=chances / chances.sum()))
    stressed = int(rng.integers(syllables)) if syllables > 1 or rng.random() < 0.6 else -1
    symbols: list[str] = []
    for index in range(syllables):
        onset = _choose(rng, inventory.onsets)
        if rng.random() < lip_closures:
            onset = [str(rng.choice(_BILABIALS))]
        vowel = _choose(rng, inventory.vowels)
        coda = (
            _choose(rng, inventory.codas) if index == syllables - 1 or rng.random() < 0.35 else []
        )
        symbols += [*onset, *(["ˈ"] if index == stressed else []), *vowel, *coda]
    return symbols


def _choose(rng: np.random.Generator, options: str) -> list[str]:
    chosen = str(rng.choice(options.split()))
    return [] if chosen == "-" else split_symbols(chosen)


def split_symbols(cluster: str) -> list[str]:
    """Returns the phonemes of a cluster: ``"stɹ"`` is three, ``"tʃ"`` one; ``ʰ`` is dropped."""
    symbols, rest = [], cluster.replace("ʰ", "")
    while rest:
        size = 2 if rest[:2] in _SEPARABLE else 1
        symbols.append(rest[:size])
        rest = rest[size:]
    return symbols
