"""Random smooth warps of images, for the equivariance of keypoints.

An affine map and a thin plate spline on a grid of control points, as the first-order motion model
draws them (Siarohin et al. 2019, arXiv 2003.00196, equivariance loss).

Axis legend: ``b`` batch, ``p`` control points, ``n`` points. Coordinates are the crop's: -1 and 1
are its borders, the outer edges of the border pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, eq=False)
class RandomWarp:
    """A smooth map T of the plane for each image of a batch.

    Attributes:
        affine: [b, 2, 3].
        control: [p, 2] where the spline is bent.
        bend: [b, p, 2] how much, in x and y.
    """

    affine: Tensor
    control: Tensor
    bend: Tensor

    @classmethod
    def draw(
        cls, batch: int, device: torch.device, affine: float = 0.05, spline: float = 0.005,
        points: int = 5,
    ) -> RandomWarp:  # fmt: skip
        """A warp for each of ``batch`` images, from torch's own random numbers.

        Args:
            batch: b.
            device: of the images.
            affine: standard deviation of the affine map's entries around the identity.
            spline: of the spline's coefficients.
            points: control points along each axis.
        """
        # Drawn on the CPU: the same warps whatever the device.
        identity = torch.eye(2, 3)
        matrices = identity + affine * torch.randn(batch, 2, 3)
        axis = torch.linspace(-1.0, 1.0, points)
        control = torch.cartesian_prod(axis, axis)
        bend = spline * torch.randn(batch, points * points, 2)
        return cls(matrices.to(device), control.to(device), bend.to(device))

    def points(self, points: Tensor) -> Tensor:
        """T of points [b, n, 2]: affine part plus ``bend * r^2 log r`` of each control point."""
        straight = points @ self.affine[:, :, :2].mT + self.affine[:, None, :, 2]
        squared = (points[:, :, None] - self.control).square().sum(-1)
        # r^2 log r = 1/2 r^2 log r^2, and 0 at a control point.
        radial = 0.5 * squared * torch.log(squared.clamp(min=1e-9))
        return straight + radial @ self.bend

    def images(self, images: Tensor) -> Tensor:
        """Images [b, c, h, w] such that T brings a place of the result to one of the original."""
        height, width = images.shape[2:]
        y, x = (
            (torch.arange(n, device=images.device) + 0.5) * (2.0 / n) - 1.0 for n in (height, width)
        )
        grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).flatten(0, 1)
        places = self.points(grid.expand(len(images), -1, -1))
        return F.grid_sample(
            images.float(), places.view(-1, height, width, 2), mode="bilinear",
            padding_mode="reflection", align_corners=False,
        )  # fmt: skip
