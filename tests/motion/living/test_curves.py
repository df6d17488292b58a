"""Random curves over time: the same whatever the pieces, smooth, and of the size asked for."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from joyvasa_lib.motion.living.curves import Change, Changes, Postures, Waves, ease

TIMES = np.arange(15000) / 25.0


def postures():
    return Postures(
        np.random.default_rng(1), np.array([1.0, 2.0]), held=(1.5, 4.0), moving=(1.2, 2.6)
    )


def now_and_then():
    rng = np.random.default_rng(2)

    def following(after):
        return Change(after + rng.exponential(3.0), 0.3, 0.5, 0.4, np.array([1.0, -2.0]))

    return Changes(2, following)


def waves():
    return Waves(np.random.default_rng(3), (0.1, 0.5), np.array([1.0, 3.0]))


@pytest.mark.parametrize("make", [postures, now_and_then, waves])
def test_pieces_are_the_whole_to_the_last_bit(make):
    whole, in_pieces = make()(TIMES), make()
    cuts = [0, 1, 8, 500, 500, 502, 9000, len(TIMES)]
    parts = [in_pieces(TIMES[a:b]) for a, b in itertools.pairwise(cuts)]
    assert np.concatenate(parts).tobytes() == whole.tobytes()


def test_nothing_that_is_over_is_kept():
    posture, changes = postures(), now_and_then()
    for start in range(0, len(TIMES), 250):
        posture(TIMES[start : start + 250])
        changes(TIMES[start : start + 250])
        assert len(posture._places) < 12
        assert len(changes._now) <= 1


def test_ease_rises_from_rest_to_rest():
    x = np.linspace(-0.5, 1.5, 2001)
    y = ease(x)
    assert y[0] == 0.0 and y[-1] == 1.0 and (np.diff(y) >= 0).all()
    slope = np.gradient(y, x)
    assert slope[np.abs(x) < 0.01].max() < 0.01 and slope[np.abs(x - 1) < 0.01].max() < 0.01
    assert slope.max() == pytest.approx(1.875, abs=0.01)


def test_postures_are_held_for_seconds_and_change_within_seconds():
    values = postures()(TIMES)
    still = np.abs(np.diff(values, axis=0)).max(axis=1) < 1e-9
    edges = np.flatnonzero(np.diff(still.astype(int)))
    runs = np.diff(edges) / 25.0
    held, moved = (runs[0::2], runs[1::2]) if still[edges[0] + 1] else (runs[1::2], runs[0::2])
    assert held.min() >= 1.4 and 3.0 < held.mean() < 5.0
    assert moved.min() > 1.0 and moved.max() < 2.7
    assert values.std(axis=0) == pytest.approx([1.0, 2.0], rel=0.25)


def test_waves_have_the_deviation_that_was_asked_for():
    assert waves()(TIMES).std(axis=0) == pytest.approx([1.0, 3.0], rel=0.05)


def test_a_change_comes_stays_and_goes():
    change = Change(1.0, 0.5, 1.0, 0.25, np.array([2.0]))
    values = change.at(np.array([0.9, 1.0, 1.25, 1.5, 2.0, 2.5, 2.75, 3.0]))[:, 0]
    assert values == pytest.approx([0, 0, 1.0, 2.0, 2.0, 2.0, 0, 0])
    assert change.end == 2.75
