"""The loss of motion training: two windows denoised, the second going on from the first.

Axis legend: ``b`` batch, ``l`` frames of a window, ``p`` previous frames, ``c`` motion channels,
``d`` width of the denoiser, ``k`` terms of the loss.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from joyvasa_lib.errors import OptionError
from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.speech.diffusion.denoiser import MotionDenoiser
from joyvasa_lib.speech.diffusion.motion_diffusion import MotionDiffusion
from joyvasa_lib.speech.diffusion.normalizer import MotionNormalizer
from joyvasa_lib.speech.diffusion.schedulers import cosine_betas
from joyvasa_lib.training.motion.batches import MotionBatch
from joyvasa_lib.training.motion.losses import (
    Criterion,
    LossWeights,
    MaskedMean,
    WindowPair,
    closure_error,
    combine,
    lip_gap_error,
    masked_sum,
    motion_terms,
    take_means,
)
from joyvasa_lib.training.motion.recipe import MotionTraining
from joyvasa_lib.training.motion.windows import Draws, Windows

LIP_BLENDSHAPES = ("jawOpen", "mouthClose", "mouthPressLeft", "mouthPressRight", "mouthFunnel",
             "mouthPucker", "mouthRollLower", "mouthRollUpper", "mouthLowerDownLeft",
             "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight")  # fmt: skip
"""Blendshapes that close, open and round the lips."""
LIP_GAP = {"jawOpen": 1.0, "mouthClose": -1.0, "mouthLowerDownLeft": 0.3,
           "mouthLowerDownRight": 0.3, "mouthUpperUpLeft": 0.15, "mouthUpperUpRight": 0.15,
           "mouthFunnel": 0.2, "mouthPressLeft": -0.1, "mouthPressRight": -0.1,
           "mouthRollLower": -0.1, "mouthRollUpper": -0.1}  # fmt: skip
"""Opening of the lips by each blendshape, relative to the jaw's."""


@dataclass(frozen=True)
class ObjectiveOptions:
    """Chances and weights of the objective.

    Attributes:
        weights: of the terms.
        criterion: squared or absolute errors.
        null_audio: probability that a window's speech is replaced by the null feature.
        no_style: probability that a row's speaking style is taken as unknown.
        previous_noise: noise on the true previous motion, in standard deviations.
        own_previous: probability that the second window goes on from the model's own first window
            instead of the true one.
    """

    weights: LossWeights = field(default_factory=LossWeights)
    criterion: Criterion = "l2"
    null_audio: float = 0.12
    no_style: float = 0.15
    previous_noise: float = 0.1
    own_previous: float = 0.0

    @classmethod
    def of(cls, config: MotionTraining) -> ObjectiveOptions:
        """Those of a recipe."""
        return cls(
            LossWeights(**config.loss_weights),
            config.criterion,
            config.null_audio,
            config.no_style,
            config.previous_noise,
            config.own_previous,
        )


class MotionObjective(nn.Module):
    """``forward`` is the loss of the denoiser it holds."""

    gap: Tensor

    def __init__(
        self,
        denoiser: MotionDenoiser,
        normalizer: MotionNormalizer,
        options: ObjectiveOptions | None = None,
        betas: NDArray[np.float32] | None = None,
        prediction_type: str = "sample",
    ) -> None:
        """Prepares noise levels and the lip gap in model channels.

        Args:
            denoiser: the network.
            normalizer: says what its channels are.
            options: chances and weights.
            betas: noise variances [T]; the cosine schedule if not given.
            prediction_type: what the network predicts: clean motion (``"sample"``), or the noise
                (``"epsilon"``), to which the term ``simple`` alone applies.

        Raises:
            OptionError: a network that predicts noise has no first window to go on from.
        """
        super().__init__()
        self.denoiser = denoiser
        self.options = options or ObjectiveOptions()
        self.predicts_noise = prediction_type == "epsilon"
        if self.predicts_noise and self.options.own_previous > 0.0:
            raise OptionError(
                "own_previous must be 0 for a network that predicts noise: it draws no first window"
            )
        steps = int(denoiser.config.n_diff_steps)
        betas = cosine_betas(steps) if betas is None else betas
        self.diffusion = MotionDiffusion(denoiser, betas, prediction_type)
        space = normalizer.space
        gap = torch.zeros(normalizer.channels)
        self.expression_channels = normalizer.pose.start
        if normalizer.layout == "units":
            self.lip_channels = [BLENDSHAPES.index(name) for name in LIP_BLENDSHAPES]
            for name, amount in LIP_GAP.items():
                index = BLENDSHAPES.index(name)
                gap[index] = amount * float(normalizer.scale[index])
        else:
            mouth = space.keypoint_groups.get("mouth", ())
            self.lip_channels = [3 * keypoint + axis for keypoint in mouth for axis in range(3)]
        self.register_buffer("gap", gap / gap.norm().clamp(min=1e-8), persistent=False)

    def draw(self, batch: MotionBatch, generator: torch.Generator | None = None) -> Draws:
        """Draws everything random about a batch.

        Args:
            batch: what for.
            generator: of the CPU, so that a seed means the same on every device; torch's own if
                not given.
        """
        b, frames, c = len(batch.motion), batch.motion.shape[1] // 2, batch.motion.shape[2]
        p, options = int(self.denoiser.config.n_prev_motions), self.options
        unstyled = torch.zeros(b, 1, 1, dtype=torch.bool)
        draws = Draws(
            previous_noise=torch.randn(b, p, c, generator=generator),
            dropped=torch.rand(2 * b, 1, 1, generator=generator) < options.null_audio,
            step=torch.randint(1, len(self.diffusion.betas) + 1, (2 * b,), generator=generator),
            noise=torch.randn(2 * b, frames, c, generator=generator),
            own=torch.rand(b, 1, 1, generator=generator) < options.own_previous,
            unstyled=unstyled,
        )
        if self.denoiser.config.style_dim:
            chance = torch.rand(b, 1, 1, generator=generator)
            draws = draws._replace(unstyled=chance < options.no_style)
        return Draws(*(part.to(batch.motion.device, non_blocking=True) for part in draws))

    def forward(
        self, batch: MotionBatch, draws: Draws | None = None, weights: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Returns the loss terms of a batch of window pairs and their weighted sum ``total``.

        Args:
            batch: windows.
            draws: what is random about it; drawn here if not given.
            weights: [k] what each term is divided by, in the order of :meth:`weigh`; the batch's
                own if not given.
        """
        draws = self.draw(batch) if draws is None else draws
        windows = Windows.of(batch, self.denoiser, draws, self.options.previous_noise)
        b, p = len(batch.motion), windows.previous.shape[1]
        if self.options.own_previous > 0.0:
            first = self._denoise(windows, draws, slice(0, b))
            windows = windows.going_on_from(first[:, p:].detach(), batch, draws)
            clean = torch.cat([first, self._denoise(windows, draws, slice(b, 2 * b))])
        else:
            clean = self._denoise(windows, draws, slice(0, 2 * b))
        terms = self._terms(batch, windows, clean, draws)
        means = [take_means(clip) for clip in terms] if weights is None else []
        if weights is not None:
            values = iter(weights.unbind())
            means = [take_means(clip, {name: next(values) for name in clip}) for clip in terms]
        return {"total": combine(means[0], means[1], self.options.weights), **means[1]}

    @torch.no_grad()
    def weigh(self, batch: MotionBatch, draws: Draws) -> Tensor:
        """Returns how much each term of the loss counts in a batch, float [k].

        It follows from the masks alone; no network runs. Added up over the batches of a step, on
        all processes, it is what their terms must be divided by for gradients of one large batch.
        """
        windows = Windows.of(batch, self.denoiser, draws, 0.0)
        b, p = len(batch.motion), windows.previous.shape[1]
        if self.options.own_previous > 0.0:
            windows = windows.going_on_from(windows.clips[:b], batch, draws)
        blank = windows.clips.new_zeros(2 * b, p + windows.clips.shape[1], windows.clips.shape[2])
        terms = self._terms(batch, windows, blank, draws)
        return torch.stack([term.weight for clip in terms for term in clip.values()])

    def _denoise(self, windows: Windows, draws: Draws, rows: slice) -> Tensor:
        """Returns what the network predicts for noisy windows, [rows, p + l, c]."""
        return self.diffusion.forward(
            windows.clips[rows],
            draws.step[rows],
            draws.noise[rows],
            windows.speech[rows],
            draws.dropped[rows],
            windows.prev_motion[rows],
            windows.prev_audio[rows],
            None if windows.style is None else windows.style[rows],
        )

    def _terms(
        self, batch: MotionBatch, windows: Windows, clean: Tensor, draws: Draws
    ) -> tuple[dict[str, MaskedMean], dict[str, MaskedMean]]:
        b, frames = len(batch.motion), batch.motion.shape[1] // 2
        p, own = windows.previous.shape[1], windows.own
        if self.predicts_noise:
            each = zip(
                clean[:, p:].chunk(2), draws.noise.chunk(2), windows.valid.chunk(2), strict=True
            )
            ones = [{"simple": masked_sum(*part, self.options.criterion)} for part in each]
            return ones[0], ones[1]
        first = WindowPair(clean[:b, p:], windows.clips[:b], windows.valid[:b], 0)
        known = torch.ones_like(windows.valid[:b, :p])
        given = torch.where(own, windows.previous, clean[b:, :p])
        second = WindowPair(
            torch.cat([given, clean[b:, p:]], dim=1),
            torch.cat([windows.previous, windows.clips[b:]], dim=1),
            torch.cat([known * ~own[:, 0], windows.valid[b:]], dim=1),
            p,
        )
        closed = (batch.closed[:, :frames], torch.cat([known * 0.0, batch.closed[:, frames:]], 1))
        return self._window_terms(first, closed[0]), self._window_terms(second, closed[1])

    def _window_terms(self, pair: WindowPair, closed: Tensor) -> dict[str, MaskedMean]:
        terms = motion_terms(pair, self.expression_channels, self.options.criterion)
        mask = closed * pair.valid
        terms["closure"] = closure_error(pair.predicted, pair.truth, mask, self.lip_channels)
        terms["lip_gap"] = lip_gap_error(pair.predicted, pair.truth, pair.valid, self.gap)
        return terms
