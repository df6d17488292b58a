"""Engines, where they are installed: their times of phonemes agree with their sound."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from joyvasa_lib.datasets.speech_corpus.casting import Speaker, role_of
from joyvasa_lib.datasets.speech_corpus.corpus import SpeechCorpusConfig
from joyvasa_lib.datasets.speech_corpus.phonemes import SILENCE, is_phoneme
from joyvasa_lib.datasets.speech_corpus.text.ipa import read_ipa
from joyvasa_lib.datasets.speech_corpus.text.sentences import languages, write_sentence
from joyvasa_lib.datasets.speech_corpus.voices.kokoro import sounds_early
from joyvasa_lib.errors import MissingDependencyError, OptionError

VOWELS = set("aeiouɑæɛɔɪʊəʌ")
STOPS = set("pbtdkɡ")


def test_ipa_is_read_as_sounds_and_marks() -> None:
    assert read_ipa("ˈaɪ") == ["ˈ", "aɪ"]
    assert read_ipa("tʃʲ") == ["tʃ", "ʲ"]
    assert read_ipa("ɛ\u0303") == ["ɛ", "\u0303"]
    assert read_ipa("iɜ") == ["i"]  # a tone
    assert read_ipa("tɕh") == ["tɕ", "ʰ"]
    assert read_ipa("ç") == ["ç"]
    assert read_ipa("_") == []
    with pytest.raises(OptionError, match="ʘ"):
        read_ipa("ʘ")


def test_kokoro_leads_less_when_it_speaks_fast() -> None:
    assert sounds_early(0.75) == pytest.approx(0.08)
    assert sounds_early(1.5) < sounds_early(1.0) == pytest.approx(0.067)


@pytest.mark.parametrize("language", sorted(languages()))
def test_sentences_of_every_language_depend_on_the_seed_alone(language: str) -> None:
    if languages()[language]["faker"]:
        pytest.importorskip("faker", reason="needs the extra `synthetic`")
    one, again = ([write_sentence(np.random.default_rng(s), language) for s in range(9)] * 2)[:2]
    assert one == write_sentence(np.random.default_rng(0), language)
    assert one != again
    assert "{" not in one.text and one.mark in (".", "?", "!")


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["kokoro", "joe", "espeak", "flite"])
def test_vowels_are_loud_and_stops_are_not_when_they_are_said(engine: str) -> None:
    pytest.importorskip("faker", reason="needs the extra `synthetic`")
    config = SpeechCorpusConfig(engines={engine: 1}, languages=("english",), pseudo_words=0.0)
    levels: dict[str, list[float]] = {"vowel": [], "stop": []}
    for number in range(3):
        speaker = Speaker(
            config.casting, role_of(config.casting, "train", number), np.random.default_rng(number)
        )
        try:
            said = next(speaker.sentences())
        except MissingDependencyError as error:
            pytest.skip(str(error))
        for before, after in pairwise(said.phonemes):
            assert before.end == pytest.approx(after.start)
        assert said.phonemes[0].start == 0.0
        assert said.phonemes[-1].end == pytest.approx(len(said.waveform) / 16000, abs=0.03)
        for phoneme in said.phonemes:
            assert phoneme.symbol == SILENCE or is_phoneme(phoneme.symbol)
            kind = "vowel" if phoneme.symbol in VOWELS else "stop"
            if phoneme.symbol in VOWELS | STOPS:
                part = said.waveform[int(phoneme.start * 16000) : int(phoneme.end * 16000)]
                steps = np.square(part[: len(part) // 80 * 80].reshape(-1, 80)).mean(1)
                power = steps.max() if kind == "vowel" else steps.min()
                levels[kind].append(10.0 * np.log10(power + 1e-9))
    assert min(len(found) for found in levels.values()) > 4
    assert np.median(levels["vowel"]) - np.median(levels["stop"]) > 10.0
