"""The compact preset's speech network: wav2vec 2.0 behind a mel-spectrum front end.

The transformer, its positional convolution and its configuration are those of
``transformers.Wav2Vec2Model`` (Baevski et al. 2020); only the seven raw-waveform convolutions are
replaced by a fixed log-mel spectrum and three small convolutions, because learning a filter bank
from raw samples takes far more data and time than the rest of the network. Same interface:
16 kHz samples in, 50 hidden states a second out.

Axis legend: ``b`` batch, ``n`` samples, ``m`` mel bands, ``t`` frames at 50 Hz, ``c`` channels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import Wav2Vec2Config, Wav2Vec2Model
from transformers.audio_utils import mel_filter_bank

from joyvasa_lib.media.audio import SAMPLE_RATE

WINDOW = 400
HOP = 160
LOG_FLOOR = 1e-4
"""Added to mel power before the logarithm; about 60 dB below speech at the reference level."""


class CompactWav2Vec2Config(Wav2Vec2Config):  # type: ignore[misc]
    """Configuration of :class:`CompactWav2Vec2Model`: wav2vec 2.0's own plus ``mel_bands``."""

    model_type = "compact-wav2vec2"

    mel_bands: int = 80


def mel_filters(bands: int, low: float = 50.0, high: float = 7600.0) -> Tensor:
    """Returns triangular filters on the HTK mel scale, each of sum 1, float32 [m, 201]."""
    filters = mel_filter_bank(WINDOW // 2 + 1, bands, low, high, SAMPLE_RATE, mel_scale="htk").T
    total = filters.sum(axis=1, keepdims=True).clip(min=1e-8)  # a narrow filter may miss all bins
    return torch.from_numpy(filters / total).float()


class LogMelFrontEnd(nn.Module):
    """Waveform [b, n] to channels [b, c, n // 320], one column every 20 ms."""

    window: Tensor
    filters: Tensor

    def __init__(self, mel_bands: int, channels: int) -> None:
        """Builds ``mel_bands`` filters and convolutions ending in ``channels``."""
        super().__init__()
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)
        self.register_buffer("filters", mel_filters(mel_bands), persistent=False)
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
    """``Wav2Vec2Model`` with a mel spectrum as its input."""

    config_class = CompactWav2Vec2Config

    def __init__(self, config: CompactWav2Vec2Config) -> None:
        """Builds the transformers network and replaces its convolutional front end."""
        super().__init__(config)
        self.feature_extractor = LogMelFrontEnd(config.mel_bands, config.conv_dim[-1])
