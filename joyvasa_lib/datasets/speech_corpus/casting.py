"""Who says what in which recording: a language, an engine and a voice for each number.

Languages and engines come in shuffled rounds, so that the first recordings of a corpus, however
few, are as mixed as all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import cast

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.speech_corpus.phonemes import TimedPhoneme
from joyvasa_lib.datasets.speech_corpus.recordings import SPLITS
from joyvasa_lib.datasets.speech_corpus.text.pseudo_text import (
    LANGUAGES as INVENTORIES,
)
from joyvasa_lib.datasets.speech_corpus.text.pseudo_text import (
    Utterance,
    write_utterance,
)
from joyvasa_lib.datasets.speech_corpus.text.sentences import Sentence, write_sentence
from joyvasa_lib.datasets.speech_corpus.voices import espeak, flite
from joyvasa_lib.datasets.speech_corpus.voices.joe import JoeVoice
from joyvasa_lib.datasets.speech_corpus.voices.kokoro import KokoroVoices
from joyvasa_lib.datasets.speech_corpus.voices.spoken import Spoken
from joyvasa_lib.media.audio import SAMPLE_RATE
from joyvasa_lib.media.resampling import mono_at_rate

Floats = NDArray[np.float32]
ENGINES: tuple[str, ...] = ("kokoro", "joe", "espeak", "flite", "none")
HELD_OUT_VOICE = 2
"""Number of the Kokoro voice (``jf_nezumi``) that speaks in validation and is never in training."""
MALE_VOICE = 4
_VALIDATION = {"kokoro": 4, "espeak": 3, "flite": 1, "none": 1}
_VALIDATION_OF_LANGUAGES = {"kokoro": 1, "espeak": 1}
_AT_ONCE = 4
"""Sentences that are written and read before any is spoken."""


@dataclass(frozen=True)
class Casting:
    """What the recipe says of speakers; see ``SpeechCorpusConfig``."""

    languages: tuple[str, ...]
    held_out_languages: tuple[str, ...]
    engines: dict[str, int]
    pseudo_words: float
    lip_closures: float
    tempo: tuple[float, float]
    voice_scale: tuple[float, float]
    seed: int


@dataclass(frozen=True)
class Role:
    """The speaker of one recording.

    Attributes:
        split: one of ``SPLITS``.
        number: of the recording in its split.
        language: whose words.
        engine: one of ``ENGINES``; ``"none"`` where nobody speaks.
    """

    split: str
    number: int
    language: str
    engine: str


@dataclass(frozen=True)
class Said:
    """A sentence as it was spoken, 16 kHz.

    Attributes:
        waveform: float32 [n].
        phonemes: in order, without gaps.
        mark: how it ends: ``"."``, ``"?"`` or ``"!"``.
        text: what was read, "" for pseudo-words.
    """

    waveform: Floats
    phonemes: tuple[TimedPhoneme, ...]
    mark: str
    text: str


def role_of(casting: Casting, split: str, number: int) -> Role:
    """Returns who speaks in a recording."""
    engines = {
        "train": casting.engines,
        "valid": _VALIDATION,
        "valid_language": _VALIDATION_OF_LANGUAGES,
    }[split]
    known = casting.held_out_languages if split == "valid_language" else casting.languages
    seed = (casting.seed, SPLITS.index(split))
    slots = [name for name, count in sorted(engines.items()) for _ in range(count)]
    engine = _in_rounds(slots, number, (*seed, 0))
    language = _in_rounds(list(known), number, (*seed, 1))
    if engine == "flite":
        language = "english"
    return Role(split, number, "" if engine == "none" else language, engine)


def _in_rounds(choices: Sequence[str], number: int, seed: tuple[int, ...]) -> str:
    """Choice of a number, where each round of ``len(choices)`` numbers has every choice once."""
    turn, place = divmod(number, len(choices))
    order = np.random.default_rng((*seed, turn)).permutation(len(choices))
    return choices[int(order[place])]


class Speaker:
    """A voice with its way of speaking, drawn for one recording.

    Attributes:
        name: engine and voice, such as ``"kokoro:jf_alpha"``.
    """

    def __init__(self, casting: Casting, role: Role, rng: np.random.Generator) -> None:
        """Draws voice, tempo and throat."""
        self._casting, self._role, self._rng = casting, role, rng
        training = role.split == "train"
        self._tempo = float(np.exp(rng.uniform(*np.log(casting.tempo))))
        low, high = casting.voice_scale if training else (0.92, 1.06)
        self._pseudo = (
            role.engine in ("kokoro", "joe")
            and role.language in INVENTORIES
            and rng.random() < casting.pseudo_words
        )
        self._voice = ""
        if role.engine == "kokoro":
            leader = HELD_OUT_VOICE
            self._shares = np.eye(5, dtype=np.float32)[leader]
            if training:
                male = rng.random() < 0.45
                self._shares = mixture(rng, MALE_VOICE if male else None)
                leader = int(self._shares.argmax())
                high += 0.1 * (leader == MALE_VOICE)
            self._voice = KokoroVoices.NAMES[leader]
        elif role.engine == "espeak":
            variants = espeak.VARIANTS if training else espeak.HELD_OUT_VARIANTS
            self._voice = str(rng.choice(variants))
            low, high = max(low, 0.88), min(high, 1.12)
        elif role.engine == "flite":
            self._voice = str(rng.choice(flite.VOICES)) if training else flite.HELD_OUT_VOICE
        elif role.engine == "joe":
            low, high = max(low, 0.85), high + 0.1
        self._scale = float(rng.uniform(low, high))
        self._pitch = (int(rng.integers(25, 76)), int(rng.integers(30, 81)))
        self.name = f"{role.engine}:{self._voice}" if self._voice else role.engine

    def sentences(self) -> Iterator[Said]:
        """Speaks one sentence after the other, without end."""
        while True:
            if self._pseudo:
                utterance = write_utterance(
                    self._rng,
                    self._role.language,
                    int(self._rng.integers(3, 13)),
                    self._casting.lip_closures,
                )
                yield self._said(self._speak(utterance), utterance.symbols[-1], "")
                continue
            lines = [write_sentence(self._rng, self._role.language) for _ in range(_AT_ONCE)]
            for line, spoken in zip(lines, self._read(lines), strict=True):
                yield self._said(spoken, line.mark, line.written)

    def _read(self, lines: list[Sentence]) -> Iterator[Spoken]:
        if self._role.engine == "espeak":
            manner = espeak.EspeakManner(self._voice, self._tempo / self._scale, *self._pitch)
            yield from espeak.speak(lines, manner)
        elif self._role.engine == "flite":
            yield from flite.speak(lines, self._voice, self._tempo / self._scale)
        else:
            yield from map(self._speak, espeak.phonemize(lines))

    def _speak(self, utterance: Utterance) -> Spoken:
        kokoro, joe = _voices()
        if self._role.engine == "kokoro":
            return kokoro.say(utterance, self._shares, self._tempo / self._scale)
        return joe.say(utterance, self._tempo / self._scale, self._rng)

    def _said(self, spoken: Spoken, mark: str, text: str) -> Said:
        """Plays faster or slower: pitch and formants go by the scale, as with another throat."""
        phonemes = tuple(
            replace(p, start=p.start / self._scale, end=p.end / self._scale)
            for p in spoken.phonemes
        )
        rate = round(spoken.sample_rate * self._scale)
        waveform = mono_at_rate(spoken.waveform, rate, SAMPLE_RATE)
        return Said(waveform, phonemes, mark if mark in "?!" else ".", text)


@lru_cache(maxsize=1)
def _voices() -> tuple[KokoroVoices, JoeVoice]:
    return KokoroVoices(), JoeVoice()


def mixture(rng: np.random.Generator, leader: int | None) -> Floats:
    """Shares [5] of the Kokoro voices in a voice of training, which the held-out one is not in."""
    shares = rng.dirichlet(np.full(5, 0.6))
    if leader is not None:
        shares *= 0.35
        shares[leader] += 0.65
    shares[HELD_OUT_VOICE] = 0.0
    shares[0] += 1e-3
    return cast(Floats, (shares / shares.sum()).astype(np.float32))
