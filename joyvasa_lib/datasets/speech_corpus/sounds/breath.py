"""Breathing: noise through an open throat, in and out.

Axis legend: ``n`` samples at 16 kHz.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.media.audio import SAMPLE_RATE

Floats = NDArray[np.float32]


def breath(rng: np.random.Generator, seconds: float) -> Floats:
    """Returns one breath, float32 [n], of level 1 (root mean square).

    Noise with two broad resonances, which swells and dies; it is quietest at both ends.
    """
    count = max(2, round(seconds * SAMPLE_RATE))
    resonances = [(rng.uniform(500.0, 1100.0), 0.5), (rng.uniform(1500.0, 3200.0), 0.35)]
    noise = coloured(rng, count, resonances)
    time = (np.arange(count) + 0.5) / count
    peak = rng.uniform(0.35, 0.75)  # in grows slowly and ends fast, out the other way round
    swell = np.where(time < peak, time / peak, (1.0 - time) / (1.0 - peak))
    return unit(noise * np.sin(0.5 * np.pi * swell) ** 1.5)


def coloured(
    rng: np.random.Generator, count: int, resonances: list[tuple[float, float]]
) -> NDArray[np.float64]:
    """Returns noise [n] with resonances, each a frequency in hertz and a width in octaves."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    octaves = np.log2(np.maximum(np.fft.rfftfreq(count, 1.0 / SAMPLE_RATE), 1.0))
    shape = np.zeros(len(octaves))
    for frequency, width in resonances:
        shape += np.exp(-0.5 * ((octaves - np.log2(frequency)) / width) ** 2)
    return np.asarray(np.fft.irfft(spectrum * (shape + 0.02), count))


def unit(waveform: NDArray[np.floating]) -> Floats:
    """Returns the waveform with a root mean square of 1."""
    level = float(np.sqrt(np.mean(np.square(waveform)))) + 1e-12
    return (waveform / level).astype(np.float32)
