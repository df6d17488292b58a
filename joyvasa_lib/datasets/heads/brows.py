"""Brows that rise as a whole: the hair of a brow is not squeezed when its skin moves.

The base mesh's raisers move the lower edge of the brows twice as far as the upper one, so that a
raised brow becomes a thin line. Here the band between both edges moves as its lower edge does, and
the skin of the forehead above is compressed instead, as the frontalis muscle does it.

Axis legend: ``v`` vertices, ``u`` blendshapes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.rig.regions import EYES

_BAND, _FADE = 0.24, 0.62
"""Rig units above the brow's lower edge that move with it, and within which the skin above comes to
rest: a brow is about .16 high, a forehead .6."""
_BESIDE = 0.16
"""Rig units beside a brow's end over which the lift ends."""
_SMOOTH = 0.10
"""Standard deviation along the brow over which its edge's displacement is averaged, rig units."""
_RAISERS = ("browInnerUp", "browOuterUpLeft", "browOuterUpRight")


def rigid_brows(
    mean: NDArray[np.floating],
    blendshapes: NDArray[np.floating],
    landmark_vertex: NDArray[np.integer],
    skin: NDArray[np.bool_],
) -> NDArray[np.floating]:
    """Blendshapes [u, v, 3] whose raised brows keep their height.

    Args:
        mean: [v, 3] mean head, rig units.
        blendshapes: [u, v, 3] displacement of each at full activation.
        landmark_vertex: [468] vertex of each landmark.
        skin: [v] vertices of the outer skin.
    """
    result = blendshapes.copy()
    for name in _RAISERS:
        index = BLENDSHAPES.index(name)
        lift = np.zeros(len(mean))
        for eye in EYES:
            edge = landmark_vertex[list(eye.brow_bottom)]
            edge = edge[np.argsort(mean[edge, 0])]
            lift = np.minimum(lift, _lift(mean, blendshapes[index, edge, 1], mean[edge], skin))
        result[index, :, 1] = np.minimum(result[index, :, 1], lift)
    return result


def _lift(
    mean: NDArray[np.floating],
    moved: NDArray[np.floating],
    edge: NDArray[np.floating],
    skin: NDArray[np.bool_],
) -> NDArray[np.floating]:
    """[v] vertical displacement above an edge [n, 3] of the brow that moves by ``moved`` [n]."""
    x = np.linspace(edge[0, 0], edge[-1, 0], 33)
    fine = np.interp(x, edge[:, 0], np.minimum(moved, 0.0))
    near = np.exp(-0.5 * np.square((x[:, None] - x[None]) / _SMOOTH))
    fine = np.minimum((near @ fine) / near.sum(1), 0.8 * fine)
    at = np.clip(mean[:, 0], x[0], x[-1])
    beside = np.abs(mean[:, 0] - at) / _BESIDE
    above = np.interp(at, edge[:, 0], edge[:, 1]) - mean[:, 1]
    falling = np.clip((_BAND + _FADE - above) / _FADE, 0.0, 1.0)
    falling = falling * falling * (3.0 - 2.0 * falling)
    rising = np.clip(above / 0.04 + 1.0, 0.0, 1.0)  # the skin below moves as it did
    front = np.clip((0.4 - mean[:, 2]) / 0.3, 0.0, 1.0)
    share = falling * rising * front * np.exp(-0.5 * np.square(beside)) * skin
    return np.asarray(share * np.interp(at, x, fine))
