"""Where face, eyes, lips and shoulders are, from the points of the face mesh.

Axis legend: ``b`` batch, ``m`` = 468 mesh points, ``c`` channels, ``s`` side. Places are in the
crop's units: -1 and 1 are its borders, the outer edges of the border pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from joyvasa_lib.rig.regions import (
    CHIN,
    INNER_LIP_MIDDLES,
    LEFT_EYE,
    LIP_MIDDLES,
    LIP_OUTLINES,
    MOUTH_CORNERS,
    RIGHT_EYE,
)

EYE_GUIDES = (
    *(RIGHT_EYE.upper_middle[0], RIGHT_EYE.lower_middle[0]),
    *(LEFT_EYE.upper_middle[0], LEFT_EYE.lower_middle[0]),
)
"""Middle of the upper and the lower lid of each eye, the person's right eye first."""
LIP_GUIDES = MOUTH_CORNERS + INNER_LIP_MIDDLES + LIP_MIDDLES
"""Corners of the mouth, inner and outer edge of the upper and the lower lip."""

_FACE_ROOM, _EYE_ROOM, _LIP_ROOM = 1.1, 1.8, 1.5
"""Side of a region's square over the larger side of its points' box."""


def in_crop_units(points: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Places [..., 2 or 3] in pixels, whose centres are integers, as [..., 2] in -1 .. 1."""
    return np.asarray((points[..., :2] + 0.5) * (2.0 / side) - 1.0, np.float32)


def square_of(points: Tensor, room: float) -> Tensor:
    """[b, 3] centre x, y and half the side of the square around points [b, n, 2]."""
    low, high = points.amin(1), points.amax(1)
    half = (high - low).amax(1, keepdim=True) * (0.5 * room)
    return torch.cat([(low + high) / 2, half.clamp(min=0.02)], 1)


def face_square(landmarks: Tensor) -> Tensor:
    """[b, 3] the square of the face, for landmarks [b, m, 2]."""
    return square_of(landmarks, _FACE_ROOM)


def eye_squares(landmarks: Tensor) -> tuple[Tensor, Tensor]:
    """[b, 3] the squares of the eye on the image's left and of the other."""
    on_left, on_right = (
        square_of(landmarks[:, list(eye.outline)], _EYE_ROOM) for eye in (RIGHT_EYE, LEFT_EYE)
    )
    return on_left, on_right


def lip_square(landmarks: Tensor) -> Tensor:
    """[b, 3] the square of the lips."""
    return square_of(landmarks[:, list(LIP_OUTLINES)], _LIP_ROOM)


def cut(images: Tensor, square: Tensor, side: int) -> Tensor:
    """What images [b, c, s, s] show in squares [b, 3], as [b, c, side, side].

    Gradients reach the images. Beyond the border its pixels are repeated.
    """
    half, zero = square[:, 2], torch.zeros_like(square[:, 2])
    rows = torch.stack([half, zero, square[:, 0], zero, half, square[:, 1]], 1).view(-1, 2, 3)
    grid = F.affine_grid(
        rows.float(), [len(images), images.shape[1], side, side], align_corners=False
    )
    return F.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)


def inside(squares: Sequence[Tensor], side: int, edge: float = 0.05) -> Tensor:
    """[b, 1, side, side] 1 inside any of squares [b, 3], 0 outside, with a soft edge.

    Args:
        squares: any number of them.
        side: of the map.
        edge: width of the slope around a square's border.
    """
    cells = (torch.arange(side, device=squares[0].device) + 0.5) * (2.0 / side) - 1.0
    found = []
    for square in squares:
        x = square[:, 2:3] - (cells - square[:, 0:1]).abs()
        y = square[:, 2:3] - (cells - square[:, 1:2]).abs()
        depth = torch.minimum(x[:, None, None, :], y[:, None, :, None])
        found.append((depth / edge + 0.5).clamp(0.0, 1.0))
    return torch.stack(found).amax(0)


def below_the_chin(landmarks: Tensor, side: int, edge: float = 0.1) -> Tensor:
    """[b, 1, side, side] 1 on rows well below the chin, 0 on the face, with a soft edge.

    It stands for LivePortrait's mask of shoulders, which needs a network that tells people from
    their surroundings.
    """
    height = landmarks[..., 1].amax(1) - landmarks[..., 1].amin(1)
    start = landmarks[:, CHIN[0], 1] + 0.1 * height
    cells = (torch.arange(side, device=landmarks.device) + 0.5) * (2.0 / side) - 1.0
    rows = ((cells - start[:, None]) / edge).clamp(0.0, 1.0)
    return rows[:, None, :, None].expand(-1, 1, -1, side)
