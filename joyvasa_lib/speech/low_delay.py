"""Motion of speech that is answered at once: a few frames at a time, drawn over what is known then.

:class:`~joyvasa_lib.speech.streaming.MotionStream` waits until a window is full. Here frames are
drawn as soon as three of them and the sound of three after them have arrived. Everything that is
known is drawn, of which only the first frames are final: the others, whose sound ends too early,
show where the motion is going, smooth what is final, and are drawn again in the next step. Whoever
is late finds more sound and draws more frames at once, so a busy machine catches up by itself.

Motion is that of whole recordings as nearly as it can be: windows begin where theirs do, and grow
(:mod:`~joyvasa_lib.speech.diffusion.growing`), so each frame has the noise, the place and the past
that it has there; and the level of the voice is taken over as much of the past as a whole window
would have shown.

Axis legend: ``n`` samples at 16 kHz, ``t`` frames, ``p`` previous frames, ``c`` motion channels,
``d`` width of the denoiser, ``s`` dials of a style.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from joyvasa_lib.motion.data import FPS, SAMPLES_PER_FRAME
from joyvasa_lib.motion.motion import Motion
from joyvasa_lib.speech.diffusion.growing import GrowingWindow
from joyvasa_lib.speech.diffusion.motion_diffusion import MotionDiffusion
from joyvasa_lib.speech.diffusion.normalizer import MotionNormalizer
from joyvasa_lib.speech.encoders.audio_encoder import RELEASE_DB, AudioEncoder
from joyvasa_lib.speech.encoders.loudness import LevelTracker
from joyvasa_lib.speech.encoders.recent import RecentFeatures
from joyvasa_lib.speech.options import GenerationOptions
from joyvasa_lib.speech.postprocessing import PostProcessor
from joyvasa_lib.speech.streaming import OVERLAP, check_waveform

FEWEST = 3
"""Frames that are worth a step."""
AHEAD = 3
"""Frames of sound after those that become final: the closure of a lip is heard in advance."""
MOST = 25
"""Most frames that become final at once, so that none waits long where much has arrived."""
WIDTH = 25
"""Least frames that are drawn at once, though most have no sound yet: where motion is going is seen
in them, too."""
PAST = 125
"""Frames of sound that are kept: the level of a voice is taken over five seconds."""
JOINT = 2
"""Frames at the start of a step that are blended with what the one before expected; where a window
begins they are as many as in whole recordings."""


class LowDelayStream:
    """One utterance: :meth:`push` its sound, :meth:`step` draws the next frames.

    Holds at most one window, the sound that has no motion yet, and six seconds before it.
    """

    def __init__(
        self,
        audio_encoder: AudioEncoder,
        diffusion: MotionDiffusion,
        normalizer: MotionNormalizer,
        options: GenerationOptions,
    ) -> None:
        """Starts an utterance.

        Args:
            audio_encoder: speech network.
            diffusion: the denoiser and its noise levels.
            normalizer: motion statistics.
            options: how motion is drawn; ``window_frames`` and ``style`` have no meaning here.
        """
        self.encoder, self.diffusion, self.normalizer = audio_encoder, diffusion, normalizer
        self.options = replace(options, style=None)
        denoiser = diffusion.denoiser
        self._noise, self._generator = (
            torch.Generator().manual_seed(options.seed) for _ in range(2)
        )
        self._prev_motion: Tensor = denoiser.start_motion_feat.detach()
        self._prev_audio: Tensor = denoiser.start_audio_feat.detach()
        self._window = self._next_window()
        self._expected: Tensor | None = None  # frames after the last final one, [1, t, c]
        self._post = PostProcessor(normalizer, self.options)
        self._features = RecentFeatures(audio_encoder)
        self._level = LevelTracker(0.0)
        self._sound: NDArray[np.float32] = np.zeros(0, np.float32)
        self._first = 0  # number of the frame with which `_sound` starts
        self._received = 0  # samples
        self._finished = False
        self.done = 0
        """Frames that are final."""

    @property
    def total(self) -> int:
        """Frames whose sound has arrived; after :meth:`finish` all frames of the utterance."""
        if self._finished:
            return round(self._received / SAMPLES_PER_FRAME)
        return self._received // SAMPLES_PER_FRAME

    @property
    def ready(self) -> bool:
        """Whether :meth:`step` would draw something."""
        left = self.total - self.done
        return left > 0 if self._finished else left >= FEWEST + AHEAD

    def push(self, chunk: NDArray[np.float32]) -> None:
        """Takes samples float32 [n].

        Raises:
            MediaError: a sample is not finite, or the chunk is not one-dimensional.
        """
        chunk = check_waveform(chunk)
        self._sound = np.concatenate([self._sound, chunk])
        self._received += len(chunk)

    def finish(self) -> None:
        """Ends the utterance: ``round(n / 640)`` frames in all."""
        self._finished = True
        missing = self.total * SAMPLES_PER_FRAME - self._received
        self._sound = np.pad(self._sound, (0, max(0, missing)))

    @torch.inference_mode()
    def step(self, dials: NDArray[np.float32] | None = None) -> Motion | None:
        """Draws the next frames; returns those that became final, None if nothing is ready.

        Args:
            dials: [s] of the style from here on; None leaves the style to the model. Networks
                without styles ignore it.
        """
        if not self.ready:
            return None
        final, seen = self._next_frames()
        features = self.diffusion.denoiser.audio_feature_map(self._encode(final, seen))[None]
        style = self._style(dials)
        blended = JOINT if self._window.settled else OVERLAP
        count = min(max(WIDTH, seen), self._window.left)
        drawn = self._window.draw(features, count, final, style)[:, :seen]
        if self._expected is not None:
            joint = min(blended, self._expected.shape[1], final)
            weight = torch.linspace(0, 1, blended + 2, device=drawn.device)[1 : joint + 1, None]
            before = self._expected[:, :joint]
            drawn[:, :joint] = before + weight * (drawn[:, :joint] - before)
        self._expected = drawn[:, final:]
        known = features if style is None else features + style
        previous = self._prev_motion.shape[1]
        motion = torch.cat([self._prev_motion, drawn[:, :final]], dim=1)
        heard = torch.cat([self._prev_audio, known[:, :final]], dim=1)
        self._prev_motion, self._prev_audio = motion[:, -previous:], heard[:, -previous:]
        self.done += final
        values = self.normalizer.denormalize(drawn[0].float().cpu().numpy())
        return self.normalizer.to_motion(self._post.push(values[:final], ahead=values[final:]))

    def _next_frames(self) -> tuple[int, int]:
        """How many frames become final, and of how many the sound is heard; may begin a window."""
        left = self.total - self.done
        if self._window.left <= OVERLAP and not self._ends_within(self._window):
            self._window = self._next_window()
        room = self._window.left
        final = min(MOST, left if self._finished else left - AHEAD)
        if not self._ends_within(self._window):
            final = min(final, room - OVERLAP)
        return final, min(left, final + max(AHEAD, WIDTH - final), room)

    def _ends_within(self, window: GrowingWindow) -> bool:
        """Whether the utterance is known to end in a window, which then has no next."""
        return self._finished and self.total - self.done <= window.left

    def _next_window(self) -> GrowingWindow:
        """A window with the noise of whole recordings in the longest ones."""
        frames = int(self.diffusion.denoiser.config.n_motions)
        noise = self.diffusion.initial_noise(frames, self._noise)
        return GrowingWindow(
            self.diffusion,
            self.options,
            self._prev_motion,
            self._prev_audio,
            noise,
            self._generator,
        )

    def _style(self, dials: NDArray[np.float32] | None) -> Tensor | None:
        """What a style adds to the features of a frame [1, 1, d]."""
        denoiser = self.diffusion.denoiser
        known = None
        if dials is not None and denoiser.config.style_dim:
            known = torch.from_numpy(np.asarray(dials, np.float32))[None, None]
            known = known.to(self.diffusion.device)
        return denoiser.style_feature(known)

    def _encode(self, final: int, seen: int) -> Tensor:
        """Features [t, d] of the next frames."""
        self._level.release_db = RELEASE_DB * final / FPS
        end = self.done + seen
        gain = np.float32(1.0)
        if not self.encoder.hears_samples:
            gain = np.float32(self._level.gain(self._between(max(self._first, end - PAST), end)))
        features = self._features(
            lambda start, stop: gain * self._between(start, stop),
            self._first,
            self.done,
            final,
            end,
        )
        keep = max(self._first, end - PAST)
        self._sound, self._first = self._sound[(keep - self._first) * SAMPLES_PER_FRAME :], keep
        return features

    def _between(self, start: int, end: int) -> NDArray[np.float32]:
        """The sound from one frame to another."""
        first, last = ((frame - self._first) * SAMPLES_PER_FRAME for frame in (start, end))
        return self._sound[first:last].copy()
