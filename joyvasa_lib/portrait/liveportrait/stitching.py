"""Small perceptrons on keypoints: stitching, and retargeting of lips and eyes.

LivePortrait (arXiv 2407.03168, section 3.3).

Axis legend: ``b`` batch, ``k`` keypoints.
"""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn


def perceptron(widths: tuple[int, ...]) -> nn.Sequential:
    """Linear layers between these widths, with a ReLU after each but the last."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class StitchingNetwork(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Moves driven keypoints so that shoulders and neck meet the rest of the image."""

    @register_to_config
    def __init__(self, widths: tuple[int, ...] = (126, 128, 128, 64, 65)) -> None:
        """Builds the perceptron from 2 * 3k coordinates to 3k offsets and one shift in x and y."""
        super().__init__()
        self.mlp = perceptron(tuple(widths))

    def forward(self, source: Tensor, driving: Tensor) -> Tensor:
        """The stitched keypoints.

        Args:
            source: [b, k, 3] posed keypoints of the portrait.
            driving: [b, k, 3] where the motion puts them.

        Returns:
            [b, k, 3].
        """
        out = self.mlp(torch.cat([source.flatten(1), driving.flatten(1)], dim=1))
        offsets, shift = out[:, :-2].view_as(driving), out[:, -2:]
        stitched = driving + offsets
        stitched[..., :2] += shift[:, None]
        return stitched


class RetargetingNetwork(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Opens or closes lips or eyes to a wanted ratio."""

    @register_to_config
    def __init__(self, widths: tuple[int, ...] = (65, 128, 128, 64, 63)) -> None:
        """Builds the perceptron from 3k coordinates and the ratios to 3k offsets."""
        super().__init__()
        self.mlp = perceptron(tuple(widths))

    def forward(self, source: Tensor, ratios: Tensor) -> Tensor:
        """Offsets of the keypoints.

        Args:
            source: [b, k, 3] posed keypoints of the portrait.
            ratios: [b, 2] own and wanted lip ratio, or [b, 3] left, right and wanted eye ratio.

        Returns:
            [b, k, 3].
        """
        out = self.mlp(torch.cat([source.flatten(1), ratios], dim=1))
        return cast(Tensor, out.view_as(source))
