"""Windows as JoyVASA's published code draws them, to reproduce its numbers; not for good motion.

Where it differs from :class:`~joyvasa_lib.speech.streaming.MotionStream`, the default:

- 80 ms of silence precede the speech, so motion is two frames late and three frames longer than
  the speech; by default it starts and ends with it.
- Every window starts from the same noise, which makes windows alike; by default noise is fresh.
- The speech encoder sees each window alone; by default with a second of speech around it.
- Windows are concatenated as they are; by default they overlap by four frames and blend.
- The moving average of the head pose gives a new frame the weight 0.01, a time constant of four
  seconds, which leaves little head motion; by default it looks 0.2 s ahead and does not lag.

The published "zero" and "replicate" padding of the last window give the same result: the last
sample is silence already. Memory is bounded here, too.

Axis legend: ``n`` samples at 16 kHz, ``t`` frames, ``c`` channels.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from joyvasa_lib.errors import MediaError
from joyvasa_lib.motion.data import SAMPLES_PER_FRAME
from joyvasa_lib.motion.motion import Motion
from joyvasa_lib.motion.operations.one_euro import low_pass
from joyvasa_lib.speech.diffusion.motion_diffusion import MotionDiffusion
from joyvasa_lib.speech.diffusion.normalizer import MotionNormalizer
from joyvasa_lib.speech.diffusion.sampling import draw_noise
from joyvasa_lib.speech.encoders.audio_encoder import AudioEncoder
from joyvasa_lib.speech.encoders.loudness import LevelTracker
from joyvasa_lib.speech.options import GenerationOptions
from joyvasa_lib.speech.streaming import check_waveform

FRONT, BACK = 1280, 640
"""Samples of silence before and after the speech."""
POSE_WEIGHT = 0.01
"""Weight of a new frame in the moving average of scale, translation and rotation."""


def frame_count(samples: int) -> int:
    """The number of frames for a number of samples: two before, one or none after its own."""
    return (FRONT + samples + BACK) // SAMPLES_PER_FRAME


class JoyVASAStream:
    """One performance with the published windows: push speech, receive motion.

    The interface is that of :class:`~joyvasa_lib.speech.streaming.MotionStream`; motion comes
    when a window of speech is complete.
    """

    def __init__(
        self,
        audio_encoder: AudioEncoder,
        diffusion: MotionDiffusion,
        normalizer: MotionNormalizer,
        options: GenerationOptions,
    ) -> None:
        """Starts a performance; its one initial noise is drawn here."""
        self.audio_encoder, self.diffusion = audio_encoder, diffusion
        self.normalizer, self.options = normalizer, options
        denoiser = diffusion.denoiser
        self._frames = int(denoiser.config.n_motions)
        self._generator = torch.Generator().manual_seed(options.seed)
        self._noise = draw_noise(denoiser, self._frames, self._generator, diffusion.device)
        self._prev_motion: Tensor = denoiser.start_motion_feat.detach()
        self._prev_audio: Tensor = denoiser.start_audio_feat.detach()
        self._waveform: NDArray[np.float32] = np.zeros(FRONT, np.float32)
        self._level = LevelTracker()
        self._pose: NDArray[np.float64] | None = None  # last smoothed pose
        self._started = False  # a first window has been drawn

    @torch.inference_mode()
    def push(self, chunk: NDArray[np.float32]) -> Iterator[Motion]:
        """Takes samples float32 [n]; yields the motion of the windows that they fill.

        Raises:
            MediaError: a sample is not finite, or the chunk is not one-dimensional.
        """
        yield from self._take(check_waveform(chunk))

    @torch.inference_mode()
    def finish(self) -> Iterator[Motion]:
        """Ends the speech; yields the rest, :func:`frame_count` frames in all.

        Raises:
            MediaError: there was no speech.
        """
        if not self._started and len(self._waveform) == FRONT:
            raise MediaError("The speech is empty.")
        yield from self._take(np.zeros(BACK, np.float32))
        rest = len(self._waveform) // SAMPLES_PER_FRAME
        if rest:
            missing = self._frames * SAMPLES_PER_FRAME - len(self._waveform)
            yield self._window(np.pad(self._waveform, (0, missing)), rest)

    def _take(self, samples: NDArray[np.float32]) -> Iterator[Motion]:
        self._waveform = np.concatenate([self._waveform, samples])
        size = self._frames * SAMPLES_PER_FRAME
        while len(self._waveform) >= size:
            window, self._waveform = self._waveform[:size], self._waveform[size:]
            yield self._window(window, self._frames)

    def _window(self, waveform: NDArray[np.float32], real_frames: int) -> Motion:
        """Draws a whole window and returns its first ``real_frames`` frames."""
        self._started = True
        diffusion, options = self.diffusion, self.options
        if not self.audio_encoder.hears_samples:
            waveform = waveform * np.float32(self._level.gain(waveform))
        samples = torch.from_numpy(waveform).to(diffusion.device)[None]
        features = self.audio_encoder(samples, self._frames)
        audio = diffusion.denoiser.audio_feature_map(features)
        drawn = diffusion.sample(
            audio,
            self._prev_motion,
            self._prev_audio,
            options,
            self._generator,
            noise=self._noise,
            real_frames=real_frames,
        )
        previous = self._prev_motion.shape[1]
        self._prev_motion = torch.cat([self._prev_motion, drawn], dim=1)[:, -previous:]
        self._prev_audio = torch.cat([self._prev_audio, audio], dim=1)[:, -previous:]
        normalizer = self.normalizer
        values = normalizer.denormalize(drawn[0, :real_frames].float().cpu().numpy())
        if options.smooth_pose:
            pose = values[:, normalizer.pose].astype(np.float64)
            start = pose[0] if self._pose is None else self._pose
            smoothed = low_pass(pose, np.full((len(pose), 1), POSE_WEIGHT), start)
            self._pose = smoothed[-1]
            values[:, normalizer.pose] = smoothed
        return normalizer.to_motion(values)
