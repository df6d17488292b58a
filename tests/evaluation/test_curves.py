"""Agreement, lag, shaking and loudness against curves whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from joyvasa_lib.evaluation.curves import (
    agreement,
    correlation,
    fast_part,
    loudness,
    runs,
    shaking,
    silent_frames,
)

FPS = 25.0


def wandering(n: int, seed: int = 0) -> NDArray[np.float64]:
    """A smooth random curve."""
    return gaussian_filter1d(np.random.default_rng(seed).standard_normal(n), 2.0)


@pytest.mark.parametrize("frames", [-4, 0, 3])
def test_the_lag_of_a_shifted_curve_is_its_shift(frames: int) -> None:
    truth = wandering(300)
    made = np.roll(3.0 * truth + 1.0, frames)
    found = agreement(made, truth, FPS)
    assert found.lag_ms == pytest.approx(1000 * frames / FPS, abs=1.0)
    assert found.best_correlation == pytest.approx(1.0, abs=1e-6)
    assert found.correlation == pytest.approx(correlation(made, truth))


def test_a_lag_between_frames_is_found() -> None:
    time = np.arange(300) / FPS
    truth, made = (np.sin(2 * np.pi * 1.3 * (time - late)) for late in (0.0, 0.05))
    assert agreement(made, truth, FPS, longest=0.2).lag_ms == pytest.approx(50.0, abs=3.0)


def test_unrelated_curves_hardly_agree_and_a_constant_never() -> None:
    assert abs(agreement(wandering(2000, 1), wandering(2000, 2), FPS).best_correlation) < 0.35
    assert math.isnan(agreement(np.ones(50), wandering(50), FPS).lag_ms)


def test_missing_frames_are_left_out_of_a_correlation() -> None:
    curve = wandering(100)
    torn = curve.copy()
    torn[10:20] = np.nan
    assert correlation(torn, 2.0 * curve) == pytest.approx(1.0)


def test_shaking_is_the_root_mean_square_of_what_is_fast() -> None:
    time = np.arange(500) / FPS
    slow, fast = 4.0 * np.sin(2 * np.pi * 0.5 * time), 0.5 * np.sin(2 * np.pi * 9.0 * time)
    assert shaking(slow + fast, FPS) == pytest.approx(0.5 / math.sqrt(2.0), rel=0.03)
    assert shaking(slow, FPS) < 0.01
    assert shaking(np.linspace(0.0, 20.0, 500), FPS) < 1e-9
    np.testing.assert_allclose(fast_part(slow + fast, FPS)[50:-50], fast[50:-50], atol=0.03)


def test_loudness_is_the_level_of_each_frame() -> None:
    time = np.arange(16000) / 16000.0
    waveform = (0.5 * np.sin(2 * np.pi * 400.0 * time)).astype(np.float32)
    waveform[8000:] *= 0.1
    levels = loudness(iter([waveform[:333], waveform[333:9000], waveform[9000:]]), 30, FPS)
    full = 20.0 * math.log10(0.5 / math.sqrt(2.0))
    np.testing.assert_allclose(levels[:12], full, atol=0.05)
    np.testing.assert_allclose(levels[13:25], full - 20.0, atol=0.05)
    np.testing.assert_allclose(levels[25:], -100.0)


def test_only_long_quiet_stretches_are_pauses() -> None:
    levels = np.full(60, -20.0)
    levels[10:12], levels[30:45] = -60.0, -60.0
    assert runs(silent_frames(levels, FPS)) == [(30, 45)]
