"""The outline of an open mouth, which is round.

Between the lips of the rig a mouth opens as a V: the jaw and a smile move the middle of the lower
lip far more than its sides. Those of people who talk open as an arc: its height is measured at the
inner contours of the lips of ten people.

Axis legend: ``b`` frames, ``v`` vertices, ``n`` vertices of the lower lip's edge, ``m`` of the
upper one's.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from joyvasa_lib.rig.head_rig import Floats, HeadRig, Ints
from joyvasa_lib.rig.lips import lip_edges, lip_rims
from joyvasa_lib.rig.regions import (
    CHIN,
    INNER_UPPER_LIP,
    MOUTH_CORNERS,
    OUTER_LOWER_LIP,
    OUTER_UPPER_LIP,
)
from joyvasa_lib.rig.spreading import spread

_ROUND = 2.6
"""Exponent of 1 - x^n, the height of an open mouth over that of its middle, x from the middle to a
corner: 0.44, 0.74, 0.91 and 0.98 at a fifth, two, three and four fifths of the way inwards (people
0.43, 0.74, 0.91, 0.98)."""
_CLOSED, _OPEN = 0.02, 0.08
"""Rig units up to which lips count as closed, whatever their shape, and from which on as open."""
_POINTED = 0.05
"""Share by which the middle is higher than that of an arc where the mouth is a V; pressed lips,
which are flatter than an arc, stay."""
_LARGER = 1.07
"""Factor on the mean height of a mouth that becomes round, after which landmarks find it as high as
before."""
_OUTSIDE = 0.6
"""Share by which the outline of the lower lip follows its edge."""
_REACH, _NOISE = 0.12, 0.03
"""Standard deviation of the kernel that spreads displacements of the lip's edge, rig units, and the
variance of their noise relative to theirs."""


class _Mouth(NamedTuple):
    """What is the same for every head.

    Attributes:
        upper: [m] vertices of the upper lip's edge.
        lower: [n] vertices of the lower lip's edge.
        across: [n, m] weights of the upper edge above each vertex of the lower one.
        height: [n] of an open mouth over that of its middle.
        skin: [v, n] how far skin moves with the lower edge.
    """

    upper: Ints
    lower: Ints
    across: Floats
    height: Floats
    skin: Floats


def mouth_rounding(rig: HeadRig, shape: Floats) -> Floats:
    """[b, v] how far skin goes down so that an open mouth is round.

    Args:
        rig: the head model.
        shape: [b, v, 3] heads in rig units.
    """
    mouth = _mouth(rig)
    gap = shape[:, mouth.lower, 1] - shape[:, mouth.upper, 1] @ mouth.across.T
    gap = np.maximum(gap, 0.0)
    size = gap.sum(1, keepdims=True) / mouth.height.sum()
    opened = np.clip((size - _CLOSED) / (_OPEN - _CLOSED), 0.0, 1.0)
    middle = gap[:, mouth.height.argmax(), None]
    pointed = np.clip((middle / np.maximum(size, _CLOSED) - 1.0) / _POINTED, 0.0, 1.0)
    rounder = opened * pointed * (_LARGER * size * mouth.height - gap)
    return np.asarray(rounder @ mouth.skin.T, np.float32)


@lru_cache(maxsize=2)
def _mouth(rig: HeadRig) -> _Mouth:
    upper, lower = lip_edges(rig)
    x, above = rig.mean[lower, 0].astype(np.float64), rig.mean[upper, 0].astype(np.float64)
    order = np.argsort(above, kind="stable")
    across = np.stack([np.interp(x, above[order], one[order]) for one in np.eye(len(upper))], 1)
    outwards = 2.0 * np.abs(x - 0.5 * (x.min() + x.max())) / np.ptp(x)
    height = 1.0 - np.clip(outwards, 0.0, 1.0) ** _ROUND
    rim = np.setdiff1d(lip_rims(rig)[1], lower)
    outline = rig.landmark_vertex[list(OUTER_LOWER_LIP[1:-1])]
    along = np.setdiff1d(np.concatenate([rim, outline]), lower)
    still = rig.landmark_vertex[list(MOUTH_CORNERS + OUTER_UPPER_LIP + INNER_UPPER_LIP + CHIN)]
    still = np.setdiff1d(np.concatenate([still, upper]), np.concatenate([lower, along]))
    there = np.argsort(x)
    share = np.where(np.isin(along, rim), 1.0, _OUTSIDE)[:, None]
    beside = [np.interp(rig.mean[along, 0], x[there], one[there]) for one in np.eye(len(lower))]
    moved = np.concatenate(
        [np.eye(len(lower)), share * np.stack(beside, 1), np.zeros((len(still), len(lower)))]
    )
    known = np.concatenate([lower, along, still]).astype(np.int32)
    skin = spread(rig, known, moved, _REACH, _NOISE)
    skin[np.setdiff1d(np.arange(len(skin)), rig.part_vertices("skin", "mouth_cavity"))] = 0.0
    return _Mouth(upper, lower, *(one.astype(np.float32) for one in (across, height, skin)))
