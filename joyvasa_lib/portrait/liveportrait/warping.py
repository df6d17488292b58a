"""W, the warping module: the feature volume moved from the source's keypoints to the driving ones.

A small network sees, for every keypoint, the volume as it were if all of it moved with that
keypoint alone, and mixes these candidate motions into one deformation and an occlusion map
(LivePortrait, arXiv 2407.03168, section 3.1; face-vid2vid, arXiv 2011.15126, sections 3.2 and A).
This file is the network as published, term by term;
:mod:`~joyvasa_lib.portrait.liveportrait.fast.warping` computes the same with less work.

Axis legend: ``b`` batch, ``c`` channels, ``d`` depth, ``h`` height, ``w`` width, ``k`` keypoints,
``e`` = k + 1 candidate motions, of which the first does not move.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from joyvasa_lib.portrait.liveportrait.layers import (
    ConvBlock2d,
    ConvBlock3d,
    coordinate_grid,
    sample_volume,
)

HEATMAP_VARIANCE = 0.01
LEAKY_SLOPE = 0.01


@dataclass(frozen=True, eq=False)
class DenseMotion:
    """What moves where.

    Attributes:
        deformation: [b, d, h, w, 3] where each cell takes its features from, x, y, z in [-1, 1].
        occlusion: [b, 1, h, w] in [0, 1], 0 where the source does not show what is needed.
    """

    deformation: Tensor
    occlusion: Tensor


@dataclass(frozen=True, eq=False)
class WarpedFeature(DenseMotion):
    """The moved appearance.

    Attributes:
        feature: [b, 256, h, w] what the generator paints from.
    """

    feature: Tensor


class Encoder(nn.Module):
    """Convolution blocks, each followed by halving height and width."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        """Builds a block between each two widths."""
        super().__init__()
        self.down_blocks = nn.ModuleList(
            ConvBlock3d(before, after) for before, after in pairwise(widths)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Returns the input and the result of every block, large to small."""
        levels = [x]
        for block in self.down_blocks:
            levels.append(F.avg_pool3d(block(levels[-1]), (1, 2, 2)))
        return levels


class Decoder(nn.Module):
    """Doubles height and width again, each time beside the encoder's result of that size."""

    def __init__(self, widths: tuple[int, ...], skips: tuple[int, ...]) -> None:
        """Builds the blocks.

        Args:
            widths: channels from the deepest level up to the last block's output.
            skips: channels of the encoder's result beside each block's output.
        """
        super().__init__()
        beside = (0, *skips[:-1])
        self.up_blocks = nn.ModuleList(
            ConvBlock3d(before + skip, after)
            for before, skip, after in zip(widths, beside, widths[1:], strict=False)
        )
        self.out_channels = widths[-1] + skips[-1]
        self.conv = nn.Conv3d(self.out_channels, self.out_channels, 3, padding=1)
        self.norm = nn.BatchNorm3d(self.out_channels)

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Returns [b, out_channels, d, h, w] for the encoder's results, large to small."""
        *skips, x = levels
        for block, skip in zip(self.up_blocks, reversed(skips), strict=True):
            x = torch.cat([block(F.interpolate(x, scale_factor=(1.0, 2.0, 2.0))), skip], dim=1)
        return F.relu(self.norm(self.conv(x)))


class Hourglass(nn.Module):
    """Encoder and decoder with a skip at every size, the input's included."""

    def __init__(self, in_channels: int, widths: tuple[int, ...]) -> None:
        """Builds both halves.

        Args:
            in_channels: channels of the input.
            widths: of the last block's output, then of the encoder's results, large to small.
        """
        super().__init__()
        down = (in_channels, *widths[1:])
        self.encoder = Encoder(down)
        self.decoder = Decoder(widths[::-1], down[-2::-1])
        self.out_channels = self.decoder.out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Returns [b, out_channels, d, h, w]."""
        return cast(Tensor, self.decoder(self.encoder(x)))


class DenseMotionNetwork(nn.Module):
    """From two sets of keypoints and the volume to a deformation and an occlusion map."""

    def __init__(
        self,
        n_keypoints: int,
        volume_channels: int,
        volume_depth: int,
        compressed_channels: int,
        widths: tuple[int, ...],
    ) -> None:
        """Builds the network; see :class:`WarpingNetwork` for the arguments."""
        super().__init__()
        entries = n_keypoints + 1
        self.compress = nn.Conv3d(volume_channels, compressed_channels, 1)
        self.norm = nn.BatchNorm3d(compressed_channels)
        self.hourglass = Hourglass(entries * (compressed_channels + 1), widths)
        channels = self.hourglass.out_channels
        self.mask = nn.Conv3d(channels, entries, 7, padding=3)
        self.occlusion = nn.Conv2d(channels * volume_depth, 1, 7, padding=3)

    def compressed(self, volume: Tensor) -> Tensor:
        """[b, 4, d, h, w] the few channels in which candidate motions are judged."""
        return F.relu(self.norm(self.compress(volume)))

    def forward(self, volume: Tensor, driving: Tensor, source: Tensor) -> DenseMotion:
        """Mixes the candidate motions; arguments as in :meth:`WarpingNetwork.forward`."""
        motions = sparse_motions(volume.shape[2:], driving, source)
        features = deformed_features(self.compressed(volume), motions)
        maps = heatmaps(volume.shape[2:], driving, source)
        x = self.hourglass(torch.cat([maps[:, :, None], features], dim=2).flatten(1, 2))
        weights = torch.softmax(self.mask(x), dim=1)
        with torch.autocast(x.device.type, enabled=False):  # positions need all their digits
            deformation = torch.einsum("bedhw,bedhwx->bdhwx", weights.to(motions), motions)
        return DenseMotion(deformation, torch.sigmoid(self.occlusion(x.flatten(1, 2))))


def sparse_motions(size: torch.Size, driving: Tensor, source: Tensor) -> Tensor:
    """The candidate motions: stay, or move as one keypoint does.

    Args:
        size: d, h, w.
        driving: [b, k, 3] keypoints.
        source: [b, k, 3] keypoints.

    Returns:
        [b, e, d, h, w, 3] where each cell would come from.
    """
    grid = coordinate_grid(size, driving)
    shift = F.pad(source - driving, (0, 0, 1, 0))
    return grid + shift[:, :, None, None, None]


def deformed_features(compressed: Tensor, motions: Tensor) -> Tensor:
    """[b, e, c, d, h, w] the compressed volume under each of the candidate motions."""
    batch, entries = motions.shape[:2]
    copies = compressed[:, None].expand(-1, entries, -1, -1, -1, -1)
    sampled = sample_volume(copies.flatten(0, 1), motions.flatten(0, 1))
    return sampled.view(batch, entries, *sampled.shape[1:])


def heatmaps(size: torch.Size, driving: Tensor, source: Tensor) -> Tensor:
    """[b, e, d, h, w] a bump where each keypoint goes minus one where it was; the first is 0."""
    grid = coordinate_grid(size, driving)
    there, here = (
        torch.exp(-0.5 * (grid - x[:, :, None, None, None]).square().sum(-1) / HEATMAP_VARIANCE)
        for x in (driving, source)
    )
    return F.pad(there - here, (0, 0, 0, 0, 0, 0, 1, 0))


class WarpingNetwork(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Moves the feature volume, flattens it to an image of features and fades what is hidden."""

    @register_to_config
    def __init__(
        self,
        n_keypoints: int = 21,
        volume_channels: int = 32,
        volume_depth: int = 16,
        compressed_channels: int = 4,
        hourglass_widths: tuple[int, ...] = (32, 64, 128, 256, 512, 1024),
        out_channels: int = 256,
    ) -> None:
        """Builds the network.

        Args:
            n_keypoints: k.
            volume_channels: c of the feature volume.
            volume_depth: d of the feature volume.
            compressed_channels: channels of the volume that judges candidate motions.
            hourglass_widths: see :class:`Hourglass`.
            out_channels: channels of the result.
        """
        super().__init__()
        self.dense_motion_network = DenseMotionNetwork(
            n_keypoints,
            volume_channels,
            volume_depth,
            compressed_channels,
            tuple(hourglass_widths),
        )
        self.third = ConvBlock2d(volume_channels * volume_depth, out_channels)
        self.fourth = nn.Conv2d(out_channels, out_channels, 1)

    def forward(self, volume: Tensor, driving: Tensor, source: Tensor) -> WarpedFeature:
        """Moves the source's appearance to the driving keypoints.

        Args:
            volume: [b, 32, 16, h, w] appearance feature volume; h and w divisible by 32.
            driving: [b, k, 3] keypoints where they should be.
            source: [b, k, 3] keypoints where the source has them.
        """
        motion = self.dense_motion_network(volume, driving, source)
        moved = sample_volume(volume, motion.deformation).flatten(1, 2)
        x = F.leaky_relu(self.third.norm(self.third.conv(moved)), LEAKY_SLOPE)
        return WarpedFeature(
            motion.deformation, motion.occlusion, self.fourth(x) * motion.occlusion
        )
