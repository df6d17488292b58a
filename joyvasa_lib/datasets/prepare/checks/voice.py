"""Where there is a voice, and how strong the sounds are that the lips shape.

Axis legend: ``t`` frames of the image, ``n`` samples at 16 kHz, ``w`` samples of a window.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from joyvasa_lib.media.audio import SAMPLE_RATE

Floats = NDArray[np.float32]
Curve = NDArray[np.float64]

_WINDOW = 960
"""60 ms: three periods of the deepest voice."""
_TRANSFORM = 2048
_PITCH_HZ = (75.0, 500.0)
_PERIODIC = 0.45
"""Height of the autocorrelation from which a sound is voiced (Boersma 1993)."""
_AUDIBLE_DB = -60.0
"""Full-scale decibels below which nothing counts as a voice."""
_BELOW_LOUD_DB = 30.0
"""Voices are within this of the loudest twentieth of the recording."""
_PAUSE = 0.3
"""Seconds around voiced sound that belong to speech: its consonants and short pauses."""
_LIP_BAND_HZ = (1200.0, 3000.0)
"""Second formants. Opening and spreading the lips raises them, closing or rounding damps them."""
_RANGE_DB = 40.0
_BLOCK = 500
"""Frames analysed at once."""


def speech_frames(waveform: Floats, n_frames: int, fps: float) -> NDArray[np.bool_]:
    """Mask [t] of the frames in which somebody speaks.

    A frame is voiced where its sound repeats itself with the period of a voice (autocorrelation of
    the window divided by that of the window function, Boersma 1993). Singing and some instruments
    do so too.

    Args:
        waveform: [n] from the first frame on.
        n_frames: t.
        fps: frames a second.
    """
    loud, periodic = np.zeros(n_frames), np.zeros(n_frames)
    window = np.hanning(_WINDOW)
    own = _autocorrelation(window[None])[0]
    lags = slice(int(SAMPLE_RATE / _PITCH_HZ[1]), int(SAMPLE_RATE / _PITCH_HZ[0]) + 1)
    for rows, samples in _windows(waveform, n_frames, fps):
        loud[rows] = 10.0 * np.log10(np.square(samples).mean(axis=1) + 1e-12)
        centred = (samples - samples.mean(axis=1, keepdims=True)) * window
        found = _autocorrelation(centred)
        shape = found / np.maximum(found[:, :1], 1e-12) / np.maximum(own / own[0], 1e-3)
        # Slow sounds resemble themselves at any short lag; a period is a likeness that returns.
        returned = np.maximum.accumulate(shape < 0.0, axis=1)
        periodic[rows] = np.where(returned, shape, 0.0)[:, lags].max(axis=1)
    if n_frames == 0:
        return np.zeros(0, dtype=bool)
    floor = max(_AUDIBLE_DB, float(np.quantile(loud, 0.95)) - _BELOW_LOUD_DB)
    voiced = (periodic > _PERIODIC) & (loud > floor)
    reach = round(_PAUSE * fps)
    return np.asarray(binary_dilation(voiced, np.ones(2 * reach + 1, dtype=bool)), dtype=bool)


def lip_loudness(waveform: Floats, n_frames: int, fps: float) -> Curve:
    """Loudness of what the lips shape, decibels [t]: the band from 1.2 to 3 kHz.

    It follows the opening of the lips more closely than the loudness of the whole sound does.

    Args:
        waveform: [n] from the first frame on.
        n_frames: t.
        fps: frames a second.
    """
    level = np.zeros(n_frames)
    window = np.hanning(_WINDOW)
    hertz = np.fft.rfftfreq(_TRANSFORM, 1.0 / SAMPLE_RATE)
    band = (hertz >= _LIP_BAND_HZ[0]) & (hertz < _LIP_BAND_HZ[1])
    for rows, samples in _windows(waveform, n_frames, fps):
        spectrum = np.fft.rfft(samples * window, _TRANSFORM, axis=1)[:, band]
        level[rows] = 10.0 * np.log10(np.square(np.abs(spectrum)).mean(axis=1) + 1e-9)
    return np.maximum(level, np.quantile(level, 0.95) - _RANGE_DB) if n_frames else level


def _windows(waveform: Floats, n_frames: int, fps: float) -> Iterator[tuple[slice, Curve]]:
    """Windows [_, w] about the middle of each frame, some frames at a time."""
    half = _WINDOW // 2
    padded = np.pad(waveform, (half, half + _WINDOW))
    for start in range(0, n_frames, _BLOCK):
        rows = slice(start, min(start + _BLOCK, n_frames))
        middle = np.round((np.arange(rows.start, rows.stop) + 0.5) * SAMPLE_RATE / fps)
        first = np.minimum(middle.astype(int), len(padded) - _WINDOW)
        yield rows, padded[first[:, None] + np.arange(_WINDOW)].astype(np.float64)


def _autocorrelation(signals: Curve) -> Curve:
    """[_, w / 2] of signals [_, w], by the spectrum."""
    spectrum = np.fft.rfft(signals, _TRANSFORM, axis=-1)
    return np.asarray(np.fft.irfft(np.square(np.abs(spectrum)), axis=-1)[..., : _WINDOW // 2])
