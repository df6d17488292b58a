"""Which implicit keypoints are tied to which landmarks of eyes and lips.

Axis legend: ``n`` images, ``k`` keypoints, ``m`` mesh points, ``g`` guided keypoints.
"""

from __future__ import annotations

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from joyvasa_lib.motion import LIVEPORTRAIT_21
from joyvasa_lib.training.portrait.data.face_regions import EYE_GUIDES, LIP_GUIDES

_GROUPS = (("eyes", EYE_GUIDES), ("mouth", LIP_GUIDES))


def usual_guides() -> Tensor:
    """[g, 2] pairs of a keypoint and a mesh point, for networks that start from nothing.

    The keypoints are those that LivePortrait's published networks have at eyes and lips, so that
    driving rules that treat them apart hold for new networks, too.
    """
    groups = LIVEPORTRAIT_21.keypoint_groups
    pairs = [pair for name, marks in _GROUPS for pair in zip(groups[name], marks, strict=False)]
    return torch.tensor(pairs)


def nearest_guides(keypoints: Tensor, landmarks: Tensor) -> Tensor:
    """[g, 2] the same for networks that are trained: each landmark's nearest keypoint.

    Args:
        keypoints: [n, k, 2 or 3] posed keypoints of images.
        landmarks: [n, m, 2] their landmarks.

    Returns:
        Keypoints of eyes and lips with mesh points of eyes and lips, such that the mean distances
        are least in all.
    """
    pairs: list[tuple[int, int]] = []
    for name, marks in _GROUPS:
        group = list(LIVEPORTRAIT_21.keypoint_groups[name])
        apart = keypoints[:, group, None, :2] - landmarks[:, None, list(marks)]
        cost = apart.norm(dim=-1).mean(0)
        rows, columns = linear_sum_assignment(cost.double().cpu().numpy())
        pairs += [(group[r], marks[c]) for r, c in zip(rows, columns, strict=True)]
    return torch.tensor(pairs)
