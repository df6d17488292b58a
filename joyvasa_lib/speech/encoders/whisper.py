"""The compact preset's speech network: the lower layers of Whisper's encoder.

Whisper (Radford et al. 2022, arXiv 2212.04356; weights under the MIT licence) was trained on
680,000 hours of real speech in 99 languages. The phonetic features of its lower layers transfer to
voices, rooms and languages that this library's corpus lacks; its upper layers represent words and
are left out. The network is that of ``transformers``. Interface of wav2vec 2.0: 16 kHz samples in,
50 hidden states a second out.

On disk the matrices are int8 with one scale a row: half the size, and features that differ by 4 %
of their spread. Training uses the features of such a file too.

Axis legend: ``b`` batch, ``n`` samples, ``m`` mel bands, ``t`` frames at 50 Hz, ``d`` width.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import WhisperConfig
from transformers.audio_utils import mel_filter_bank
from transformers.modeling_outputs import BaseModelOutput
from transformers.models.whisper.modeling_whisper import WhisperEncoder, sinusoids

from joyvasa_lib.checkpoints.folder import ENCODER_WEIGHTS
from joyvasa_lib.checkpoints.modules import load_module, save_module
from joyvasa_lib.media.audio import SAMPLE_RATE

WINDOW = 400
HOP = 160
SAMPLES_PER_STATE = 2 * HOP
LONGEST_STATES = 1500
"""States of the 30 seconds that Whisper was trained on; its position table ends there."""


class WhisperFrameConfig(WhisperConfig):  # type: ignore[misc]
    """Configuration of :class:`WhisperFrameEncoder`: Whisper's own, with fewer layers."""

    model_type = "whisper-frames"


class WhisperFrameEncoder(nn.Module):
    """Hidden states of the first ``encoder_layers`` layers of a Whisper encoder."""

    window: Tensor
    filters: Tensor
    positions: Tensor
    feature_offset: Tensor
    feature_scale: Tensor

    def __init__(self, config: WhisperFrameConfig) -> None:
        """Builds the network; the weights come from a file.

        The buffers ``feature_offset`` and ``feature_scale`` [d] bring the hidden states, a few of
        which are a hundred times as large as the rest, to mean 0 and spread 1 in speech.
        """
        super().__init__()
        self.config = config
        encoder = WhisperEncoder(config)
        self.conv1, self.conv2, self.layers = encoder.conv1, encoder.conv2, encoder.layers
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)
        filters = mel_filter_bank(
            WINDOW // 2 + 1, config.num_mel_bins, 0.0, 8000.0, SAMPLE_RATE, "slaney", "slaney"
        )
        self.register_buffer("filters", torch.from_numpy(filters.T).float(), persistent=False)
        positions = sinusoids(LONGEST_STATES, config.d_model)
        self.register_buffer("positions", positions, persistent=False)
        self.register_buffer("feature_offset", torch.zeros(config.d_model))
        self.register_buffer("feature_scale", torch.ones(config.d_model))

    def log_mel(self, waveform: Tensor) -> Tensor:
        """Returns Whisper's log-mel spectrum [b, m, n // 160] of samples [b, n].

        Values more than 80 dB below the highest of a recording are raised to that floor (paper,
        section 2.2, and the published feature extractor).
        """
        powers = self.log_powers(waveform)
        return above_floor(powers, powers.amax(dim=(1, 2), keepdim=True))

    def log_powers(self, waveform: Tensor) -> Tensor:
        """Returns logarithms of the powers in mel bands [b, m, n // 160] of samples [b, n]."""
        spectrum = torch.stft(waveform, WINDOW, HOP, window=self.window, return_complex=True)
        mel = self.filters @ spectrum[..., :-1].abs().square()
        return mel.clamp(min=1e-10).log10()

    def states_of(self, log_mel: Tensor) -> Tensor:
        """Returns what the layers start from, positions apart: [b, t, d] of [b, m, 2 t]."""
        hidden = F.gelu(self.conv1(log_mel))
        return F.gelu(self.conv2(hidden)).transpose(1, 2)

    def forward(self, waveform: Tensor) -> BaseModelOutput:
        """Encodes equally long pieces of speech of at most 30 s.

        Args:
            waveform: float [b, n], 16 kHz.

        Returns:
            ``last_hidden_state`` [b, max(1, n // 320), d]; after the last kept layer,
            standardised.
        """
        states = max(1, waveform.shape[-1] // SAMPLES_PER_STATE)
        missing = states * SAMPLES_PER_STATE - waveform.shape[-1]
        samples = F.pad(waveform.float(), (0, missing))[:, : states * SAMPLES_PER_STATE]
        hidden = self.states_of(self.log_mel(samples)) + self.positions[:states]
        for layer in self.layers:
            output = layer(hidden, attention_mask=None)
            hidden = output[0] if isinstance(output, tuple) else output
        return BaseModelOutput(last_hidden_state=self.standardised(hidden))

    def standardised(self, hidden: Tensor) -> Tensor:
        """Returns states [b, t, d] with mean 0 and spread 1 in speech."""
        return (hidden - self.feature_offset) / self.feature_scale

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes ``config.json`` and ``model.safetensors``: int8 matrices, the rest fp16."""
        save_module(self, folder, torch.int8, weights=ENCODER_WEIGHTS)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> WhisperFrameEncoder:
        """Loads what :meth:`save_pretrained` wrote, in float32; keys are strict.

        Raises:
            CheckpointError: a file is missing or damaged, or its tensors do not fit.
        """
        return load_module(
            lambda **config: cls(WhisperFrameConfig.from_dict(config)),
            folder,
            weights=ENCODER_WEIGHTS,
        )


def above_floor(powers: Tensor, loudest: Tensor) -> Tensor:
    """Returns logarithms of powers as Whisper hears them: at most 80 dB below the loudest."""
    return (torch.maximum(powers, loudest - 8.0) + 4.0) / 4.0
