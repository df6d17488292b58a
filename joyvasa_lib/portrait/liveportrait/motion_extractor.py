"""M, the motion extractor: canonical keypoints, expression and head pose of one face.

A ConvNeXt V2 (arXiv 2301.00808), tiny, with seven linear heads (LivePortrait, arXiv 2407.03168,
section 3.2).

Axis legend: ``b`` batch, ``c`` channels, ``h`` height, ``w`` width, ``k`` keypoints.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

EPSILON = 1e-6
"""Of every layer norm and of the response norm."""
ANGLE_BINS = 66
DEGREES_PER_BIN, FIRST_BIN_DEGREES = 3.0, -97.5


def bins_to_degrees(angle: Tensor) -> Tensor:
    """Expected angle [b, 1] in degrees of logits over bins [b, 66]; degrees pass through.

    ``3 sum_k k softmax(x)_k - 97.5`` (Hopenet, arXiv 1710.00925, with 3-degree bins).
    """
    if angle.ndim < 2 or angle.shape[1] != ANGLE_BINS:
        return angle
    bins = torch.arange(ANGLE_BINS, dtype=torch.float32, device=angle.device)
    expected = (torch.softmax(angle.float(), dim=1) * bins).sum(1, keepdim=True)
    return expected * DEGREES_PER_BIN + FIRST_BIN_DEGREES


@dataclass(frozen=True, eq=False)
class ExtractedMotion:
    """What M says of one face.

    Attributes:
        keypoints: [b, k, 3] canonical keypoints of this person.
        scale: [b, 1] size of the head.
        pitch: [b, 66] logits over bins of 3 degrees.
        yaw: [b, 66].
        roll: [b, 66].
        translation: [b, 3]; its z is not used.
        expression: [b, k, 3] deformation of the keypoints.
    """

    keypoints: Tensor
    scale: Tensor
    pitch: Tensor
    yaw: Tensor
    roll: Tensor
    translation: Tensor
    expression: Tensor

    @property
    def rotation(self) -> Tensor:
        """[b, 3] pitch, yaw, roll in degrees."""
        return torch.cat([bins_to_degrees(x) for x in (self.pitch, self.yaw, self.roll)], dim=1)


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of every pixel of [b, c, h, w]."""

    def forward(self, x: Tensor) -> Tensor:
        """Returns the same shape."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class GlobalResponseNorm(nn.Module):
    """``gamma (x n) + beta + x``, n the channel's L2 norm over its mean among channels."""

    def __init__(self, channels: int) -> None:
        """Starts as the identity."""
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, 1, 1, channels))
        self.beta = nn.Parameter(torch.zeros(1, 1, 1, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Returns [b, h, w, c]."""
        response = torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True)
        relative = response / (response.mean(dim=-1, keepdim=True) + EPSILON)
        return self.gamma * (x * relative) + self.beta + x


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution k7, then a two-layer perceptron per pixel, as a residual."""

    def __init__(self, channels: int) -> None:
        """Builds the block with a hidden width of four times the channels."""
        super().__init__()
        self.dwconv = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=EPSILON)
        self.pwconv1 = nn.Linear(channels, 4 * channels)
        self.grn = GlobalResponseNorm(4 * channels)
        self.pwconv2 = nn.Linear(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Returns [b, c, h, w]."""
        y = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
        y = self.pwconv2(self.grn(F.gelu(self.pwconv1(y))))
        return x + y.permute(0, 3, 1, 2)


class MotionExtractor(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """ConvNeXt V2 with heads for keypoints, scale, three angles, translation and expression."""

    @register_to_config
    def __init__(
        self,
        depths: tuple[int, ...] = (3, 3, 9, 3),
        widths: tuple[int, ...] = (96, 192, 384, 768),
        n_keypoints: int = 21,
    ) -> None:
        """Builds the network.

        Args:
            depths: blocks of each stage.
            widths: channels of each stage.
            n_keypoints: k.
        """
        super().__init__()
        stem = nn.Sequential(
            nn.Conv2d(3, widths[0], 4, stride=4), ChannelNorm(widths[0], eps=EPSILON)
        )
        between = [
            nn.Sequential(ChannelNorm(before, eps=EPSILON), nn.Conv2d(before, after, 2, stride=2))
            for before, after in pairwise(widths)
        ]
        self.downsample_layers = nn.ModuleList([stem, *between])
        self.stages = nn.ModuleList(
            nn.Sequential(*(ConvNeXtBlock(width) for _ in range(depth)))
            for depth, width in zip(depths, widths, strict=True)
        )
        self.norm = nn.LayerNorm(widths[-1], eps=EPSILON)
        self.fc_kp = nn.Linear(widths[-1], 3 * n_keypoints)
        self.fc_scale = nn.Linear(widths[-1], 1)
        self.fc_pitch, self.fc_yaw, self.fc_roll = (
            nn.Linear(widths[-1], ANGLE_BINS) for _ in range(3)
        )
        self.fc_t = nn.Linear(widths[-1], 3)
        self.fc_exp = nn.Linear(widths[-1], 3 * n_keypoints)

    def forward(self, image: Tensor) -> ExtractedMotion:
        """Keypoints, expression and pose.

        Args:
            image: [b, 3, h, w] RGB in [0, 1]; sides divisible by 32, 256 as published.
        """
        x = image
        for downsample, stage in zip(self.downsample_layers, self.stages, strict=True):
            x = stage(downsample(x))
        pooled = self.norm(x.mean(dim=(2, 3)))
        return ExtractedMotion(
            keypoints=self.fc_kp(pooled).unflatten(1, (-1, 3)),
            scale=self.fc_scale(pooled),
            pitch=self.fc_pitch(pooled),
            yaw=self.fc_yaw(pooled),
            roll=self.fc_roll(pooled),
            translation=self.fc_t(pooled),
            expression=self.fc_exp(pooled).unflatten(1, (-1, 3)),
        )
