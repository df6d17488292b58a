"""F, the appearance feature extractor: an image becomes a feature volume, once per portrait.

LivePortrait (arXiv 2407.03168, section 3.1), after face-vid2vid (arXiv 2011.15126).

Axis legend: ``b`` batch, ``c`` channels, ``d`` depth, ``h`` height, ``w`` width.
"""

from __future__ import annotations

import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from joyvasa_lib.portrait.liveportrait.layers import ConvBlock2d


class ResBlock3d(nn.Module):
    """Pre-activation residual block on volumes [b, c, d, h, w]."""

    def __init__(self, channels: int) -> None:
        """Builds both convolutions and the norms before them."""
        super().__init__()
        self.norm1 = nn.BatchNorm3d(channels)
        self.conv1 = nn.Conv3d(channels, channels, 3, padding=1)
        self.norm2 = nn.BatchNorm3d(channels)
        self.conv2 = nn.Conv3d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the input plus what the block adds."""
        residual: Tensor = self.conv1(F.relu(self.norm1(x)))
        return x + self.conv2(F.relu(self.norm2(residual)))


class AppearanceFeatureExtractor(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """2-D convolutions to a quarter of the side, then the channels are read as depth slices."""

    @register_to_config
    def __init__(
        self,
        widths: tuple[int, ...] = (64, 128, 256),
        volume_channels: int = 32,
        volume_depth: int = 16,
        n_resblocks: int = 6,
        image_side: int = 256,
    ) -> None:
        """Builds the network.

        Args:
            widths: channels at full, half, quarter resolution.
            volume_channels: c of the volume.
            volume_depth: d of the volume.
            n_resblocks: residual blocks on the volume.
            image_side: of the images that this and the motion extractor are trained on; any other
                divisible by 32 works, but the keypoints' network expects this one.
        """
        super().__init__()
        self.first = ConvBlock2d(3, widths[0])
        self.down_blocks = nn.ModuleList(
            ConvBlock2d(widths[i], widths[i + 1]) for i in range(len(widths) - 1)
        )
        self.second = nn.Conv2d(widths[-1], volume_channels * volume_depth, 1)
        self.resblocks = nn.ModuleList(ResBlock3d(volume_channels) for _ in range(n_resblocks))

    def forward(self, image: Tensor) -> Tensor:
        """The appearance feature volume.

        Args:
            image: [b, 3, h, w] RGB in [0, 1]; sides divisible by 4, 256 as published.

        Returns:
            [b, 32, 16, h / 4, w / 4].
        """
        x = self.first(image)
        for block in self.down_blocks:
            x = F.avg_pool2d(block(x), 2)
        x = self.second(x)
        volume = x.unflatten(1, (self.config.volume_channels, self.config.volume_depth))
        for block in self.resblocks:
            volume = block(volume)
        return volume
