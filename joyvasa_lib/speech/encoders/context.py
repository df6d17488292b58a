"""What the frames around a frame tell of it: a small convolutional network on speech features.

The features of a speech network say what is heard at a moment. How far a mouth opens there depends
on the sounds before and after, and stage two looks at one frame of the features for each frame of
motion (:mod:`~joyvasa_lib.speech.diffusion.denoiser`). This network adds to each what its
neighbours tell; the width stays. A window of live speech ends a few frames after those that are
wanted: a context that looks no farther ahead hears the same in it as in a whole recording.

Axis legend: ``b`` batch, ``t`` frames at 25 Hz, ``d`` width of the features, ``w`` inner width.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn

_KERNEL = 5


class _Block(nn.Module):
    """Pre-norm residual block: a dilated convolution over time, and a map of each frame."""

    def __init__(self, width: int, dilation: int, ahead: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv = nn.Conv1d(width, width, _KERNEL, dilation=dilation)
        self.linear = nn.Linear(width, width)
        self.padding = ((_KERNEL - 1) * dilation - ahead, ahead)

    def forward(self, x: Tensor) -> Tensor:
        around = F.pad(self.norm(x).transpose(1, 2), self.padding)
        mixed = self.conv(around).transpose(1, 2)
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
        look_ahead: int | None = None,
    ) -> None:
        """Builds the network, which adds nothing before it is trained.

        Args:
            feature_dim: width d of the features.
            width: inner width w.
            dilations: of the convolutions, one for each block.
            dropout: of the features, in training.
            look_ahead: most frames after it that a frame depends on, and it depends on as many more
                before it; None for as many as before it.

        Raises:
            ValueError: a width or a dilation is below 1, there is no block, or the look-ahead is
                negative.
        """
        super().__init__()
        if min(width, len(dilations), *dilations) < 1:
            raise ValueError(f"width {width} and dilations {list(dilations)} must be 1 at least")
        if look_ahead is not None and look_ahead < 0:
            raise ValueError(f"look_ahead {look_ahead} must be 0 at least")
        self.project = nn.Linear(feature_dim, width)
        ahead = _shares(dilations, look_ahead)
        self.blocks = nn.Sequential(*map(partial(_Block, width), dilations, ahead))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, feature_dim)
        self.drop = nn.Dropout(dropout)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    @property
    def ahead(self) -> int:
        """Frames after it that a frame depends on."""
        return sum(_shares(self.config.dilations, self.config.look_ahead))

    @property
    def reach(self) -> int:
        """Frames before it that a frame depends on."""
        return (_KERNEL - 1) * sum(self.config.dilations) - self.ahead

    def forward(self, features: Tensor) -> Tensor:
        """Features [b, t, d] of [b, t, d]."""
        told = self.out(self.norm(self.blocks(self.project(self.drop(features)))))
        result: Tensor = features + told
        return result


def _shares(dilations: Sequence[int], look_ahead: int | None) -> list[int]:
    """Frames that each block looks ahead, half its reach until those that are allowed are used."""
    left, shares = look_ahead, []
    for dilation in dilations:
        half = _KERNEL // 2 * dilation
        shares.append(half if left is None else min(half, left))
        left = None if left is None else left - shares[-1]
    return shares
