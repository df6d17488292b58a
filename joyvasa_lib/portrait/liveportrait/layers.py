"""What several of LivePortrait's networks are built of.

Axis legend: ``b`` batch, ``c`` channels, ``d`` depth, ``h`` height, ``w`` width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvBlock2d(nn.Module):
    """Convolution k3, batch norm, ReLU on images [b, c, h, w]."""

    def __init__(self, inputs: int, outputs: int) -> None:
        """Builds the block; see the class for its parts."""
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Returns [b, outputs, h, w]."""
        return F.relu(self.norm(self.conv(x)))


class ConvBlock3d(nn.Module):
    """Convolution k3, batch norm, ReLU on volumes [b, c, d, h, w]."""

    def __init__(self, inputs: int, outputs: int) -> None:
        """Builds the block; see the class for its parts."""
        super().__init__()
        self.conv = nn.Conv3d(inputs, outputs, 3, padding=1)
        self.norm = nn.BatchNorm3d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Returns [b, outputs, d, h, w]."""
        return F.relu(self.norm(self.conv(x)))


def coordinate_grid(size: Sequence[int], like: Tensor) -> Tensor:
    """Coordinates of every cell of a volume, from -1 at the first to 1 at the last cell.

    Args:
        size: d, h, w.
        like: whose dtype and device the grid has.

    Returns:
        [d, h, w, 3] in the order x, y, z.
    """
    z, y, x = (torch.linspace(-1.0, 1.0, n, dtype=like.dtype, device=like.device) for n in size)
    return torch.stack(torch.meshgrid(z, y, x, indexing="ij")[::-1], dim=-1)


def sample_volume(volume: Tensor, positions: Tensor) -> Tensor:
    """Trilinear samples of volumes [b, c, d, h, w] at positions [b, d', h', w', 3]; 0 outside.

    -1 and 1 are the outer faces of the border cells here, while :func:`coordinate_grid` puts them
    on the cells' centres. The weights were trained with this mismatch, so it is part of the model:
    even the unmoved grid is a slight zoom.
    """
    return F.grid_sample(
        volume, positions, mode="bilinear", padding_mode="zeros", align_corners=False
    )
