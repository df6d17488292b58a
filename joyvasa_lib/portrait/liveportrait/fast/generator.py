"""G with less work: every conditioning branch on the small map, and nothing enlarged before need.

What differs from :mod:`~joyvasa_lib.portrait.liveportrait.generator`, all of it exact algebra:

- the branches of the enlarged levels are computed on the features' own grid, one output phase at a
  time (:mod:`~joyvasa_lib.portrait.liveportrait.fast.phases`), and modulated right there;
- scale and shift come from one convolution, the 1 of ``1 + gamma`` is in its bias;
- the first convolutions of all branches of a level are one;
- the instance norm of an enlarged map is that of the small map, whose mean and variance are equal;
- the shortcut's 1 x 1 convolution is merged into the convolution that makes its shift.

Axis legend: ``b`` batch, ``c`` channels, ``h`` and ``w`` the features' height and width, ``f``
enlargement. Maps lie in memory as [b, h, w, c].
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from joyvasa_lib.portrait.liveportrait.fast.phases import (
    HaloGrid,
    PhaseConv,
    channels_last,
    distinct_copies,
)
from joyvasa_lib.portrait.liveportrait.generator import (
    LEAKY_SLOPE,
    SpadeGenerator,
    SpadeNorm,
    SpadeResBlock,
)


class Conv:
    """A plain convolution with its weights ready."""

    def __init__(self, conv: nn.Conv2d, like: Tensor) -> None:
        """Takes the weights in the dtype and on the device of ``like``."""
        self.weight = channels_last(conv.weight.detach().to(like))
        self.bias = None if conv.bias is None else conv.bias.detach().to(like)
        self.padding = conv.kernel_size[0] // 2

    def __call__(self, x: Tensor) -> Tensor:
        """Returns [b, h, w, o] of [b, h, w, c]."""
        out = F.conv2d(x.permute(0, 3, 1, 2), self.weight, self.bias, padding=self.padding)
        return out.permute(0, 2, 3, 1)


class Branches:
    """The hidden maps of several conditioning branches of one level, as grids."""

    def __init__(self, norms: Sequence[SpadeNorm], factor: int, like: Tensor) -> None:
        """Fuses the branches' first convolutions.

        Args:
            norms: the norms of the level.
            factor: enlargement of the level.
            like: dtype and device.
        """
        self.hidden = norms[0].mlp_shared.out_channels
        self.count = len(norms)
        self.distinct = distinct_copies(factor)
        weight = torch.cat([norm.mlp_shared.weight.detach() for norm in norms])
        bias = torch.cat([_bias(norm.mlp_shared) for norm in norms])
        self.conv = PhaseConv(weight, bias, factor, 1, like=like)

    def __call__(self, condition: HaloGrid) -> list[HaloGrid]:
        """The grid of each branch, ``distinct`` rows per cell, for the features' grid."""
        batch, height, width, _ = condition.inside.shape
        d = self.distinct
        grids = [
            HaloGrid(batch, height * d, width * d, self.hidden, condition.memory)
            for _ in range(self.count)
        ]
        for y, x, values in self.conv(condition):
            for grid, part in zip(
                grids, torch.split(values.relu_(), self.hidden, dim=-1), strict=True
            ):
                grid.inside[:, y::d, x::d] = part
        return grids


class Modulation:
    """``n (1 + gamma) + beta``, then the activation, at every phase of an enlarged level."""

    def __init__(self, norm: SpadeNorm, factor: int, like: Tensor) -> None:
        """Fuses the convolutions of scale and shift."""
        self.factor = factor
        weight = torch.cat([norm.mlp_gamma.weight, norm.mlp_beta.weight]).detach()
        bias = torch.cat([_bias(norm.mlp_gamma) + 1.0, _bias(norm.mlp_beta)])
        self.conv = PhaseConv(weight, bias, factor, distinct_copies(factor), like=like)

    def __call__(self, normed: Tensor, grid: HaloGrid) -> Tensor:
        """The activated result [b, f h, f w, c].

        Args:
            normed: [b, g h, g w, c] after instance norm, with g a divisor of f: it is enlarged by
                reading each cell as often as is needed.
            grid: the branch's hidden map.
        """
        batch, rows, columns, channels = normed.shape
        copies = self.factor * _cells(grid, self.conv) // rows
        own = self.factor // copies
        out = normed.new_empty(batch, rows * copies, columns * copies, channels)
        for y, x, values in self.conv(grid):
            scale, shift = torch.split(values, channels, dim=-1)
            place = out[:, y :: self.factor, x :: self.factor]
            part = normed[:, y // copies :: own, x // copies :: own]
            torch.addcmul(shift, part, scale, out=place)
            F.leaky_relu_(place, LEAKY_SLOPE)
        return out


class Shortcut:
    """``conv_s(norm_s(x))`` of an enlarged level, with the shift's path through ``conv_s`` merged.

    ``W_s (n (1 + gamma) + W_b h + b) = W_s (n (1 + gamma)) + (W_s W_b) h + W_s b``.
    """

    def __init__(self, block: SpadeResBlock, factor: int, like: Tensor) -> None:
        """Merges the convolutions in double precision."""
        self.factor = factor
        norm, mixing = block.norm_s, block.conv_s.weight.detach()[:, :, 0, 0].double()
        shift = norm.mlp_beta
        merged = torch.einsum("oc,chyx->ohyx", mixing, shift.weight.detach().double())
        weight = torch.cat([norm.mlp_gamma.weight.detach().double(), merged])
        bias = torch.cat([_bias(norm.mlp_gamma).double() + 1.0, mixing @ _bias(shift).double()])
        self.conv = PhaseConv(weight, bias, factor, distinct_copies(factor), like=like)
        self.mixing = mixing.to(like)

    def __call__(self, normed: Tensor, grid: HaloGrid) -> Tensor:
        """The shortcut [b, f h, f w, o] float32; arguments as for :class:`Modulation`."""
        batch, rows, columns, channels = normed.shape
        copies = self.factor * _cells(grid, self.conv) // rows
        own = self.factor // copies
        out = torch.empty(
            batch, rows * copies, columns * copies, len(self.mixing), device=normed.device
        )
        for y, x, values in self.conv(grid):
            part = normed[:, y // copies :: own, x // copies :: own]
            scaled = part * values[..., :channels]
            place = out[:, y :: self.factor, x :: self.factor]
            torch.add(F.linear(scaled, self.mixing), values[..., channels:], out=place)
        return out


class FastBlock:
    """One SPADE residual block at an enlargement; see the module for what it saves."""

    def __init__(self, block: SpadeResBlock, factor: int, like: Tensor) -> None:
        """Prepares the weights."""
        self.norm_0 = Modulation(block.norm_0, factor, like)
        self.norm_1 = Modulation(block.norm_1, factor, like)
        self.conv_0, self.conv_1 = Conv(block.conv_0, like), Conv(block.conv_1, like)
        self.shortcut = Shortcut(block, factor, like) if block.learns_shortcut else None

    def __call__(self, x: Tensor, grids: Sequence[HaloGrid]) -> Tensor:
        """Returns [b, f h, f w, o].

        Args:
            x: [b, g h, g w, c] with g a divisor of f; float32, as the sum of all blocks so far.
            grids: the branches of ``norm_0``, ``norm_1`` and, where there is one, ``norm_s``.
        """
        normed = instance_norm(x).to(self.conv_0.weight.dtype)
        y = self.conv_0(self.norm_0(normed, grids[0]))
        y = self.conv_1(self.norm_1(instance_norm(y), grids[1]))
        if self.shortcut is not None:
            return self.shortcut(normed, grids[2]).add_(y)
        batch, height, width, channels = x.shape
        copies = y.shape[1] // height
        enlarged = x.view(batch, height, 1, width, 1, channels)
        return (enlarged + y.reshape(batch, height, copies, width, copies, channels)).view(y.shape)


class FastGenerator:
    """The generator's function from the features to images."""

    def __init__(self, network: SpadeGenerator, like: Tensor) -> None:
        """Prepares the weights.

        Args:
            network: the published network.
            like: dtype and device to compute with.
        """
        self.fc = Conv(network.fc, like)
        middle = [_block(module) for module in network.middle]
        norms = [norm for block in middle for norm in (block.norm_0, block.norm_1)]
        self.middle_branches = Branches(norms, 1, like)
        self.middle = [FastBlock(block, 1, like) for block in middle]
        self.up_branches: list[Branches] = []
        self.up: list[FastBlock] = []
        factor = 1
        for block in map(_block, network.up):
            factor *= 2
            norms = [block.norm_0, block.norm_1]
            norms += [block.norm_s] if block.learns_shortcut else []
            self.up_branches.append(Branches(norms, factor, like))
            self.up.append(FastBlock(block, factor, like))
        self.conv_img = Conv(network.conv_img, like)
        self.upscale = int(network.config.image_upscale)

    def __call__(self, feature: Tensor) -> Tensor:
        """Images [b, 3, 8 h, 8 w] in [0, 1] of the features [b, h, w, 256]."""
        batch, height, width, channels = feature.shape
        condition = HaloGrid(batch, height, width, channels, feature)
        condition.inside.copy_(feature)
        x = self.fc(feature).float()
        grids = self.middle_branches(condition)
        for index, block in enumerate(self.middle):
            x = block(x, grids[2 * index : 2 * index + 2])
        del grids
        for branches, block in zip(self.up_branches, self.up, strict=True):
            x = block(x, branches(condition))
        image = self.conv_img(F.leaky_relu_(x, LEAKY_SLOPE).to(feature)).permute(0, 3, 1, 2)
        return torch.sigmoid(F.pixel_shuffle(image.float(), self.upscale))


def instance_norm(x: Tensor, epsilon: float = 1e-5) -> Tensor:
    """Maps [b, h, w, c] with mean 0 and variance 1 of every channel of every image.

    Of one image it is the batch norm, whose kernels read maps that lie as [h, w, c] as they are.
    """
    images = torch.split(x.permute(0, 3, 1, 2), 1)
    normed = [F.batch_norm(one, None, None, training=True, eps=epsilon) for one in images]
    return (torch.cat(normed) if len(normed) > 1 else normed[0]).permute(0, 2, 3, 1)


def _cells(grid: HaloGrid, conv: PhaseConv) -> int:
    return (grid.shape[1] - 2) // conv.distinct


def _bias(conv: nn.Conv2d) -> Tensor:
    assert conv.bias is not None
    return conv.bias.detach()


def _block(module: nn.Module) -> SpadeResBlock:
    assert isinstance(module, SpadeResBlock)
    return module
