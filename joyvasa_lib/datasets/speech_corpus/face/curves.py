"""Curves of time that movements are made of.

Axis legend: ``t`` frames at 25 Hz.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.motion.data import FPS

Doubles = NDArray[np.float64]


def frame_times(frames: int) -> Doubles:
    """Seconds [t] of the middles of frames."""
    return np.asarray((np.arange(frames) + 0.5) / FPS, np.float64)


def move(times: Doubles, start: float, seconds: float) -> Doubles:
    """[t] from 0 to 1 by the straightest path, minimum jerk (Flash and Hogan 1985, eq. 2)."""
    part = np.clip((times - start) / max(seconds, 1e-3), 0.0, 1.0)
    return np.asarray(part**3 * (10.0 - 15.0 * part + 6.0 * part**2))


def held(times: Doubles, start: float, onset: float, hold: float, offset: float) -> Doubles:
    """[t] rises from 0 to 1, stays and falls again; all in seconds."""
    return move(times, start, onset) - move(times, start + onset + hold, offset)


def wandering(rng: np.random.Generator, frames: int, hertz: float) -> Doubles:
    """Noise [t] of unit spread around a frequency, most of it within an octave to each side."""
    size = max(64, 1 << (frames + 256).bit_length())
    frequency = np.fft.rfftfreq(size, 1.0 / FPS)
    shape = np.exp(-0.5 * (np.log(np.maximum(frequency, 1e-3) / hertz) / 0.6) ** 2)
    noise = np.fft.irfft(np.fft.rfft(rng.normal(size=size)) * shape, size)
    return np.asarray(noise / noise.std())[:frames]
