"""What the frames around a frame tell of it: a small convolutional network on speech features.

The features of a speech network say what is heard at a moment. How far a mouth opens there depends
on the sounds before and after, and stage two looks at one frame of the features for each frame of
motion (:mod:`~joyvasa_lib.speech.diffusion.denoiser`). This network adds to each what its
neighbours tell; the width stays.

Axis legend: ``b`` batch, ``t`` frames at 25 Hz, ``d`` width of the features, ``w`` inner width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn

_KERNEL = 5


class _Block(nn.Module):
    """Pre-norm residual block: a dilated convolution over time, and a map of each frame."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv = nn.Conv1d(
            width, width, _KERNEL, padding=_KERNEL // 2 * dilation, dilation=dilation
        )
        self.linear = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.conv(self.norm(x).transpose(1, 2)).transpose(1, 2)
        result: Tensor = x + self.linear(F.gelu(mixed))
        return result


class SpeechContext(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Adds to each feature what those of the frames around it tell."""

    @register_to_config
    def __init__(
        self,
        feature_dim: int = 512,
        width: int = 256,
        dilations: Sequence[int] = (1, 1, 2, 1),
        dropout: float = 0.1,
    ) -> None:
        """Builds the network, which adds nothing before it is trained.

        Args:
            feature_dim: width d of the features.
            width: inner width w.
            dilations: of the convolutions, one for each block.
            dropout: of the features, in training.

        Raises:
            ValueError: a width or a dilation is below 1, or there is no block.
        """
        super().__init__()
        if min(width, len(dilations), *dilations) < 1:
            raise ValueError(f"width {width} and dilations {list(dilations)} must be 1 at least")
        self.project = nn.Linear(feature_dim, width)
        self.blocks = nn.Sequential(*(_Block(width, dilation) for dilation in dilations))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, feature_dim)
        self.drop = nn.Dropout(dropout)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    @property
    def reach(self) -> int:
        """Frames on either side that a frame depends on."""
        return _KERNEL // 2 * sum(self.config.dilations)

    def forward(self, features: Tensor) -> Tensor:
        """Features [b, t, d] of [b, t, d]."""
        told = self.out(self.norm(self.blocks(self.project(self.drop(features)))))
        result: Tensor = features + told
        return result
