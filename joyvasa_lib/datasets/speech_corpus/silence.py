"""Silence before and after speech, with a mouth at rest in it.

Made-up recordings begin and end with the speech; real ones do not, and people breathe in between. A
mouth that was never shown silence keeps talking in it.

Axis legend: ``n`` samples at 16 kHz, ``t`` frames at 25 Hz.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.speech_corpus.recordings import SpeechItem
from joyvasa_lib.media.audio import SAMPLE_RATE
from joyvasa_lib.motion.blendshapes import BLENDSHAPES, REGIONS
from joyvasa_lib.motion.data import SAMPLES_PER_FRAME

Floats = NDArray[np.float32]
LONGEST = 50
"""Frames of the longest silence: two seconds."""
SETTLING = 4
"""Frames in which a mouth comes to rest or leaves it."""
_MOUTH = [BLENDSHAPES.index(name) for name in REGIONS["mouth"]]


def with_silence(item: SpeechItem, rng: np.random.Generator) -> SpeechItem:
    """A recording with up to two seconds of silence or breath at each end.

    Head, lids and brows go on as they went, mirrored in time; the mouth is at rest.

    Args:
        item: the recording, whose length is a whole number of frames.
        rng: source of every random choice.

    Returns:
        The longer recording.
    """
    frames = len(item.values)
    most = min(LONGEST, frames - 1)
    before, after = (int(rng.integers(most + 1)) if rng.random() < 0.75 else 0 for _ in range(2))
    waveform = item.samples(0, frames * SAMPLES_PER_FRAME)
    waveform = np.pad(waveform, (0, frames * SAMPLES_PER_FRAME - len(waveform)))
    level = float(np.sqrt(np.mean(np.square(waveform)))) + 1e-9
    quiet = [_breath(count, rng) * np.float32(level) for count in (before, after)]
    ends = ((before, after), (0, 0))
    values = np.pad(item.values, ends, mode="reflect")
    values[:before, _MOUTH] = _easing(before)[:, None] * item.values[0, _MOUTH]
    values[before + frames :, _MOUTH] = _easing(after)[::-1, None] * item.values[-1, _MOUTH]
    return replace(
        item,
        waveform=np.concatenate([quiet[0], waveform, quiet[1]]).astype(np.float32),
        values=values,
        style=None if item.style is None else np.pad(item.style, ends, mode="edge"),
        phonemes=np.pad(item.phonemes[: 2 * frames], (2 * before, 2 * after)),
    )


def _easing(frames: int) -> Floats:
    """Zeros [t] that rise to nearly one in the last frames."""
    steps = np.arange(frames, 0, -1) / (SETTLING + 1)
    return (0.5 + 0.5 * np.cos(np.pi * np.minimum(steps, 1.0))).astype(np.float32)


def _breath(frames: int, rng: np.random.Generator) -> Floats:
    """Near silence, and now and then a breath: hiss that swells and dies, relative to speech."""
    count = frames * SAMPLES_PER_FRAME
    waveform = np.zeros(count, np.float32)
    length = int(rng.uniform(0.25, 0.9) * SAMPLE_RATE)
    if count <= length or rng.random() < 0.5:
        return waveform
    start = int(rng.integers(count - length))
    spectrum = np.fft.rfft(rng.normal(size=length))
    frequency = np.fft.rfftfreq(length, 1.0 / SAMPLE_RATE)
    centre = rng.uniform(800.0, 2500.0)
    spectrum *= np.exp(-0.5 * (np.log(np.maximum(frequency, 1.0) / centre) / 0.7) ** 2)
    hiss = np.fft.irfft(spectrum, length) * np.sin(np.pi * np.arange(length) / length) ** 2
    hiss /= np.sqrt(np.mean(np.square(hiss))) + 1e-9
    decibels = rng.uniform(-32.0, -14.0)
    waveform[start : start + length] = hiss * 10.0 ** (decibels / 20.0)
    return waveform
