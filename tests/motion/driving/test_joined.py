"""Shots of one person joined into one motion."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion import BLENDSHAPES, Motion
from joyvasa_lib.motion.driving.joined import ShotMotion, join_shots

JAW = BLENDSHAPES.index("jawOpen")


def shot(
    first: int, yaw: NDArray[np.floating], place: float = 0.0, size: float = 1.0, jaw: float = 0.3
) -> ShotMotion:
    count = len(yaw)
    blendshapes = np.zeros((count, 52), np.float32)
    blendshapes[:, JAW] = jaw
    zero = np.zeros(count)
    motion = Motion.from_blendshapes(
        blendshapes,
        rotation=np.stack([zero, yaw, zero], 1),
        translation=np.stack([zero + place, zero, zero], 1),
        scale=np.full((count, 1), size),
        fps=25.0,
        reference="absolute",
    )
    return ShotMotion(motion, range(first, first + count))


def swing(count: int, middle: float = 0.0) -> NDArray[np.float64]:
    return middle + 4.0 * np.sin(np.arange(count) / 5.0)


def test_one_shot_is_left_as_it_is() -> None:
    one = shot(0, swing(20))
    assert join_shots([one], 20) is one.motion


def test_a_camera_that_stands_elsewhere_does_not_move_the_head() -> None:
    joined = join_shots([shot(0, swing(40)), shot(40, swing(40, 30.0), 2.0, 1.6)], 80)
    assert np.abs(np.diff(joined.rotation[:, 1])).max() < 1.6
    assert np.abs(joined.translation).max() < 0.01
    np.testing.assert_allclose(joined.scale, 1.0, atol=0.01)
    np.testing.assert_allclose(np.ptp(joined.rotation[60:, 1]), 8.0, atol=0.6)


def test_a_pose_that_jumps_at_a_cut_goes_over_softly_and_the_mouth_does_not() -> None:
    joined = join_shots([shot(0, np.zeros(30)), shot(30, np.full(30, 10.0), jaw=0.9)], 60)
    steps = np.diff(joined.rotation[:, 1])
    assert steps.max() < 1.5
    np.testing.assert_allclose(joined.rotation[45:, 1], 10.0, atol=1e-4)
    assert joined.blendshapes[29, JAW] == pytest.approx(0.3, abs=1e-5)
    assert joined.blendshapes[30, JAW] == pytest.approx(0.9, abs=1e-5)


def test_what_others_are_seen_in_is_interpolated() -> None:
    joined = join_shots([shot(0, np.zeros(10)), shot(20, np.full(10, 6.0))], 40)
    assert len(joined) == 40
    np.testing.assert_allclose(np.diff(joined.rotation[9:21, 1]), 6.0 / 11, atol=1e-4)
    np.testing.assert_allclose(joined.rotation[30:, 1], 6.0, atol=1e-5)


def test_a_turn_past_half_a_circle_is_the_short_way() -> None:
    joined = join_shots([shot(0, np.full(30, 179.0)), shot(30, np.full(30, -179.0))], 60)
    turned = np.unwrap(joined.rotation[:, 1], period=360.0)
    assert np.abs(np.diff(turned)).max() < 0.5


def test_no_shot_is_no_motion() -> None:
    with pytest.raises(MotionError, match="no shot"):
        join_shots([], 10)
