"""Fixed tables of the denoiser: embeddings, attention masks, Gaussians to see motion through.

Axis legend: ``t`` motion frames, ``n`` memory columns of a frame, ``k`` kernels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from joyvasa_lib.errors import OptionError

WIDEST = 50.0
"""Frames, the largest standard deviation of a Gaussian."""


def sinusoidal_table(length: int, width: int) -> Tensor:
    """Returns sines (even columns) and cosines (odd), float32 [length, width].

    Source: Vaswani et al. 2017, section 3.5.
    """
    position = torch.arange(length, dtype=torch.float32)[:, None]
    frequency = torch.exp(
        torch.arange(0, width, 2, dtype=torch.float32) * (-math.log(10000.0) / width)
    )
    table = torch.zeros(length, width)
    table[:, 0::2] = torch.sin(position * frequency)
    table[:, 1::2] = torch.cos(position * frequency)
    return table


def alignment_mask(frames: int, width: int, columns: int = 1) -> Tensor | None:
    """Returns the boolean cross-attention mask, True = blocked; None if ``width`` <= 0.

    Args:
        frames: motion frames t.
        width: row i opens the audio of frames ``i - (width - 1)`` to ``i + width - 1``.
        columns: memory columns n for each frame; 1 in every published model.

    Returns:
        bool [t, t * n]: row i opens columns ``(i - (width - 1)) n`` to ``(i + width) n - 1``.
    """
    if width <= 0:
        return None
    row = torch.arange(frames)[:, None]
    column = torch.arange(frames * columns)[None]
    return (column < (row - width + 1) * columns) | (column >= (row + width) * columns)


def gaussian_kernels(spreads: Sequence[float]) -> Tensor:
    """Returns a row of Gaussian weights of sum 1 for each standard deviation in frames.

    Returns:
        float32 [k, 2 r + 1]; r is three times the largest deviation.

    Raises:
        OptionError: a deviation is not above 0 and at most ``WIDEST``.
    """
    if not all(0.0 < spread <= WIDEST for spread in spreads):
        raise OptionError(
            f"blurs must be above 0 and at most {WIDEST:g} frames each, not {list(spreads)}"
        )
    reach = math.ceil(3.0 * max(spreads))
    offset = torch.arange(-reach, reach + 1, dtype=torch.float32)
    kernels = torch.stack([torch.exp(-0.5 * (offset / spread) ** 2) for spread in spreads])
    return kernels / kernels.sum(dim=1, keepdim=True)
