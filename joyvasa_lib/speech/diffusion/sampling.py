"""Sampling of one window: guided predictions, and the loop over the steps of a scheduler.

Axis legend: ``b`` batch (null, conditioned), ``l`` frames of the window, ``p`` previous frames,
``c`` motion channels, ``d`` width of the denoiser.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor

from joyvasa_lib.motion.blendshapes import REGIONS
from joyvasa_lib.speech.diffusion.denoiser import MotionDenoiser
from joyvasa_lib.speech.diffusion.normalizer import MotionNormalizer
from joyvasa_lib.speech.options import Threshold

_LIP_NOISE = 0.6
"""Spread of the initial noise of the mouth's channels. Speech says nearly all of what lips do; what
is drawn beside it only makes them less exact."""


class GuidedDenoiser:
    """The denoiser in one window, under classifier-free guidance (Ho & Salimans 2022, eq. 6).

    With guidance s the prediction is ``null + s (speech - null)``; the null entry replaces the
    window's speech by the null feature and keeps the real previous frames. With speech as the one
    condition, JoyVASA's "incremental" and "independent" guidance are both this.
    """

    def __init__(
        self,
        denoiser: MotionDenoiser,
        audio: Tensor,
        prev_motion: Tensor,
        prev_audio: Tensor,
        guidance_scale: float = 1.0,
        dynamic_threshold: Threshold | None = None,
        real_frames: int | None = None,
        style: Tensor | None = None,
    ) -> None:
        """Prepares what stays the same in every step of the window.

        Args:
            denoiser: the network.
            audio: speech features after ``audio_feature_map`` [1, l, d].
            prev_motion: channels of the previous frames [1, p, c].
            prev_audio: features of the previous frames [1, p, d].
            guidance_scale: s; 1 needs no null entry.
            dynamic_threshold: see :func:`limit_peak`; applied before guidance.
            real_frames: frames from the first that are not padding; all if not given. Only
                networks with an indicator channel use it.
            style: what the style adds to the features of the window's frames [1, l or 1, d]; kept
                where speech is replaced, so that guidance strengthens what is said alone.
        """
        self.denoiser, self.scale, self.threshold = denoiser, guidance_scale, dynamic_threshold
        self.frames, self.channels = audio.shape[1], prev_motion.shape[2]
        self.guided = guidance_scale != 1.0
        if self.guided:
            null = denoiser.null_audio_feat.expand_as(audio)
            audio = torch.cat([null, audio])
            prev_motion, prev_audio = (torch.cat([x, x]) for x in (prev_motion, prev_audio))
        audio = audio if style is None else audio + style
        self.audio, self.prev_motion, self.prev_audio = audio, prev_motion, prev_audio
        self.cross = denoiser.cross_terms(torch.cat([prev_audio, audio], dim=1))
        self.indicator: Tensor | None = None
        if real_frames is not None and denoiser.config.use_indicator:
            frame = torch.arange(self.frames, device=audio.device)
            self.indicator = (frame < real_frames).to(audio.dtype).expand(len(audio), -1)

    def __call__(self, noisy: Tensor, step: Tensor) -> Tensor:
        """Returns the guided prediction [1, l, c] for noisy motion [1, l, c] at a step in 1..T."""
        prediction = self.denoiser(
            noisy.expand(len(self.audio), -1, -1),
            step.expand(len(self.audio)),
            self.audio,
            self.prev_motion,
            self.prev_audio,
            self.indicator,
            self.cross,
        )[:, -self.frames :]
        if self.threshold is not None:
            prediction = limit_peak(prediction, self.threshold)
        if self.guided:
            prediction = prediction[:1] + self.scale * (prediction[1:] - prediction[:1])
        return prediction


def limit_peak(prediction: Tensor, threshold: Threshold) -> Tensor:
    """Returns predictions [b, l, c] clamped to plus and minus a quantile of their magnitude.

    Args:
        prediction: [b, l, c].
        threshold: ratio q, lowest and highest limit: each entry's q-quantile of the magnitude,
            clamped to [lowest, highest], is its limit (JoyVASA's dynamic threshold; Saharia et al.
            2022, section 2.3, also rescale).
    """
    ratio, lowest, highest = threshold
    peak = torch.quantile(prediction.abs().flatten(1).float(), ratio, dim=1)
    limit = peak.clamp(lowest, highest).to(prediction)[:, None, None]
    return prediction.clamp(-limit, limit)


def draw_window(
    denoise: Callable[[Tensor, Tensor], Tensor],
    scheduler: Any,
    steps: int | list[int],
    noise: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Runs the scheduler from noise to motion.

    Args:
        denoise: noisy motion [1, l, c] and step in 1..T to what the scheduler expects.
        scheduler: a diffusers scheduler of its own for this window.
        steps: denoising steps: their number, or the timesteps themselves where the scheduler can
            be given them.
        noise: standard normal [1, l, c].
        generator: for schedulers that add noise in each step; on the CPU, so that a seed means the
            same on every device.

    Returns:
        Motion channels [1, l, c].
    """
    if isinstance(steps, int):
        scheduler.set_timesteps(steps, device=noise.device)
    else:
        scheduler.set_timesteps(timesteps=steps, device=noise.device)
    sample = noise * scheduler.init_noise_sigma
    extra = {}
    if "generator" in inspect.signature(scheduler.step).parameters:
        extra["generator"] = generator
    for time in scheduler.timesteps:
        prediction = denoise(scheduler.scale_model_input(sample, time), time.long() + 1)
        sample = scheduler.step(prediction, time, sample, **extra).prev_sample
    return sample


def noise_spread(normalizer: MotionNormalizer) -> Tensor | None:
    """Spread [c] of the initial noise of each channel; None for 1 in all.

    Lips get less than brows and head where there are channels of lips (the layout ``"units"``).
    """
    if normalizer.layout != "units":
        return None
    spread = torch.ones(normalizer.channels)
    names = normalizer.space.blendshape_names
    spread[[names.index(name) for name in REGIONS["mouth"]]] = _LIP_NOISE
    return spread


def draw_noise(
    denoiser: MotionDenoiser,
    frames: int,
    generator: torch.Generator,
    device: torch.device,
    spread: Tensor | None = None,
) -> Tensor:
    """Returns the initial noise of a window [1, frames, c], drawn on the generator's device.

    Args:
        denoiser: knows the number of channels c.
        frames: of the window.
        generator: of the performance.
        device: where the noise is needed.
        spread: [c] see :func:`noise_spread`.
    """
    shape = (1, frames, int(denoiser.config.motion_dim))
    noise: Tensor = randn_tensor(shape, generator=generator, device=device)
    return noise if spread is None else noise * spread.to(noise)
