"""Speech to motion: windows of diffusion, each continuing the one before.

Axis legend: ``n`` samples at 16 kHz, ``b`` batch, ``l`` frames of a window, ``p`` previous frames,
``c`` motion channels, ``d`` width of the denoiser.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from joyvasa_lib.errors import CheckpointError, MediaError, OptionError
from joyvasa_lib.motion.motion import Motion
from joyvasa_lib.motion.space import MotionSpace
from joyvasa_lib.speech.audio_encoder import FPS, AudioEncoder
from joyvasa_lib.speech.denoiser import MotionDenoiser
from joyvasa_lib.speech.normalizer import MotionNormalizer
from joyvasa_lib.speech.schedulers import SCHEDULERS, make_scheduler

SCHEDULER_FILE = "scheduler_config.json"
BLINKS = ("placed", "model")
PIECE = 16000 * 10
"""Samples handed to the stream at once when the whole speech is there."""


@dataclass(frozen=True)
class GenerationOptions:
    """How motion is drawn from the model.

    Attributes:
        seed: the same seed and speech give the same bytes of motion.
        guidance_scale: 1 follows the speech as learned, more exaggerates what the speech adds.
        num_inference_steps: denoising steps, 1 to the number of training steps.
        scheduler: "ddim", "ddpm", "dpmsolver++", or a diffusers scheduler.
        head_motion: factor on the head's rotation and translation, 0 keeps it still.
        blinks: "placed" by a seeded rule at people's rate, or the "model"'s own. Only models of
            face units can have them placed.
        window_frames: frames drawn together; fewer answer sooner in a stream.

    Raises:
        OptionError: a value out of range; the message names it and what is allowed.
    """

    seed: int = 0
    guidance_scale: float = 2.0
    num_inference_steps: int = 10
    scheduler: str | Any = "ddim"
    head_motion: float = 1.0
    blinks: str = "placed"
    window_frames: int = 100

    def __post_init__(self) -> None:
        """Checks every value."""
        if isinstance(self.scheduler, str) and self.scheduler not in SCHEDULERS:
            names = ", ".join(SCHEDULERS)
            raise OptionError(f"Unknown scheduler {self.scheduler!r}; choose one of {names}.")
        if self.blinks not in BLINKS:
            raise OptionError(f"Unknown blinks {self.blinks!r}; choose one of {', '.join(BLINKS)}.")
        _check_range("seed", self.seed, 0, 2**63 - 1)
        _check_range("guidance_scale", self.guidance_scale, 0.0, 20.0)
        _check_range("num_inference_steps", self.num_inference_steps, 1, 1000)
        _check_range("head_motion", self.head_motion, 0.0, 3.0)
        _check_range("window_frames", self.window_frames, 12, 100)


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise OptionError(f"{name} must be a number, not {value!r}.")
    if not low <= value <= high:
        raise OptionError(f"{name} must lie between {low:g} and {high:g}; got {value!r}.")


class MotionGenerator:
    """The networks of stage two and what they need: speech samples in, :class:`Motion` out."""

    fps = float(FPS)

    def __init__(
        self,
        audio_encoder: AudioEncoder,
        denoiser: MotionDenoiser,
        normalizer: MotionNormalizer,
        betas: NDArray[np.float32],
    ) -> None:
        """Puts trained parts together.

        Args:
            audio_encoder: speech network.
            denoiser: diffusion transformer.
            normalizer: motion statistics.
            betas: noise variances [T] the denoiser was trained on.
        """
        self.audio_encoder = audio_encoder.eval()
        self.denoiser = denoiser.eval()
        self.normalizer = normalizer
        self.betas = np.asarray(betas, np.float32)

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
            ``round(n / 16000 * 25)`` frames at 25 fps, relative to the portrait's own pose.

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
        from joyvasa_lib.speech.streaming import MotionStream

        stream = MotionStream(self, make_options(options))
        for chunk in chunks:
            yield from stream.push(chunk)
        yield from stream.finish()

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
    ) -> Tensor:
        """Draws one window of model channels.

        Args:
            audio: speech features after the denoiser's ``audio_feature_map`` [1, l, d].
            prev_motion: channels of the previous frames [1, p, c].
            prev_audio: features of the previous frames [1, p, d].
            options: guidance, steps and scheduler.
            generator: CPU generator, so that a seed means the same on every device.

        Returns:
            Channels [1, l, c]. With guidance s the prediction is ``null + s (speech - null)``
            (Ho & Salimans 2022, eq. 6); the null entry keeps the real previous frames.
        """
        scheduler = self._scheduler(options)
        scheduler.set_timesteps(options.num_inference_steps, device=self.device)
        guided = options.guidance_scale != 1.0
        if guided:
            null = self.denoiser.null_audio_feat.expand_as(audio)
            audio = torch.cat([null, audio])
            prev_motion, prev_audio = (torch.cat([x, x]) for x in (prev_motion, prev_audio))
        cross = self.denoiser.cross_terms(torch.cat([prev_audio, audio], dim=1))
        frames, channels = audio.shape[1], prev_motion.shape[2]
        noise = torch.randn(1, frames, channels, generator=generator).to(self.device)
        sample = noise * scheduler.init_noise_sigma
        extra = {}
        if "generator" in inspect.signature(scheduler.step).parameters:
            extra["generator"] = generator
        for time in scheduler.timesteps:
            noisy = scheduler.scale_model_input(sample, time).expand(len(audio), -1, -1)
            step = (time.long() + 1).expand(len(audio))
            clean = self.denoiser(noisy, step, audio, prev_motion, prev_audio, cross=cross)
            clean = clean[:, -frames:]
            if guided:
                clean = clean[:1] + options.guidance_scale * (clean[1:] - clean[:1])
            sample = scheduler.step(clean, time, sample, **extra).prev_sample
        return sample

    def _scheduler(self, options: GenerationOptions) -> Any:
        if isinstance(options.scheduler, str):
            if options.num_inference_steps > len(self.betas):
                raise OptionError(
                    f"num_inference_steps must be at most {len(self.betas)}, the steps this model "
                    f"was trained with; got {options.num_inference_steps}."
                )
            return make_scheduler(options.scheduler, self.betas)
        if not hasattr(options.scheduler, "set_timesteps"):
            raise OptionError(f"{options.scheduler!r} is not a diffusers scheduler.")
        # A fresh copy: some schedulers keep state between steps.
        return type(options.scheduler).from_config(options.scheduler.config)

    def save_pretrained(self, folder: str | Path, dtype: torch.dtype = torch.float32) -> None:
        """Writes ``audio_encoder/``, ``denoiser/``, ``normalizer/`` and ``scheduler/``."""
        from joyvasa_lib.speech.storage import save_denoiser

        folder = Path(folder)
        self.audio_encoder.save_pretrained(folder / "audio_encoder", dtype)
        save_denoiser(self.denoiser, folder / "denoiser", dtype)
        self.normalizer.save_pretrained(folder / "normalizer")
        make_scheduler("ddim", self.betas).save_pretrained(folder / "scheduler")

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> MotionGenerator:
        """Loads a folder written by :meth:`save_pretrained`, in float32.

        Raises:
            CheckpointError: a part is missing or does not fit.
        """
        from joyvasa_lib.speech.storage import load_denoiser

        folder = Path(folder)
        path = folder / "scheduler" / SCHEDULER_FILE
        try:
            betas = json.loads(path.read_text(encoding="utf-8"))["trained_betas"]
        except (OSError, ValueError, KeyError) as error:
            raise CheckpointError(f"No usable scheduler configuration at {path}.") from error
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
        return cls(encoder, denoiser, normalizer, np.asarray(betas, np.float32))


def make_options(options: dict[str, Any]) -> GenerationOptions:
    """Returns checked options.

    Raises:
        OptionError: an unknown name or a value out of range.
    """
    known = GenerationOptions.__dataclass_fields__
    if unknown := sorted(set(options) - set(known)):
        raise OptionError(f"Unknown options {unknown}; known are {', '.join(known)}.")
    return GenerationOptions(**options)


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
