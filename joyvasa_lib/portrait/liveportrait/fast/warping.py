"""W with less work: what depends on the portrait alone is done once, the rest on fewer numbers.

What differs from :mod:`~joyvasa_lib.portrait.liveportrait.warping`, all of it exact algebra:

- the compressed volume, the source's heatmaps and its unmoved features belong to the portrait;
- candidate features are translations, sampled axis by axis
  (:mod:`~joyvasa_lib.portrait.liveportrait.fast.translation`), heatmaps are products of three
  one-dimensional bumps, and the empty first heatmap is left out;
- batch norms are folded into the convolutions before them;
- convolutions of enlarged volumes are computed on the small ones
  (:mod:`~joyvasa_lib.portrait.liveportrait.fast.phases`);
- the mask convolution goes another way (:mod:`~joyvasa_lib.portrait.liveportrait.fast.mask`), and
  the occlusion convolution, of one output, is a matrix product and a sum of shifted maps;
- the mean motion is the grid plus the mean shift;
- the volume is sampled as eight weighted rows of a table.

Positions, and what is computed at them, are float32 whatever the dtype of the hourglass: the
generator enlarges their errors most, and they cost least.

Over 300 lines because each step is explained beside the algebra that it shortens.

Axis legend: ``b`` batch, ``c`` channels, ``d`` depth, ``h`` height, ``w`` width, ``k`` keypoints,
``e`` = k + 1 candidate motions. Volumes lie in memory as [b, d, h, w, c].
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from joyvasa_lib.portrait.liveportrait.fast.mask import SlicedConv3d, SpectralConv3d
from joyvasa_lib.portrait.liveportrait.fast.phases import (
    axis_phases,
    channels_last,
    collected,
    tap_planes,
)
from joyvasa_lib.portrait.liveportrait.fast.translation import translated
from joyvasa_lib.portrait.liveportrait.layers import ConvBlock3d, coordinate_grid
from joyvasa_lib.portrait.liveportrait.warping import (
    HEATMAP_VARIANCE,
    LEAKY_SLOPE,
    Decoder,
    WarpedFeature,
    WarpingNetwork,
)

NEGLIGIBLE = 1e-12
"""Below this a one-dimensional bump is 0: the product of three would be a subnormal number, with
which processors calculate a hundred times slower."""


@dataclass(frozen=True, eq=False)
class WarpSource:
    """What W needs of a portrait, computed once.

    Attributes:
        keypoints: [k, 3] float32, where the source has them.
        table: [h w d, c] float32, the feature volume as rows.
        compressed: [c', d, h, w] float32, the volume in which motions are judged.
        unmoved: [h, d, c', w] float32, the same under the grid that does not move.
        heatmaps: [d, h, w, k] float32, bumps at the source's keypoints.
    """

    keypoints: Tensor
    table: Tensor
    compressed: Tensor
    unmoved: Tensor
    heatmaps: Tensor

    @property
    def size(self) -> torch.Size:
        """d, h, w."""
        return self.compressed.shape[1:]

    def to(self, device: torch.device) -> WarpSource:
        """The same on a device."""
        return WarpSource(
            **{part.name: getattr(self, part.name).to(device) for part in fields(self)}
        )


class FoldedConv:
    """A convolution with the batch norm after it folded in."""

    def __init__(self, block: ConvBlock3d | Decoder, like: Tensor) -> None:
        """Folds in double precision; dtype and device of ``like``."""
        weight, bias = fold_batch_norm(block.conv, block.norm)
        self.weight, self.bias = channels_last(weight.to(like)), bias.to(like)

    def __call__(self, x: Tensor) -> Tensor:
        """Returns ReLU of the convolution of [b, d, h, w, c], in the same order."""
        out = F.conv3d(x.permute(0, 4, 1, 2, 3), self.weight, self.bias, padding=1)
        return out.permute(0, 2, 3, 4, 1).relu_()


class FoldedUpConv:
    """The same for a volume whose height and width are doubled first, on the small volume."""

    def __init__(self, block: ConvBlock3d, like: Tensor) -> None:
        """Folds and sums the taps of the four phases in double precision."""
        weight, bias = fold_batch_norm(block.conv, block.norm)
        self.bias, self.outputs = bias.to(like), len(bias)
        planes = tap_planes(weight)
        self.phases = [
            (y, x, channels_last(collected(planes, row, column).to(like)))
            for y, row in enumerate(axis_phases(2, 1))
            for x, column in enumerate(axis_phases(2, 1))
        ]

    def __call__(self, x: Tensor, out: Tensor) -> None:
        """Writes ReLU of the convolution to ``out`` [b, d, 2 h, 2 w, o] for [b, d, h, w, c]."""
        height, width = x.shape[2:4]
        x = x.permute(0, 4, 1, 2, 3)
        for row, column, weight in self.phases:
            # Two taps with a border of 1 give one result more: the first or the last is not used.
            found = F.conv3d(x, weight, self.bias, padding=1).permute(0, 2, 3, 4, 1)
            used = found[:, :, row : row + height, column : column + width]
            out[:, :, row::2, column::2] = used.relu_()


class FastWarping:
    """The warping module's function from a portrait and driving keypoints to features."""

    def __init__(self, network: WarpingNetwork, like: Tensor) -> None:
        """Prepares the weights.

        Args:
            network: the published network.
            like: dtype and device to compute with.
        """
        self.like = like
        motion = network.dense_motion_network
        self.compress = fold_batch_norm(motion.compress, motion.norm)
        hourglass = motion.hourglass
        self.down = [FoldedConv(block, like) for block in _blocks(hourglass.encoder.down_blocks)]
        self.up = [FoldedUpConv(block, like) for block in _blocks(hourglass.decoder.up_blocks)]
        self.last = FoldedConv(hourglass.decoder, like)
        self._leave_out_empty_heatmap(network)
        self.depth = int(network.config.volume_depth)
        weight, bias = motion.mask.weight.detach(), _detached(motion.mask.bias)
        self.mask: SlicedConv3d | SpectralConv3d
        if like.dtype == torch.float32 and like.device.type == "cpu":
            self.mask = SpectralConv3d(weight, bias, self.depth)
        else:
            self.mask = SlicedConv3d(weight, bias, like)
        self._prepare_occlusion(motion.occlusion)
        weight, bias = fold_batch_norm(network.third.conv, network.third.norm)
        weight = torch.unflatten(weight, 1, (-1, self.depth)).transpose(1, 2).flatten(1, 2)
        precise = like.float()
        self.third = channels_last(weight.to(precise)), bias.to(precise)
        weight, bias = network.fourth.weight.detach()[:, :, 0, 0], _detached(network.fourth.bias)
        self.fourth = weight.to(precise), bias.to(precise)

    def _leave_out_empty_heatmap(self, network: WarpingNetwork) -> None:
        """Reorders input channels to [heatmaps 1..k, features of 0..k]; see :meth:`_candidates`."""
        entries = int(network.config.n_keypoints) + 1
        per = 1 + int(network.config.compressed_channels)
        index = torch.arange(entries * per).view(entries, per)
        order = torch.cat([index[1:, 0], index[:, 1:].flatten()]).to(self.like.device)
        first, last = self.down[0], self.last
        first.weight = channels_last(first.weight[:, order])
        above = self.up[-1].outputs
        kept = torch.cat([torch.arange(above).to(order), order + above])
        # The hourglass's own result keeps its order: only what goes in is rearranged.
        last.weight = channels_last(last.weight[:, kept])

    def _prepare_occlusion(self, conv: nn.Conv2d) -> None:
        weight = torch.unflatten(conv.weight.detach()[0], 0, (-1, self.depth))  # [c, d, 7, 7]
        self.occlusion_side = weight.shape[-1]
        # F.fold sums values that look forward; a convolution looks back.
        taps = weight.flip(2, 3).flatten(2).permute(1, 0, 2)  # [d, c, 49]
        self.occlusion = taps.to(self.like).contiguous()
        self.occlusion_bias = _detached(conv.bias).float().to(self.like.device)

    def prepare(self, volume: Tensor, keypoints: Tensor) -> WarpSource:
        """What is needed of a portrait.

        Args:
            volume: [1, 32, d, h, w] float32 appearance feature volume.
            keypoints: [1, k, 3] float32 posed keypoints of the source.
        """
        weight, bias = self.compress
        compressed = F.relu(F.conv3d(volume, weight.to(volume), bias.to(volume)))[0]
        still = translated(compressed, keypoints.new_zeros(1, 1, 3))[0, 0]
        bumps = keypoint_bumps(volume.shape[2:], keypoints)[0]
        table = volume[0].permute(2, 3, 1, 0).flatten(0, 2).contiguous()
        return WarpSource(keypoints[0], table, compressed, still, bumps)

    def __call__(self, source: WarpSource, driving: Tensor) -> WarpedFeature:
        """Moves a portrait's appearance to driving keypoints [b, k, 3] float32.

        Returns:
            As :meth:`WarpingNetwork.forward`, but ``feature`` lies in memory as [b, h, w, c].
        """
        shift = source.keypoints - driving
        x = self._hourglass(source, driving, shift)
        weights = torch.softmax(self.mask(x), dim=-1)
        deformation = coordinate_grid(source.size, driving) + torch.einsum(
            "bdhwk,bkx->bdhwx", weights[..., 1:], shift
        )
        occlusion = self._occlusion(x)
        moved = sample_table(source, deformation).permute(0, 3, 1, 2)
        y = F.conv2d(moved, *self.third, padding=1).permute(0, 2, 3, 1)
        feature = F.linear(F.leaky_relu_(y, LEAKY_SLOPE), *self.fourth)
        feature = feature.mul_(occlusion[..., None]).to(self.like).permute(0, 3, 1, 2)
        return WarpedFeature(deformation, occlusion[:, None], feature)

    def _hourglass(self, source: WarpSource, driving: Tensor, shift: Tensor) -> Tensor:
        """[b, d, h, w, c] what motion and occlusion are read from."""
        batch, (depth, height, width) = len(driving), source.size
        outputs = [conv.outputs for conv in self.up]
        levels: list[Tensor] = []  # each: room for what comes up, then what goes down
        x = self._candidates(source, driving, shift, room=outputs[-1])
        for conv, room in zip(self.down, [*outputs[-2::-1], 0], strict=True):
            levels.append(x)
            inputs = x[..., -conv.weight.shape[1] :].contiguous()
            found = conv(inputs)
            height, width = height // 2, width // 2
            pooled = F.avg_pool2d(found.flatten(0, 1).permute(0, 3, 1, 2), 2)
            x = found.new_empty(batch, depth, height, width, room + found.shape[-1])
            x[..., room:] = pooled.permute(0, 2, 3, 1).view(batch, depth, height, width, -1)
        for up, level in zip(self.up, reversed(levels), strict=True):
            up(x, level[..., : up.outputs])
            x = level
        return self.last(x)

    def _candidates(self, source: WarpSource, driving: Tensor, shift: Tensor, room: int) -> Tensor:
        """[b, d, h, w, room + k + 4 e]: heatmaps, then features of each candidate motion."""
        batch, count = driving.shape[:2]
        depth, height, width = source.size
        channels = len(source.compressed)
        total = room + count + channels * (count + 1)
        x = self.like.new_empty(batch, depth, height, width, total)
        bumps = keypoint_bumps(source.size, driving)
        x[..., room : room + count] = bumps.sub_(source.heatmaps)
        features = torch.unflatten(x[..., room + count :], -1, (count + 1, channels))
        features[..., 0, :] = source.unmoved.permute(1, 0, 3, 2)
        moved = translated(source.compressed, shift)
        features[..., 1:, :] = moved.permute(0, 3, 2, 5, 1, 4)
        return x

    def _occlusion(self, x: Tensor) -> Tensor:
        """[b, h, w] float32."""
        batch, depth, height, width, channels = x.shape
        cells = x.view(batch, depth, height * width, channels)
        taps = (cells @ self.occlusion).float().sum(1)
        side = self.occlusion_side
        summed = F.fold(taps.mT, (height, width), side, padding=side // 2)
        return torch.sigmoid(summed[:, 0] + self.occlusion_bias)


def keypoint_bumps(size: torch.Size, keypoints: Tensor) -> Tensor:
    """[b, d, h, w, k] Gaussian bumps at keypoints [b, k, 3], as products of one per axis."""
    along = []
    for axis, length in zip((2, 1, 0), size, strict=True):
        cells = torch.linspace(-1.0, 1.0, length, dtype=keypoints.dtype, device=keypoints.device)
        away = cells[:, None] - keypoints[:, None, :, axis]
        bump = torch.exp(-0.5 * away.square() / HEATMAP_VARIANCE)
        along.append(torch.where(bump < NEGLIGIBLE, 0.0, bump))
    z, y, x = along
    return (z[:, :, None] * y[:, None])[:, :, :, None] * x[:, None, None]


def sample_table(source: WarpSource, positions: Tensor) -> Tensor:
    """Trilinear samples of the volume at positions [b, d, h, w, 3]: [b, h, w, d c]."""
    sides = torch.tensor(source.size[::-1], device=positions.device)  # x, y, z
    index = ((positions.permute(0, 2, 3, 1, 4) + 1.0) * sides - 1.0) / 2.0  # [b, h, w, d, 3]
    low = index.floor()
    share = index - low
    corners = torch.stack([low, low + 1.0], -1)  # [..., 3, 2]
    shares = torch.stack([1.0 - share, share], -1)
    shares = shares * ((corners >= 0) & (corners < sides[:, None]))
    cells = corners.clamp_(min=0.0).minimum(sides[:, None] - 1.0).int()
    (_, height, width), depth = source.size, source.size[0]
    x, y, z = cells.unbind(-2)
    rows = (y[..., :, None, None] * width + x[..., None, :, None]) * depth + z[..., None, None, :]
    sx, sy, sz = shares.unbind(-2)
    parts = sy[..., :, None, None] * sx[..., None, :, None] * sz[..., None, None, :]
    sampled = F.embedding_bag(
        rows.view(-1, 8), source.table, mode="sum", per_sample_weights=parts.view(-1, 8)
    )
    return sampled.view(len(positions), height, width, -1)


def fold_batch_norm(
    conv: nn.Conv2d | nn.Conv3d, norm: nn.BatchNorm2d | nn.BatchNorm3d
) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution followed by a batch norm in evaluation, in float64."""
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight.detach().double() / (norm.running_var.double() + norm.eps).sqrt()
    weight = conv.weight.detach().double() * scale.view(-1, *[1] * (conv.weight.ndim - 1))
    bias = (_detached(conv.bias).double() - norm.running_mean.double()) * scale
    return weight, bias + norm.bias.detach().double()


def _blocks(modules: nn.ModuleList) -> list[ConvBlock3d]:
    return [module for module in modules if isinstance(module, ConvBlock3d)]


def _detached(bias: Tensor | None) -> Tensor:
    assert bias is not None
    return bias.detach()
