"""Retiming: another frame rate or length."""

from __future__ import annotations

import numpy as np
import pytest

from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion import LIVEPORTRAIT_21, Motion, MotionSpace
from joyvasa_lib.motion.operations.retiming import resample


def waves(n_frames: int, fps: float, frequency: float = 2.0) -> Motion:
    """A sine on one keypoint, sampled at frame centres."""
    seconds = (np.arange(n_frames) + 0.5) / fps
    expression = np.zeros((n_frames, 2, 3))
    expression[:, 0, 0] = np.sin(2 * np.pi * frequency * seconds)
    return Motion.build(expression, space=MotionSpace("test-waves", 2), fps=fps)


def test_the_same_rate_or_length_changes_nothing() -> None:
    vector = np.random.default_rng(0).normal(size=(40, 70))
    motion = Motion.from_vector(vector, space=LIVEPORTRAIT_21)
    assert motion.retime(fps=25) == motion
    assert motion.retime(n_frames=40) == motion
    assert motion.retime(fps=25, n_frames=40) == motion


@pytest.mark.parametrize("fps", [10, 24, 29.97, 30, 50, 60])
def test_the_duration_stays_within_half_a_frame(fps: float) -> None:
    motion = waves(111, 25).retime(fps=fps)
    assert motion.fps == fps
    assert len(motion) == round(111 / 25 * fps)


@pytest.mark.parametrize(("fps", "tolerance"), [(24, 0.02), (30, 0.02), (50, 0.02), (60, 0.02)])
def test_a_slow_wave_is_the_same_wave_at_another_rate(fps: int, tolerance: float) -> None:
    again = waves(250, 25, frequency=2.0).retime(fps=fps)
    true = waves(10 * fps, fps, frequency=2.0)
    inside = slice(5, -5)
    np.testing.assert_allclose(again.expression[inside], true.expression[inside], atol=tolerance)


def test_cubic_is_closer_to_the_true_wave_than_linear() -> None:
    true = waves(600, 60).expression[9:-9]
    error = {
        kind: np.abs(waves(250, 25).retime(fps=60, interpolation=kind).expression[9:-9] - true)
        for kind in ("cubic", "linear")
    }
    assert error["cubic"].max() < 0.5 * error["linear"].max()


def test_fewer_frames_do_not_alias_what_they_cannot_show() -> None:
    fast = waves(500, 50, frequency=14.0).retime(fps=15)  # would come back as 1 Hz
    assert np.abs(fast.expression[3:-3]).max() < 0.1  # the ends are held, not continued
    slow = waves(500, 50, frequency=1.0).retime(fps=15)
    assert np.abs(slow.expression).max() > 0.95


def test_a_length_stretches_the_performance_at_the_same_rate() -> None:
    motion = waves(100, 25, frequency=2.0)
    slower = motion.retime(n_frames=200)
    assert (len(slower), slower.fps) == (200, 25)
    true = waves(200, 25, frequency=1.0)
    np.testing.assert_allclose(slower.expression[4:-4], true.expression[4:-4], atol=0.02)


def test_constants_stay_constant_to_the_last_frame() -> None:
    curves = np.full((7, 2), 0.3, dtype=np.float32)
    for step in (0.31, 0.8, 1.7, 3.3):
        np.testing.assert_allclose(resample(curves, 20, step), 0.3, rtol=1e-6)


def test_straight_lines_stay_straight() -> None:
    line = np.arange(60, dtype=np.float64)[:, None]
    for step in (0.4, 1.0, 2.5):
        n = int(60 / step)
        expected = (np.arange(n) + 0.5) * step - 0.5
        inside = (expected > 6) & (expected < 53)
        for kind in ("cubic", "linear"):
            result = resample(line, n, step, interpolation=kind)[:, 0]
            np.testing.assert_allclose(result[inside], expected[inside], atol=0.02)


def test_a_turn_past_180_degrees_goes_the_short_way() -> None:
    rotation = np.zeros((20, 3))
    rotation[:, 2] = (np.arange(20) * 4.0 + 140.0 + 180.0) % 360.0 - 180.0
    motion = Motion.build(np.zeros((20, 1, 3)), space=MotionSpace("roll", 1), rotation=rotation)
    steps = np.diff(motion.retime(fps=50).rotation[:, 2])
    assert np.abs(steps).max() < 4.0


def test_nonsense_is_refused() -> None:
    motion = waves(10, 25)
    with pytest.raises(MotionError, match=r"fps=.*n_frames="):
        motion.retime()
    with pytest.raises(MotionError, match="-5"):
        motion.retime(fps=-5)
    with pytest.raises(MotionError, match="from 1 to .*, not 0"):
        motion.retime(n_frames=0)
    with pytest.raises(MotionError, match="'cubic', 'linear'"):
        motion.retime(fps=30, interpolation="spline")  # type: ignore[arg-type]
    with pytest.raises(MotionError, match="without frames"):
        motion[:0].retime(n_frames=4)
    assert len(motion[:0].retime(fps=30)) == 0
