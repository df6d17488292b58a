"""A whole volume moved by one vector, sampled axis by axis instead of cell by cell.

Every candidate motion of W is a translation of one regular grid, so its trilinear samples are
products of one-dimensional ones: along each axis a matrix with two entries per row. Zeros outside
are rows that lose an entry.

Axis legend: ``b`` batch, ``k`` translations, ``c`` channels, ``d`` depth, ``h`` height,
``w`` width.
"""

from __future__ import annotations

import torch
from torch import Tensor


def axis_matrices(length: int, shift: Tensor) -> Tensor:
    """Linear interpolation along one axis under shifts, as matrices.

    Cell i of the moved grid lies at ``2 i / (n - 1) - 1 + shift``, where the border cells' centres
    are -1 and 1, and is looked up where their outer faces are: at index
    ``((position + 1) n - 1) / 2``.

    Args:
        length: n.
        shift: [...] in units of half the axis.

    Returns:
        [..., n, n] of which row i gives the sample at cell i.
    """
    cells = torch.linspace(-1.0, 1.0, length, dtype=shift.dtype, device=shift.device)
    index = ((cells + shift[..., None] + 1.0) * length - 1.0) / 2.0
    own = torch.arange(length, dtype=shift.dtype, device=shift.device)
    return (1.0 - (index[..., None] - own).abs()).clamp_(min=0.0)


def translated(volume: Tensor, shift: Tensor) -> Tensor:
    """Trilinear samples of a volume under translations of its grid; zeros outside.

    Args:
        volume: [c, d, h, w].
        shift: [b, k, 3] x, y, z.

    Returns:
        [b, k, h, d, c, w].
    """
    channels, depth, height, width = volume.shape
    batch, count = shift.shape[:2]
    moves = shift.flatten(0, 1)
    along_x = axis_matrices(width, moves[:, 0])
    along_y = axis_matrices(height, moves[:, 1])
    along_z = axis_matrices(depth, moves[:, 2])
    rows = volume.permute(2, 1, 0, 3).reshape(1, height * depth * channels, width)
    rows = rows.expand(len(moves), -1, -1).bmm(along_x.mT)
    rows = along_y.bmm(rows.view(-1, height, depth * channels * width))
    rows = along_z[:, None] @ rows.view(-1, height, depth, channels * width)
    return rows.view(batch, count, height, depth, channels, width)
