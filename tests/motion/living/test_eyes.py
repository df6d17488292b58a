"""Eyes placed by rule: blinks, and where people look who speak to somebody."""

from __future__ import annotations

import numpy as np
import pytest

from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.motion.living.eyes import EYE_BLENDSHAPES, SHORTEST_INTERVAL, EyeTrack

FPS = 25.0


def track(seed: int, seconds: float, rotation=None, speaking=None):
    frames = round(seconds * FPS)
    still = np.zeros((frames, 3), np.float32) if rotation is None else rotation
    return EyeTrack(seed)(still, np.ones(frames, bool) if speaking is None else speaking)


def column(values, name):
    return values[:, EYE_BLENDSHAPES.index(name)]


def aside(values):
    """Where both eyes look: towards the person's left, activations."""
    return column(values, "eyeLookOutLeft") - column(values, "eyeLookInLeft")


def starts(values):
    shut = column(values, "eyeBlinkLeft") > 0.1
    return np.flatnonzero(shut[1:] & ~shut[:-1]) + 1


def test_they_are_blendshapes_and_both_eyes_look_the_same_way():
    assert set(EYE_BLENDSHAPES) <= set(BLENDSHAPES)
    values = track(0, 60)
    assert values.dtype == np.float32
    assert values.min() >= 0.0 and values.max() <= 1.0
    for one, other in (("OutLeft", "InRight"), ("InLeft", "OutRight"), ("UpLeft", "UpRight")):
        assert np.array_equal(column(values, f"eyeLook{one}"), column(values, f"eyeLook{other}"))
    assert np.array_equal(column(values, "eyeBlinkLeft"), column(values, "eyeBlinkRight"))


def test_people_blink_26_times_a_minute_in_speech_at_uneven_intervals():
    phrases = np.arange(round(300 * FPS)) / FPS % 3.2 < 2.6
    found = [starts(track(seed, 300, speaking=phrases)) for seed in range(4)]
    rates = [len(one) / 5.0 for one in found]
    assert 22.0 < np.mean(rates) < 30.0
    intervals = np.concatenate([np.diff(one) for one in found]) / FPS
    assert intervals.min() >= SHORTEST_INTERVAL - 0.05
    assert np.median(intervals) < intervals.mean()  # short ones are more frequent
    lengths = [(column(track(1, 300), "eyeBlinkLeft") > 0.1).sum() / FPS / 5 / 60]
    assert 0.04 < lengths[0] < 0.16  # share of the time with lids on their way


def test_a_phrase_that_ends_brings_a_blink_with_it():
    speaking = np.arange(round(400 * FPS)) / FPS % 4.0 < 3.0
    after = np.zeros(5)
    for seed in range(6):
        when = starts(track(seed, 400, speaking=speaking)) / FPS % 4.0
        after += np.histogram(when, [0.0, 1.0, 2.0, 3.0, 3.6, 4.0])[0] / [1.0, 1.0, 1.0, 0.6, 0.4]
    assert after[3] > 1.5 * after[:3].mean()


def test_eyes_rest_on_the_viewer_most_of_the_time_and_jump():
    values = track(3, 300)
    looks = aside(values)
    assert 0.1 < (np.abs(looks) > 0.1).mean() < 0.35
    steps = np.abs(np.diff(looks))
    assert steps.max() > 0.2  # one frame to the next: a saccade
    assert np.median(steps) < 0.005  # between them the eyes are still


@pytest.mark.parametrize(
    ("axis", "name"), [(1, "eyeLookOutLeft"), (0, "eyeLookUpLeft")], ids=["yaw", "pitch"]
)
def test_eyes_stay_where_they_looked_when_the_head_turns(axis, name):
    turn = np.zeros((50, 3), np.float32)
    turn[:, axis] = np.linspace(0.0, 8.0, 50)
    turned, still = (EyeTrack(5)(r, np.ones(50, bool)) for r in (turn, np.zeros_like(turn)))
    more = column(turned, name) - column(still, name)
    assert more[-1] > 0.2
    assert np.diff(more).min() > -0.02


def test_what_they_do_does_not_depend_on_the_pieces():
    rng = np.random.default_rng(2)
    rotation = rng.normal(0, 3, (500, 3)).astype(np.float32)
    speaking = np.arange(500) % 90 < 60
    whole, pieces, at = EyeTrack(4)(rotation, speaking), EyeTrack(4), 0
    parts = []
    for count in (1, 99, 7, 293, 100):
        parts.append(pieces(rotation[at : at + count], speaking[at : at + count]))
        at += count
    np.testing.assert_allclose(whole, np.concatenate(parts), atol=1e-6)
    assert not np.array_equal(whole, EyeTrack(5)(rotation, speaking))
