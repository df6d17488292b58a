"""The diffusion of motion windows: ``forward`` for training, ``sample`` for inference.

Axis legend: ``b`` batch, ``l`` frames of the window, ``p`` previous frames, ``c`` motion channels,
``d`` width of the denoiser, ``T`` diffusion steps of training.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from joyvasa_lib.errors import OptionError
from joyvasa_lib.speech.diffusion.denoiser import MotionDenoiser
from joyvasa_lib.speech.diffusion.normalizer import MotionNormalizer
from joyvasa_lib.speech.diffusion.sampling import (
    GuidedDenoiser,
    draw_noise,
    draw_window,
    noise_spread,
)
from joyvasa_lib.speech.diffusion.schedulers import make_scheduler, noisy_timesteps
from joyvasa_lib.speech.options import GenerationOptions


class MotionDiffusion:
    """A denoiser and its noise levels: :meth:`forward` asks it to denoise, :meth:`sample` draws."""

    def __init__(
        self,
        denoiser: MotionDenoiser,
        betas: NDArray[np.float32],
        prediction_type: str = "sample",
        normalizer: MotionNormalizer | None = None,
    ) -> None:
        """Puts both together.

        Args:
            denoiser: diffusion transformer.
            betas: noise variances [T] it was trained on.
            prediction_type: what it predicts: ``"sample"``, clean motion, or ``"epsilon"``, the
                noise.
            normalizer: says which channels begin with less noise; none if not given.
        """
        self.denoiser = denoiser
        self._spread = None if normalizer is None else noise_spread(normalizer)
        self.betas = np.asarray(betas, np.float32)
        self.prediction_type = prediction_type
        noise = torch.from_numpy(self.betas.copy()).double()
        self._alpha_bars = torch.cumprod(1.0 - noise, 0).float()  # moves to where it is used

    @property
    def device(self) -> torch.device:
        """Device of the denoiser."""
        return next(self.denoiser.parameters()).device

    def forward(
        self,
        clean: Tensor,
        step: Tensor,
        noise: Tensor,
        audio: Tensor,
        dropped: Tensor,
        prev_motion: Tensor,
        prev_audio: Tensor,
        style: Tensor | None = None,
    ) -> Tensor:
        """Predicts from windows with noise added, ``sqrt(a) clean + sqrt(1 - a) noise``.

        ``a`` is the product of ``1 - beta`` up to the step (Ho et al. 2020, eq. 4). The loss
        compares the prediction with ``clean``, or with ``noise`` for ``"epsilon"``.

        Args:
            clean: channels [b, l, c].
            step: int64 [b], 1..T.
            noise: standard normal [b, l, c].
            audio: speech features after ``audio_feature_map`` [b, l, d].
            dropped: bool [b, 1, 1], where the null feature replaces the speech, which trains
                classifier-free guidance.
            prev_motion: channels of the previous frames [b, p, c].
            prev_audio: features of the previous frames [b, p, d].
            style: what the style adds to the features of the window's frames [b, l or 1, d].

        Returns:
            float32 [b, p + l, c], of previous and current frames.
        """
        null = self.denoiser.null_audio_feat.to(audio.dtype)
        heard = torch.where(dropped, null, audio)
        heard = heard if style is None else heard + style
        self._alpha_bars = self._alpha_bars.to(step.device)
        alpha_bar = self._alpha_bars[step - 1][:, None, None]
        noisy = alpha_bar.sqrt() * clean + (1.0 - alpha_bar).sqrt() * noise
        prediction: Tensor = self.denoiser(noisy, step, heard, prev_motion, prev_audio)
        return prediction.float()

    @torch.inference_mode()
    def sample(
        self,
        audio: Tensor,
        prev_motion: Tensor,
        prev_audio: Tensor,
        options: GenerationOptions,
        generator: torch.Generator,
        noise: Tensor | None = None,
        real_frames: int | None = None,
        style: Tensor | None = None,
    ) -> Tensor:
        """Draws one window of motion channels.

        Args:
            audio: speech features after the denoiser's ``audio_feature_map`` [1, l, d].
            prev_motion: channels of the previous frames [1, p, c].
            prev_audio: features of the previous frames [1, p, d].
            options: guidance, steps, threshold and scheduler.
            generator: CPU generator, so that a seed means the same on every device.
            noise: initial noise [1, l, c]; drawn if not given.
            real_frames: frames from the first that are not padding; all if not given.
            style: what the style adds to the features of the window's frames [1, l or 1, d].

        Returns:
            Channels [1, l, c].

        Raises:
            OptionError: the scheduler or the number of steps does not fit this denoiser.
        """
        denoise = GuidedDenoiser(
            self.denoiser,
            audio,
            prev_motion,
            prev_audio,
            self.guidance(options),
            options.dynamic_threshold,
            real_frames,
            style,
        )
        if noise is None:
            noise = self.initial_noise(audio.shape[1], generator)
        return self.run(denoise, options, noise, generator)

    def initial_noise(self, frames: int, generator: torch.Generator) -> Tensor:
        """Draws the noise [1, frames, c] that a window begins with."""
        return draw_noise(self.denoiser, frames, generator, self.device, self._spread)

    def run(
        self,
        denoise: Callable[[Tensor, Tensor], Tensor],
        options: GenerationOptions,
        noise: Tensor,
        generator: torch.Generator,
    ) -> Tensor:
        """Goes from noise to motion [1, l, c].

        Args:
            denoise: noisy motion [1, l, c] and step in 1..T to what the denoiser predicts.
            options: steps and scheduler.
            noise: initial noise [1, l, c].
            generator: for schedulers that add noise in each step.

        Raises:
            OptionError: the scheduler or the number of steps does not fit this denoiser.
        """
        steps: int | list[int] = options.num_inference_steps
        if options.scheduler == "dpmsolver++":
            steps = noisy_timesteps(options.num_inference_steps, len(self.betas))
        return draw_window(denoise, self.scheduler(options), steps, noise, generator)

    def guidance(self, options: GenerationOptions) -> float:
        """The strength of guidance that is asked for, or the denoiser's own."""
        own: float = self.denoiser.config.guidance_scale
        return own if options.guidance_scale is None else options.guidance_scale

    def scheduler(self, options: GenerationOptions) -> Any:
        """Returns the diffusers scheduler of one window.

        Raises:
            OptionError: it, or the number of steps, does not fit this denoiser.
        """
        if isinstance(options.scheduler, str):
            if options.num_inference_steps > len(self.betas):
                raise OptionError(
                    f"num_inference_steps must be at most {len(self.betas)}, the steps this model "
                    f"was trained with, not {options.num_inference_steps}"
                )
            return make_scheduler(options.scheduler, self.betas, self.prediction_type)
        if not hasattr(options.scheduler, "set_timesteps"):
            raise OptionError(f"{options.scheduler!r} is not a diffusers scheduler")
        config = options.scheduler.config
        found = config.get("prediction_type"), config.get("num_train_timesteps")
        wanted = self.prediction_type, len(self.betas)
        if found != wanted:
            kind = type(options.scheduler).__name__
            raise OptionError(
                f"The {kind} is for prediction type {found[0]!r} and {found[1]} training steps, "
                f"this model for {wanted[0]!r} and {wanted[1]}; make it with "
                f"{kind}.from_config(make_scheduler('ddim', generator.betas).config)"
            )
        # A fresh copy: some schedulers keep state between steps.
        return type(options.scheduler).from_config(config)
