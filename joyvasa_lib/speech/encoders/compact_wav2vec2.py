"""The compact preset's speech network: wav2vec 2.0 behind a mel-spectrum front end.

The transformer, its positional convolution and its configuration are those of
``transformers.Wav2Vec2Model`` (Baevski et al. 2020); only the seven raw-waveform convolutions are
replaced by a fixed log-mel spectrum and three small convolutions, because learning a filter bank
from raw samples costs far more data and time than the rest of the network. Same interface:
16 kHz samples in, 50 hidden states a second out.

Axis legend: ``b`` batch, ``n`` samples, ``m`` mel bands, ``t`` frames at 50 Hz, ``c`` channels.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import Wav2Vec2Config, Wav2Vec2Model

WINDOW = 400
HOP = 160
LOG_FLOOR = 1e-4
"""Added to mel power before the logarithm; about 60 dB below speech at the reference level."""


class CompactWav2Vec2Config(Wav2Vec2Config):  # type: ignore[misc]
    """Configuration of :class:`CompactWav2Vec2Model`: wav2vec 2.0's own plus ``mel_bands``."""

    model_type = "compact-wav2vec2"

    mel_bands: int = 80


def mel_filters(bands: int, low: float = 50.0, high: float = 7600.0) -> NDArray[np.float32]:
    """Returns triangular filters on the mel scale (HTK formula), float32 [m, 201]."""
    low_mel, high_mel = 2595.0 * np.log10(1.0 + np.array([low, high]) / 700.0)
    mels = np.linspace(low_mel, high_mel, bands + 2)
    edges = 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    bins = np.arange(WINDOW // 2 + 1) * 16000.0 / WINDOW
    rising = (bins[None] - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins[None]) / np.diff(edges)[1:, None]
    filters = np.clip(np.minimum(rising, falling), 0.0, None)
    return (filters / np.maximum(filters.sum(axis=1, keepdims=True), 1e-8)).astype(np.float32)


class LogMelFrontEnd(nn.Module):
    """Waveform [b, n] to channels [b, c, n // 320], one column every 20 ms."""

    window: Tensor
    filters: Tensor

    def __init__(self, mel_bands: int, channels: int) -> None:
        """Builds ``mel_bands`` filters and convolutions ending in ``channels``."""
        super().__init__()
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)
        filters = torch.from_numpy(mel_filters(mel_bands))
        self.register_buffer("filters", filters, persistent=False)
        width = channels * 3 // 4
        self.conv_in = nn.Conv1d(mel_bands, width, 3, padding=1)
        self.conv_stride = nn.Conv1d(width, channels, 4, stride=2, padding=1)
        self.conv_out = nn.Conv1d(channels, channels, 3, padding=1)

    def log_mel(self, waveform: Tensor) -> Tensor:
        """Returns the log-mel spectrum [b, m, n // 160] of samples [b, n], roughly in [-2, 2]."""
        pad = (WINDOW - HOP) // 2
        whole = waveform.shape[-1] // (2 * HOP) * (2 * HOP)
        frames = F.pad(waveform.float()[..., :whole], (pad, pad)).unfold(-1, WINDOW, HOP)
        power = torch.fft.rfft(frames * self.window, dim=-1).abs().square()
        mel = torch.matmul(power, self.filters.T).transpose(1, 2)
        return (torch.log10(mel + LOG_FLOOR) + 1.0) / 1.5

    def forward(self, waveform: Tensor) -> Tensor:
        """Returns channels at 50 Hz."""
        hidden = F.gelu(self.conv_in(self.log_mel(waveform)))
        hidden = F.gelu(self.conv_stride(hidden))
        return hidden + F.gelu(self.conv_out(hidden))


class CompactWav2Vec2Model(Wav2Vec2Model):  # type: ignore[misc]
    """``Wav2Vec2Model`` that hears a mel spectrum."""

    config_class = CompactWav2Vec2Config

    def __init__(self, config: CompactWav2Vec2Config) -> None:
        """Builds the transformers network and replaces its convolutional front end."""
        super().__init__(config)
        self.feature_extractor = LogMelFrontEnd(config.mel_bands, config.conv_dim[-1])
