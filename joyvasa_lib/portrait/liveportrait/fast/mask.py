"""The 7 x 7 x 7 convolution that weighs the candidate motions, 40 % of W's arithmetic.

Two exact ways around its few output channels, which convolution kernels do badly: in half
precision all seven depth taps become channels of one convolution of the depth slices
(:class:`SlicedConv3d`); in float32 spectra of overlapping tiles are multiplied, which takes a
thirtieth of the arithmetic (:class:`SpectralConv3d`; overlap-save, Oppenheim and Schafer,
*Discrete-Time Signal Processing*, section 8.7).

Axis legend: ``b`` batch, ``c`` channels, ``o`` output channels, ``d`` depth, ``h`` height,
``w`` width, ``k`` kernel side, ``n`` tiles, ``f`` frequencies.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from joyvasa_lib.portrait.liveportrait.fast.phases import channels_last

TILE = 16
"""Rows and columns of results of one tile."""


class SlicedConv3d:
    """A convolution of volumes as one of their depth slices, shifted and summed."""

    def __init__(self, weight: Tensor, bias: Tensor, like: Tensor) -> None:
        """Takes weights [o, c, k, k, k] and bias [o]; dtype and device of ``like``."""
        self.outputs, _, self.side = weight.shape[:3]
        stacked = weight.permute(2, 0, 1, 3, 4).flatten(0, 1)  # [k o, c, k, k]
        self.weight = channels_last(stacked.to(like))
        self.bias = bias.float().to(like.device)

    def __call__(self, x: Tensor) -> Tensor:
        """Returns float32 [b, d, h, w, o] of [b, d, h, w, c]."""
        batch, depth = x.shape[:2]
        reach = self.side // 2
        slices = x.flatten(0, 1).permute(0, 3, 1, 2)
        taps = F.conv2d(slices, self.weight, padding=reach).permute(0, 2, 3, 1)
        taps = taps.reshape(batch, depth, *taps.shape[1:3], self.side, self.outputs)
        out = self.bias.expand(*taps.shape[:4], -1).contiguous()
        for tap in range(self.side):
            first, last = max(0, reach - tap), min(depth, depth + reach - tap)
            if last <= first:  # a volume shallower than the kernel
                continue
            out[:, first:last] += taps[:, first + tap - reach : last + tap - reach, ..., tap, :]
        return out


class SpectralConv3d:
    """A convolution of volumes as products of the spectra of overlapping tiles, in float32."""

    def __init__(self, weight: Tensor, bias: Tensor, depth: int) -> None:
        """Transforms the kernel.

        Args:
            weight: [o, c, k, k, k].
            bias: [o].
            depth: d of the volumes.
        """
        self.outputs, self.inputs, self.side = weight.shape[:3]
        self.bias = bias.float()
        # Zeros on either side share one border, as the transform is circular.
        self.size = (depth + self.side - 1, TILE + self.side - 1, TILE + self.side - 1)
        # Convolution networks correlate: the conjugate turns the kernel round.
        spectrum = torch.fft.rfftn(weight.double(), s=self.size).conj()
        self.spectrum_shape = spectrum.shape[2:]
        self.kernel = spectrum.flatten(2).permute(2, 1, 0).to(torch.complex64).contiguous()

    def __call__(self, x: Tensor) -> Tensor:
        """Returns float32 [b, d, h, w, o] of [b, d, h, w, c], one row of tiles after another."""
        batch, depth, height, width, channels = x.shape
        reach, across = self.side // 2, -(-width // TILE)
        out = x.new_empty(batch, depth, height, width, self.outputs)
        band = x.new_empty(depth, channels, self.size[1], across * TILE + self.side - 1)
        for image in range(batch):
            for top in range(0, height, TILE):
                first, last = max(0, top - reach), min(height, top + TILE + reach)
                start = first - (top - reach)
                band.zero_()
                band[:, :, start : start + last - first, reach : reach + width] = x[
                    image, :, first:last
                ].permute(0, 3, 1, 2)
                rows = min(TILE, height - top)
                out[image, :, top : top + rows] = self._tiles(band)[:, :rows, :width]
        return out.add_(self.bias)

    def _tiles(self, band: Tensor) -> Tensor:
        """[d, tile, n tile, o] results of the tiles of a band [d, c, tile + k - 1, ...]."""
        depth = len(band)
        tiles = band.unfold(3, self.size[2], TILE).permute(3, 1, 0, 2, 4)  # [n, c, d, ., .]
        spectrum = torch.fft.rfftn(tiles, s=self.size).flatten(2)
        products = torch.bmm(spectrum.permute(2, 0, 1).contiguous(), self.kernel)
        products = products.permute(1, 2, 0).reshape(len(tiles), -1, *self.spectrum_shape)
        found = torch.fft.irfftn(products, s=self.size)
        # Rows and columns begin at the border, which the band has; depth has none and wraps round.
        found = found.roll(self.side // 2, dims=2)[:, :, :depth, :TILE, :TILE]
        return found.permute(2, 3, 0, 4, 1).reshape(depth, TILE, -1, self.outputs)
