"""The speech corpus: text, times, motion."""

from itertools import pairwise

import numpy as np
import pytest

from joyvasa_lib.datasets.speech_corpus.casting import HELD_OUT_VOICE, mixture
from joyvasa_lib.datasets.speech_corpus.corpus import (
    SpeechCorpusConfig,
    build_speech_corpus,
    missing_recordings,
)
from joyvasa_lib.datasets.speech_corpus.head_motion import speaking_head
from joyvasa_lib.datasets.speech_corpus.phonemes import (
    CLOSURES,
    PHONEME_CLASSES,
    TimedPhoneme,
    label_steps,
    phoneme_class,
    split_diphthongs,
)
from joyvasa_lib.datasets.speech_corpus.prosody import energy
from joyvasa_lib.datasets.speech_corpus.speech_recording import SpeechRecording
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
from joyvasa_lib.motion.blendshapes import BLENDSHAPES


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


def test_a_speaking_head_moves_as_much_as_people_and_a_silent_one_less():
    rng = np.random.default_rng(1)
    loud = 3.0 * np.sin(np.arange(5000) / 4.0).astype(np.float32)
    rotation, translation = speaking_head(loud, rng)
    ranges = [np.ptp(rotation[i : i + 250, 1]) for i in range(0, 5000, 250)]
    assert 4.0 < np.median(ranges) < 16.0
    assert np.abs(rotation).max() < 25.0
    assert np.abs(translation).max() < 0.15
    spectrum = np.abs(np.fft.rfft(rotation[:, 1] - rotation[:, 1].mean())) ** 2
    above = np.fft.rfftfreq(5000, 1 / 25) > 3.0
    assert spectrum[above].sum() < 0.01 * spectrum.sum()
    silent, _ = speaking_head(np.full(5000, -60.0, np.float32), np.random.default_rng(1))
    assert silent[:, 1].std() < 0.6 * rotation[:, 1].std()


def test_lips_close_on_bilabials_open_on_vowels_and_rest_in_silence():
    pytest.importorskip("openfacefx", reason="needs the extra `synthetic`")
    from joyvasa_lib.datasets.speech_corpus.face_motion import LEAD_FRAMES, animate

    sounds = [("sil", 0.8), *[("m", 0.12), ("a", 0.2)] * 5, ("sil", 0.8)]
    starts = np.cumsum([0.0] + [length for _, length in sounds])
    timed = [TimedPhoneme(s, starts[i], starts[i + 1]) for i, (s, _) in enumerate(sounds)]
    waveform = np.random.default_rng(0).normal(0, 0.1, int(starts[-1] * 16000)).astype(np.float32)
    waveform[: int(0.8 * 16000)] = waveform[-int(0.8 * 16000) :] = 0.0
    recording = SpeechRecording(
        "train-0", waveform, tuple(timed), np.zeros(len(waveform) // 160), energy(waveform)
    )
    values, steps = animate(recording, np.random.default_rng(0))
    assert len(values) == round(len(waveform) / 640)
    assert len(steps) == 2 * len(values)
    jaw = values[:, BLENDSHAPES.index("jawOpen")]
    middles = [(p.start + p.end) / 2 * 25 - 0.5 - LEAD_FRAMES for p in timed]
    at = np.interp(middles, np.arange(len(jaw)), jaw)
    vowels = at[2:-1:2]
    closures = at[1:-1:2]
    assert vowels.min() > 0.3
    assert closures.max() < 0.15
    assert jaw[:8].max() < 0.05
    assert jaw[-8:].max() < 0.05
    closed = np.isin(steps, [PHONEME_CLASSES.index(name) for name in CLOSURES])
    assert closed.sum() == pytest.approx(5 * 6, abs=5)


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
