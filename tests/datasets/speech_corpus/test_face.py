"""The animator of the corpus: faces that do with speech what people do."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path

import numpy as np
import pytest

from joyvasa_lib.datasets.speech_corpus.face.accents import find_phrases
from joyvasa_lib.datasets.speech_corpus.face.animate import animate
from joyvasa_lib.datasets.speech_corpus.face.lips import lip_curves, lip_targets
from joyvasa_lib.datasets.speech_corpus.face.speaker import Speaker, draw_speaker, usual_speaker
from joyvasa_lib.datasets.speech_corpus.phonemes import (
    CLOSURES,
    PHONEME_CLASSES,
    SILENCE,
    TimedPhoneme,
    is_phoneme,
    split_diphthongs,
)
from joyvasa_lib.datasets.speech_corpus.prosody import energy
from joyvasa_lib.datasets.speech_corpus.speech_recording import SpeechEvent, SpeechRecording
from joyvasa_lib.evaluation import behaviour_of_motion
from joyvasa_lib.motion import Motion
from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.speech.style import DIALS, MOST

SYLLABLES = (("m", "a"), ("t", "i"), ("s", "o"), ("k", "e"), ("b", "u"), ("l", "a"))
PIECE = 200
"""Frames that behaviour is measured in: people were measured for 3 to 8 s, and a head that changes
its posture now and then moves farther in a minute."""
GRID = Path(__file__).resolve().parents[3] / "benchmarks" / "grid_phonemes"


def recording(sounds, marks=(), events=()):
    """A recording of (symbol, seconds, stressed); stressed vowels are louder and higher."""
    timed, time, sentence = [], 0.0, 0
    for symbol, seconds, stressed in sounds:
        silent = symbol == SILENCE
        timed.append(
            TimedPhoneme(symbol, time, time + seconds, stressed, -1 if silent else 0, 0, sentence)
        )
        time += seconds
    count = round(time * 25) * 640
    rng = np.random.default_rng(0)
    waveform = rng.normal(0, 0.05, count).astype(np.float32)
    pitch = np.zeros(count // 160, np.float32)
    for one in timed:
        part = slice(int(one.start * 16000), int(one.end * 16000))
        waveform[part] *= 0.0 if one.symbol == SILENCE else 2.0 if one.stressed else 1.0
        if one.symbol in "aioeu":
            pitch[int(one.start * 100) : int(one.end * 100)] = 160.0 if one.stressed else 120.0
    return SpeechRecording(
        "train-0", waveform, tuple(timed), pitch, energy(waveform), tuple(events), tuple(marks)
    )


def talk(seconds, seed=0, **more):
    """Phrases of about two seconds with pauses."""
    rng = np.random.default_rng(seed)
    sounds, time = [(SILENCE, 0.5, False)], 0.5
    while time < seconds:
        for _ in range(11):
            consonant, vowel = SYLLABLES[rng.integers(len(SYLLABLES))]
            stressed = bool(rng.random() < 0.35)
            sounds += [(consonant, 0.07, False), (vowel, 0.16 if stressed else 0.09, stressed)]
        sounds.append((SILENCE, float(rng.uniform(0.3, 1.2)), False))
        time = sum(length for _, length, _ in sounds)
    return recording([*sounds, (SILENCE, 0.6, False)], **more)


def made(spoken, style=None, seed=0):
    frames = round(spoken.seconds * 25)
    return animate(spoken, style or usual_speaker(frames), np.random.default_rng(seed))


def channel(values, name):
    return values[:, BLENDSHAPES.index(name)]


@pytest.fixture(scope="module")
def spoken():
    return talk(40.0)


@pytest.fixture(scope="module")
def values(spoken):
    return made(spoken)[0]


def test_lips_close_on_bilabials_open_on_vowels_and_rest_in_silence():
    sounds = [(SILENCE, 0.8, False), *[("m", 0.12, False), ("a", 0.2, True)] * 5]
    said = recording([*sounds, (SILENCE, 0.8, False)])
    values, steps = made(said)
    assert len(values) == round(said.seconds * 25)
    assert len(steps) == 2 * len(values)
    aperture, _, _ = lip_curves(said.phonemes, len(values))
    middle = [(one.start + one.end) / 2 for one in said.phonemes]
    lead = lip_targets().kernels["aperture"][1]
    at = np.interp([25 * (time - lead) - 0.5 for time in middle], np.arange(len(values)), aperture)
    assert at[2:-1:2].min() > 0.08  # outer eye-corner distances
    assert at[1:-1:2].max() <= 0.0
    jaw = channel(values, "jawOpen")
    assert jaw[:5].max() < 0.02 and jaw[-5:].max() < 0.02
    closed = np.isin(steps, [PHONEME_CLASSES.index(name) for name in CLOSURES])
    assert closed.sum() == pytest.approx(5 * 6, abs=5)
    pressed = channel(values, "mouthPressLeft")[closed.reshape(-1, 2).all(axis=1)]
    assert np.median(pressed) > 0.1


def test_short_closures_between_vowels_close():
    sounds = [("a", 0.12, True), ("p", 0.06, False)] * 8
    said = recording([(SILENCE, 0.6, False), *sounds, ("a", 0.12, True), (SILENCE, 0.6, False)])
    steps = made(said)[1]
    late = lip_targets().late
    aperture, _, _ = lip_curves(said.phonemes, round(said.seconds * 25), late=late)
    closures = np.isin(steps, [PHONEME_CLASSES.index(name) for name in CLOSURES])
    runs = np.flatnonzero(np.diff(np.concatenate([[0], closures, [0]])))
    lowest = [
        aperture[a // 2 : (b + 1) // 2].min() for a, b in zip(runs[::2], runs[1::2], strict=False)
    ]
    assert len(lowest) == 8
    assert max(lowest) < 0.02


def test_times_of_synthesisers_are_taken_for_as_much_earlier_as_they_are(spoken, values):
    """Real openings come 10 ms after loudness: beside ten sentences, labels of others are early."""
    targets, frames = lip_targets(), len(values)
    parts = split_diphthongs(spoken.phonemes)
    early, late = (lip_curves(parts, frames, late=late)[0] for late in (0.0, 0.03))
    times = np.arange(frames) / 25.0
    np.testing.assert_allclose(late[2:], np.interp(times - 0.03, times, early)[2:], atol=0.02)
    likeness = [
        np.corrcoef(channel(values, "jawOpen"), np.maximum(curve, 0.0))[0, 1]
        for curve in (early, late)
    ]
    assert targets.late == 0.03
    assert likeness[1] > likeness[0] + 0.02


def test_the_mouth_is_shut_and_still_in_long_silence():
    said = talk(6.0)
    silent = SpeechRecording(
        "train-1",
        np.zeros(64000, np.float32),
        (TimedPhoneme(SILENCE, 0.0, 4.0),),
        np.zeros(400, np.float32),
        np.full(400, -100.0, np.float32),
    )
    quiet, loud = made(silent)[0], made(said)[0]
    change = [np.abs(np.diff(channel(one, "jawOpen"))).mean() for one in (quiet, loud)]
    assert change[0] < 0.1 * change[1]
    assert channel(quiet, "jawOpen").max() < 0.01
    assert (
        0
        < np.abs(np.diff(quiet[:, 56:59], axis=0)).mean()
        < 0.5 * np.abs(np.diff(loud[:, 56:59], axis=0)).mean()
    )  # the head does not freeze


def test_behaviour_is_that_of_people(spoken):
    measured = []
    for seed in range(5):
        values, _ = made(spoken, seed=seed)
        motion = Motion.from_blendshapes(
            values[:, :52], rotation=values[:, 56:59], translation=values[:, 53:56]
        )
        samples = spoken.samples()
        for start in range(0, len(motion) - PIECE, PIECE):
            sound = samples[640 * start : 640 * (start + PIECE)]
            found = behaviour_of_motion(motion[start : start + PIECE], sound, sample_rate=16000)
            rows = [row for row in found.rows if row.basis in ("rig", "pose")]
            measured.append({row.row: row.value for row in rows})
    assert len(measured[0]) == 13
    middle = {row: np.median([one[row] for one in measured]) for row in measured[0]}
    outside = {
        row.key: value
        for row, value in middle.items()
        if not row.real.low <= value <= row.real.high
    }
    assert not outside
    by_key = {row.key: value for row, value in middle.items()}
    assert by_key["aperture_loudness_correlation"] < 0.4
    assert by_key["pitch_sd"] > 2.0 and 6.0 < by_key["head_speed"] < 14.0


@pytest.mark.parametrize("dial", DIALS)
def test_a_dial_moves_its_own_part_and_nothing_else(spoken, values, dial):
    def with_dial(amount):
        dials = np.ones((len(values), len(DIALS)), np.float32)
        dials[:, DIALS.index(dial)] = amount
        return made(spoken, Speaker(dials))[0]

    def spread(one):
        parts = {
            "articulation": channel(one, "jawOpen") + 0.3 * channel(one, "mouthUpperUpLeft"),
            "head": one[:, 56:59],
            "brows": channel(one, "browOuterUpLeft"),
            "smile": channel(one, "mouthSmileLeft"),
        }
        return {name: float(np.std(part, axis=0).mean()) for name, part in parts.items()}

    amounts = [spread(with_dial(amount)) for amount in (0.5, 1.0, 1.6)]
    own = [one[dial] for one in amounts]
    assert own[0] < 0.8 * own[1] and own[1] < 0.9 * own[2]
    for name in set(DIALS) - {dial}:
        assert amounts[0][name] == pytest.approx(amounts[2][name], rel=0.06), name
    if dial != "articulation":
        assert with_dial(0.0)[:, :52].max() <= 1.0
        assert spread(with_dial(0.0))[dial] < 0.01


def test_drawn_speakers_differ_and_keep_the_bounds():
    styles = [draw_speaker(np.random.default_rng(seed), 400) for seed in range(200)]
    first = np.array([style.dials[0] for style in styles])
    assert first.min() >= 0.0 and first.max() <= MOST
    assert (first[:, 1:] == 0.0).any(axis=0).all()
    assert (first.std(axis=0) > 0.2).all()
    changing = [np.ptp(style.dials, axis=0).max() > 0 for style in styles]
    assert 0.2 < np.mean(changing) < 0.4


def test_the_same_seed_gives_the_same_face(spoken, values):
    assert np.array_equal(made(spoken)[0], values)
    assert np.abs(made(spoken, seed=1)[0] - values).max() > 0.2


def test_accents_are_found_where_a_voice_rises(spoken):
    phrases = find_phrases(spoken)
    assert len(phrases) >= 10
    assert all(one.end < other.start for one, other in itertools.pairwise(phrases))
    stressed = [(p.start + p.end) / 2 for p in spoken.phonemes if p.stressed]
    accents = [accent.time for phrase in phrases for accent in phrase.accents]
    on = [min(abs(time - other) for other in stressed) < 0.01 for time in accents]
    assert np.mean(on) > 0.9
    assert len(accents) > 0.4 * len(stressed)


def test_a_question_is_asked_with_the_brows():
    sounds = [(SILENCE, 0.5, False), *[("m", 0.1, False), ("a", 0.15, False)] * 8]
    raised = []
    for mark in ".?":
        said = recording([*sounds, (SILENCE, 1.0, False)], marks=(mark,))
        ends = [channel(made(said, seed=seed)[0], "browOuterUpLeft")[50:70] for seed in range(20)]
        raised.append(float(np.mean([end.max() for end in ends])))
    assert raised[1] > raised[0] + 0.15


def test_laughter_smiles_and_breath_parts_the_lips():
    quiet = [(SILENCE, 4.0, False)]
    events = (SpeechEvent("breath", 0.6, 1.2, -20.0), SpeechEvent("laughter", 2.0, 3.2))
    values = made(recording(quiet, events=events))[0]
    lips = channel(values, "jawOpen") + channel(values, "mouthUpperUpLeft")
    assert channel(values, "mouthSmileLeft")[55:75].mean() > 0.5
    assert lips[18:26].mean() > 0.05 > lips[:8].mean()


@pytest.mark.parametrize("path", sorted(GRID.glob("*.csv")), ids=lambda path: path.stem)
def test_sentences_of_real_people_have_known_sounds(path):
    rows = list(csv.DictReader(path.open(encoding="utf-8")))
    symbols = [
        row["phone"].lstrip("ˈˌ").replace("\N{MODIFIER LETTER TRIANGULAR COLON}", "")
        for row in rows
    ]
    assert all(map(is_phoneme, symbols))
    timed = [
        TimedPhoneme(symbol, float(row["start"]), float(row["end"]))
        for symbol, row in zip(symbols, rows, strict=True)
    ]
    aperture, _, _ = lip_curves(split_diphthongs(timed), 75)
    assert np.ptp(aperture) > 0.1
