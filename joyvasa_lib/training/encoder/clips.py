"""Random stretches of the speech corpus, heard through noise and rooms.

Axis legend: ``n`` samples, ``t`` frames at 25 Hz, ``c`` phoneme classes, ``k`` dials of a style.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from joyvasa_lib.datasets.speech_corpus.recordings import SpeechCorpus, SpeechItem
from joyvasa_lib.motion.data import SAMPLES_PER_FRAME
from joyvasa_lib.speech.encoders.loudness import LevelTracker
from joyvasa_lib.speech.style import DIALS
from joyvasa_lib.training.encoder.augmentation import augment, change_speed
from joyvasa_lib.training.encoder.labeller import CURVE_SCALE, MOUTH
from joyvasa_lib.training.encoder.recipe import AudioEncoderTraining


class Batches:
    """Random augmented clips; batch ``i`` depends on the seed, ``i`` and the process alone."""

    def __init__(self, corpus: SpeechCorpus, config: AudioEncoderTraining, seed: int) -> None:
        """Prepares the batches of a corpus."""
        self.corpus, self.config, self.seed = corpus, config, seed
        self.weights = class_weights(corpus, config.closure_weight)

    def __call__(self, index: int, process: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Waveforms, phonemes, mouth curves and styles of a batch."""
        rng = np.random.default_rng((self.seed, index, process))
        if index % 200 == 0:
            self.corpus.refresh()
        frames = int(25 * rng.uniform(*self.config.clip_seconds))
        clips = [self._clip(rng, frames) for _ in range(self.config.batch_size)]
        waveform, phonemes, blendshapes, style = (
            torch.from_numpy(np.stack(part)) for part in zip(*clips, strict=True)
        )
        return waveform, phonemes, blendshapes[..., MOUTH] * CURVE_SCALE, style

    def _clip(self, rng: np.random.Generator, frames: int) -> Clip:
        items = self.corpus.items("train")
        item = items[int(rng.integers(len(items)))]
        speed = 1.0 + self.config.speed * rng.uniform(-1.0, 1.0)
        clip = cut(item, frames, speed, rng)
        other = items[int(rng.integers(len(items)))].samples()
        return clip._replace(waveform=augment(clip.waveform, rng, other))


class Clip(NamedTuple):
    """A stretch of a recording.

    Attributes:
        waveform: float32 [640 t].
        phonemes: int64 [2 t].
        blendshapes: float32 [t, 52].
        style: float32 [t, k], 1 where it is not known.
    """

    waveform: np.ndarray
    phonemes: np.ndarray
    blendshapes: np.ndarray
    style: np.ndarray


def at_level(waveform: np.ndarray) -> np.ndarray:
    """A waveform [n] at the level that speech is brought to before it is encoded."""
    return waveform * np.float32(LevelTracker(0.0).gain(waveform))


def cut(item: SpeechItem, frames: int, speed: float, rng: np.random.Generator) -> Clip:
    """A random stretch of an item, played ``speed`` times as fast, padded with silence."""
    slack = len(item.blendshapes) - _needed(frames, speed)
    start = int(rng.integers(slack + 1)) if slack > 0 else int(rng.integers(slack - 12, 1))
    return stretch(item, start, frames, speed)


def stretch(item: SpeechItem, start: int, frames: int, speed: float) -> Clip:
    """A stretch of an item from frame ``start``, played ``speed`` times as fast, then silence."""
    needed = _needed(frames, speed)
    times = start + np.arange(frames) * speed  # in frames of the item
    samples = np.arange(start * SAMPLES_PER_FRAME, (start + needed) * SAMPLES_PER_FRAME)
    inside = (samples >= 0) & (samples < len(item.waveform))
    part = np.zeros(len(samples), np.float32)
    part[inside] = item.samples()[samples[inside]]
    waveform = change_speed(part, speed, frames * SAMPLES_PER_FRAME)
    steps = np.round(2 * start + (np.arange(2 * frames) + 0.5) * speed - 0.5).astype(int)
    known = (steps >= 0) & (steps < len(item.phonemes))
    phonemes = np.zeros(2 * frames, np.int64)
    phonemes[known] = item.phonemes[steps[known]]
    low = np.clip(np.floor(times).astype(int), 0, len(item.blendshapes) - 1)
    high = np.clip(low + 1, 0, len(item.blendshapes) - 1)
    share = (times - np.floor(times))[:, None]
    blendshapes = item.blendshapes[low] * (1.0 - share) + item.blendshapes[high] * share
    style = np.ones((frames, len(DIALS)), np.float32) if item.style is None else item.style[low]
    return Clip(waveform, phonemes, blendshapes.astype(np.float32), style)


def _needed(frames: int, speed: float) -> int:
    """Frames of an item that a stretch of it is made from."""
    return int(np.ceil(frames * speed)) + 1


def class_weights(corpus: SpeechCorpus, closure_weight: float) -> Tensor:
    """Returns the weight of each phoneme class [c]: frequency to the power -0.3, closures more."""
    counts = np.ones(len(corpus.phonemes))
    for item in corpus.items("train"):
        counts += np.bincount(item.phonemes, minlength=len(counts))[: len(counts)]
    weights = (counts / counts.mean()) ** -0.3
    weights = np.clip(weights, 0.2, 4.0)
    weights[corpus.closures] *= closure_weight
    return torch.from_numpy((weights / weights.mean()).astype(np.float32))
