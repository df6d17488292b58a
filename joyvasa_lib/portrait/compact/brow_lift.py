"""Raised brows: hair of brow and lashes keeps its length, and the brow rises as one arc.

The rig's raised brows stretch all that lies between eyelid and brow alike. On an image that draws
lashes to spikes and the lower edge of the brow to streaks. Skin stretches in between instead. The
rig's outer unit also bends the tail of the brow into a hook: its rise is evened out along the brow.

Axis legend: ``b`` frames, ``v`` vertices, ``u`` units that raise brows.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.rig.eyelids import lid_edges
from joyvasa_lib.rig.head_rig import Floats, HeadRig
from joyvasa_lib.rig.regions import EYES
from joyvasa_lib.rig.spreading import height_of

Doubles = NDArray[np.float64]

_EVENED = {"browInnerUp": 0.06, "browOuterUpLeft": 0.13, "browOuterUpRight": 0.13}
"""Standard deviation in rig units of the mean along the brow, by unit: the outer ones are hooks."""
_AGAIN = {"browInnerUp": 1.0, "browOuterUpLeft": 1.12, "browOuterUpRight": 1.12}
"""Factors on that mean, by unit: an arc as high as the hook was."""
_UNITS = [BLENDSHAPES.index(name) for name in _EVENED]
_LASHES, _HAIR = 0.2, 0.72
"""Shares of the way from eyelid to brow up to which skin stays with the eyelid, and from which on
it rises with the brow."""
_ABOVE = 0.25
"""Rig units above the brow within which skin rises as the rig has it again."""
_INNER, _OUTER = (0.22, 0.34), (1.15, 1.35)
"""Distances from the midline between which the brow begins and ends."""


def brow_lift(rig: HeadRig, activations: NDArray[np.floating]) -> Floats:
    """[b, v, 3] displacements in rig units that give raised brows the shape of people's.

    Args:
        rig: the head model.
        activations: [b, 52] of all blendshapes.
    """
    raised = np.clip(activations[:, _UNITS], 0.0, None)
    return np.asarray(np.tensordot(raised, _lifted(rig), 1), np.float32)


@lru_cache(maxsize=2)
def _lifted(rig: HeadRig) -> Floats:
    """[u, v, 3] what full activations add."""
    added = np.zeros((len(_UNITS), *rig.mean.shape), np.float32)
    for eye, marks in enumerate(EYES):
        sign = 1.0 if eye == 0 else -1.0
        lid = _mirrored(rig.mean[lid_edges(rig)[eye][0]], sign)
        bottom, top = (
            _mirrored(rig.mean[rig.landmark_vertex[list(ids)]], sign)
            for ids in (marks.brow_bottom, marks.brow_top)
        )
        aside = sign * rig.mean[:, 0].astype(np.float64)
        near = np.flatnonzero(rig.skin_vertex & (aside > _INNER[0]) & (aside < _OUTER[1]))
        x, y = aside[near], rig.mean[near, 1].astype(np.float64)
        low, high, end = (height_of(line, x) for line in (lid, bottom, top))
        up = (low - y) / np.maximum(low - high, 1e-6)
        within = np.interp(x, _INNER, (0.0, 1.0)) * np.interp(x, _OUTER, (1.0, 0.0))
        within *= (up > 0.0) * np.clip(1.0 - (end - y) / _ABOVE, 0.0, 1.0)
        ramp = np.clip((up - _LASHES) / (_HAIR - _LASHES), 0.0, 1.0)
        ramp = ramp * ramp * (3.0 - 2.0 * ramp)
        ids = rig.landmark_vertex[list(marks.brow_bottom + marks.brow_top)]
        at = sign * rig.mean[ids, 0].astype(np.float64)
        for number, (name, spread) in enumerate(_EVENED.items()):
            near_by = np.exp(-0.5 * np.square((x[:, None] - at) / spread))
            near_by *= _AGAIN[name] / np.maximum(near_by.sum(1, keepdims=True), 1e-12)
            rise = rig.blendshapes[_UNITS[number], :, 1].astype(np.float64)
            added[number, near, 1] += within * (ramp * (near_by @ rise[ids]) - rise[near])
    return added


def _mirrored(points: Floats, sign: float) -> Doubles:
    """[n, 2] x away from the midline and y of points [n, 3]."""
    return np.stack([sign * points[:, 0], points[:, 1]], 1).astype(np.float64)
