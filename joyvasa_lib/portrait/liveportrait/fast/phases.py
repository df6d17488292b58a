"""Convolutions (k3) of nearest-enlarged maps, computed on the small map.

Enlarging by a factor f repeats every cell f times along an axis, so a convolution of the large map
sees few different neighbourhoods: at the first copy of a cell the previous and this cell, at the
last copy this and the next, in between this cell alone. Taps that fall on the same cell are summed
beforehand. Of f outputs per cell only ``min(f, 3)`` differ; a second convolution on top needs only
those as its input, and again sums taps that fall on equal copies.

Maps are stored as [b, rows, columns, c], their *grid*: ``distinct`` rows and columns per cell.

Axis legend: ``b`` batch, ``c`` channels, ``o`` output channels, ``h`` and ``w`` cells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

MOST_DISTINCT = 3
"""First, inner and last copy of a cell."""


@dataclass(frozen=True)
class AxisPhase:
    """What one of the f outputs per cell sees along an axis.

    Attributes:
        start: first row of the grid that is seen, relative to the cell's own first row.
        collect: [rows seen][3] 1 where a tap of the kernel falls on that row.
    """

    start: int
    collect: tuple[tuple[int, int, int], ...]


def distinct_copies(factor: int) -> int:
    """How many of the copies of a cell have different neighbourhoods."""
    return min(factor, MOST_DISTINCT)


def row_of_copy(copy: int, factor: int, distinct: int) -> int:
    """Row of the grid, within its cell, that stands for a copy of the cell."""
    if distinct == factor:
        return copy
    return 0 if copy == 0 or distinct == 1 else distinct - 1 if copy == factor - 1 else 1


def axis_phases(factor: int, distinct: int) -> list[AxisPhase]:
    """What each of the ``factor`` outputs per cell sees of a grid with ``distinct`` rows per cell.

    Args:
        factor: how much the map is enlarged.
        distinct: 1 if all copies of a cell are equal, else :func:`distinct_copies`.
    """
    phases = []
    for copy in range(factor):
        rows = []
        for tap in (-1, 0, 1):
            cell, neighbour = divmod(copy + tap, factor)
            rows.append(cell * distinct + row_of_copy(neighbour, factor, distinct))
        start = rows[0]
        seen = range(start, rows[-1] + 1)
        collect = tuple((rows[0] == r, rows[1] == r, rows[2] == r) for r in seen)
        phases.append(AxisPhase(start, tuple((int(a), int(b), int(c)) for a, b, c in collect)))
    return phases


def tap_planes(weight: Tensor) -> Tensor:
    """[3, 3, o, ..., c] float64: the kernel [o, c, ..., 3, 3] tap by tap, each in one piece."""
    others = range(2, weight.ndim - 2)
    return weight.double().permute(-2, -1, 0, *others, 1).contiguous()


def collected(planes: Tensor, y: AxisPhase, x: AxisPhase) -> Tensor:
    """Kernel [o, c, ..., rows seen, columns seen] with taps summed, of :func:`tap_planes`."""
    kernel = planes.new_zeros(len(y.collect), len(x.collect), *planes.shape[2:])
    for row, taps_y in enumerate(y.collect):
        for column, taps_x in enumerate(x.collect):
            for i, j in product(range(3), range(3)):
                if taps_y[i] and taps_x[j]:
                    kernel[row, column] += planes[i, j]
    return kernel.permute(2, -1, *range(3, kernel.ndim - 1), 0, 1)


class HaloGrid:
    """A grid with a border of zeros, in memory that can be read from any place on.

    Reading the whole memory from a later place on is a grid again, shifted, without a copy; the
    last rows and columns of it are then other cells' and must not be used.
    """

    def __init__(self, batch: int, rows: int, columns: int, channels: int, like: Tensor) -> None:
        """Reserves the memory; the inside is not initialised.

        Args:
            batch: b.
            rows: without the border.
            columns: without the border.
            channels: c.
            like: whose dtype and device the grid has.
        """
        self.shape = (batch, rows + 2, columns + 2, channels)
        self.size = batch * (rows + 2) * (columns + 2) * channels
        slack = MOST_DISTINCT * (columns + 3) * channels
        self.memory = like.new_empty(self.size + slack)
        whole = self.memory[: self.size].view(self.shape)
        for edge in (whole[:, 0], whole[:, -1], whole[:, :, 0], whole[:, :, -1]):
            edge.zero_()
        self.memory[self.size :].zero_()
        self.inside = whole[:, 1:-1, 1:-1]
        """[b, rows, columns, c] without the border."""

    def shifted(self, row: int, column: int) -> Tensor:
        """[b, c, rows + 2, columns + 2] from a place on; -1, -1 is the border's first corner."""
        start = ((row + 1) * self.shape[2] + column + 1) * self.shape[3]
        return self.memory[start : start + self.size].view(self.shape).permute(0, 3, 1, 2)


class PhaseConv:
    """A convolution (k3, zero padding 1) of an enlarged map, one output phase at a time."""

    def __init__(
        self, weight: Tensor, bias: Tensor, factor: int, distinct: int, *, like: Tensor
    ) -> None:
        """Sums the taps of every phase.

        Args:
            weight: [o, c, 3, 3].
            bias: [o].
            factor: how much the map is enlarged.
            distinct: rows of the input's grid per cell.
            like: whose dtype and device the result is computed in.
        """
        self.distinct = distinct
        self.bias = bias.to(like)
        self.outputs = distinct_copies(factor) if distinct == 1 else factor
        phases = axis_phases(factor, distinct)
        if self.outputs < factor:  # equal ones are computed once
            phases = [phases[0], phases[1], phases[-1]]
        planes = tap_planes(weight)
        self.phases = [
            (y, x, row.start, column.start, channels_last(collected(planes, row, column).to(like)))
            for y, row in enumerate(phases)
            for x, column in enumerate(phases)
        ]

    def __call__(self, grid: HaloGrid) -> Iterator[tuple[int, int, Tensor]]:
        """Yields row, column and values [b, h, w, o] of every output phase of all cells."""
        height, width = ((side - 2) // self.distinct for side in grid.shape[1:3])
        for y, x, row, column, weight in self.phases:
            seen = grid.shifted(row, column)
            out = F.conv2d(seen, weight, self.bias, stride=self.distinct)
            yield y, x, out[:, :, :height, :width].permute(0, 2, 3, 1)


def channels_last(kernel: Tensor) -> Tensor:
    """The kernel in the memory format the fast convolutions want."""
    kind = torch.channels_last if kernel.ndim == 4 else torch.channels_last_3d
    return kernel.contiguous(memory_format=kind)
