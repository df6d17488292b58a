"""G, the generator: an image painted from the moved features, every norm conditioned on them.

SPADE residual blocks (arXiv 1903.07291) and a pixel-shuffled last layer (LivePortrait,
arXiv 2407.03168, section 3.1). Spectral norm of the published weights is folded when they are
loaded. This file is the network as published;
:mod:`~joyvasa_lib.portrait.liveportrait.fast.generator` computes the same with less work.

Axis legend: ``b`` batch, ``c`` channels, ``h`` height, ``w`` width.
"""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

LEAKY_SLOPE = 0.2


class SpadeNorm(nn.Module):
    """Instance norm, then scale and shift painted by the condition: ``n (1 + gamma) + beta``."""

    def __init__(self, channels: int, condition_channels: int, hidden: int) -> None:
        """Builds the branch that turns the condition into scale and shift."""
        super().__init__()
        self.mlp_shared = nn.Conv2d(condition_channels, hidden, 3, padding=1)
        self.mlp_gamma = nn.Conv2d(hidden, channels, 3, padding=1)
        self.mlp_beta = nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Returns [b, c, h, w] for x of that shape and a condition of any smaller size."""
        resized = F.interpolate(condition, size=x.shape[2:], mode="nearest")
        hidden = F.relu(self.mlp_shared(resized))
        scale, shift = self.mlp_gamma(hidden), self.mlp_beta(hidden)
        return F.instance_norm(x, eps=1e-5) * (1.0 + scale) + shift


class SpadeResBlock(nn.Module):
    """Two conditioned convolutions beside a shortcut, which is learnt where the width changes."""

    def __init__(self, inputs: int, outputs: int, condition_channels: int, hidden: int) -> None:
        """Builds the block; the width between the convolutions is the smaller of the two."""
        super().__init__()
        middle = min(inputs, outputs)
        self.conv_0 = nn.Conv2d(inputs, middle, 3, padding=1)
        self.conv_1 = nn.Conv2d(middle, outputs, 3, padding=1)
        self.norm_0 = SpadeNorm(inputs, condition_channels, hidden)
        self.norm_1 = SpadeNorm(middle, condition_channels, hidden)
        if inputs != outputs:
            self.conv_s = nn.Conv2d(inputs, outputs, 1, bias=False)
            self.norm_s = SpadeNorm(inputs, condition_channels, hidden)

    @property
    def learns_shortcut(self) -> bool:
        """Whether the shortcut is a convolution instead of the input itself."""
        return self.conv_0.in_channels != self.conv_1.out_channels

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Returns [b, outputs, h, w]."""
        y = self.conv_0(F.leaky_relu(self.norm_0(x, condition), LEAKY_SLOPE))
        y = self.conv_1(F.leaky_relu(self.norm_1(y, condition), LEAKY_SLOPE))
        shortcut = self.conv_s(self.norm_s(x, condition)) if self.learns_shortcut else x
        return cast(Tensor, shortcut + y)


class SpadeGenerator(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Blocks at the features' size, then one more after each doubling, then the image."""

    @register_to_config
    def __init__(
        self,
        condition_channels: int = 256,
        width: int = 512,
        n_middle: int = 6,
        up_widths: tuple[int, ...] = (256, 64),
        hidden: int = 128,
        image_upscale: int = 2,
    ) -> None:
        """Builds the network.

        Args:
            condition_channels: channels of the moved features.
            width: channels of the middle blocks.
            n_middle: how many there are.
            up_widths: channels after each doubling.
            hidden: width of the conditioning branches.
            image_upscale: factor of the last pixel shuffle; 1 for none.
        """
        super().__init__()
        self.fc = nn.Conv2d(condition_channels, width, 3, padding=1)
        self.middle = nn.ModuleList(
            SpadeResBlock(width, width, condition_channels, hidden) for _ in range(n_middle)
        )
        widths = (width, *up_widths)
        self.up = nn.ModuleList(
            SpadeResBlock(before, after, condition_channels, hidden)
            for before, after in pairwise(widths)
        )
        self.conv_img = nn.Conv2d(widths[-1], 3 * image_upscale**2, 3, padding=1)

    def forward(self, feature: Tensor) -> Tensor:
        """Paints images.

        Args:
            feature: [b, 256, h, w] what W made.

        Returns:
            [b, 3, 8 h, 8 w] RGB in [0, 1], for two doublings and the last pixel shuffle by 2.
        """
        x = self.fc(feature)
        for block in self.middle:
            x = block(x, feature)
        for block in self.up:
            x = block(F.interpolate(x, scale_factor=2.0), feature)
        x = self.conv_img(F.leaky_relu(x, LEAKY_SLOPE))
        return torch.sigmoid(F.pixel_shuffle(x, self.config.image_upscale))
