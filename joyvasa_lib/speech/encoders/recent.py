"""Features of the newest speech, over and over again, as more of it arrives.

A whole recording is encoded in pieces of four seconds. Live, a few frames are wanted at a time, and
their features depend on as much of the past. Whisper's states of the past are kept
(:mod:`~joyvasa_lib.speech.encoders.whisper_stream`); other networks encode the past again.

Axis legend: ``n`` samples at 16 kHz, ``t`` frames, ``d`` feature width.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from joyvasa_lib.speech.encoders.audio_encoder import AudioEncoder, resample_features
from joyvasa_lib.speech.encoders.whisper import WhisperFrameEncoder
from joyvasa_lib.speech.encoders.whisper_stream import FAR, FARTHEST, WhisperStream

Sound = Callable[[int, int], NDArray[np.float32]]
"""Samples [n] from one frame to another, at the level that the network expects."""

CONTEXT = 75
"""Frames of the past with which the newest are encoded where none are kept."""
REFRESHED = 8
"""Frames of the past that are encoded once more, knowing what followed."""
QUIET = 10 ** (-42 / 10)
"""Mean square of a pause, 22 dB below the level of speech: there a window may take longer."""
_MARGIN = 4
"""Frames before them, for the edges of the spectrum and of the convolutions."""


class RecentFeatures:
    """Features of one utterance, window by window."""

    def __init__(self, encoder: AudioEncoder) -> None:
        """Starts an utterance."""
        self._encoder = encoder
        network = encoder.network
        self._whisper = network if isinstance(network, WhisperFrameEncoder) else None
        self._stream: WhisperStream | None = None
        self._kept = 0  # frames whose states are kept
        self._before: Tensor | None = None  # features of the last of them, without their context

    def __call__(self, sound: Sound, first: int, done: int, final: int, end: int) -> Tensor:
        """Encodes a window.

        Args:
            sound: gives samples.
            first: the first frame whose sound is still there.
            done: the first frame that is wanted.
            final: how many frames from there are not asked for again.
            end: the frame after the last.

        Returns:
            [t, d] of the frames from ``done`` to ``end``.
        """
        device = next(self._encoder.parameters()).device
        if self._whisper is None:
            start = max(first, done - CONTEXT)
            samples = torch.from_numpy(sound(start, end)).to(device)
            features: Tensor = self._encoder(samples[None], end - start)
            return features[0, done - start :]
        if self._stream is None or self._should_start_again(self._stream, sound(done, end)):
            self._stream, self._kept = WhisperStream(self._whisper), max(first, done - CONTEXT)
            self._before = None
        start = max(first, self._kept - _MARGIN)
        samples = torch.from_numpy(sound(start, end)).to(device)
        known = max(self._kept, done + final - REFRESHED)
        states = self._stream.encode(
            samples[None], margin=2 * (self._kept - start), final=2 * (known - self._kept)
        )
        features = self._in_context(resample_features(states, end - self._kept), known)
        self._kept = known
        return features[-(end - done) :]

    def _in_context(self, features: Tensor, known: int) -> Tensor:
        """Features [t, d] in their context, of the frames [1, t, d] after those that are kept.

        Args:
            features: without it.
            known: the frame up to which they are not encoded again.
        """
        context = self._encoder.context
        if context is None:
            return features[0]
        before = 0 if self._before is None else self._before.shape[1]
        joined = features if self._before is None else torch.cat([self._before, features], dim=1)
        last = before + known - self._kept
        self._before = joined[:, max(0, last - context.reach) : last].clone()
        result: Tensor = context(joined)[0, before:]
        return result

    @staticmethod
    def _should_start_again(stream: WhisperStream, newest: NDArray[np.float32]) -> bool:
        """Whether the past is encoded anew, which takes as long as two windows."""
        if stream.position <= FAR:
            return False
        return stream.position > FARTHEST or float(np.mean(np.square(newest))) < QUIET
