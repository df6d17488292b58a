"""Pitch and energy of speech, and speech with another pitch.

The pitch tracker is RAPT (Talkin 1995) from the package pysptk (MIT): it compares the waveform with
itself, and so hears a voice whose fundamental was filtered out, as in telephone speech and in the
recordings behind "joe"; trackers that look for the fundamental are an octave off there. The vocoder
is WORLD (Morise, Yokomori & Ozawa 2016) from pyworld (MIT).

Axis legend: ``n`` samples at 16 kHz, ``m`` steps at 100 Hz.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.speech_corpus.extra import missing_extra
from joyvasa_lib.media.audio import SAMPLE_RATE

Floats = NDArray[np.float32]
PROSODY_RATE = 100
"""Steps of pitch and energy a second."""
STEP = SAMPLE_RATE // PROSODY_RATE
LOWEST_ENERGY = -100.0
"""Decibels; silence."""
LOWEST_PITCH, HIGHEST_PITCH = 60.0, 500.0
_WORLD_STEP = 80
"""Samples of a step of the vocoder, 5 ms."""
_AHEAD, _WINDOW = 8, 120
"""Steps before the first one, and samples from a step's time to the middle of what it compares."""
_SHORTEST = 1600
"""Samples of the shortest waveform that has a pitch, 0.1 s."""
_VOICED_RANGE = 40.0
"""Decibels below the loudest step at which nothing is voiced any more."""


def energy(waveform: Floats) -> Floats:
    """Returns the level of each step, decibels relative to full scale, float32 [m].

    Step ``i`` is the 20 ms around ``i / 100`` seconds; ``m = n // 160``.
    """
    steps = len(waveform) // STEP
    samples = np.pad(waveform.astype(np.float64), (STEP, STEP))
    halves = np.square(samples[: (steps + 1) * STEP].reshape(steps + 1, STEP)).mean(1)
    power = 0.5 * (halves[:-1] + halves[1:])
    return np.maximum(10.0 * np.log10(power + 1e-12), LOWEST_ENERGY).astype(np.float32)


def pitch(waveform: Floats) -> Floats:
    """Returns the fundamental frequency at ``i / 100`` seconds, hertz, 0 where there is none.

    Args:
        waveform: speech alone, float32 [n].

    Returns:
        float32 [m], ``m = n // 160``.

    Raises:
        MissingDependencyError: pysptk is not installed.
    """
    steps = len(waveform) // STEP
    if len(waveform) < _SHORTEST or not waveform.any():
        return np.zeros(steps, np.float32)
    found = _tracked(waveform, STEP)
    found = np.pad(found, (0, max(0, steps - len(found))))[:steps]
    level = energy(waveform)
    return np.where(level > level.max() - _VOICED_RANGE, found, 0.0).astype(np.float32)


def reshaped(
    waveform: Floats, pitch_factor: float, pitch_range: float, formants: float, whispered: bool
) -> Floats:
    """Returns the same speech, as long as it was, from another throat.

    Args:
        waveform: speech alone, float32 [n].
        pitch_factor: on the mean of the pitch.
        pitch_range: on its movement around the mean, in octaves; 0 is monotonous.
        formants: on the frequency of every formant.
        whispered: leave the voice out.

    Raises:
        MissingDependencyError: pyworld or pysptk is not installed.
    """
    world = _quietly("pyworld")
    samples = waveform.astype(np.float64)
    # A little noise: WORLD divides by the spectrum, which must not be zero.
    samples = samples + 1e-5 * np.random.default_rng(0).standard_normal(len(samples))
    times = np.arange(len(samples) // _WORLD_STEP + 1) * _WORLD_STEP / SAMPLE_RATE
    tone = _tracked(waveform, _WORLD_STEP).astype(np.float64)
    tone = np.pad(tone, (0, max(0, len(times) - len(tone))))[: len(times)]
    envelope = world.cheaptrick(samples, tone, times, SAMPLE_RATE)
    noise = world.d4c(samples, tone, times, SAMPLE_RATE)
    voiced = tone > 0
    if voiced.any():
        middle = np.exp(np.log(tone[voiced]).mean())
        tone[voiced] = middle * pitch_factor * (tone[voiced] / middle) ** pitch_range
        tone[voiced] = np.clip(tone[voiced], LOWEST_PITCH, HIGHEST_PITCH)
    envelope, noise = _stretched(envelope, formants), _stretched(noise, formants)
    if whispered:
        tone, noise = np.zeros_like(tone), np.ones_like(noise)
    made = world.synthesize(tone, envelope, noise, SAMPLE_RATE)[: len(waveform)]
    return np.pad(made, (0, len(waveform) - len(made))).astype(np.float32)


def _stretched(spectrum: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    """A spectrum [t, bins] whose features lie ``factor`` times as high."""
    bins = np.arange(spectrum.shape[1]) / factor
    low = np.minimum(bins.astype(int), spectrum.shape[1] - 1)
    high = np.minimum(low + 1, spectrum.shape[1] - 1)
    part = np.clip(bins - low, 0.0, 1.0)
    return np.ascontiguousarray(spectrum[:, low] * (1.0 - part) + spectrum[:, high] * part)


def _tracked(waveform: Floats, step: int) -> Floats:
    """Pitch every ``step`` samples, 0 where there is none."""
    tracker = _quietly("pysptk")
    loud = waveform.astype(np.float32) / np.float32(np.abs(waveform).max() + 1e-9) * 20000.0
    # The tracker wants some speech around each step: the ends are mirrored.
    around = _AHEAD * step + _WINDOW
    padded = np.pad(loud, around, mode="reflect")
    found = tracker.rapt(
        padded.astype(np.float32), SAMPLE_RATE, step, LOWEST_PITCH, HIGHEST_PITCH, otype="f0"
    )
    return np.asarray(found[_AHEAD:], np.float32)


def _quietly(package: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pkg_resources, by which it finds its files
            return import_module(package)
    except ImportError as error:
        raise missing_extra(package) from error
