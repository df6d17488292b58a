"""Batches for motion training: pairs of windows of recordings, and truncation.

Axis legend: ``b`` batch, ``t`` frames (two windows), ``c`` motion channels, ``a`` audio width.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from joyvasa_lib.speech.diffusion.normalizer import MotionNormalizer
from joyvasa_lib.training.motion.features import FeatureCache
from joyvasa_lib.training.motion.recipe import MotionTraining


@dataclass(frozen=True)
class MotionBatch:
    """Pairs of consecutive windows.

    Attributes:
        motion: normalised channels [b, t, c].
        audio: encoder features [b, t, a].
        valid: float [b, t], 1 where there is truth.
        closed: float [b, t], 1 where the lips touch on a bilabial phoneme.
        end: int64 [b, 2], frames of each window before it is cut off.
        style: float [b, t, 4], dials of the speaker, NaN where they are not known.
    """

    motion: Tensor
    audio: Tensor
    valid: Tensor
    closed: Tensor
    end: Tensor
    style: Tensor

    def to(self, device: torch.device) -> MotionBatch:
        """Returns the batch on a device."""
        parts = (getattr(self, part.name) for part in fields(self))
        return MotionBatch(*(part.to(device, non_blocking=True) for part in parts))

    def pinned(self) -> MotionBatch:
        """Returns the batch in memory from which a GPU can copy while it computes."""
        return MotionBatch(*(getattr(self, part.name).pin_memory() for part in fields(self)))


def truncate(values: Tensor, end: Tensor, fill: Literal["zero", "last"] = "zero") -> Tensor:
    """Returns clips that break off early, so that the network knows what follows speech.

    Args:
        values: [b, t, ...].
        end: int64 [b], how much of each clip is kept, at least 1 where the last value is repeated.
        fill: what follows: zeros, or the last value kept (JoyVASA's "replicate").
    """
    index = torch.arange(values.shape[1], device=values.device).expand(len(values), -1)
    if fill == "last":
        return values[torch.arange(len(values))[:, None], index.minimum(end[:, None] - 1)]
    kept = index < end[:, None]
    return values * kept.reshape(*kept.shape, *(1,) * (values.ndim - 2))


class WindowSampler:
    """Random window pairs; batch ``i`` depends on the seed, ``i`` and the process alone."""

    def __init__(
        self, cache: FeatureCache, normalizer: MotionNormalizer, config: MotionTraining, seed: int
    ) -> None:
        """Prepares to draw from the cache's recordings, longer ones more often."""
        self.cache, self.normalizer, self.config, self.seed = cache, normalizer, config, seed
        lengths = np.array([recording.frames for recording in cache.recordings], np.float64)
        self.chances = lengths / lengths.sum()

    def __call__(self, index: int, process: int = 0) -> MotionBatch:
        """Returns batch ``index``."""
        rng = np.random.default_rng((self.seed, index, process))
        weights = np.asarray(self.config.window_weights)
        frames = int(rng.choice(self.config.window_lengths, p=weights / weights.sum()))
        count = self.config.batch_size * max(1, min(2, self.config.window_lengths[0] // frames))
        rows = [self._row(rng, frames) for _ in range(count)]
        return MotionBatch(*(torch.from_numpy(np.stack(part)) for part in zip(*rows, strict=True)))

    def _row(self, rng: np.random.Generator, frames: int) -> tuple[NDArray[Any], ...]:
        which = int(rng.choice(len(self.chances), p=self.chances))
        copy = int(rng.integers(self.cache.copies))
        length = self.cache.length(which, copy)
        start = int(rng.integers(max(1, length - 2 * frames + 1)))
        excerpt = self.cache.read(which, copy, start, start + 2 * frames)
        valid = (start + np.arange(2 * frames) < length).astype(np.float32)
        index = np.minimum(np.arange(2 * frames), len(excerpt.values) - 1)
        values = with_extra_channels(excerpt.values[index], self.normalizer)
        motion = self.normalizer.normalize(values)
        audio = excerpt.features[index].astype(np.float32)
        end = np.array(
            [
                rng.integers(1, frames) if rng.random() < chance else frames
                for chance in self.config.truncate
            ]
        )
        return motion, audio, valid, excerpt.closed[index] * valid, end, excerpt.style[index]


def with_extra_channels(
    values: NDArray[np.float32], normalizer: MotionNormalizer
) -> NDArray[np.float32]:
    """Returns values [..., c] for a model that has channels which the data has not.

    The released JoyVASA generator has three beyond the head's pose. They are held where the model's
    channel is 0, so that it learns to keep them there.
    """
    missing = normalizer.channels - values.shape[-1]
    if missing <= 0:
        return values
    extra = np.broadcast_to(normalizer.offset[-missing:], (*values.shape[:-1], missing))
    return np.concatenate([values, extra], axis=-1)
