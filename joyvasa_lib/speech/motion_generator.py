"""Speech to motion: windows of diffusion, each continuing the one before.

Axis legend: ``n`` samples at 16 kHz, ``b`` batch, ``l`` frames of a window, ``p`` previous frames,
``c`` motion channels, ``d`` width of the denoiser.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from joyvasa_lib.errors import CheckpointError, MediaError, OptionError
from joyvasa_lib.motion.motion import Motion
from joyvasa_lib.motion.space import MotionSpace
from joyvasa_lib.speech.diffusion.denoiser import MotionDenoiser
from joyvasa_lib.speech.diffusion.normalizer import MotionNormalizer
from joyvasa_lib.speech.diffusion.sampling import GuidedDenoiser, draw_noise, draw_window
from joyvasa_lib.speech.diffusion.schedulers import PREDICTIONS, make_scheduler
from joyvasa_lib.speech.encoders.audio_encoder import FPS, SAMPLES_PER_FRAME, AudioEncoder
from joyvasa_lib.speech.options import GenerationOptions, make_options

__all__ = ["GenerationOptions", "MotionGenerator", "check_waveform", "make_options"]

SCHEDULER_FILE = "scheduler_config.json"
PIECE = 16000 * 10
"""Samples handed to the stream at once when the whole speech is there."""


class MotionGenerator:
    """The networks of stage two and what they need: speech samples in, :class:`Motion` out."""

    fps = float(FPS)

    def __init__(
        self,
        audio_encoder: AudioEncoder,
        denoiser: MotionDenoiser,
        normalizer: MotionNormalizer,
        betas: NDArray[np.float32],
        prediction_type: str = "sample",
    ) -> None:
        """Puts trained parts together.

        Args:
            audio_encoder: speech network.
            denoiser: diffusion transformer.
            normalizer: motion statistics.
            betas: noise variances [T] the denoiser was trained on.
            prediction_type: what the denoiser predicts: ``"sample"``, clean motion, or
                ``"epsilon"``, the noise.
        """
        self.audio_encoder = audio_encoder.eval()
        self.denoiser = denoiser.eval()
        self.normalizer = normalizer
        self.betas = np.asarray(betas, np.float32)
        self.prediction_type = prediction_type

    @property
    def space(self) -> MotionSpace:
        """Motion space of the generated motions."""
        return self.normalizer.space

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return next(self.denoiser.parameters()).device

    def to(self, device: torch.device | str) -> MotionGenerator:
        """Moves the networks; returns itself."""
        self.audio_encoder.to(device)
        self.denoiser.to(device)
        return self

    def generate(self, waveform: NDArray[np.float32], **options: Any) -> Motion:
        """Generates the motion of a whole speech.

        Args:
            waveform: float32 [n], 16 kHz mono.
            **options: fields of :class:`GenerationOptions`.

        Returns:
            :meth:`frame_count` frames at 25 fps: expression, and the head's pose as the
            normalizer's ``reference`` says (compact preset: relative to the portrait's own;
            official: as extracted from images).

        Raises:
            OptionError: an option is unknown or out of range.
            MediaError: the waveform is empty, not one-dimensional or not finite.
        """
        pieces = (waveform[start : start + PIECE] for start in range(0, len(waveform), PIECE))
        return Motion.concatenate(list(self.stream(pieces, **options)))

    def stream(self, chunks: Iterable[NDArray[np.float32]], **options: Any) -> Iterator[Motion]:
        """Generates motion while speech arrives; the concatenation equals :meth:`generate`.

        Args:
            chunks: pieces of speech, float32 [n] of any length, 16 kHz mono.
            **options: fields of :class:`GenerationOptions`.

        Yields:
            Motions of consecutive frames, as soon as their window of sound is complete.
        """
        from joyvasa_lib.compat.joyvasa.windows import JoyVASAStream
        from joyvasa_lib.speech.streaming import MotionStream

        checked = make_options(options)
        kind = JoyVASAStream if checked.compat == "joyvasa" else MotionStream
        stream = kind(self, checked)
        for chunk in chunks:
            yield from stream.push(chunk)
        yield from stream.finish()

    def frame_count(self, samples: int, **options: Any) -> int:
        """Returns how many frames :meth:`generate` makes of a number of samples.

        ``round(samples / 640)``, the rounded duration at 25 fps; under ``compat="joyvasa"`` three
        more, ``(samples + 1920) // 640``.

        Raises:
            OptionError: an option is unknown or out of range.
        """
        if make_options(options).compat == "joyvasa":
            from joyvasa_lib.compat.joyvasa.windows import frame_count

            return frame_count(samples)
        return round(samples / SAMPLES_PER_FRAME)

    def check(self, **options: Any) -> None:
        """Refuses options that :meth:`generate` would refuse, without generating.

        Raises:
            OptionError: an option is unknown or out of this model's range.
        """
        self._scheduler(make_options(options))

    @torch.inference_mode()
    def sample_window(
        self,
        audio: Tensor,
        prev_motion: Tensor,
        prev_audio: Tensor,
        options: GenerationOptions,
        generator: torch.Generator,
        noise: Tensor | None = None,
        real_frames: int | None = None,
    ) -> Tensor:
        """Draws one window of model channels.

        Args:
            audio: speech features after the denoiser's ``audio_feature_map`` [1, l, d].
            prev_motion: channels of the previous frames [1, p, c].
            prev_audio: features of the previous frames [1, p, d].
            options: guidance, steps and scheduler.
            generator: CPU generator, so that a seed means the same on every device.
            noise: initial noise [1, l, c]; drawn if not given.
            real_frames: frames from the first that are not padding; all if not given.

        Returns:
            Channels [1, l, c].
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
        scheduler = self._scheduler(options)
        return draw_window(denoise, scheduler, options.num_inference_steps, noise, generator)

    def _scheduler(self, options: GenerationOptions) -> Any:
        if isinstance(options.scheduler, str):
            if options.num_inference_steps > len(self.betas):
                raise OptionError(
                    f"num_inference_steps must be at most {len(self.betas)}, the steps this model "
                    f"was trained with; got {options.num_inference_steps}."
                )
            return make_scheduler(options.scheduler, self.betas, self.prediction_type)
        if not hasattr(options.scheduler, "set_timesteps"):
            raise OptionError(f"{options.scheduler!r} is not a diffusers scheduler.")
        config = options.scheduler.config
        found = config.get("prediction_type"), config.get("num_train_timesteps")
        wanted = self.prediction_type, len(self.betas)
        if found != wanted:
            kind = type(options.scheduler).__name__
            raise OptionError(
                f"The {kind} is for prediction type {found[0]!r} and {found[1]} training steps, "
                f"this model for {wanted[0]!r} and {wanted[1]}; make it with "
                f"{kind}.from_config(make_scheduler('ddim', generator.betas).config)."
            )
        # A fresh copy: some schedulers keep state between steps.
        return type(options.scheduler).from_config(config)

    def save_pretrained(self, folder: str | Path, dtype: torch.dtype = torch.float32) -> None:
        """Writes ``audio_encoder/``, ``denoiser/``, ``normalizer/`` and ``scheduler/``."""
        from joyvasa_lib.speech.diffusion.storage import save_denoiser

        folder = Path(folder)
        self.audio_encoder.save_pretrained(folder / "audio_encoder", dtype)
        save_denoiser(self.denoiser, folder / "denoiser", dtype)
        self.normalizer.save_pretrained(folder / "normalizer")
        scheduler = make_scheduler("ddim", self.betas, self.prediction_type)
        scheduler.save_pretrained(folder / "scheduler")

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> MotionGenerator:
        """Loads a folder written by :meth:`save_pretrained`, in float32.

        Raises:
            CheckpointError: a part is missing or does not fit.
        """
        from joyvasa_lib.speech.diffusion.storage import load_denoiser

        folder = Path(folder)
        path = folder / "scheduler" / SCHEDULER_FILE
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
            betas, prediction_type = about["trained_betas"], about["prediction_type"]
        except (OSError, ValueError, KeyError) as error:
            raise CheckpointError(f"No usable scheduler configuration at {path}.") from error
        if prediction_type not in PREDICTIONS:
            raise CheckpointError(
                f"{path} says that the denoiser predicts {prediction_type!r}; known are "
                f"{', '.join(PREDICTIONS)}."
            )
        encoder = AudioEncoder.from_pretrained(folder / "audio_encoder")
        denoiser = load_denoiser(folder / "denoiser")
        normalizer = MotionNormalizer.from_pretrained(folder / "normalizer")
        if denoiser.config.motion_dim != normalizer.channels:
            raise CheckpointError(
                f"In {folder} the denoiser has {denoiser.config.motion_dim} motion channels and "
                f"the normalizer {normalizer.channels}."
            )
        if denoiser.config.audio_dim != encoder.feature_dim:
            raise CheckpointError(
                f"In {folder} the denoiser expects features of width {denoiser.config.audio_dim} "
                f"and the speech encoder gives {encoder.feature_dim}."
            )
        return cls(encoder, denoiser, normalizer, np.asarray(betas, np.float32), prediction_type)


def check_waveform(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the samples as float32 [n].

    Raises:
        MediaError: wrong number of axes, or a sample is not finite.
    """
    samples = np.asarray(waveform, np.float32)
    if samples.ndim != 1:
        raise MediaError(f"Speech must be one row of samples; got an array of {samples.shape}.")
    if not np.isfinite(samples).all():
        raise MediaError("The speech holds samples that are not finite (NaN or infinite).")
    return samples
