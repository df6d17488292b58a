"""Laughter: bursts of voiced breath, as described by Bachorowski, Smoski & Owren (2001).

About five bursts a second, each an /h/ and a short vowel; the pitch is higher than in speech and
falls over the bout, the last bursts are weaker. Computed: glottal pulses and noise through three
resonances. Nobody's laughter was recorded.

Axis legend: ``n`` samples at 16 kHz.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from joyvasa_lib.datasets.speech_corpus.sounds.breath import unit
from joyvasa_lib.media.audio import SAMPLE_RATE

Floats = NDArray[np.float32]
_VOWELS = ((700.0, 1200.0, 2500.0), (550.0, 1500.0, 2500.0), (520.0, 1100.0, 2450.0))
"""Formants of /a/, /ə/ and /ɐ/ of an adult, hertz."""


def laughter(rng: np.random.Generator, pitch: float, formants: float = 1.0) -> Floats:
    """Returns one bout of laughter, float32 [n], 0.5 to 2.5 s, of level 1 (root mean square).

    Args:
        rng: source of every random choice.
        pitch: of the same voice while it speaks, hertz.
        formants: factor on the resonances, more than 1 for a short throat.
    """
    bursts = int(rng.integers(3, 11))
    rate = rng.uniform(4.2, 6.0)
    tone = pitch * rng.uniform(1.2, 1.9)
    vowel = np.array(_VOWELS[int(rng.integers(len(_VOWELS)))]) * formants
    parts = []
    for index in range(bursts):
        left = index / bursts
        length = rng.uniform(0.85, 1.15) / rate
        strength = (1.0 - 0.65 * left) * rng.uniform(0.75, 1.1)
        parts.append(strength * _burst(rng, length, tone * (1.0 - 0.25 * left), vowel))
    return unit(np.concatenate(parts))


def _burst(
    rng: np.random.Generator, seconds: float, tone: float, formants: NDArray[np.float64]
) -> NDArray[np.float64]:
    count = round(seconds * SAMPLE_RATE)
    time = np.arange(count) / count
    voice = np.clip((time - 0.3) / 0.12, 0.0, 1.0) * np.clip((0.82 - time) / 0.25, 0.0, 1.0)
    air = np.clip(time / 0.1, 0.0, 1.0) * np.clip((0.9 - time) / 0.5, 0.0, 1.0)
    frequency = tone * (1.06 - 0.14 * time) * (1.0 + 0.01 * rng.standard_normal())
    phase = np.cumsum(frequency) / SAMPLE_RATE
    pulses = np.diff(np.floor(phase), prepend=0.0)
    source = lfilter([1.0], [1.0, -0.94], pulses) * voice
    source = source + 0.045 * rng.standard_normal(count) * air
    for centre, width in zip(formants, (90.0, 120.0, 200.0), strict=True):
        radius = np.exp(-np.pi * width / SAMPLE_RATE)
        angle = 2.0 * np.pi * centre / SAMPLE_RATE
        gain = 1.0 - 2.0 * radius * np.cos(angle) + radius**2
        source = lfilter([gain], [1.0, -2.0 * radius * np.cos(angle), radius**2], source)
    return np.asarray(source - np.mean(source))
