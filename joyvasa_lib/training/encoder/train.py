"""Trains the compact speech encoder on phonemes and mouth curves, frame by frame.

The network hears 20 ms steps and names the phoneme of each (cross entropy, rare and lip-closing
classes weighted up); in parallel a linear map of its features at the motion rate follows the
blendshapes of the mouth, so that what stage two needs is linearly readable.

Axis legend: ``b`` batch, ``n`` samples, ``s`` frames at 50 Hz, ``t`` frames at 25 Hz, ``c`` phoneme
classes, ``u`` blendshapes of the mouth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from joyvasa_lib.datasets.speech_corpus.recordings import SpeechCorpus, SpeechItem
from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.motion.data import SAMPLES_PER_FRAME
from joyvasa_lib.recipes import Count, NotNegative, Positive, recipe
from joyvasa_lib.speech.encoders.audio_encoder import (
    AudioEncoder,
    resample_features,
)
from joyvasa_lib.speech.encoders.compact_wav2vec2 import CompactWav2Vec2Config, CompactWav2Vec2Model
from joyvasa_lib.training.encoder.augmentation import augment, change_speed
from joyvasa_lib.training.loop.config import read_training
from joyvasa_lib.training.loop.run import TrainingRun

MOUTH_BLENDSHAPES: tuple[str, ...] = (
    "jawOpen",
    "mouthClose",
    "mouthFunnel",
    "mouthPucker",
    "mouthPressLeft",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthStretchLeft",
    "mouthSmileLeft",
    "mouthLowerDownLeft",
    "mouthUpperUpLeft",
    "mouthShrugUpper",
    "mouthShrugLower",
    "mouthDimpleLeft",
    "tongueOut",
)
"""Blendshapes whose curves the features must hold; in speech the right side mirrors the left."""
CURVE_SCALE = 4.0
"""Brings blendshape curves to about unit spread."""
_MOUTH = [BLENDSHAPES.index(name) for name in MOUTH_BLENDSHAPES]


@recipe("audio_encoder")
@dataclass(frozen=True)
class AudioEncoderTraining:
    """Recipe of the speech encoder.

    Attributes:
        corpus: folder of the synthetic speech corpus.
        network: fields of ``CompactWav2Vec2Config``.
        initial: folder of a trained encoder to start from, "" to start from nothing.
        batch_size: clips in a batch.
        clip_seconds: shortest and longest clip.
        closure_weight: extra weight of the bilabial phoneme classes.
        curve_weight: weight of the mouth curves against the phonemes.
        speed: largest change of speed (with pitch) as a fraction.
        validation_clips: held-out clips of four seconds per validation.
    """

    corpus: str
    network: dict[str, Any] = field(default_factory=dict)
    initial: str = ""
    batch_size: Count = 6
    clip_seconds: tuple[Positive, Positive] = (3.0, 6.0)
    closure_weight: NotNegative = 2.0
    curve_weight: NotNegative = 3.0
    speed: NotNegative = 0.12
    validation_clips: Count = 60


class SpeechLabeller(nn.Module):
    """The encoder with the two linear heads that teach it; the heads are thrown away later."""

    def __init__(self, encoder: AudioEncoder, classes: int) -> None:
        """Adds a phoneme head of ``classes`` outputs and a head for ``MOUTH_BLENDSHAPES``."""
        super().__init__()
        self.encoder = encoder
        self.phonemes = nn.Linear(encoder.feature_dim, classes)
        self.curves = nn.Linear(encoder.feature_dim, len(MOUTH_BLENDSHAPES))

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """Returns phoneme logits [b, s, c] and mouth curves times ``CURVE_SCALE`` [b, t, u]."""
        hidden = self.encoder.network(waveform).last_hidden_state
        features = resample_features(hidden, waveform.shape[-1] // SAMPLES_PER_FRAME)
        return self.phonemes(hidden), self.curves(features)


def labelling_loss(
    logits: Tensor, curves: Tensor, phonemes: Tensor, target: Tensor, weights: Tensor
) -> dict[str, Tensor]:
    """Returns weighted cross entropy and mean squared curve error.

    Args:
        logits: [b, s, c].
        curves: [b, t, u].
        phonemes: int64 [b, s], -100 where unknown.
        target: [b, t, u].
        weights: [c].
    """
    phoneme = F.cross_entropy(logits.transpose(1, 2).float(), phonemes, weights)
    return {"phoneme": phoneme, "curve": F.mse_loss(curves.float(), target)}


def train_audio_encoder(
    config_path: str | Path,
    run_dir: str | Path,
    export_dir: str | Path | None = None,
    resume: bool = True,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Trains the encoder and exports it after each validation.

    Args:
        config_path: YAML file with the sections ``audio_encoder`` and ``loop``.
        run_dir: run folder; an interrupted run in it goes on.
        export_dir: where the encoder is written; ``run_dir/audio_encoder`` if not given.
        resume: start anew if false.
        progress: called with the number of steps done after each. Raise
            :class:`~joyvasa_lib.errors.Cancelled` in it to stop; a later call continues from the
            state that was saved last.

    Returns:
        The export folder.
    """
    config, loop = read_training(config_path, AudioEncoderTraining, "audio_encoder")
    torch.manual_seed(loop.seed)
    corpus = SpeechCorpus(config.corpus)
    if config.initial:
        encoder = AudioEncoder.from_pretrained(config.initial)
    else:
        network = CompactWav2Vec2Model(CompactWav2Vec2Config(**config.network))
        encoder = AudioEncoder(network)
    labeller = SpeechLabeller(encoder, len(corpus.phonemes))
    run = TrainingRun(run_dir, labeller, loop)
    run.start("audio_encoder", config, resume)
    folder = Path(export_dir) if export_dir else run.folder / "audio_encoder"
    batches = _Batches(corpus, config, loop.seed)

    def loss(network: nn.Module, index: int) -> dict[str, Tensor]:
        waveform, phonemes, target = batches(index, run.accelerator.process_index)
        device = run.accelerator.device
        logits, curves = network(waveform.to(device))
        terms = labelling_loss(
            logits, curves, phonemes.to(device), target.to(device), batches.weights.to(device)
        )
        return {**terms, "total": terms["phoneme"] + config.curve_weight * terms["curve"]}

    def export(network: nn.Module) -> None:
        assert isinstance(network, SpeechLabeller)
        network.encoder.save_pretrained(folder)

    run.fit(loss, _validator(corpus, config), export, progress)
    return folder


class _Batches:
    """Random augmented clips; batch ``i`` depends on the seed, ``i`` and the process alone."""

    def __init__(self, corpus: SpeechCorpus, config: AudioEncoderTraining, seed: int) -> None:
        self.corpus, self.config, self.seed = corpus, config, seed
        self.weights = class_weights(corpus, config.closure_weight)

    def __call__(self, index: int, process: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        rng = np.random.default_rng((self.seed, index, process))
        if index % 200 == 0:
            self.corpus.refresh()
        frames = int(25 * rng.uniform(*self.config.clip_seconds))
        clips = [self._clip(rng, frames) for _ in range(self.config.batch_size)]
        waveform, phonemes, blendshapes = (np.stack(part) for part in zip(*clips, strict=True))
        target = torch.from_numpy(blendshapes[..., _MOUTH]) * CURVE_SCALE
        return torch.from_numpy(waveform), torch.from_numpy(phonemes), target

    def _clip(
        self, rng: np.random.Generator, frames: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        items = self.corpus.items("train")
        item = items[int(rng.integers(len(items)))]
        speed = 1.0 + self.config.speed * rng.uniform(-1.0, 1.0)
        waveform, phonemes, blendshapes = cut(item, frames, speed, rng)
        other = items[int(rng.integers(len(items)))].samples()
        return augment(waveform, rng, other), phonemes, blendshapes


def cut(
    item: SpeechItem, frames: int, speed: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns a random stretch of an item, played ``speed`` times as fast, padded with silence.

    Returns:
        waveform float32 [640 t], phonemes int64 [2 t], blendshapes float32 [t, 52].
    """
    needed = int(np.ceil(frames * speed)) + 1
    slack = len(item.blendshapes) - needed
    start = int(rng.integers(slack + 1)) if slack > 0 else int(rng.integers(slack - 12, 1))
    times = start + np.arange(frames) * speed  # in frames of the item
    samples = np.arange(start * SAMPLES_PER_FRAME, (start + needed) * SAMPLES_PER_FRAME)
    inside = (samples >= 0) & (samples < len(item.waveform))
    stretch = np.zeros(len(samples), np.float32)
    stretch[inside] = item.samples()[samples[inside]]
    waveform = change_speed(stretch, speed, frames * SAMPLES_PER_FRAME)
    steps = np.round(2 * start + (np.arange(2 * frames) + 0.5) * speed - 0.5).astype(int)
    known = (steps >= 0) & (steps < len(item.phonemes))
    phonemes = np.zeros(2 * frames, np.int64)
    phonemes[known] = item.phonemes[steps[known]]
    low = np.clip(np.floor(times).astype(int), 0, len(item.blendshapes) - 1)
    high = np.clip(low + 1, 0, len(item.blendshapes) - 1)
    part = (times - np.floor(times))[:, None]
    blendshapes = item.blendshapes[low] * (1.0 - part) + item.blendshapes[high] * part
    return waveform, phonemes, blendshapes.astype(np.float32)


def class_weights(corpus: SpeechCorpus, closure_weight: float) -> Tensor:
    """Returns the weight of each phoneme class [c]: frequency to the power -0.3, closures more."""
    counts = np.ones(len(corpus.phonemes))
    for item in corpus.items("train"):
        counts += np.bincount(item.phonemes, minlength=len(counts))[: len(counts)]
    weights = (counts / counts.mean()) ** -0.3
    weights = np.clip(weights, 0.2, 4.0)
    weights[corpus.closures] *= closure_weight
    return torch.from_numpy((weights / weights.mean()).astype(np.float32))


def _validator(
    corpus: SpeechCorpus, config: AudioEncoderTraining
) -> Callable[[nn.Module], dict[str, float]]:
    def validate(network: nn.Module) -> dict[str, float]:
        rng = np.random.default_rng(7)
        items = corpus.items("valid")
        hits: list[np.ndarray] = []
        closure: list[np.ndarray] = []
        curves: list[np.ndarray] = []
        truth: list[np.ndarray] = []
        for index in range(config.validation_clips):
            item = items[index % len(items)]
            waveform, phonemes, blendshapes = cut(item, 100, 1.0, rng)
            if index % 2:
                waveform = augment(waveform, rng)
            logits, curve = network(torch.from_numpy(waveform)[None])
            named = logits[0].argmax(-1).numpy()
            speech = phonemes != 0
            hits.append((named == phonemes)[speech])
            closure.append(np.isin(named, corpus.closures)[np.isin(phonemes, corpus.closures)])
            curves.append(curve[0].numpy())
            truth.append(blendshapes[:, _MOUTH])
        metrics = {
            "phoneme_accuracy": float(np.mean(np.concatenate(hits))),
            "closure_recall": float(np.mean(np.concatenate(closure))),
        }
        for column, name in enumerate(MOUTH_BLENDSHAPES):
            a = np.concatenate(curves)[:, column]
            b = np.concatenate(truth)[:, column]
            if b.std() > 1e-4:
                metrics[f"correlation/{name}"] = float(np.corrcoef(a, b)[0, 1])
        return metrics

    return validate
