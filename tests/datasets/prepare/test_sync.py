"""Where a voice is heard, and whether lips go with it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.datasets.prepare.checks.sync import measure_sync
from joyvasa_lib.datasets.prepare.checks.voice import lip_loudness, speech_frames
from joyvasa_lib.media.audio import SAMPLE_RATE

FPS = 25.0
Speak = Callable[..., NDArray[np.float32]]


def noise(seconds: float, level: float, seed: int = 0) -> NDArray[np.float32]:
    size = round(seconds * SAMPLE_RATE)
    return (level * np.random.default_rng(seed).standard_normal(size)).astype(np.float32)


def share(waveform: NDArray[np.float32]) -> float:
    return float(speech_frames(waveform, int(len(waveform) / 640), FPS).mean())


def test_a_voice_is_heard_and_what_is_none_is_not(speech_like: Speak) -> None:
    time = np.arange(4 * SAMPLE_RATE) / SAMPLE_RATE
    assert share(speech_like(4.0)) > 0.9
    assert share(speech_like(4.0) + noise(4.0, 0.005)) > 0.9
    assert share(0.03 * speech_like(4.0)) > 0.9
    assert share(np.zeros(4 * SAMPLE_RATE, np.float32)) == 0.0
    assert share(noise(4.0, 0.1)) == 0.0
    assert share(np.cumsum(noise(4.0, 1e-3)).astype(np.float32)) < 0.2
    assert share((0.2 * np.sin(2 * np.pi * 50 * time)).astype(np.float32)) == 0.0


def test_speech_begins_and_ends_where_the_voice_does(speech_like: Speak) -> None:
    silence = noise(2.0, 1e-4)
    heard = speech_frames(np.concatenate([silence, speech_like(2.0), silence]), 150, FPS)
    frames = np.flatnonzero(heard)
    assert frames[0] == pytest.approx(2.0 * FPS, abs=0.35 * FPS)
    assert frames[-1] == pytest.approx(4.0 * FPS, abs=0.35 * FPS)
    assert heard[55:90].all()


def test_lip_loudness_follows_the_band_of_second_formants() -> None:
    time = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    swell = 0.55 + 0.45 * np.sin(2 * np.pi * 2 * time)
    inside = np.sin(2 * np.pi * 2000 * time) * swell
    outside = np.sin(2 * np.pi * 300 * time) * np.roll(swell, 4000)
    level = lip_loudness((0.1 * (inside + outside)).astype(np.float32), 50, FPS)
    middle = swell[(np.arange(50) * 640 + 320)]
    assert np.corrcoef(level, 20 * np.log10(middle))[0, 1] > 0.98


def lips_for(
    loudness: NDArray[np.float64], lag: int, seed: int = 0, follow: float = 0.5
) -> NDArray[np.float64]:
    """Lips that correlate by ``follow`` with the sound ``lag`` frames ago, as people's do."""
    standard = (loudness - loudness.mean()) / loudness.std()
    rng = np.random.default_rng(seed)
    other = np.convolve(rng.standard_normal(len(standard) + 4), np.ones(5), "valid") / np.sqrt(5)
    return follow * np.roll(standard, lag) + np.sqrt(1 - follow**2) * other


@pytest.fixture(scope="module")
def loudness(speech_like: Speak) -> NDArray[np.float64]:
    """Two minutes of syllables of irregular length and strength, frame by frame."""
    rng = np.random.default_rng(3)
    steps = np.repeat(rng.uniform(-40, 0, 1500), rng.integers(3, 9, 1500))[:3000]
    return np.convolve(steps, [0.25, 0.5, 0.25], "same")


@pytest.mark.parametrize("lag", [-10, -5, -2, 0, 1, 3, 6, 12])
def test_the_lag_is_found(loudness: NDArray[np.float64], lag: int) -> None:
    found = measure_sync([(lips_for(loudness, lag), loudness)], FPS)
    assert found is not None
    assert found.lag_ms == pytest.approx(40.0 * lag, abs=25.0)
    assert found.in_step == (abs(lag) <= 3)
    assert found.agreement == pytest.approx(0.5, abs=0.1)


def test_right_sound_is_never_called_out_of_step(loudness: NDArray[np.float64]) -> None:
    """A hundred excerpts of any length whose lips follow only weakly."""
    rng = np.random.default_rng(0)
    for seed in range(100):
        size = int(rng.integers(110, 2900))
        start = int(rng.integers(0, len(loudness) - size))
        lips = lips_for(loudness, int(rng.integers(-2, 3)), seed, follow=0.35)
        part = slice(start, start + size)
        found = measure_sync([(lips[part], loudness[part])], FPS)
        assert found is not None and found.in_step, (seed, found)


def test_a_long_recording_with_another_sound_is_out_of_step(loudness: NDArray[np.float64]) -> None:
    refused = 0
    for seed in range(20):
        lips = lips_for(np.roll(loudness, 700 + 50 * seed), 0, seed)
        found = measure_sync([(lips, loudness)], FPS)
        assert found is not None
        refused += not found.in_step
    assert refused >= 12


def test_short_stretches_count_together_and_too_short_ones_not(
    loudness: NDArray[np.float64],
) -> None:
    lips = lips_for(loudness, 8)
    parts = [slice(start, start + 125) for start in range(0, 1500, 125)]
    one = measure_sync([(lips[parts[0]], loudness[parts[0]])], FPS)
    assert one is not None and one.in_step  # five seconds tell nothing
    together = measure_sync([(lips[part], loudness[part]) for part in parts], FPS)
    assert together is not None and not together.in_step
    assert together.lag_ms == pytest.approx(320.0, abs=25.0)
    short = [slice(start, start + 75) for start in range(0, 1500, 75)]
    assert measure_sync([(lips[part], loudness[part]) for part in short], FPS) is None


def test_a_still_mouth_agrees_with_nothing(loudness: NDArray[np.float64]) -> None:
    found = measure_sync([(np.full(len(loudness), 0.02), loudness)], FPS)
    assert found is not None
    assert found.lag_ms is None and not found.in_step
