"""Speech features of recordings, computed once and kept on disk: memory holds none of them.

Axis legend: ``n`` samples at 16 kHz, ``t`` frames at 25 Hz, ``a`` audio width.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from joyvasa_lib.media.files import atomic_path
from joyvasa_lib.speech.audio_encoder import AudioEncoder, FeatureStream
from joyvasa_lib.training.augmentation import augment
from joyvasa_lib.training.motion_source import Recording, Take

Halves = NDArray[np.float16]
BLOCK = 16000 * 10
"""Samples given to the encoder's stream at once."""


@torch.inference_mode()
def encode(encoder: AudioEncoder, waveform: NDArray[np.float32], frames: int) -> Halves:
    """Returns features float16 [frames, a], computed as generation computes them."""
    stream = FeatureStream(encoder)
    parts = [
        features
        for start in range(0, len(waveform), BLOCK)
        for features in stream.push(waveform[start : start + BLOCK])
    ]
    parts += stream.finish()
    features = torch.cat(parts).float().cpu().numpy().astype(np.float16)
    if len(features) < frames:
        features = np.pad(features, ((0, frames - len(features)), (0, 0)), mode="edge")
    return features[:frames]


class FeatureCache:
    """Copies of each recording with their features, computed when first asked for.

    Copy 0 is the recording itself; the others were heard through rooms, microphones and noise, and
    are takes of their own where a recording has such.

    One file for each copy, mapped into memory while it is read. Several threads and processes may
    ask at once: a file appears whole, and two that make the same one make the same bytes.
    """

    def __init__(
        self,
        encoder: AudioEncoder,
        recordings: Sequence[Recording],
        copies: int,
        seed: int,
        folder: str | Path,
    ) -> None:
        """Prepares the cache; nothing is encoded yet.

        Args:
            encoder: the network, which must not change while the cache is used.
            recordings: what to encode.
            copies: of each recording.
            seed: of the augmentation.
            folder: where the features are kept; features of other weights, recordings and seeds
                may lie in it, too.
        """
        self.encoder, self.recordings, self.copies, self.seed = encoder, recordings, copies, seed
        self.folder = Path(folder) / f"{fingerprint(encoder)}-{seed}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._encoding = threading.Lock()

    def take(self, index: int, copy: int) -> Take:
        """Returns a copy of the recording ``index``, its sound as clean as the recording."""
        recording = self.recordings[index]
        if copy and recording.vary is not None:
            return recording.vary(self._rng(index, copy))
        return recording.load()

    def features(self, index: int, copy: int) -> Halves:
        """Returns the features [t, a] of a copy of the recording ``index``, mapped from disk."""
        recording = self.recordings[index]
        # The augmentation is drawn by index, so the index is part of what the features are.
        key = f"{index}\t{recording.name}\t{recording.frames}\t{copy}"
        path = self.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.npy"
        if not path.exists():
            with self._encoding:
                if not path.exists():
                    self._write(path, index, copy)
        mapped: Halves = np.load(path, mmap_mode="r")
        return mapped

    def _write(self, path: Path, index: int, copy: int) -> None:
        take = self.take(index, copy)
        waveform = augment(take.sound, self._rng(index, copy, 1)) if copy else take.sound
        features = encode(self.encoder, waveform, len(take.values))
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.save(file, features)

    def _rng(self, *number: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, *number))


def fingerprint(encoder: AudioEncoder) -> str:
    """Returns a short hash of the encoder's weights."""
    found = hashlib.sha256()
    for name, value in sorted(encoder.state_dict().items()):
        found.update(name.encode())
        found.update(value.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()[:16]
