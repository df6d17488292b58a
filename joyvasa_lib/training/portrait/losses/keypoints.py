"""Losses on implicit keypoints: what makes them follow a face before any image is compared.

After face-vid2vid (Wang, Mallya and Liu 2021, arXiv 2011.15126; its appendix on losses) and
LivePortrait (Guo et al. 2024, arXiv 2407.03168, section 3.2). Norms are means over keypoints and
coordinates, so that a weight means the same for any number of keypoints; sums are said to be sums.

Axis legend: ``b`` batch, ``k`` keypoints, ``n`` landmarks. Keypoints are in the crop's units: -1
and 1 are its borders.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

LEAST_DISTANCE = 0.1
"""D_t of the keypoint prior, of squared distances (face-vid2vid, keypoint prior loss)."""
MEAN_DEPTH = 0.33
"""z_t of the keypoint prior (face-vid2vid, keypoint prior loss)."""
WING_WIDTH, WING_CURVATURE = 10.0, 2.0
"""w and epsilon of the wing loss in pixels (Feng et al. 2018, arXiv 1711.06753)."""
WING_PIXELS = 128.0
"""Pixels of one unit in a crop of 256, in which the wing loss counts."""


def equivariance_loss(keypoints: Tensor, returned: Tensor) -> Tensor:
    """Keypoints of an image against those of its warped copy, brought back; a scalar.

    ``|| x_d - T^-1(x_T(d)) ||_1`` of the projected keypoints (face-vid2vid, equivariance loss).

    Args:
        keypoints: [b, k, 2 or 3] of the image; z is not used.
        returned: [b, k, 2 or 3] of the warped image, mapped back to the image.
    """
    return F.l1_loss(keypoints[..., :2], returned[..., :2])


def keypoint_prior_loss(
    keypoints: Tensor, least: float = LEAST_DISTANCE, depth: float | Tensor = MEAN_DEPTH
) -> Tensor:
    """Keeps keypoints apart and at one mean depth; a scalar.

    ``sum_i sum_j max(0, D_t - ||x_i - x_j||^2) + |mean_z - z_t|`` (face-vid2vid, keypoint prior
    loss), where a keypoint is not compared with itself.

    Args:
        keypoints: [b, k, 3].
        least: D_t, below which a squared distance costs.
        depth: z_t.
    """
    squared = (keypoints[:, :, None] - keypoints[:, None]).square().sum(-1)
    others = ~torch.eye(keypoints.shape[1], dtype=torch.bool, device=keypoints.device)
    crowded = (F.relu(least - squared) * others).sum((1, 2))
    return (crowded + (keypoints[..., 2].mean(1) - depth).abs()).mean()


def head_pose_loss(rotation: Tensor, teacher: Tensor) -> Tensor:
    """Sum of the absolute differences of the three angles; a scalar, in radians.

    ``|| R_d - R_teacher ||_1`` over the Euler angles (face-vid2vid, head pose loss). The paper does
    not tell their unit; in radians its weight balances the other terms.

    Args:
        rotation: [b, 3] pitch, yaw, roll in degrees.
        teacher: [b, 3] the same, taken for the truth.
    """
    return (rotation - teacher).abs().sum(-1).mean() * (math.pi / 180.0)


def deformation_prior_loss(expression: Tensor) -> Tensor:
    """Mean absolute deformation [b, k, 3]; a scalar.

    ``|| delta_d ||_1`` (face-vid2vid, deformation prior loss): what the pose can explain is not
    left to the expression.
    """
    return expression.abs().mean()


def wing(
    difference: Tensor, width: float = WING_WIDTH, curvature: float = WING_CURVATURE
) -> Tensor:
    """The wing function of each difference: steep near 0, linear beyond ``width``.

    ``w ln(1 + |x| / e)`` below w, ``|x| - C`` above, with ``C = w - w ln(1 + w / e)`` (Feng et al.
    2018, "Wing Loss for Robust Facial Landmark Localisation", arXiv 1711.06753, its definition).

    Args:
        difference: any shape, pixels.
        width: w, pixels.
        curvature: e, pixels.

    Returns:
        The same shape, at least 0.
    """
    size = difference.abs()
    constant = width - width * math.log(1.0 + width / curvature)
    return torch.where(size < width, width * torch.log1p(size / curvature), size - constant)


def guide_loss(
    source: Tensor, driving: Tensor, source_marks: Tensor, driving_marks: Tensor
) -> Tensor:
    """Ties the first two coordinates of keypoints to landmarks of eyes and lips; a scalar.

    ``1 / 2N sum_i (Wing(l_i, x_s,i) + Wing(l_i, x_d,i))`` with N guided keypoints (LivePortrait,
    section 3.2, landmark-guided optimisation), in pixels of a crop of 256. The wing of a point is
    the sum of those of its two coordinates.

    Args:
        source: [b, n, 2 or 3] guided keypoints of the source.
        driving: [b, n, 2 or 3] of the driving image.
        source_marks: [b, n, 2] their landmarks in the crop's units.
        driving_marks: [b, n, 2] of the driving image.
    """
    pairs = ((source, source_marks), (driving, driving_marks))
    found = [wing(WING_PIXELS * (x[..., :2] - marks)).sum(-1).mean() for x, marks in pairs]
    return 0.5 * (found[0] + found[1])
