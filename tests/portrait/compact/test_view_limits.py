"""Heads move as far as one image can show."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from joyvasa_lib.motion.driving.pose import Pose
from joyvasa_lib.portrait.compact.view_limits import GROWTH, SHIFT, TURN, within_view


def pose(turn: float = 0.0, shift: float = 0.0, size: float = 1.0, frames: int = 9) -> Pose:
    share = np.linspace(-1.0, 1.0, frames)[:, None]
    return Pose(share * np.full(3, turn), share * [shift, shift, 0.0], size ** np.abs(share))


def test_what_speech_moves_keeps_its_numbers(caplog: pytest.LogCaptureFixture) -> None:
    small = pose(turn=9.0, shift=0.08, size=1.05)
    found = within_view(small)
    for name in ("rotation", "translation", "scale"):
        np.testing.assert_allclose(getattr(found, name), getattr(small, name), atol=1e-5)
    assert caplog.text == ""


def test_a_driving_video_stays_within_the_image(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = within_view(pose(turn=60.0, shift=2.6, size=2.0))
    assert (np.abs(found.rotation) <= np.array(TURN)).all()
    assert np.abs(found.translation).max() <= SHIFT
    assert np.abs(np.log(found.scale)).max() <= GROWTH + 1e-6  # of float32
    for values in (found.rotation, found.translation[:, :2]):
        assert (np.diff(values, axis=0) >= 0).all()  # still in order
    assert "turns and moves and changes its size" in caplog.text


def test_an_absolute_turn_is_left_as_it_is() -> None:
    turned = pose(turn=30.0)
    np.testing.assert_array_equal(within_view(turned, turned=False).rotation, turned.rotation)
