"""Motion from speech that arrives in pieces: bounded latency, bounded memory.

The whole-file path runs through here too, so both give the same motion. Frames come once their
window and one second of sound after it are there; with the default windows of 100 frames that is
five seconds after the start, with ``window_frames=25`` two.

Axis legend: ``n`` samples at 16 kHz, ``t`` frames, ``p`` previous frames, ``c`` motion channels,
``d`` width of the denoiser.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from joyvasa_lib.errors import MediaError
from joyvasa_lib.motion.motion import Motion
from joyvasa_lib.speech.diffusion.motion_diffusion import MotionDiffusion
from joyvasa_lib.speech.diffusion.normalizer import MotionNormalizer
from joyvasa_lib.speech.encoders.audio_encoder import AudioEncoder, FeatureStream
from joyvasa_lib.speech.options import GenerationOptions
from joyvasa_lib.speech.postprocessing import PostProcessor

OVERLAP = 4
"""Frames that two neighbouring windows share and blend."""
SHORTEST = 12
"""Frames of the shortest window the denoiser is given; a shorter rest is padded and cut."""


class SpeechStream(Protocol):
    """One performance: push speech, receive motion."""

    def push(self, chunk: NDArray[np.float32]) -> Iterator[Motion]:
        """Takes samples float32 [n]; yields the motion that they complete."""
        ...

    def finish(self) -> Iterator[Motion]:
        """Ends the speech; yields the rest."""
        ...


class MotionStream:
    """The default :class:`SpeechStream`: windows overlap, blend and are post-processed.

    Memory is bounded: at most two windows of features and motion and six seconds of audio are kept.
    """

    def __init__(
        self,
        audio_encoder: AudioEncoder,
        diffusion: MotionDiffusion,
        normalizer: MotionNormalizer,
        options: GenerationOptions,
    ) -> None:
        """Starts a performance with its own noise."""
        self.diffusion, self.normalizer, self.options = diffusion, normalizer, options
        self._generator = torch.Generator().manual_seed(options.seed)
        denoiser = diffusion.denoiser
        self._frames = min(options.window_frames, int(denoiser.config.n_motions))
        self._features = FeatureStream(audio_encoder, core=self._frames)
        self._prev_motion: Tensor = denoiser.start_motion_feat.detach()
        self._prev_audio: Tensor = denoiser.start_audio_feat.detach()
        self._waiting = self._prev_audio[:, :0]  # features of frames not yet drawn [1, t, d]
        self._tail: Tensor | None = None  # end of the last window, to blend [1, OVERLAP, c]
        self._tail_audio = self._waiting  # its features
        self._post = PostProcessor(normalizer, options)

    @torch.inference_mode()
    def push(self, chunk: NDArray[np.float32]) -> Iterator[Motion]:
        """Takes samples float32 [n]; yields the motion that they complete.

        Raises:
            MediaError: a sample is not finite, or the chunk is not one-dimensional.
        """
        for features in self._features.push(check_waveform(chunk)):
            yield from self._take(features)

    @torch.inference_mode()
    def finish(self) -> Iterator[Motion]:
        """Ends the speech; yields the rest, ``round(n / 640)`` frames in all.

        Raises:
            MediaError: the speech is shorter than half a frame.
        """
        for features in self._features.finish():
            yield from self._take(features)
        if self._waiting.shape[1]:
            yield from self._window(self._waiting.shape[1], last=True)
        elif self._tail is not None:
            yield from self._emit(self._tail, last=True)
        else:
            raise MediaError("The speech is empty or shorter than half a frame (20 ms).")

    def _take(self, features: Tensor) -> Iterator[Motion]:
        mapped = self.diffusion.denoiser.audio_feature_map(features)[None]
        self._waiting = torch.cat([self._waiting, mapped], dim=1)
        held = 0 if self._tail is None else OVERLAP
        while self._waiting.shape[1] + held >= self._frames:
            yield from self._window(self._frames - held, last=False)
            held = OVERLAP

    def _window(self, fresh: int, last: bool) -> Iterator[Motion]:
        """Draws the held frames anew together with ``fresh`` further ones."""
        audio = torch.cat([self._tail_audio, self._waiting[:, :fresh]], dim=1)
        self._waiting = self._waiting[:, fresh:]
        frames = audio.shape[1]
        padded = torch.cat([audio, audio[:, -1:].expand(-1, max(0, SHORTEST - frames), -1)], dim=1)
        drawn = self.diffusion.sample(
            padded,
            self._prev_motion,
            self._prev_audio,
            self.options,
            self._generator,
            real_frames=frames,
        )[:, :frames]
        if self._tail is not None:
            weight = torch.linspace(0, 1, OVERLAP + 2, device=drawn.device)[1:-1, None]
            shared = self._tail + weight * (drawn[:, :OVERLAP] - self._tail)
            drawn = torch.cat([shared, drawn[:, OVERLAP:]], dim=1)
        done = frames if last else frames - OVERLAP
        previous = self._prev_motion.shape[1]
        motion = torch.cat([self._prev_motion, drawn[:, :done]], dim=1)
        heard = torch.cat([self._prev_audio, audio[:, :done]], dim=1)
        self._prev_motion, self._prev_audio = motion[:, -previous:], heard[:, -previous:]
        self._tail, self._tail_audio = drawn[:, done:], audio[:, done:]
        yield from self._emit(drawn[:, :done], last)

    def _emit(self, channels: Tensor, last: bool) -> Iterator[Motion]:
        values = self.normalizer.denormalize(channels[0].float().cpu().numpy())
        finished = self._post.push(values, last)
        if len(finished):
            yield self.normalizer.to_motion(finished)


def check_waveform(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the samples as float32 [n].

    Raises:
        MediaError: wrong number of axes, or a sample is not finite.
    """
    samples = np.asarray(waveform, np.float32)
    if samples.ndim != 1:
        raise MediaError(f"Speech must be one row of samples, not an array of {samples.shape}")
    if not np.isfinite(samples).all():
        raise MediaError("The speech holds samples that are not finite (NaN or infinite)")
    return samples
