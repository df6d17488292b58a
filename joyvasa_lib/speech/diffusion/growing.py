"""``GrowingWindow``: a window whose speech arrives while its motion is drawn.

The window of a whole recording is denoised at once. Here its frames are denoised as their speech
becomes known, each from the noise and at the place that it has in the whole window, so that what
lasts for seconds, such as a smile, comes and goes as it does there. Frames that are settled are not
denoised again: the newest attend, in each denoising step, to the keys and values that the settled
ones had in that step. So a window costs what its newest frames do, however long it has grown.

Axis legend: ``b`` batch (null, conditioned), ``l`` frames that are drawn, ``p`` previous frames,
``m`` settled tokens, ``t`` tokens that are drawn, ``c`` motion channels, ``d`` width.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from joyvasa_lib.speech.diffusion.denoiser import MotionDenoiser
from joyvasa_lib.speech.diffusion.motion_diffusion import MotionDiffusion
from joyvasa_lib.speech.diffusion.sampling import limit_peak
from joyvasa_lib.speech.diffusion.tables import alignment_mask
from joyvasa_lib.speech.options import GenerationOptions, Threshold


@dataclass
class _Settled:
    """What settled tokens were in one denoising step.

    Attributes:
        motion: the last of them, as many as a blur reaches [b, m, c].
        layers: keys and values of each layer [b, m, d].
    """

    motion: Tensor
    layers: list[tuple[Tensor, Tensor]] = field(default_factory=list)


class GrowingWindow:
    """One window: :meth:`draw` draws its next frames, the first of which are settled then."""

    def __init__(
        self,
        diffusion: MotionDiffusion,
        options: GenerationOptions,
        prev_motion: Tensor,
        prev_audio: Tensor,
        noise: Tensor,
        generator: torch.Generator,
    ) -> None:
        """Starts with what came before.

        Args:
            diffusion: the denoiser and its noise levels.
            options: guidance, steps, threshold and scheduler.
            prev_motion: channels of the previous frames [1, p, c].
            prev_audio: features of the previous frames [1, p, d].
            noise: of the whole window [1, frames, c].
            generator: for schedulers that add noise in each step.
        """
        self._diffusion, self._options, self._generator = diffusion, options, generator
        self._noise = noise
        self._guidance = diffusion.guidance(options)
        self._rows = 1 if self._guidance == 1.0 else 2
        self._new = prev_motion.expand(self._rows, -1, -1)  # tokens that no step has seen [b, p, c]
        self._heard = prev_audio.expand(self._rows, -1, -1)  # speech of all settled ones and those
        self._steps: list[_Settled] = []
        self.settled = 0
        """Frames that are not drawn again."""

    @property
    def left(self) -> int:
        """Frames that are not settled."""
        return self._noise.shape[1] - self.settled

    def draw(self, audio: Tensor, count: int, settle: int, style: Tensor | None) -> Tensor:
        """Draws the frames after those that are settled.

        Args:
            audio: speech features after the denoiser's ``audio_feature_map`` of as many of them as
                are known [1, at most l, d].
            count: how many are drawn, l; at most :attr:`left`.
            settle: how many of them, from the first, are not drawn again.
            style: what the style adds to the features of a frame [1, 1, d].

        Returns:
            Channels [1, l, c].
        """
        denoiser, known = self._diffusion.denoiser, audio.shape[1]
        null = denoiser.null_audio_feat.expand(1, count, -1)
        speech = torch.cat([audio, null[:, known:]], dim=1)
        speech = speech if self._rows == 1 else torch.cat([null, speech])
        speech = speech if style is None else speech + style
        memory = torch.cat([self._heard, speech], dim=1)
        threshold, steps = self._options.dynamic_threshold, self._steps
        draw = _Draw(
            denoiser, self._guidance, threshold, steps, self._new, memory, count, known, settle
        )
        noise = self._noise[:, self.settled : self.settled + count]
        drawn = self._diffusion.run(draw, self._options, noise, self._generator)
        self._steps, self._new = draw.steps, self._new[:, :0]
        self._heard = memory[:, : memory.shape[1] - count + settle]
        self.settled += settle
        return drawn


class _Draw:
    """Guided predictions of the newest frames, and what is kept of those that are settled."""

    def __init__(
        self,
        denoiser: MotionDenoiser,
        guidance: float,
        threshold: Threshold | None,
        steps: list[_Settled],
        new: Tensor,
        memory: Tensor,
        count: int,
        known: int,
        settle: int,
    ) -> None:
        self._denoiser, self._guidance, self._threshold = denoiser, guidance, threshold
        self._before = steps
        self._new, self._memory, self._count = new, memory, count
        self._kept = new.shape[1] + settle  # tokens that are settled now
        self._first = memory.shape[1] - new.shape[1] - count  # the place of the first token
        self._cross = denoiser.cross_terms(memory[:, self._first :])
        width = int(denoiser.config.align_width)
        blocked = None if self._cross else alignment_mask(memory.shape[1], width)
        self._blocked = None if blocked is None else blocked[self._first :].to(memory.device)
        frames = torch.arange(count, device=memory.device)
        real = F.pad((frames < known).to(memory.dtype), (new.shape[1], 0))
        self._indicator = real.expand(len(memory), -1)[..., None]
        self.steps: list[_Settled] = []

    def __call__(self, noisy: Tensor, step: Tensor) -> Tensor:
        """Returns the guided prediction [1, l, c] for noisy motion [1, l, c] at a step in 1..T."""
        rows = len(self._memory)
        motion = torch.cat([self._new, noisy.expand(rows, -1, -1)], dim=1)
        prediction = self._predict(motion, step.expand(rows))[:, -self._count :]
        if self._threshold is not None:
            prediction = limit_peak(prediction, self._threshold)
        if rows == 2:
            prediction = prediction[:1] + self._guidance * (prediction[1:] - prediction[:1])
        return prediction

    def _predict(self, motion: Tensor, step: Tensor) -> Tensor:
        """Clean motion [b, t, c] of the newest tokens [b, t, c]."""
        denoiser, net = self._denoiser, self._denoiser.denoising_net
        before = self._before[len(self.steps)] if self._before else None
        near = motion if before is None else torch.cat([before.motion, motion], dim=1)
        kernels = denoiser.blur_kernels
        reach = 0 if kernels is None else kernels.shape[1] // 2
        end = near.shape[1] - motion.shape[1] + self._kept
        now = _Settled(near[:, max(0, end - reach) : end])
        tokens = denoiser.with_blurred(near)[:, near.shape[1] - motion.shape[1] :]
        if denoiser.config.use_indicator:
            tokens = torch.cat([tokens, self._indicator.to(tokens)], dim=-1)
        x = net.embed(tokens, step, self._first)
        for index, layer in enumerate(denoiser.layers):
            query, key, value = layer.self_attn.project(x, x)
            if before is not None:
                key, value = (
                    torch.cat(pair, dim=1)
                    for pair in zip(before.layers[index], (key, value), strict=True)
                )
            x = layer.norm1(x + layer.self_attn.mix(query, key, value))
            cross = (
                layer.multihead_attn(x, self._memory, self._blocked)
                if self._cross is None
                else self._cross[index]
            )
            x = layer.after_self(x, cross)
            end = self._first + self._kept
            now.layers.append((key[:, :end], value[:, :end]))
        self.steps.append(now)
        result: Tensor = net.motion_dec(x)
        return result
