"""The compact preset's generator: refines patches that one image does not determine.

The procedural composite (mesh warp plus painted interior) is right in geometry and lacks detail. A
small U-Net for each kind of patch takes it with the source image's patch and the rig's guide maps,
and returns a residual flow, a blend mask and colour:

    out = m * warp(composite, flow) + (1 - m) * generated

Only pixels behind the gate (see :mod:`joyvasa_lib.portrait.compact.refine.patches`) may change, so
a head at rest is the image itself. An untrained generator returns the composite.

Axis legend: ``n`` patches, ``c`` channels, ``p`` side of a patch, ``g`` guide maps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from joyvasa_lib.portrait.compact.refine.patch_guides import GUIDES
from joyvasa_lib.portrait.compact.refine.patches import PATCH

INPUT_CHANNELS = 6 + len(GUIDES)
"""Composite (3), source image (3) and guide maps."""
_FLOW_LIMIT = 4.0
"""Largest residual flow in patch pixels: the geometry is the rig's."""


@dataclass(frozen=True, eq=False)
class RefinedPatch:
    """What the generator makes of one batch of patches.

    Attributes:
        image: [n, 3, p, p] the refined patch, [0, 1] up to rounding.
        mask: [n, 1, p, p] share of the warped composite.
        generated: [n, 3, p, p] the generated colour.
        flow: [n, 2, p, p] residual flow in patch pixels.
    """

    image: Tensor
    mask: Tensor
    generated: Tensor
    flow: Tensor


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(cast(Tensor, self.second.bias))
        self.second.weight.data.mul_(0.3)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.leaky_relu(self.first(F.leaky_relu(x, 0.1)), 0.1))


class PatchUNet(nn.Module):
    """U-Net on half-resolution features with a light full-resolution head."""

    def __init__(self, inputs: int, channels: tuple[int, ...], head: int) -> None:
        """Builds one network.

        Args:
            inputs: channels of a patch.
            channels: width at 1/2, 1/4, 1/8 of the resolution.
            head: width at full resolution.
        """
        super().__init__()
        wide, middle, deep = channels
        self.stem = nn.Conv2d(4 * inputs, wide, 3, padding=1)
        self.encode_half = _Residual(wide)
        self.down_quarter = nn.Conv2d(wide, middle, 3, stride=2, padding=1)
        self.encode_quarter = nn.Sequential(_Residual(middle), _Residual(middle))
        self.down_eighth = nn.Conv2d(middle, deep, 3, stride=2, padding=1)
        self.encode_eighth = nn.Sequential(_Residual(deep), _Residual(deep))
        self.up_quarter = nn.Conv2d(deep, middle, 1)
        self.decode_quarter = _Residual(middle)
        self.up_half = nn.Conv2d(middle, wide, 1)
        self.decode_half = _Residual(wide)
        self.unfold = nn.Conv2d(wide, 4 * head, 3, padding=1)
        self.detail = nn.Conv2d(head + 7, head, 3, padding=1)
        self.out = nn.Conv2d(head, 6, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(cast(Tensor, self.out.bias))

    def forward(self, x: Tensor) -> Tensor:
        """Raw flow (2), mask (1) and colour (3) [n, 6, p, p] of patches [n, c, p, p]."""
        half = self.encode_half(self.stem(F.pixel_unshuffle(x, 2)))
        quarter = self.encode_quarter(self.down_quarter(half))
        deep = self.encode_eighth(self.down_eighth(quarter))
        quarter = quarter + F.interpolate(self.up_quarter(deep), scale_factor=2.0)
        quarter = self.decode_quarter(quarter)
        half = half + F.interpolate(self.up_half(quarter), scale_factor=2.0)
        fine = F.pixel_shuffle(self.unfold(self.decode_half(half)), 2)
        fine = F.leaky_relu(torch.cat([fine, x[:, :7]], 1), 0.1)
        return cast(Tensor, self.out(F.leaky_relu(self.detail(fine), 0.1)))


class PatchGenerator(ModelMixin, ConfigMixin):
    """Refines mouth and eye patches; one U-Net for each."""

    @register_to_config
    def __init__(
        self, channels: tuple[int, int, int] = (32, 64, 96), head_channels: int = 16
    ) -> None:
        """Builds both networks.

        Args:
            channels: width at 1/2, 1/4, 1/8 of the patch's resolution.
            head_channels: width at full resolution.
        """
        super().__init__()
        self.mouth = PatchUNet(INPUT_CHANNELS, tuple(channels), head_channels)
        self.eye = PatchUNet(INPUT_CHANNELS, tuple(channels), head_channels)

    def forward(self, inputs: Tensor, gate: Tensor, kind: str) -> RefinedPatch:
        """Refines patches of one kind.

        Args:
            inputs: [n, c, p, p] composite and source in [0, 1], then the guides.
            gate: [n, 1, p, p] where pixels may change.
            kind: ``"mouth"`` or ``"eye"`` (of which the right one comes mirrored).
        """
        composite = inputs[:, :3]
        centred = torch.cat([inputs[:, :6] * 2.0 - 1.0, inputs[:, 6:]], 1)
        raw = (self.mouth if kind == "mouth" else self.eye)(centred).float()
        flow = _FLOW_LIMIT * torch.tanh(raw[:, :2] / _FLOW_LIMIT)
        mask = torch.sigmoid(raw[:, 2:3])
        generated = composite + raw[:, 3:]
        warped = warp(composite, flow)
        refined = mask * warped + (1.0 - mask) * generated
        return RefinedPatch(composite + gate * (refined - composite), mask, generated, flow)


def warp(image: Tensor, flow: Tensor) -> Tensor:
    """Samples image [n, c, p, p] at every pixel plus flow [n, 2, p, p] (x, y in pixels)."""
    side = image.shape[-1]
    line = torch.arange(side, dtype=flow.dtype, device=flow.device)
    x = (line + flow[:, 0]) * (2.0 / (side - 1)) - 1.0
    y = (line[:, None] + flow[:, 1]) * (2.0 / (side - 1)) - 1.0
    grid = torch.stack([x, y], -1)
    return F.grid_sample(image, grid, padding_mode="border", align_corners=True)


assert PATCH % 8 == 0
