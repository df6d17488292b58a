"""Speech encoder: 16 kHz samples become features at the motion rate.

Wraps wav2vec 2.0 or HuBERT from transformers, the compact preset's
:class:`~joyvasa_lib.speech.encoders.whisper.WhisperFrameEncoder`, or a
:class:`~joyvasa_lib.speech.encoders.compact_wav2vec2.CompactWav2Vec2Model`, which can be trained
from random weights.

Axis legend: ``b`` batch, ``n`` samples, ``s`` states of the network (50 Hz), ``t`` motion frames
(25 Hz), ``d`` feature width.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from joyvasa_lib.checkpoints.folder import ENCODER_WEIGHTS
from joyvasa_lib.checkpoints.modules import load_module, save_module
from joyvasa_lib.errors import CheckpointError, MediaError, OptionError
from joyvasa_lib.media.audio import SAMPLE_RATE
from joyvasa_lib.motion.data import FPS, SAMPLES_PER_FRAME
from joyvasa_lib.speech.encoders.context import SpeechContext
from joyvasa_lib.speech.encoders.loudness import LevelTracker
from joyvasa_lib.speech.encoders.networks import RAW_WAVEFORM, WHISPER, load_network

STATE_RATE = 50
STRIDE = SAMPLE_RATE // STATE_RATE
"""Samples from one state of wav2vec 2.0 and HuBERT to the next."""
RECEPTIVE_FIELD = 400
"""Samples that one state is computed from."""
CONTEXT = "context"
"""Folder of the context within that of the encoder."""
RELEASE_DB = 0.5
"""Decibels a second by which the level that speech is brought from may fall."""


class AudioEncoder(nn.Module):
    """Turns speech into one feature vector per motion frame."""

    def __init__(self, network: nn.Module, context: SpeechContext | None = None) -> None:
        """Wraps a transformers speech network with 50 hidden states a second.

        Args:
            network: of one of the kinds above.
            context: what adds to each feature what its neighbours tell, if there is one.
        """
        super().__init__()
        self.network = network
        self.context = context

    @property
    def feature_dim(self) -> int:
        """Width of the features."""
        config: Any = self.network.config
        return int(config.hidden_size)

    @property
    def hears_samples(self) -> bool:
        """Whether the network is a wav2vec 2.0 or HuBERT, whose input is raw samples.

        JoyVASA's were tuned on recordings at their own level, most of which the first
        normalisation layer removes. The input of the others is a spectrum of speech at the
        reference level (:mod:`~joyvasa_lib.speech.encoders.loudness`).
        """
        config: Any = self.network.config
        return config.model_type in RAW_WAVEFORM

    def forward(self, waveform: Tensor, n_frames: int | None = None) -> Tensor:
        """Encodes equally long pieces of speech.

        Args:
            waveform: float [b, n], 16 kHz; at the reference level unless ``hears_samples``.
            n_frames: motion frames wanted; ``n // 640`` if not given.

        Returns:
            Features [b, t, d]: hidden states at 50 Hz, brought to the motion rate by linear
            interpolation with ``align_corners=False``, which at 25 fps is the mean of each pair
            (JoyVASA, section "audio features").

        Raises:
            MediaError: the piece is shorter than one motion frame.
        """
        n_frames = waveform.shape[-1] // SAMPLES_PER_FRAME if n_frames is None else n_frames
        if self.hears_samples:
            hidden = self.hidden_states(waveform, 2 * n_frames)
        else:
            hidden = self.network(waveform).last_hidden_state[:, : 2 * n_frames]
        features = resample_features(hidden, n_frames)
        return features if self.context is None else self.context(features)

    def hidden_states(
        self, waveform: Tensor, n_states: int | None = None, rate: float = FPS
    ) -> Tensor:
        """Last hidden states of wav2vec 2.0 or HuBERT by JoyVASA's resampling rule.

        The waveform is padded (:func:`pad_audio`); of its columns at 50 Hz, those of ``n_states``
        states at ``rate`` are kept, and interpolated to ``n_states`` before the transformer. A
        motion window needs two states a frame: then nothing is cut and nothing interpolated.

        Args:
            waveform: float [b, n], 16 kHz.
            n_states: states wanted; as many as the waveform lasts at ``rate`` if not given.
            rate: states a second, for which the columns are cut.

        Returns:
            [b, s, d].

        Raises:
            MediaError: the piece is shorter than one motion frame.
        """
        network: Any = self.network
        columns = network.feature_extractor(pad_audio(waveform)).transpose(1, 2)
        if n_states is None:
            n_states = int(columns.shape[1] / STATE_RATE * rate)
        columns = resample_features(columns[:, : round(n_states * STATE_RATE / rate)], n_states)
        projected = network.feature_projection(columns)
        if isinstance(projected, tuple):  # wav2vec 2.0 also returns the normalised columns
            projected = projected[0]
        if self.training:
            projected = network._mask_hidden_states(projected)
        states: Tensor = network.encoder(projected).last_hidden_state
        return states

    def save_pretrained(self, folder: str | Path, dtype: torch.dtype = torch.float32) -> None:
        """Writes ``config.json`` and ``model.safetensors`` with weights of type ``dtype``.

        The context is written into a folder of its own within.

        Raises:
            OptionError: an integer type, which only the compact preset's network can be stored as.
        """
        network: Any = self.network
        whisper = network.config.model_type == WHISPER
        if not (whisper or dtype.is_floating_point):
            raise OptionError(
                f"A {network.config.model_type} speech encoder cannot be saved as {dtype}; choose "
                "torch.float32, torch.float16 or torch.bfloat16."
            )
        if self.context is not None:
            save_module(self.context, Path(folder) / CONTEXT, dtype)
        if whisper:  # int8 whatever the type
            network.save_pretrained(folder)
            return
        save_module(network, folder, dtype, weights=ENCODER_WEIGHTS)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> AudioEncoder:
        """Loads a folder written by transformers or by :meth:`save_pretrained`, in float32.

        Raises:
            CheckpointError: the folder holds no configuration, or one of another kind of network,
                or a context for features of another width.
            MissingDependencyError: a torchaudio that does not fit torch keeps transformers from
                loading.
        """
        encoder = cls(load_network(Path(folder)).eval())
        if not (Path(folder) / CONTEXT).is_dir():
            return encoder
        context = load_module(SpeechContext, Path(folder) / CONTEXT)
        if context.config.feature_dim != encoder.feature_dim:
            raise CheckpointError(
                f"In {folder} the context is for features of width {context.config.feature_dim}, "
                f"and the network gives {encoder.feature_dim}."
            )
        encoder.context = context
        return encoder


def pad_audio(waveform: Tensor) -> Tensor:
    """Returns the waveform [b, n] padded, so that the network's last column is complete.

    For u = n // 320 whole columns, half of ``320 u + 80 - n`` samples is wanted on each side (the
    receptive field is 400): whole seconds grow by 80 samples and give exactly 50 columns each.
    Half of that is reflected, twice in succession; for an odd number the last sample is repeated.
    Waveforms that need no padding are returned as they are. Source: JoyVASA's published code.

    Args:
        waveform: float [b, n].

    Raises:
        MediaError: fewer samples than one motion frame has, where reflecting is not defined.
    """
    n = waveform.shape[-1]
    if n < SAMPLES_PER_FRAME:
        raise MediaError(
            f"The speech encoder needs at least {SAMPLES_PER_FRAME} samples (one frame); got {n}."
        )
    side = math.ceil((n // STRIDE * STRIDE + RECEPTIVE_FIELD - STRIDE - n) / 2)
    if side < 0:
        return waveform
    padded = waveform[:, None]
    for _ in range(2):
        padded = F.pad(padded, (side // 2, side // 2), mode="reflect")
    if side % 2:
        padded = F.pad(padded, (1, 1), mode="replicate")
    return padded[:, 0]


def resample_features(hidden: Tensor, n_frames: int) -> Tensor:
    """Returns [b, ?, d] linearly interpolated in time to [b, n_frames, d]."""
    if hidden.shape[1] == n_frames:
        return hidden
    return F.interpolate(
        hidden.transpose(1, 2), size=n_frames, mode="linear", align_corners=False
    ).transpose(1, 2)


class FeatureStream:
    """Encodes speech that arrives in pieces, without seams.

    The waveform is cut on a fixed grid of ``core`` frames; each part is encoded together with the
    audio around it, whose features are dropped. The grid depends on the position in the recording
    alone, so pieces of any size give the same features.
    """

    def __init__(
        self, encoder: AudioEncoder, core: int = 100, context: int = 25, look_ahead: int = 25
    ) -> None:
        """Prepares an empty stream.

        Args:
            encoder: the network.
            core: new frames per encoder call; with ``look_ahead``, the delay of the first feature.
            context: frames of audio before them, in the same call.
            look_ahead: frames of audio after them, in the same call.
        """
        self.encoder = encoder
        self.core, self.context, self.look_ahead = core, context, look_ahead
        self._level = LevelTracker(RELEASE_DB * core / FPS)
        self._waveform: NDArray[np.float32] = np.zeros(0, np.float32)
        self._dropped = 0  # frames already removed from the front of _waveform
        self._done = 0  # frames already encoded
        self._received = 0  # samples

    def push(self, chunk: NDArray[np.float32]) -> Iterator[Tensor]:
        """Takes samples float32 [n]; yields features [t, d] as they become available."""
        self._waveform = np.concatenate([self._waveform, chunk])
        self._received += len(chunk)
        while self._received >= (self._done + self.core + self.look_ahead) * SAMPLES_PER_FRAME:
            yield self._encode(self.core, self.look_ahead)

    def finish(self) -> Iterator[Tensor]:
        """Ends the speech; yields what is left, ``round(samples / 640)`` frames in all."""
        total = round(self._received / SAMPLES_PER_FRAME)
        missing = total * SAMPLES_PER_FRAME - self._received
        self._waveform = np.pad(self._waveform, (0, max(0, missing)))
        while self._done < total:
            core = min(self.core, total - self._done)
            yield self._encode(core, min(self.look_ahead, total - self._done - core))

    def _encode(self, core: int, after: int) -> Tensor:
        before = self._done - self._dropped
        frames = before + core + after
        waveform = self._waveform[: frames * SAMPLES_PER_FRAME]
        device = next(self.encoder.parameters()).device
        if not self.encoder.hears_samples:
            waveform = waveform * np.float32(self._level.gain(waveform))
        samples = torch.from_numpy(waveform).to(device)
        features = self.encoder(samples[None], frames)[0, before : before + core]
        self._done += core
        drop = max(0, self._done - self.context - self._dropped)
        self._waveform = self._waveform[drop * SAMPLES_PER_FRAME :]
        self._dropped += drop
        return features
