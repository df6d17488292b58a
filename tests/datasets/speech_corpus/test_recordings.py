"""Recordings without motion: what is stored comes back, who speaks is balanced and held out."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from joyvasa_lib.datasets.speech_corpus import compose, corpus_motion
from joyvasa_lib.datasets.speech_corpus.casting import Said, role_of
from joyvasa_lib.datasets.speech_corpus.corpus import SpeechCorpusConfig, build_speech_corpus
from joyvasa_lib.datasets.speech_corpus.corpus_motion import FaceMotionConfig, animate_corpus
from joyvasa_lib.datasets.speech_corpus.one_recording import make_recording
from joyvasa_lib.datasets.speech_corpus.phonemes import SILENCE, TimedPhoneme
from joyvasa_lib.datasets.speech_corpus.prosody import energy
from joyvasa_lib.datasets.speech_corpus.recordings import SpeechCorpus
from joyvasa_lib.datasets.speech_corpus.speech_recording import (
    SpeechEvent,
    SpeechRecording,
    read_recording,
    write_recording,
)
from joyvasa_lib.datasets.speech_corpus.voices.espeak import times_of_events, with_closures
from joyvasa_lib.datasets.speech_corpus.voices.flite import times_of_segments
from joyvasa_lib.errors import MediaError, OptionError


def recording(name: str = "train-00000", seconds: float = 2.0) -> SpeechRecording:
    rng = np.random.default_rng(0)
    sound = (rng.normal(0.0, 3000.0, round(16000 * seconds))).astype(np.int16)
    phonemes = (
        TimedPhoneme(SILENCE, 0.0, 0.5),
        TimedPhoneme("m", 0.5, 0.75, False, 0, 0, 0),
        TimedPhoneme("a", 0.75, 1.5, True, 0, 0, 0),
        TimedPhoneme(SILENCE, 1.5, seconds),
    )
    steps = len(sound) // 160
    return SpeechRecording(
        name,
        sound,
        phonemes,
        np.linspace(90.0, 120.0, steps, dtype=np.float32),
        np.linspace(-60.0, -20.0, steps, dtype=np.float32),
        (SpeechEvent("pause", 0.0, 0.5), SpeechEvent("breath", 0.125, 0.375, -20.0)),
        ("?",),
        "Ma?",
        "english",
        "joe",
        "joe",
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    made = recording()
    write_recording(made, tmp_path / "train-00000.npz")
    found = read_recording(tmp_path / "train-00000.npz")
    for field in fields(made):
        before, after = getattr(made, field.name), getattr(found, field.name)
        if isinstance(before, np.ndarray):
            np.testing.assert_array_equal(after, before)
        else:
            assert after == before
    assert [path.name for path in tmp_path.iterdir()] == ["train-00000.npz"]


def test_a_damaged_or_older_recording_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "train-00000.npz"
    write_recording(recording(), path)
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(MediaError, match="train-00000"):
        read_recording(path)
    np.savez(path, waveform=np.zeros(640, np.int16))
    with pytest.raises(MediaError, match="older corpus"):
        read_recording(path)


def test_any_beginning_of_a_corpus_is_a_mixture() -> None:
    config = SpeechCorpusConfig()
    roles = [role_of(config.casting, "train", number) for number in range(320)]
    for start in (0, 160):
        engines = Counter(role.engine for role in roles[start : start + 160])
        assert engines == {"kokoro": 40, "joe": 40, "espeak": 48, "flite": 24, "none": 8}
    spoken = Counter(r.language for r in roles if r.engine not in ("flite", "none"))
    assert set(spoken) == set(config.languages)
    assert min(spoken.values()) > 8
    assert {r.language for r in roles if r.engine == "flite"} == {"english"}


def test_held_out_languages_are_in_their_split_alone() -> None:
    casting = SpeechCorpusConfig().casting
    held_out = {role_of(casting, "valid_language", number).language for number in range(20)}
    assert held_out == {"greek", "finnish"}
    for split in ("train", "valid"):
        assert not held_out & {role_of(casting, split, number).language for number in range(400)}
    with pytest.raises(OptionError, match="'english' is a language of training and held out"):
        SpeechCorpusConfig(held_out_languages=("english",))


def test_a_timeline_has_no_gaps_and_numbers_what_it_says() -> None:
    rng = np.random.default_rng(0)
    phonemes = (
        TimedPhoneme(SILENCE, 0.0, 0.3),
        TimedPhoneme("m", 0.3, 0.4, True, 0),
        TimedPhoneme("a", 0.4, 0.6, False, 1),
        TimedPhoneme(SILENCE, 0.6, 1.0),
    )
    said = Said(rng.normal(0.0, 0.1, 16000).astype(np.float32), phonemes, "?", "ma")
    timeline = compose.Timeline()
    timeline.rest(0.2)
    timeline.say(said, 0.0)
    compose.add_pause(timeline, rng, 1.0, True)
    timeline.say(said, 0.0)
    track = timeline.finished()
    found = timeline.phonemes
    assert found[0].start == 0.0
    assert found[-1].end == pytest.approx(len(track) / 16000)
    assert len(track) % 640 == 0
    for before, after in pairwise(found):
        assert before.end == pytest.approx(after.start)
    spoken = [p for p in found if p.symbol != SILENCE]
    assert [p.word for p in spoken] == [0, 1, 2, 3]
    assert [p.phrase for p in spoken] == [0, 0, 1, 1]
    assert [p.sentence for p in spoken] == [0, 0, 1, 1]
    (breath,) = timeline.events
    pause = next(e for e in compose.pauses(found) if e.start > 0.3)
    assert pause.start < breath.start < breath.end < pause.end
    assert np.abs(track[: round(0.19 * 16000)]).max() == 0.0


def test_a_recording_in_which_nobody_speaks_depends_on_its_number_alone() -> None:
    pytest.importorskip("pysptk", reason="needs the extra `synthetic`")
    config = SpeechCorpusConfig(engines={"none": 1}, music=1.0, noise=1.0)
    one, again, other = (
        make_recording(
            config.casting, config.surroundings, "train", number, np.random.default_rng(number)
        )
        for number in (3, 3, 4)
    )
    np.testing.assert_array_equal(one.waveform, again.waveform)
    assert len(one.waveform) != len(other.waveform)
    assert [p.symbol for p in one.phonemes] == [SILENCE]
    assert one.phonemes[0].end == pytest.approx(one.seconds)
    assert {event.kind for event in one.events} >= {"noise", "music", "pause"}
    assert 5.0 <= one.seconds <= 20.1
    assert 0 < np.abs(one.waveform.astype(int)).max() < 32767


def test_energy_is_in_decibels_at_its_time() -> None:
    wave = np.zeros(16000, np.float32)
    wave[8000:] = 0.1
    found = energy(wave)
    assert len(found) == 100
    assert found[:49].max() == -100.0
    assert found[52:].min() == pytest.approx(-20.0, abs=0.01)
    assert found[50] == pytest.approx(-23.0, abs=0.1)


def test_the_pitch_of_a_voice_without_its_fundamental_is_found_in_time() -> None:
    pytest.importorskip("pysptk", reason="needs the extra `synthetic`")
    from joyvasa_lib.datasets.speech_corpus.prosody import pitch

    time = np.arange(48000) / 16000
    true = 150.0 + 40.0 * np.sin(2.0 * np.pi * time)
    phase = 2.0 * np.pi * np.cumsum(true) / 16000
    wave = sum(np.sin(k * phase) / k for k in range(2, 15))
    wave[:8000] = wave[40000:] = 0.0
    found = pitch((0.2 * wave).astype(np.float32))
    assert not found[:45].any() and not found[255:].any()
    np.testing.assert_allclose(found[60:240], true[::160][60:240], rtol=0.01)


def test_events_of_espeak_last_until_the_next_and_get_their_stress() -> None:
    events = [
        [0, "word", 1], [100, "phoneme", "p"], [300, "phoneme", "aɪ"], [500, "phoneme", ""],
        [700, "word", 2], [700, "phoneme", "oɔ"],
    ]  # fmt: skip
    found = times_of_events(events, ["p_ˈaɪ", "oɔ"], 1000, 1000)
    assert [p.symbol for p in found] == ["sil", "p", "aɪ", "sil", "o", "ɔ"]
    assert [p.start for p in found] == pytest.approx([0.0, 0.1, 0.3, 0.5, 0.7, 0.85])
    assert found[-1].end == pytest.approx(1.0)
    assert [p.stressed for p in found] == [False, False, True, False, False, False]
    assert [p.word for p in found] == [-1, 0, 0, -1, 1, 1]


def test_a_voiceless_stop_begins_with_its_closure() -> None:
    wave = np.full(16000, 0.1, np.float32)
    wave[7200:8000] = 0.0
    said = [TimedPhoneme("a", 0.0, 0.5), TimedPhoneme("p", 0.5, 0.6), TimedPhoneme("a", 0.6, 1.0)]
    found = with_closures(said, wave, 16000)
    assert found[0].end == found[1].start == pytest.approx(0.45, abs=0.006)
    assert found[1:2] + found[2:] != tuple(said[1:]) and found[2] == said[2]
    assert with_closures(said, np.full(16000, 0.1, np.float32), 16000) == tuple(said)


def test_segments_of_flite_lie_end_to_end() -> None:
    found = times_of_segments(
        [
            ("pau", 0.2, False, -1),
            ("m", 0.3, True, 0),
            ("ay", 0.6, True, 0),
            ("pau", 0.7, False, -1),
        ],
        0.65,
    )
    assert [(p.symbol, p.start, p.end) for p in found] == [
        ("sil", 0.0, 0.2), ("m", 0.2, 0.3), ("aɪ", 0.3, 0.6), ("sil", 0.6, 0.65),
    ]  # fmt: skip


def test_motion_is_made_beside_the_sound_and_can_be_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = SpeechCorpusConfig(train=0, valid=0, valid_language=0)
    assert list(build_speech_corpus(config, tmp_path)) == []
    for name in ("train-00000", "train-00001", "valid_language-00000"):
        write_recording(recording(name), tmp_path / f"{name}.npz")
    with pytest.raises(MediaError, match="joyvasa train animate"):
        SpeechCorpus(tmp_path)
    calls = []

    def animator(recording, speaker, rng):
        calls.append(recording.name)
        frames = round(recording.seconds * 25)
        assert speaker.dials.shape == (frames, 4)
        values = np.full((frames, 59), rng.random(), np.float32)
        return values, np.ones(2 * frames, np.uint8)

    monkeypatch.setattr(corpus_motion, "animate", animator)
    names = list(animate_corpus(FaceMotionConfig(), tmp_path))
    assert sorted(names) == ["train-00000", "train-00001", "valid_language-00000"]
    corpus = SpeechCorpus(tmp_path)
    first, second = corpus.items("train")
    assert (first.speaker, first.language, first.engine) == ("joe", "english", "joe")
    assert first.values.shape == (50, 59)
    assert first.values[0, 0] != second.values[0, 0]
    assert len(corpus.items("valid_language")) == 1 and not corpus.items("valid")
    assert list(animate_corpus(FaceMotionConfig(), tmp_path)) == []
    with pytest.raises(OptionError, match="seed=0, not 1"):
        list(animate_corpus(FaceMotionConfig(seed=1), tmp_path))
    elsewhere = tmp_path / "other"
    assert len(list(animate_corpus(FaceMotionConfig(seed=1), tmp_path, elsewhere))) == 3
    again = SpeechCorpus(tmp_path, elsewhere).items("train")[0]
    assert again.values[0, 0] != first.values[0, 0]
    before = len(calls)
    assert len(list(animate_corpus(FaceMotionConfig(), tmp_path, restart=True))) == 3
    assert len(calls) == before + 3
    assert json.loads((elsewhere / "motion.json").read_text())["config"]["seed"] == 1
