"""Sound as the world delivers it: rooms, microphones, noise, telephones, clumsy levels.

Everything linear is one product in the frequency domain, so that a five-second clip costs a few
milliseconds. Nothing here shifts the speech in time: it stays aligned with the lips.

Axis legend: ``n`` samples at 16 kHz, ``f`` frequency bins.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.media.audio import SAMPLE_RATE
from joyvasa_lib.speech.encoders.loudness import REFERENCE_DB, speech_level

Floats = NDArray[np.float32]


def augment(waveform: Floats, rng: np.random.Generator, babble: Floats | None = None) -> Floats:
    """Returns the speech as a random microphone in a random place would have recorded it.

    Args:
        waveform: float32 [n], 16 kHz.
        rng: source of every random choice.
        babble: other speech, float32 of any length, to be mixed in quietly now and then.

    Returns:
        float32 [n] near the level that the speech encoder expects, give or take 4 dB.
    """
    waveform = _through_room_and_microphone(waveform, rng) if rng.random() < 0.85 else waveform
    level = speech_level(waveform)
    if rng.random() < 0.7:
        ratio = rng.uniform(3.0, 35.0) if rng.random() < 0.7 else rng.uniform(30.0, 55.0)
        noise = _noise(len(waveform), rng, babble)
        waveform = waveform + noise * np.float32(10.0 ** ((level - ratio) / 20.0))
    if rng.random() < 0.3:
        waveform = _distort(waveform, rng)
    gain = REFERENCE_DB - speech_level(waveform) + rng.normal(0.0, 2.0)
    return np.asarray(waveform * 10.0 ** (np.clip(gain, -60.0, 50.0) / 20.0), np.float32)


def change_speed(waveform: Floats, factor: float, length: int) -> Floats:
    """Returns ``length`` samples of speech played ``factor`` times as fast (pitch follows)."""
    positions = np.arange(length) * factor
    return np.interp(positions, np.arange(len(waveform)), waveform).astype(np.float32)


def _through_room_and_microphone(waveform: Floats, rng: np.random.Generator) -> Floats:
    size = 1 << (len(waveform) + 8000 - 1).bit_length()
    response = _equaliser(size, rng).astype(np.complex64)
    if rng.random() < 0.45:
        response *= np.fft.rfft(_room(rng), size)
    filtered = np.fft.irfft(np.fft.rfft(waveform, size) * response, size)
    return filtered[: len(waveform)].astype(np.float32)


def _equaliser(size: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Returns a smooth zero-phase magnitude response [size // 2 + 1]."""
    frequency = np.fft.rfftfreq(size, 1.0 / SAMPLE_RATE)
    octave = np.log2(np.maximum(frequency, 20.0) / 20.0)
    knots = np.linspace(0.0, octave[-1], 8)
    curve = np.interp(octave, knots, rng.normal(0.0, rng.uniform(0.5, 5.0), 8))
    curve += rng.normal(0.0, 1.5) * (octave - 5.6)  # spectral tilt, dB an octave about 1 kHz
    low = rng.uniform(20.0, 400.0) if rng.random() < 0.4 else 0.0
    high = rng.uniform(2800.0, 7800.0) if rng.random() < 0.5 else 9000.0
    curve -= 24.0 * np.clip(np.log2(np.maximum(low, 1.0) / np.maximum(frequency, 1.0)), 0.0, 3.0)
    curve -= 60.0 * np.clip(np.log2(np.maximum(frequency, 1.0) / high), 0.0, 1.0)
    return np.asarray(10.0 ** (np.clip(curve, -70.0, 30.0) / 20.0), np.float64)


def _room(rng: np.random.Generator) -> NDArray[np.float64]:
    """Returns an impulse response: direct sound, then noise that decays exponentially."""
    decay = rng.uniform(0.1, 0.8)  # seconds to -60 dB
    time = np.arange(min(8000, int(decay * SAMPLE_RATE))) / SAMPLE_RATE
    tail = rng.normal(size=len(time)) * 10.0 ** (-3.0 * time / decay)
    tail[: int(rng.uniform(0.001, 0.02) * SAMPLE_RATE)] = 0.0
    direct_to_tail = rng.uniform(-2.0, 15.0)
    tail *= 10.0 ** (-direct_to_tail / 20.0) / np.sqrt(np.sum(tail**2) + 1e-12)
    tail[0] = 1.0
    return np.asarray(tail, np.float64)


def _noise(length: int, rng: np.random.Generator, babble: Floats | None) -> Floats:
    """Returns noise of unit power: coloured, humming, crackling, or other people."""
    noise: NDArray[Any]
    kind = rng.random()
    if kind < 0.2 and babble is not None:
        noise = np.resize(np.roll(babble, int(rng.integers(len(babble)))), length)
    elif kind < 0.3:
        time = np.arange(length) / SAMPLE_RATE
        pitch = rng.uniform(50.0, 400.0)
        noise = np.sum(
            [
                rng.uniform(0.1, 1.0) * np.sin(2 * np.pi * pitch * k * time + rng.uniform(0, 6.28))
                for k in range(1, 5)
            ],
            axis=0,
        )
    elif kind < 0.4:
        noise = rng.normal(size=length) * (rng.random(length) < rng.uniform(0.0005, 0.01))
    else:
        spectrum = np.fft.rfft(rng.normal(size=length))
        frequency = np.maximum(np.fft.rfftfreq(length, 1.0 / SAMPLE_RATE), 30.0)
        noise = np.fft.irfft(spectrum * frequency ** -rng.uniform(-0.3, 1.2), length)
        if rng.random() < 0.3:
            swell = np.sin(np.linspace(0, rng.uniform(1, 30), length) + rng.uniform(0, 6.28))
            noise = noise * (1.0 + rng.uniform(0, 0.9) * swell)
    noise = np.asarray(noise, np.float32)
    power = np.sqrt(np.mean(noise**2)) + 1e-9
    return np.asarray(noise / power, dtype=np.float32)


def _distort(waveform: Floats, rng: np.random.Generator) -> Floats:
    """Clips, or quantises as telephones (mu-law) and old audio files do."""
    peak = np.float32(np.abs(waveform).max() + 1e-9)
    if rng.random() < 0.5:
        limit = peak * np.float32(rng.uniform(0.2, 0.8))
        return np.clip(waveform, -limit, limit)
    steps = 2.0 ** rng.integers(6, 9)
    companded = np.sign(waveform) * np.log1p(255.0 * np.abs(waveform) / peak) / np.log(256.0)
    companded = np.round(companded * steps) / steps
    expanded = np.sign(companded) * np.expm1(np.abs(companded) * np.log(256.0)) / 255.0
    return np.asarray(expanded * peak, np.float32)
