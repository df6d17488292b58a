"""Somebody who is there without an end: breathes, blinks, attends, nods."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.motion.living.presence import Presence
from joyvasa_lib.motion.space import LIVEPORTRAIT_21, get_space

SPACE = get_space()
Floats = NDArray[np.float32]


def vectors(presence: Presence, count: int, **state: bool) -> Floats:
    return np.stack([presence(**state) for _ in range(count)])


def test_it_starts_at_rest_and_goes_on_without_a_jump() -> None:
    rows = vectors(Presence(SPACE, 25.0, 3), 2000)
    assert np.abs(rows[0, -3:]).max() < 0.05
    assert np.abs(np.diff(rows[:, -3:], axis=0)).max() < 0.3
    assert rows[:, -3:].std(axis=0).min() > 0.4
    mouth = SPACE.to_blendshapes(rows[:, :-7].reshape(len(rows), -1, 3))
    assert np.abs(mouth[:, SPACE.blendshape_index("jawOpen")]).max() < 0.02


def test_a_listener_holds_stiller_and_nods_after_phrases() -> None:
    idle = vectors(Presence(SPACE, 25.0, 1), 1500)
    presence = Presence(SPACE, 25.0, 1)
    rows = [presence(listening=True, phrase_ended=t % 75 == 50) for t in range(1500)]
    attentive = np.stack(rows)
    assert attentive[100:, -2].std() < 0.8 * idle[100:, -2].std()
    pitch = attentive[:, -3]
    dips = [pitch[t : t + 30].max() - pitch[t] for t in range(125, 1400, 75)]
    assert np.median(dips) > 2.0


def test_without_liveliness_nothing_moves() -> None:
    rows = vectors(Presence(SPACE, 25.0, 1, 0.0), 200)
    assert np.abs(rows - rows[0]).max() < 1e-6


def test_eyes_blink_and_follow_the_situation() -> None:
    def closed(**state: bool) -> float:
        presence = Presence(SPACE, 25.0, 2)
        eyes = [
            presence.eyes(np.zeros(3, np.float32), heard=False, **state)  # type: ignore[arg-type]
            for _ in range(3000)
        ]
        shapes = SPACE.to_blendshapes(np.stack(eyes).reshape(len(eyes), -1, 3))
        shut = shapes[:, SPACE.blendshape_index("eyeBlinkLeft")] > 0.5
        return float(np.count_nonzero(np.diff(shut.astype(int)) == 1)) / 2.0  # a minute

    speaking, listening = (
        closed(speaking=True, listening=False),
        closed(speaking=False, listening=True),
    )
    assert 15 <= speaking <= 40
    assert 6 <= listening < speaking


@pytest.mark.parametrize("space", [SPACE, LIVEPORTRAIT_21])
def test_every_space_has_a_head_that_lives(space: object) -> None:
    presence = Presence(space, 25.0, 5)  # type: ignore[arg-type]
    rows = vectors(presence, 200)
    assert rows[:, -3:].std() > 0.1
    eyes = presence.eyes(np.zeros(3, np.float32), speaking=False, listening=False, heard=False)
    assert len(eyes) == rows.shape[1] - 7
