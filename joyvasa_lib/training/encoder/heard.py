"""What a speech network that is not trained hears of the corpus: encoded once, kept on disk.

A network's features of an hour of speech cost minutes, and a context that is trained on them
seconds: they are computed once for every copy of a recording, and clips are cut from them.

Axis legend: ``t`` frames at 25 Hz, ``d`` width of the features, ``u`` blendshapes of the mouth,
``k`` dials of a style.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from torch import Tensor

from joyvasa_lib.datasets.speech_corpus.recordings import SpeechCorpus, SpeechItem
from joyvasa_lib.datasets.speech_corpus.silence import with_silence
from joyvasa_lib.media.files import atomic_path
from joyvasa_lib.speech.encoders.audio_encoder import AudioEncoder
from joyvasa_lib.training.encoder.augmentation import augment
from joyvasa_lib.training.encoder.clips import Clip, class_weights, stretch
from joyvasa_lib.training.encoder.features import encode, fingerprint, fingerprint_of, opened
from joyvasa_lib.training.encoder.labeller import CURVE_SCALE, MOUTH
from joyvasa_lib.training.encoder.recipe import AudioEncoderTraining

WINDOWS = (100, 50, 25, 12)
"""Frames that a copy may be encoded in at once, as generation encodes them."""
LOOK_AHEAD = 5
"""Frames of sound after them that they are encoded with: as many as live speech has."""
_PARTS = ("features", "phonemes", "curves", "style")


class HeardBatches:
    """Random clips of features; batch ``i`` depends on the seed, ``i`` and the process alone.

    The first copy of a recording is as it is, in the longest windows; the others are faster or
    slower, between silences, through rooms, microphones and noise, in windows of any length.
    Several processes may make them at once: a file appears whole.
    """

    def __init__(
        self,
        corpus: SpeechCorpus,
        config: AudioEncoderTraining,
        seed: int,
        network: AudioEncoder,
        folder: str | Path,
    ) -> None:
        """Prepares the batches; nothing is encoded yet.

        Args:
            corpus: the recordings.
            config: the recipe.
            seed: of every random choice.
            network: what hears, without a context.
            folder: where the copies are kept; those of other networks and seeds may lie in it, too.
        """
        self.corpus, self.config, self.seed, self.network = corpus, config, seed, network
        self.weights = class_weights(corpus, config.closure_weight)
        known = f"{fingerprint(network)}-{seed}-{config.speed:g}"
        self.folder = Path(folder) / known
        self.folder.mkdir(parents=True, exist_ok=True)
        self._paths: dict[tuple[int, int], Path] = {}

    def __call__(self, index: int, process: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Features [b, t, d], phonemes [b, 2 t], curves [b, t, u] and styles [b, t, k]."""
        rng = np.random.default_rng((self.seed, index, process))
        count, items = self.config.batch_size, self.corpus.items("train")
        frames = int(25 * rng.uniform(*self.config.clip_seconds))
        chosen = zip(
            rng.integers(len(items), size=count),
            rng.integers(self.config.copies, size=count),
            rng.random(count),
            strict=True,
        )
        heard = [(self.copy(int(item), int(copy)), where) for item, copy, where in chosen]
        frames = min(frames, *(_length(file) for file, _ in heard))
        clips = [_cut(file, frames, where) for file, where in heard]
        features, phonemes, curves, style = (
            torch.from_numpy(np.stack(part)) for part in zip(*clips, strict=True)
        )
        return features.float(), phonemes.long(), curves * CURVE_SCALE, style

    def copy(self, index: int, copy: int) -> Any:
        """A copy of a recording, opened; made if it is not there."""
        if (path := self._paths.get((index, copy))) is None:
            item = self.corpus.items("train")[index]
            content = fingerprint_of(item.waveform, item.values, item.phonemes, item.style)
            key = hashlib.sha256(f"{content} {index} {copy}".encode()).hexdigest()[:24]
            path = self._paths[index, copy] = self.folder / f"{key}.safetensors"
            if not path.exists():
                self._write(path, item, index, copy)
        return opened(path)

    def _write(self, path: Path, item: SpeechItem, index: int, copy: int) -> None:
        clip, window = whole(item), WINDOWS[0]
        if copy:
            rng = np.random.default_rng((self.seed, index, copy))
            speed = 1.0 + self.config.speed * rng.uniform(-1.0, 1.0)
            clip = whole(with_silence(item, rng), speed)
            others = self.corpus.items("train")
            babble = others[int(rng.integers(len(others)))].samples()
            clip = clip._replace(waveform=augment(clip.waveform, rng, babble))
            window = int(rng.choice(WINDOWS))
        parts = {
            "features": encode(self.network, clip.waveform, len(clip.style), window, LOOK_AHEAD),
            "phonemes": clip.phonemes.astype(np.uint8),
            "curves": clip.blendshapes[:, MOUTH],
            "style": clip.style,
        }
        parts = {name: np.ascontiguousarray(part) for name, part in parts.items()}
        with atomic_path(path) as temporary:
            save_file(parts, temporary)


def whole(item: SpeechItem, speed: float = 1.0) -> Clip:
    """A whole recording, played ``speed`` times as fast."""
    return stretch(item, 0, int(len(item.values) / speed), speed)


def _length(file: Any) -> int:
    return int(file.get_slice("curves").get_shape()[0])


def _cut(file: Any, frames: int, where: float) -> tuple[NDArray[Any], ...]:
    """The parts of ``frames`` frames of a copy; ``where`` from 0, its start, to 1."""
    start = int(where * (_length(file) - frames + 1))
    steps = {"phonemes": 2}
    return tuple(
        file.get_slice(name)[start * steps.get(name, 1) : (start + frames) * steps.get(name, 1)]
        for name in _PARTS
    )
