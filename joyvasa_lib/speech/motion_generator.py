"""Speech to motion: waveforms in, :class:`~joyvasa_lib.motion.motion.Motion` out.

Axis legend: ``n`` samples at 16 kHz, ``T`` diffusion steps of training.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from joyvasa_lib.checkpoints.folder import is_stage_two, resolve_checkpoint
from joyvasa_lib.checkpoints.hub import locate_checkpoint
from joyvasa_lib.checkpoints.modules import load_module, save_module
from joyvasa_lib.checks import checked_int
from joyvasa_lib.documents import read_object
from joyvasa_lib.errors import CheckpointError, OptionError
from joyvasa_lib.media.audio import SAMPLE_RATE
from joyvasa_lib.media.files import atomic_folder
from joyvasa_lib.motion.data import FPS, SAMPLES_PER_FRAME
from joyvasa_lib.motion.motion import Motion
from joyvasa_lib.motion.space import MotionSpace
from joyvasa_lib.speech.diffusion.denoiser import MotionDenoiser
from joyvasa_lib.speech.diffusion.motion_diffusion import MotionDiffusion
from joyvasa_lib.speech.diffusion.normalizer import MotionNormalizer
from joyvasa_lib.speech.diffusion.schedulers import PREDICTIONS, make_scheduler
from joyvasa_lib.speech.encoders.audio_encoder import AudioEncoder
from joyvasa_lib.speech.head import checked_head
from joyvasa_lib.speech.low_delay import LowDelayStream
from joyvasa_lib.speech.options import GenerationKwargs, GenerationOptions, make_options
from joyvasa_lib.speech.streaming import MotionStream, SpeechStream, check_waveform

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["GenerationKwargs", "GenerationOptions", "MotionGenerator", "make_options"]

SCHEDULER_FILE = "scheduler_config.json"
PIECE = 10 * SAMPLE_RATE
"""Samples given to the stream at once where the whole waveform is there."""


class MotionGenerator:
    """The networks of stage two and what they need: speech samples in, :class:`Motion` out."""

    fps = FPS

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
        self.diffusion = MotionDiffusion(denoiser.eval(), betas, prediction_type, normalizer)
        self.normalizer = normalizer

    @property
    def denoiser(self) -> MotionDenoiser:
        """The diffusion transformer."""
        return self.diffusion.denoiser

    @property
    def betas(self) -> NDArray[np.float32]:
        """Noise variances [T] that the denoiser was trained on."""
        return self.diffusion.betas

    @property
    def prediction_type(self) -> str:
        """What the denoiser predicts: ``"sample"``, clean motion, or ``"epsilon"``, the noise."""
        return self.diffusion.prediction_type

    @property
    def space(self) -> MotionSpace:
        """Motion space of the generated motions."""
        return self.normalizer.space

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self.diffusion.device

    def to(self, device: torch.device | str) -> MotionGenerator:
        """Moves the networks; returns itself."""
        self.audio_encoder.to(device)
        self.denoiser.to(device)
        return self

    def generate(
        self,
        waveform: NDArray[np.float32],
        options: GenerationOptions | None = None,
        **changes: Unpack[GenerationKwargs],
    ) -> Motion:
        """Generates the motion of a whole speech.

        Args:
            waveform: float32 [n], 16 kHz mono.
            options: how motion is drawn; the defaults if None.
            **changes: fields of :class:`GenerationOptions` that differ from ``options``.

        Returns:
            :meth:`frame_count` frames at 25 fps: expression, and the head pose as the normalizer's
            ``reference`` says (compact preset: relative to the portrait's own; official: as
            extracted from images).

        Raises:
            OptionError: an option is unknown or out of range.
            MediaError: the waveform is empty, not one-dimensional or not finite.
        """
        waveform = check_waveform(waveform)
        pieces = (waveform[start : start + PIECE] for start in range(0, len(waveform), PIECE))
        return Motion.concatenate(list(self.stream(pieces, options, **changes)))

    def stream(
        self,
        chunks: Iterable[NDArray[np.float32]],
        options: GenerationOptions | None = None,
        **changes: Unpack[GenerationKwargs],
    ) -> Iterator[Motion]:
        """Generates motion while speech arrives; the concatenation equals :meth:`generate`.

        Args:
            chunks: pieces of speech, float32 [n] of any length, 16 kHz mono.
            options: how motion is drawn; the defaults if None.
            **changes: fields of :class:`GenerationOptions` that differ from ``options``.

        Returns:
            An iterator over motions of consecutive frames, each made as soon as its window of
            speech is complete. Its errors are MediaError: the speech is empty, or a chunk is not
            one-dimensional or not finite.

        Raises:
            OptionError: an option is unknown or out of range; before any chunk is read.
        """
        checked = self.check(options, **changes)
        return _run(self._make_stream(checked), chunks)

    def _make_stream(self, options: GenerationOptions) -> SpeechStream:
        """Starts one performance; another rule for windows overrides this."""
        return MotionStream(self.audio_encoder, self.diffusion, self.normalizer, options)

    def answer(
        self, options: GenerationOptions | None = None, **changes: Unpack[GenerationKwargs]
    ) -> LowDelayStream:
        """Starts an utterance whose motion is wanted while it is heard; see :meth:`generate`.

        Raises:
            OptionError: an option is unknown or out of range.
        """
        checked = self.check(options, **changes)
        return LowDelayStream(self.audio_encoder, self.diffusion, self.normalizer, checked)

    def frame_count(
        self,
        samples: int,
        options: GenerationOptions | None = None,
        **changes: Unpack[GenerationKwargs],
    ) -> int:
        """Returns how many frames :meth:`generate` makes of a number of samples.

        ``round(samples / 640)``, the rounded duration at 25 fps.

        Raises:
            OptionError: an option is unknown or out of range.
        """
        make_options(options, **changes)
        checked_int("samples", samples, least=0)
        return round(samples / SAMPLES_PER_FRAME)

    def check(
        self, options: GenerationOptions | None = None, **changes: Unpack[GenerationKwargs]
    ) -> GenerationOptions:
        """Returns options that :meth:`generate` takes, without generating.

        Raises:
            OptionError: an option is unknown or out of this model's range.
        """
        checked = make_options(options, **changes)
        if checked.style is not None and not self.denoiser.config.style_dim:
            raise OptionError(
                "This checkpoint was trained without speaking styles and has no "
                f"{checked.style!r}; leave out style, or use a checkpoint that has them"
            )
        if checked.head_from is not None:
            space = checked_head(checked.head_from).space
            if space != self.space:
                raise OptionError(
                    f"head_from is a motion of space {space.name!r}, this checkpoint's is "
                    f"{self.space.name!r}; extract it with this checkpoint's pipeline"
                )
        self.diffusion.scheduler(checked)
        return checked

    def save_pretrained(
        self, folder: str | os.PathLike[str], dtype: torch.dtype = torch.float32
    ) -> None:
        """Writes stage two of a checkpoint into a folder of its own, whole or not at all.

        Args:
            folder: a result of this function that is there already is replaced.
            dtype: of the weights in the files.

        Raises:
            OptionError: a network cannot be stored as this type.
            OutputError: the folder cannot be written, or holds other things.
        """
        with atomic_folder(folder, ours=is_stage_two) as temporary:
            self.save_parts(temporary, dtype)

    def save_parts(self, folder: Path, dtype: torch.dtype = torch.float32) -> None:
        """Writes ``audio_encoder/``, ``denoiser/``, ``normalizer/`` and ``scheduler/``.

        Args:
            folder: a checkpoint folder in the making.
            dtype: of the weights in the files.

        Raises:
            OptionError: a network cannot be stored as this type.
        """
        self.audio_encoder.save_pretrained(folder / "audio_encoder", dtype)
        save_module(self.denoiser, folder / "denoiser", dtype)
        self.normalizer.save_pretrained(folder / "normalizer")
        scheduler = make_scheduler("ddim", self.betas, self.prediction_type)
        scheduler.save_pretrained(folder / "scheduler")

    @classmethod
    def from_pretrained(
        cls,
        source: str | os.PathLike[str] | None = None,
        *,
        revision: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        offline: bool = False,
    ) -> MotionGenerator:
        """Stage two of a checkpoint, in float32 on the CPU.

        Args:
            source: a checkpoint folder, a training run's, a folder that :meth:`save_pretrained`
                wrote, or a repository of the hub, ``"user/name"``; the bundled one for None.
            revision: branch, tag or commit of a repository; its main branch by default.
            cache_dir: where downloads are kept; huggingface_hub's own place by default.
            offline: whether only what was downloaded before is used.

        Raises:
            CheckpointError: a part is missing or does not fit.
        """
        found = locate_checkpoint(source, revision=revision, cache_dir=cache_dir, offline=offline)
        folder = resolve_checkpoint(found, portrait=False)
        path = folder / "scheduler" / SCHEDULER_FILE
        try:
            about = read_object(path)
            betas = np.asarray(about["trained_betas"], np.float32)
            prediction_type = about["prediction_type"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"No usable scheduler configuration at {path} ({error!r})."
            ) from error
        if prediction_type not in PREDICTIONS:
            raise CheckpointError(
                f"{path} says that the denoiser predicts {prediction_type!r}; known are "
                f"{', '.join(PREDICTIONS)}."
            )
        encoder = AudioEncoder.from_pretrained(folder / "audio_encoder")
        denoiser = load_module(MotionDenoiser, folder / "denoiser")
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
        return cls(encoder, denoiser, normalizer, betas, prediction_type)


def _run(stream: SpeechStream, chunks: Iterable[NDArray[np.float32]]) -> Iterator[Motion]:
    for chunk in chunks:
        yield from stream.push(chunk)
    yield from stream.finish()
