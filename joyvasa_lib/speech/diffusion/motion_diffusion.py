"""The diffusion of motion windows: the denoiser together with the noise levels it was trained on.

Axis legend: ``l`` frames of the window, ``p`` previous frames, ``c`` motion channels, ``d`` width
of the denoiser.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from joyvasa_lib.errors import OptionError
from joyvasa_lib.speech.diffusion.denoiser import MotionDenoiser
from joyvasa_lib.speech.diffusion.sampling import GuidedDenoiser, draw_noise, draw_window
from joyvasa_lib.speech.diffusion.schedulers import make_scheduler
from joyvasa_lib.speech.options import GenerationOptions


class MotionDiffusion:
    """A denoiser and its noise levels; :meth:`sample` draws motion with them."""

    def __init__(
        self,
        denoiser: MotionDenoiser,
        betas: NDArray[np.float32],
        prediction_type: str = "sample",
    ) -> None:
        """Puts both together.

        Args:
            denoiser: diffusion transformer.
            betas: noise variances [T] it was trained on.
            prediction_type: what it predicts: ``"sample"``, clean motion, or ``"epsilon"``, the
                noise.
        """
        self.denoiser = denoiser
        self.betas = np.asarray(betas, np.float32)
        self.prediction_type = prediction_type

    @property
    def device(self) -> torch.device:
        """Device of the denoiser."""
        return next(self.denoiser.parameters()).device

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
            options.guidance_scale,
            options.dynamic_threshold,
            real_frames,
        )
        if noise is None:
            noise = draw_noise(self.denoiser, audio.shape[1], generator, self.device)
        scheduler = self.scheduler(options)
        return draw_window(denoise, scheduler, options.num_inference_steps, noise, generator)

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
