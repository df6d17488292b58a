"""Batches for motion training: cached speech features, pairs of windows, truncation.

Axis legend: ``b`` batch, ``t`` frames (two windows), ``c`` motion channels, ``a`` audio width.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from joyvasa_lib.speech.audio_encoder import AudioEncoder, FeatureStream
from joyvasa_lib.speech.normalizer import MotionNormalizer
from joyvasa_lib.training.augmentation import augment
from joyvasa_lib.training.data import SpeechCorpus, SpeechItem
from joyvasa_lib.training.silence import with_silence

if TYPE_CHECKING:
    from joyvasa_lib.training.motion import MotionTraining


@dataclass(frozen=True)
class MotionBatch:
    """Pairs of consecutive windows.

    Attributes:
        motion: normalised channels [b, t, c].
        audio: encoder features [b, t, a].
        valid: float [b, t], 1 where there is truth.
        closed: float [b, t], 1 where the lips touch on a bilabial sound.
        end: int64 [b, 2], frames of each window before it is cut off.
    """

    motion: Tensor
    audio: Tensor
    valid: Tensor
    closed: Tensor
    end: Tensor

    def to(self, device: torch.device) -> MotionBatch:
        """Returns the batch on a device."""
        return MotionBatch(*(getattr(self, part.name).to(device) for part in fields(self)))


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


class FeatureCache:
    """Copies of each recording with their encoder features, computed when first asked for.

    Copy 0 is the recording itself; the others have silence at their ends and were heard through
    rooms, microphones and noise.
    """

    def __init__(self, encoder: AudioEncoder, corpus: SpeechCorpus, copies: int, seed: int) -> None:
        """Starts empty."""
        self.encoder, self.corpus, self.copies, self.seed = encoder, corpus, copies, seed
        self._features: dict[tuple[int, int], NDArray[np.float16]] = {}

    def item(self, index: int, copy: int) -> SpeechItem:
        """Returns a copy of the training item ``index``, its sound as clean as the recording."""
        item = self.corpus.items("train")[index]
        return with_silence(item, self._rng(index, copy)) if copy else item

    def features(self, index: int, copy: int) -> NDArray[np.float16]:
        """Returns the features [t, a] of a copy of the training item ``index``."""
        if (index, copy) not in self._features:
            item = self.item(index, copy)
            waveform = item.sound()
            if copy:
                waveform = augment(waveform, self._rng(index, copy, 1))
            self._features[index, copy] = encode(self.encoder, waveform, len(item.values))
        return self._features[index, copy]

    def _rng(self, *number: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, *number))


@torch.inference_mode()
def encode(
    encoder: AudioEncoder, waveform: NDArray[np.float32], frames: int
) -> NDArray[np.float16]:
    """Returns features float16 [frames, a], computed as generation computes them."""
    stream = FeatureStream(encoder)
    parts = [*stream.push(waveform), *stream.finish()]
    features = torch.cat(parts).float().cpu().numpy().astype(np.float16)
    if len(features) < frames:
        features = np.pad(features, ((0, frames - len(features)), (0, 0)), mode="edge")
    return features[:frames]


class WindowSampler:
    """Random window pairs; batch ``i`` depends on the seed, ``i`` and the process alone."""

    def __init__(
        self, cache: FeatureCache, normalizer: MotionNormalizer, config: MotionTraining, seed: int
    ) -> None:
        """Prepares to draw from the training items, longer ones more often."""
        self.cache, self.normalizer, self.config, self.seed = cache, normalizer, config, seed
        items = cache.corpus.items("train")
        lengths = np.array([len(item.values) for item in items], np.float64)
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
        item, features = self.cache.item(which, copy), self.cache.features(which, copy)
        start = int(rng.integers(max(1, len(item.values) - 2 * frames + 1)))
        index = start + np.arange(2 * frames)
        valid = (index < len(item.values)).astype(np.float32)
        index = np.minimum(index, len(item.values) - 1)
        motion = self.normalizer.normalize(item.values[index])
        audio = features[index].astype(np.float32)
        end = np.array(
            [
                rng.integers(1, frames) if rng.random() < chance else frames
                for chance in self.config.truncate
            ]
        )
        closed = item.closed(self.cache.corpus.closures)[index] * valid
        return motion, audio, valid, closed.astype(np.float32), end
