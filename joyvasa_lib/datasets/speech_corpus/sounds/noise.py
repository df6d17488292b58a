"""Noise of rooms, streets and microphones.

Axis legend: ``n`` samples at 16 kHz.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.speech_corpus.sounds.breath import unit
from joyvasa_lib.media.audio import SAMPLE_RATE

Floats = NDArray[np.float32]


def noise(rng: np.random.Generator, seconds: float) -> Floats:
    """Returns noise, float32 [n], of level 1: coloured, now and then with hum or slow swells."""
    count = round(seconds * SAMPLE_RATE)
    frequency = np.maximum(np.fft.rfftfreq(count, 1.0 / SAMPLE_RATE), 20.0)
    slope = rng.uniform(0.0, 1.2)  # 0 is white, 0.5 pink, 1 brown
    spectrum = np.fft.rfft(rng.standard_normal(count)) * (frequency / 1000.0) ** -slope
    sound = np.asarray(np.fft.irfft(spectrum, count))
    time = np.arange(count) / SAMPLE_RATE
    if rng.random() < 0.3:
        sound *= 1.0 + 0.6 * np.sin(
            2.0 * np.pi * rng.uniform(0.1, 1.5) * time + rng.uniform(0.0, 6.3)
        )
    sound /= np.sqrt(np.mean(np.square(sound))) + 1e-12
    if rng.random() < 0.25:
        mains = float(rng.choice([50.0, 60.0]))
        for number in range(1, 6):
            sound += rng.uniform(0.0, 0.8) / number * np.sin(2.0 * np.pi * number * mains * time)
    return unit(sound)
