"""What a listener hears: speech and pauses, at any level and over noise."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from joyvasa_lib.media.audio import load_speech
from joyvasa_lib.motion.living.heard import Heard, Pause
from joyvasa_lib.motion.living.nods import NOD, NOD_SECONDS, nods_after

RATE = 16000


def talk(spans, seconds, level=0.2, noise=0.0):
    """Buzzing syllables, four a second, in spans of seconds."""
    time = np.arange(round(seconds * RATE)) / RATE
    rng = np.random.default_rng(0)
    syllables = 0.25 + 0.75 * np.abs(np.sin(np.pi * 4 * time))
    buzz = level * syllables * np.sign(np.sin(2 * np.pi * 140 * time))
    inside = np.any([(time >= a) & (time < b) for a, b in spans], axis=0)
    return (buzz * inside + noise * rng.normal(size=len(time))).astype(np.float32)


SPANS = [(0.5, 2.0), (2.1, 3.0), (4.0, 4.2), (5.0, 6.5)]


@pytest.mark.parametrize(("level", "noise"), [(0.2, 0.0), (0.002, 0.0), (0.3, 0.02)])
def test_phrases_end_where_pauses_follow_speech(level, noise):
    heard = Heard([talk(SPANS, 8.0, level, noise)])
    pauses = heard.pauses()
    # A gap of 0.1 s is no pause, 0.2 s of speech no phrase.
    assert [pause.start for pause in pauses] == pytest.approx([3.0, 6.5], abs=0.05)
    assert pauses[0].end == pytest.approx(4.0, abs=0.05)
    assert pauses[1].end == np.inf
    assert heard.speaking(np.array([0.2, 1.0, 2.05, 3.5, 5.5, 7.0, 99.0])).tolist() == [
        False, True, True, False, True, False, False,
    ]  # fmt: skip


def test_blocks_of_any_length_are_heard_as_the_whole():
    sound = talk(SPANS, 8.0, noise=0.01)
    whole = Heard([sound])
    parts = Heard(np.split(sound, [1, 321, 5000, 5001, 90000]))
    np.testing.assert_array_equal(whole.starts, parts.starts)
    np.testing.assert_array_equal(whole.ends, parts.ends)


@pytest.mark.parametrize("sound", [np.zeros(0), np.zeros(100), np.zeros(RATE), np.full(RATE, 1e-6)])
def test_silence_has_no_phrases(sound):
    heard = Heard([sound.astype(np.float32)])
    assert heard.pauses() == [] and not heard.speaking(np.arange(3) / 25).any()


def test_the_pauses_of_a_recorded_speech_are_found(real_inputs: Path):
    speech = load_speech(real_inputs / "speech" / "jfk.flac")
    # "And so, my fellow Americans, | ask not | what your country can do for you, | ask what ..."
    starts = [pause.start for pause in Heard(speech.blocks()).pauses()]
    assert len(starts) == 4
    assert starts == pytest.approx([2.1, 4.3, 7.5, 11.0], abs=0.2)


def test_nods_lie_in_pauses_within_a_second_of_the_phrase_and_have_the_sizes_of_people():
    pauses = [Pause(4.0 * i + 1.8, 4.0 * i + 4.0) for i in range(400)]
    nods = nods_after(pauses, 1600.0, np.random.default_rng(0))
    after = np.array([nod.start % 4.0 - 1.8 for nod in nods])
    again = np.array([False] + [b.start - a.end < 0.1 for a, b in itertools.pairwise(nods)])
    assert 0.72 < (~again).sum() / len(pauses) < 0.88
    assert 0.25 < again.sum() / (~again).sum() < 0.45
    assert after.min() >= 0.1 and after[~again].max() <= 0.5 and after.max() < 1.3
    for nod, second in zip(nods, again, strict=True):
        assert nod.end % 4.0 > 1.8  # before the other goes on
        assert NOD_SECONDS[0] - 1e-9 <= nod.end - nod.start <= NOD_SECONDS[1] + 1e-9
        assert second or NOD[0] <= nod.size[0] <= NOD[1]


@pytest.mark.parametrize("pause", [0.36, 0.5, 0.56, 0.7, 1.0])
def test_no_nod_goes_on_into_speech_however_short_the_pause(pause):
    pauses = [Pause(5.0 * i, 5.0 * i + pause) for i in range(200)]
    nods = nods_after(pauses, 1000.0, np.random.default_rng(1))
    assert (len(nods) > 100) == (pause > 0.55)
    for nod in nods:
        assert nod.start % 5.0 >= 0.1 - 1e-9 and nod.end % 5.0 < pause


def test_no_nod_outlasts_the_motion():
    pauses = Heard([talk([(0.0, 2.0)], 4.0)]).pauses()
    for seed in range(20):
        assert all(
            n.end <= 2.8 + 1e-9 for n in nods_after(pauses, 2.8, np.random.default_rng(seed))
        )
