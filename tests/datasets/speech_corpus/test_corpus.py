"""The speech corpus: text and times."""

from itertools import pairwise

import numpy as np
import pytest

from joyvasa_lib.datasets.speech_corpus.casting import HELD_OUT_VOICE, mixture
from joyvasa_lib.datasets.speech_corpus.corpus import (
    SpeechCorpusConfig,
    build_speech_corpus,
    missing_recordings,
)
from joyvasa_lib.datasets.speech_corpus.phonemes import (
    TimedPhoneme,
    label_steps,
    phoneme_class,
    split_diphthongs,
)
from joyvasa_lib.datasets.speech_corpus.text.pseudo_text import (
    LANGUAGES,
    PAUSES,
    split_symbols,
    write_utterance,
)
from joyvasa_lib.datasets.speech_corpus.voices import espeak, flite
from joyvasa_lib.datasets.speech_corpus.voices.kokoro import KokoroVoices
from joyvasa_lib.datasets.speech_corpus.voices.spoken import time_phonemes
from joyvasa_lib.errors import OptionError


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_every_sound_of_every_language_has_a_class(language):
    inventory = LANGUAGES[language]
    for cluster in f"{inventory.onsets} {inventory.vowels} {inventory.codas}".split():
        if cluster == "-":
            continue
        for symbol in split_symbols(cluster):
            for part in split_diphthongs([TimedPhoneme(symbol, 0.0, 1.0)]):
                assert phoneme_class(part.symbol) > 0


def test_an_utterance_depends_on_its_seed_alone():
    one, again, other = (
        write_utterance(np.random.default_rng(seed), "english", 12) for seed in (3, 3, 4)
    )
    assert one == again
    assert one != other
    assert one.symbols.count(" ") == 11
    assert one.symbols[-1] in PAUSES


def test_a_cluster_is_split_into_its_phonemes():
    assert split_symbols("stɹ") == ["s", "t", "ɹ"]
    assert split_symbols("tʃ") == ["tʃ"]
    assert split_symbols("pʰ") == ["p"]


def test_phonemes_lie_end_to_end_and_marks_take_no_place():
    symbols = ["sil", "m", "ˈ", "a", "ː", " ", "s", "a", " ", "p", ",", "sil"]
    seconds = np.array([0.1, 0.08, 0.02, 0.2, 0.05, 0.03, 0.1, 0.1, 0.07, 0.05, 0.3, 0.05])
    timed = time_phonemes(symbols, seconds)
    assert [p.symbol for p in timed] == ["sil", "m", "a", "s", "a", "p", "sil", "sil"]
    assert [p.word for p in timed] == [-1, 0, 0, 1, 1, 2, -1, -1]
    assert timed[0].start == 0.0
    assert timed[-1].end == pytest.approx(seconds.sum())
    for before, after in pairwise(timed):
        assert before.end == pytest.approx(after.start)
    assert timed[2].stressed
    assert timed[2].start == pytest.approx(0.18)  # the mark's time is the vowel's
    assert timed[2].end == pytest.approx(0.48)  # and so is its length's, and the short gap after it
    assert timed[5].end - timed[5].start == pytest.approx(0.12)  # the gap before /p/ is its closure


def test_steps_are_labelled_at_their_middle():
    labels = label_steps([TimedPhoneme("m", 0.04, 0.1), TimedPhoneme("a", 0.1, 0.135)], 8)
    m, a = phoneme_class("m"), phoneme_class("a")
    assert labels.tolist() == [0, 0, m, m, m, a, a, 0]


def test_the_held_out_voice_is_in_no_training_mixture():
    rng = np.random.default_rng(0)
    for leader in (None, 4):
        assert all(mixture(rng, leader)[HELD_OUT_VOICE] == 0.0 for _ in range(20))
    assert KokoroVoices.NAMES[HELD_OUT_VOICE] == "jf_nezumi"
    assert not set(espeak.VARIANTS) & set(espeak.HELD_OUT_VARIANTS)
    assert flite.HELD_OUT_VOICE not in flite.VOICES


def test_a_corpus_is_not_continued_by_another_recipe(tmp_path):
    config = SpeechCorpusConfig(train=0, valid=0, valid_language=0)
    assert list(build_speech_corpus(config, tmp_path)) == []
    larger = SpeechCorpusConfig(train=2, valid=1, valid_language=1)
    assert missing_recordings(larger, tmp_path) == [
        "valid-00000", "valid_language-00000", "train-00000", "train-00001",
    ]  # fmt: skip
    other = SpeechCorpusConfig(train=0, valid=0, valid_language=0, music=0.9)
    with pytest.raises(OptionError, match=r"music=0.15, not 0.9"):
        list(build_speech_corpus(other, tmp_path))


def test_an_unknown_language_is_refused_by_name():
    with pytest.raises(OptionError, match="Klingon"):
        SpeechCorpusConfig(languages=("Klingon",))


@pytest.mark.parametrize("content", ["{", "[]", ""])
def test_a_damaged_corpus_is_no_corpus_to_go_on_with(tmp_path, content):
    (tmp_path / "corpus.json").write_text(content)
    with pytest.raises(OptionError, match=r"corpus\.json is damaged"):
        next(iter(build_speech_corpus(SpeechCorpusConfig(), tmp_path)))
