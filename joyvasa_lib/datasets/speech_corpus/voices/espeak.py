"""espeak-ng: a formant synthesiser of many languages, whose events tell when each phoneme starts.

It also reads the text for the other voices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.speech_corpus.phonemes import SILENCE, TimedPhoneme
from joyvasa_lib.datasets.speech_corpus.text.ipa import STRESS, read_ipa, sounds_alone
from joyvasa_lib.datasets.speech_corpus.text.phonemizer import utterance_of
from joyvasa_lib.datasets.speech_corpus.text.pseudo_text import Utterance
from joyvasa_lib.datasets.speech_corpus.text.sentences import Sentence, languages
from joyvasa_lib.datasets.speech_corpus.voices.programs import ask
from joyvasa_lib.datasets.speech_corpus.voices.spoken import Spoken

WORDS_A_MINUTE = 165.0
"""Rate at which espeak-ng speaks about as fast as the other voices."""
VARIANTS: tuple[str, ...] = (
    "Alex", "Andrea", "Andy", "Annie", "antonio", "aunty", "belinda", "benjamin", "boris", "caleb",
    "david", "Denis", "Diogo", "ed", "edward", "f1", "f2", "f3", "f4", "Gene", "Henrique", "iven",
    "iven2", "Jacky", "john", "klatt", "klatt2", "klatt3", "Lee", "Linda", "m1", "m2", "m3", "m4",
    "m5", "marcelo", "Marco", "Mario", "max", "Michael", "michel", "miguel", "Mike", "Nguyen",
    "pablo", "paul", "pedro", "quincy", "rob", "robert", "steph", "steph2", "victor",
)  # fmt: skip
"""Voices of training."""
HELD_OUT_VARIANTS: tuple[str, ...] = ("Alicia", "Hugo", "zac", "m7", "f5")
"""Voices of validation alone."""


_VOICELESS_STOPS = frozenset(("p", "t", "ʈ", "k", "q", "c", "tʃ", "ts", "tɕ"))
_LEVEL_STEP = 0.005
"""Seconds of sound whose level is compared."""
_CLOSED = 0.01
"""Power in a closure against that of the sound before it, at most."""


@dataclass(frozen=True)
class EspeakManner:
    """How it speaks.

    Attributes:
        variant: a voice of ``VARIANTS``.
        tempo: 1 is ``WORDS_A_MINUTE``.
        pitch: 0 to 99.
        pitch_range: 0 to 99; 0 is monotonous.
    """

    variant: str
    tempo: float
    pitch: int
    pitch_range: int


def speak(sentences: Sequence[Sentence], manner: EspeakManner) -> list[Spoken]:
    """Speaks sentences of one language.

    Raises:
        MissingDependencyError: espeak-ng is not installed, or lacks the voice.
        OptionError: a sound is not known.
    """
    answer, sound = ask("espeak", _request(sentences, manner, True))
    rate, result, start = int(answer["rate"]), [], 0
    for text in answer["texts"]:
        stop = start + int(text["samples"])
        waveform = sound[start:stop].astype(np.float32) / np.float32(32768.0)
        phonemes = times_of_events(text["events"], text["clauses"], len(waveform), rate)
        result.append(Spoken(waveform, rate, with_closures(phonemes, waveform, rate)))
        start = stop
    return result


def phonemize(sentences: Sequence[Sentence]) -> list[Utterance]:
    """Returns the sounds of sentences of one language.

    Raises:
        MissingDependencyError: espeak-ng is not installed.
        OptionError: a sound is not known.
    """
    answer, _ = ask("espeak", _request(sentences, EspeakManner("", 1.0, 50, 50), False))
    return [
        utterance_of(text["clauses"], sentence.mark, sentence.language)
        for text, sentence in zip(answer["texts"], sentences, strict=True)
    ]


def _request(sentences: Sequence[Sentence], manner: EspeakManner, aloud: bool) -> dict[str, Any]:
    voice = languages()[sentences[0].language]["espeak"]
    return {
        "voice": f"{voice}+{manner.variant}" if manner.variant else voice,
        "rate": round(WORDS_A_MINUTE * manner.tempo),
        "pitch": manner.pitch,
        "range": manner.pitch_range,
        "texts": [sentence.written for sentence in sentences],
        "speak": aloud,
    }


def times_of_events(
    events: Sequence[Sequence[Any]], clauses: Sequence[str], samples: int, rate: int
) -> tuple[TimedPhoneme, ...]:
    """Lays the phonemes of events end to end; each lasts until the next begins.

    Args:
        events: ``[sample, "phoneme", IPA]`` and ``[sample, "word", number]`` in order.
        clauses: the transcription with stress marks, which events lack.
        samples: length of the speech.
        rate: samples a second.

    Raises:
        OptionError: a sound is not known.
    """
    heard: list[tuple[int, list[str], int]] = [(0, [], -1)]
    word = -1
    for sample, kind, value in events:
        if kind == "word":
            word += 1
        else:
            heard.append((int(sample), sounds_alone(read_ipa(value)), word))
    phonemes: list[TimedPhoneme] = []
    ends = [min(start, samples) for start, _, _ in heard[1:]] + [samples]
    for (start, symbols, number), end in zip(heard, ends, strict=True):
        if end <= start:
            continue
        steps = np.linspace(start, end, len(symbols) + 1) / rate
        if not symbols:
            if phonemes and phonemes[-1].symbol == SILENCE:
                start_of = phonemes.pop().start
            else:
                start_of = start / rate
            phonemes.append(TimedPhoneme(SILENCE, start_of, end / rate))
        for symbol, (begins, stops) in zip(symbols, pairwise(steps), strict=True):
            phonemes.append(TimedPhoneme(symbol, float(begins), float(stops), False, number))
    return _with_stress(phonemes, clauses)


def with_closures(
    phonemes: Sequence[TimedPhoneme], waveform: NDArray[np.float32], rate: int
) -> tuple[TimedPhoneme, ...]:
    """Moves the start of each voiceless stop back to where the sound before it ends.

    An event of espeak-ng marks the burst; the closure before it would count as the sound before.
    """
    step = max(1, round(_LEVEL_STEP * rate))
    whole = len(waveform) // step * step
    power = np.square(waveform[:whole].astype(np.float64)).reshape(-1, step).mean(1)
    result = list(phonemes)
    for index in range(1, len(result)):
        before, stop = result[index - 1], result[index]
        if stop.symbol not in _VOICELESS_STOPS or before.symbol == SILENCE:
            continue
        first = int(before.start / _LEVEL_STEP)
        last = min(int(stop.start / _LEVEL_STEP), len(power))
        if last - first < 2:
            continue
        quiet = power[first:last] < _CLOSED * power[first:last].max()
        length = int(np.argmin(quiet[::-1])) if not quiet.all() else 0
        length = min(length, (last - first) // 2) if length > 1 else 0
        start = stop.start - length * _LEVEL_STEP
        result[index - 1] = replace(before, end=start)
        result[index] = replace(stop, start=start)
    return tuple(result)


def _with_stress(
    phonemes: Sequence[TimedPhoneme], clauses: Sequence[str]
) -> tuple[TimedPhoneme, ...]:
    """Takes the stress from the transcription, whose phonemes may differ here and there."""
    symbols: list[str] = []
    stressed: list[int] = []
    for symbol in utterance_of(clauses, ".", "").symbols:
        if symbol == STRESS:
            stressed.append(len(symbols))
        else:
            symbols.append(symbol)
    spoken = [index for index, p in enumerate(phonemes) if p.symbol != SILENCE]
    result = list(phonemes)
    matcher = SequenceMatcher(None, [phonemes[i].symbol for i in spoken], symbols, autojunk=False)
    for first, second, size in matcher.get_matching_blocks():
        for offset in range(size):
            if second + offset in stressed:
                p = phonemes[spoken[first + offset]]
                result[spoken[first + offset]] = replace(p, stressed=True)
    return tuple(result)
