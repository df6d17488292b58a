"""Trains the motion denoiser on pairs of speech and motion, two windows at a time.

The second window continues the first: its previous motion is the end of the first one's truth, so
that generation can go on from window to window. The speech encoder is frozen; its features are
computed once per augmented copy of a recording and kept.

Axis legend: ``b`` batch, ``l`` frames of a window, ``p`` previous frames, ``c`` motion channels,
``a`` width of the audio encoder.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from joyvasa_lib.motion.face_units import FACE_UNITS
from joyvasa_lib.speech.audio_encoder import AudioEncoder
from joyvasa_lib.speech.denoiser import MotionDenoiser
from joyvasa_lib.speech.motion_generator import MotionGenerator
from joyvasa_lib.speech.normalizer import MotionNormalizer
from joyvasa_lib.speech.schedulers import cosine_betas
from joyvasa_lib.speech.storage import load_denoiser
from joyvasa_lib.training.data import SpeechCorpus
from joyvasa_lib.training.losses import (
    LossWeights,
    WindowPair,
    closure_error,
    combine,
    lip_gap_error,
    motion_losses,
)
from joyvasa_lib.training.motion_data import (
    FeatureCache,
    MotionBatch,
    WindowSampler,
    truncate,
)
from joyvasa_lib.training.motion_metrics import measure
from joyvasa_lib.training.run import LoopConfig, TrainingRun, read_config

LIP_UNITS = ("jawOpen", "mouthClose", "mouthPressLeft", "mouthPressRight", "mouthFunnel",
             "mouthPucker", "mouthRollLower", "mouthRollUpper", "mouthLowerDownLeft",
             "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight")  # fmt: skip
"""Units that close, open and round the lips."""
LIP_GAP = {"jawOpen": 1.0, "mouthClose": -1.0, "mouthLowerDownLeft": 0.3,
           "mouthLowerDownRight": 0.3, "mouthUpperUpLeft": 0.15, "mouthUpperUpRight": 0.15,
           "mouthFunnel": 0.2, "mouthPressLeft": -0.1, "mouthPressRight": -0.1,
           "mouthRollLower": -0.1, "mouthRollUpper": -0.1}  # fmt: skip
"""Opening of the lips per unit, relative to the jaw's."""


@dataclass(frozen=True)
class MotionTraining:
    """Recipe of the denoiser.

    Attributes:
        corpus: folder of the speech corpus.
        audio_encoder: folder of the trained encoder.
        network: fields of ``MotionDenoiser``.
        initial: folder of a trained denoiser to start from, "" to start from nothing.
        loss_weights: fields of ``LossWeights``.
        batch_size: pairs of windows in a batch.
        window_lengths: window lengths to draw from, frames.
        window_weights: how often each.
        null_audio: probability that a clip's speech is replaced by the null feature.
        truncate: probability of truncation in the first and the second clip.
        previous_noise: noise on the true previous motion, in standard deviations.
        copies: augmented copies of each recording.
        validation_seconds: held-out speech per validation.
        guidance_scale: of validation.
    """

    corpus: str
    audio_encoder: str
    network: dict[str, Any] = field(default_factory=dict)
    initial: str = ""
    loss_weights: dict[str, float] = field(default_factory=dict)
    batch_size: int = 16
    window_lengths: tuple[int, ...] = (100, 50, 25)
    window_weights: tuple[float, ...] = (0.8, 0.1, 0.1)
    null_audio: float = 0.12
    truncate: tuple[float, float] = (0.1, 0.15)
    previous_noise: float = 0.1
    copies: int = 4
    validation_seconds: float = 90.0
    guidance_scale: float = 1.5


class MotionObjective(nn.Module):
    """``forward`` is the loss of the denoiser it holds."""

    betas: Tensor
    alpha_bars: Tensor
    gap: Tensor

    def __init__(
        self,
        denoiser: MotionDenoiser,
        normalizer: MotionNormalizer,
        weights: LossWeights,
        null_audio: float = 0.12,
        previous_noise: float = 0.1,
    ) -> None:
        """Prepares noise levels and the lip gap in model channels."""
        super().__init__()
        self.denoiser = denoiser
        self.weights, self.null_audio, self.previous_noise = weights, null_audio, previous_noise
        betas = torch.from_numpy(cosine_betas(denoiser.config.n_diff_steps))
        self.register_buffer("betas", betas, persistent=False)
        alpha_bars = torch.cumprod(1.0 - betas.double(), 0).float()
        self.register_buffer("alpha_bars", alpha_bars, persistent=False)
        gap = torch.zeros(normalizer.channels)
        for name, amount in LIP_GAP.items():
            index = FACE_UNITS.index(name)
            gap[index] = amount * float(normalizer.scale[index])
        self.register_buffer("gap", gap / gap.norm().clamp(min=1e-8), persistent=False)
        self.lip_channels = [FACE_UNITS.index(name) for name in LIP_UNITS]
        self.expression_channels = len(FACE_UNITS)

    def forward(self, batch: MotionBatch) -> dict[str, Tensor]:
        """Returns the loss terms of a batch of window pairs and their weighted sum ``total``."""
        denoiser, b = self.denoiser, len(batch.motion)
        frames = batch.motion.shape[1] // 2
        p = denoiser.config.n_prev_motions
        clips = torch.cat([batch.motion[:, :frames], batch.motion[:, frames:]])
        end = batch.end.T.reshape(-1)
        clips = truncate(clips, end)
        raw = truncate(torch.cat([batch.audio[:, :frames], batch.audio[:, frames:]]), end)
        speech = denoiser.audio_feature_map(raw)
        valid = truncate(torch.cat([batch.valid[:, :frames], batch.valid[:, frames:]]), end)
        previous = batch.motion[:, frames - p : frames]
        noisy_previous = previous + self.previous_noise * torch.randn_like(previous)
        prev_motion = torch.cat([denoiser.start_motion_feat.expand(b, -1, -1), noisy_previous])
        heard = denoiser.audio_feature_map(batch.audio[:, frames - p : frames]).detach()
        prev_audio = torch.cat([denoiser.start_audio_feat.expand(b, -1, -1), heard.float()])
        dropped = torch.rand(2 * b, 1, 1, device=speech.device) < self.null_audio
        speech = torch.where(dropped, denoiser.null_audio_feat.to(speech.dtype), speech)
        step = torch.randint(1, len(self.betas) + 1, (2 * b,), device=speech.device)
        alpha_bar = self.alpha_bars[step - 1][:, None, None]
        noisy = alpha_bar.sqrt() * clips + (1.0 - alpha_bar).sqrt() * torch.randn_like(clips)
        clean = denoiser(noisy, step, speech, prev_motion, prev_audio).float()
        first = WindowPair(clean[:b, p:], clips[:b], valid[:b], 0)
        known = torch.ones_like(valid[:b, :p])
        second = WindowPair(
            clean[b:],
            torch.cat([previous, clips[b:]], dim=1),
            torch.cat([known, valid[b:]], dim=1),
            p,
        )
        closed = (batch.closed[:, :frames], torch.cat([known * 0.0, batch.closed[:, frames:]], 1))
        terms = [
            self._terms(pair, mask) for pair, mask in zip((first, second), closed, strict=True)
        ]
        total = combine(terms[0], terms[1], self.weights)
        return {"total": total, **terms[1]}

    def _terms(self, pair: WindowPair, closed: Tensor) -> dict[str, Tensor]:
        terms = motion_losses(pair, self.expression_channels)
        mask = closed * pair.valid
        terms["closure"] = closure_error(pair.predicted, pair.truth, mask, self.lip_channels)
        terms["lip_gap"] = lip_gap_error(pair.predicted, pair.truth, pair.valid, self.gap)
        return terms


def train_motion(
    config_path: str | Path,
    run_dir: str | Path,
    resume: bool = True,
    export_dir: str | Path | None = None,
) -> Path:
    """Trains the denoiser and exports the whole generator after each validation.

    Args:
        config_path: YAML file with the sections ``motion`` and ``loop``.
        run_dir: run folder; an interrupted run in it goes on.
        resume: start anew if false.
        export_dir: where the generator is written; ``run_dir/generator`` if not given.

    Returns:
        The export folder, for ``MotionGenerator.from_pretrained``.
    """
    config = read_config(config_path, MotionTraining, "motion")
    loop = read_config(config_path, LoopConfig, "loop")
    torch.manual_seed(loop.seed)
    corpus = SpeechCorpus(config.corpus)
    encoder = AudioEncoder.from_pretrained(config.audio_encoder)
    normalizer = fitted_normalizer(corpus, Path(run_dir))
    if config.initial:
        denoiser = load_denoiser(Path(config.initial))
    else:
        denoiser = MotionDenoiser(
            motion_dim=normalizer.channels, audio_dim=encoder.feature_dim, **config.network
        )
    objective = MotionObjective(
        denoiser, normalizer, LossWeights(**config.loss_weights), config.null_audio,
        config.previous_noise,
    )  # fmt: skip
    run = TrainingRun(run_dir, objective, loop)
    run.describe(config)
    if resume:
        run.resume()
    folder = Path(export_dir) if export_dir else run.folder / "generator"
    cache = FeatureCache(encoder, corpus, config.copies, loop.seed)
    sampler = WindowSampler(cache, normalizer, config, loop.seed)

    def loss(network: nn.Module, index: int) -> dict[str, Tensor]:
        batch = sampler(index, run.accelerator.process_index).to(run.accelerator.device)
        terms: dict[str, Tensor] = network(batch)
        return terms

    def generator(network: nn.Module) -> MotionGenerator:
        assert isinstance(network, MotionObjective)
        return MotionGenerator(encoder, network.denoiser, normalizer, network.betas.cpu().numpy())

    def validate(network: nn.Module) -> dict[str, float]:
        return measure(
            generator(network), corpus.items("valid"), config.validation_seconds,
            corpus.closures, guidance_scale=config.guidance_scale,
        )  # fmt: skip

    def export(network: nn.Module) -> None:
        generator(network).save_pretrained(folder, torch.float16)

    run.fit(loss, validate, export)
    return folder


def fitted_normalizer(corpus: SpeechCorpus, run_dir: Path) -> MotionNormalizer:
    """Returns the run's normalizer; fitted to the training frames when the run starts."""
    folder = run_dir / "normalizer"
    if (folder / "normalizer.json").exists():
        return MotionNormalizer.from_pretrained(folder)
    frames: NDArray[np.float32] = np.concatenate([item.values for item in corpus.items("train")])
    MotionNormalizer.fit(frames).save_pretrained(folder)
    return MotionNormalizer.from_pretrained(folder)
