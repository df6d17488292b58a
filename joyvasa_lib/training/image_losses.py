"""Losses and measures on images, each weighted by a map of where errors count.

Axis legend: ``n`` images, ``c`` channels, ``p`` side. Images are in [0, 1].
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from joyvasa_lib.nn.ssim import structural_similarity

_WINDOW = 7


def weighted_l1(image: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Mean absolute difference of [n, c, p, p] under weight [n, 1, p, p], a scalar."""
    error = (image - truth).abs().mean(1, keepdim=True)
    return (error * weight).sum() / weight.sum().clamp(min=1e-6)


def gradient_l1(image: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """The same for horizontal and vertical differences: edges, not brightness."""
    difference = image - truth
    across = difference[..., :, 1:] - difference[..., :, :-1]
    along = difference[..., 1:, :] - difference[..., :-1, :]
    zero = torch.zeros_like
    return weighted_l1(across, zero(across), weight[..., :, 1:]) + weighted_l1(
        along, zero(along), weight[..., 1:, :]
    )


def ssim_map(image: Tensor, truth: Tensor) -> Tensor:
    """Structural similarity [n, 1, p, p] in windows of 7 pixels."""

    def mean(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, _WINDOW, stride=1, padding=_WINDOW // 2, count_include_pad=False)

    return structural_similarity(image, truth, mean, peak=1.0).mean(1, keepdim=True)


def weighted_ssim(image: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Mean structural similarity under a weight, a scalar; 1 for equal images."""
    return (ssim_map(image, truth) * weight).sum() / weight.sum().clamp(min=1e-6)


def psnr(image: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in decibels of the weighted squared error, a scalar."""
    error = (image - truth).square().mean(1, keepdim=True)
    mean = (error * weight).sum() / weight.sum().clamp(min=1e-6)
    return -10.0 * torch.log10(mean.clamp(min=1e-10))


def hinge_critic(real: Tensor, fake: Tensor) -> Tensor:
    """The critic's hinge loss (Lim and Ye 2017) of its scores for true and made images."""
    return F.relu(1.0 - real).mean() + F.relu(1.0 + fake).mean()
