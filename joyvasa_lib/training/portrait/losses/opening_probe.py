"""How far eyes and lips of a made image are open, with a gradient.

Axis legend: ``b`` batch, ``n`` images.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from joyvasa_lib.portrait.liveportrait.motion_extractor import ExtractedMotion

_RIDGE = 1e-3
"""In parts of the mean variance of the inputs."""


class OpeningProbe(nn.Module):
    """How far eyes and lips are open, read linearly from what M says of an image.

    Landmarks of a made image cannot be had with a gradient; what M says can. The map is fitted
    once, by ridge regression, to images whose openings are known.
    """

    def __init__(self, inputs: int) -> None:
        """Answers 0 until it is fitted."""
        super().__init__()
        self.register_buffer("weight", torch.zeros(3, inputs))
        self.register_buffer("bias", torch.zeros(3))
        self.weight: Tensor
        self.bias: Tensor

    def forward(self, found: ExtractedMotion) -> Tensor:
        """Returns [b, 3] the openings of left eye, right eye and lips."""
        return self._inputs(found) @ self.weight.T + self.bias

    def fit(self, found: ExtractedMotion, openings: Tensor) -> float:
        """Fits the map to n images with openings [n, 3]; returns the share that it explains."""
        x, y = (t.detach().double().cpu().numpy() for t in (self._inputs(found), openings))
        centre, level = x.mean(0), y.mean(0)
        a, b = x - centre, y - level
        size = max(float(np.square(a).mean()), 1e-12)
        gram = a.T @ a + _RIDGE * size * len(a) * np.eye(a.shape[1])
        weight = np.linalg.solve(gram, a.T @ b)
        self.weight.copy_(torch.from_numpy(weight.T))
        self.bias.copy_(torch.from_numpy(level - centre @ weight))
        return float(1.0 - np.square(b - a @ weight).sum() / max(np.square(b).sum(), 1e-12))

    def _inputs(self, found: ExtractedMotion) -> Tensor:
        return torch.cat([found.keypoints.flatten(1), found.expression.flatten(1)], 1)
