"""The corners of the mouth of the head rig, which stay points while the mouth opens.

In the rig the edge of the skin runs upright for some millimetres at each corner, behind the closed
lips. An open jaw shows that as a dark box. People's lips meet there: the edge is drawn together as
far as the jaw opens.

Axis legend: ``v`` vertices, ``n`` vertices of the edge.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.rig.head_rig import Floats, HeadRig
from joyvasa_lib.rig.laplacian import mesh_edges
from joyvasa_lib.rig.regions import MOUTH_CORNERS
from joyvasa_lib.rig.spreading import Doubles, spread

_JAW = BLENDSHAPES.index("jawOpen")
_AROUND = 0.4
"""Rig units around the mouth's middle, up and down, in which its edge lies."""
_FROM, _WHOLE = 0.90, 0.97
"""Shares of half the width of the edge from which on it is drawn together, and wholly: mouths of
people who talk are open nearly up to their corners."""
_REACH, _NOISE = 0.06, 0.01
"""Standard deviation of the kernel that spreads the displacement, rig units, and the variance of
its noise relative to displacements."""
_OPENED = 0.3
"""Activation of the jaw at which what stands apart at rest is drawn together."""


def corner_closing(rig: HeadRig, jaw: Floats) -> Floats:
    """[b, v, 3] displacements in rig units that keep the corners of the mouth together.

    Args:
        rig: the head model.
        jaw: [b] how far the jaw opens, in [0, 1].
    """
    at_rest, per_jaw = _drawn_together(rig)
    opened = np.clip(jaw, 0.0, 1.0)[:, None, None]
    return np.asarray(np.minimum(opened / _OPENED, 1.0) * at_rest + opened * per_jaw, np.float32)


def mouth_edge(rig: HeadRig) -> NDArray[np.int32]:
    """[n] vertices where the skin ends in the mouth."""
    edges, faces = np.unique(
        np.sort(mesh_edges(rig.triangles[rig.part("skin")]), axis=1), axis=0, return_counts=True
    )
    ends = np.unique(edges[faces == 1])
    corners = rig.mean[rig.landmark_vertex[list(MOUTH_CORNERS)]]
    middle, width = corners.mean(0), float(np.ptp(corners[:, 0]))
    off = np.abs(rig.mean[ends] - middle)
    return ends[(off[:, 0] < width) & (off[:, 1] < _AROUND)].astype(np.int32)


@lru_cache(maxsize=2)
def _drawn_together(rig: HeadRig) -> tuple[Floats, Floats]:
    """[v, 3] what draws the edge together that the rig has at rest, and what its jaw adds."""
    edge = mouth_edge(rig)
    x = rig.mean[edge, 0].astype(np.float64)
    x -= 0.5 * (x.min() + x.max())
    outwards = np.abs(x) / np.abs(x).max()
    t = np.clip((outwards - _FROM) / (_WHOLE - _FROM), 0.0, 1.0)
    share = t * t * (3.0 - 2.0 * t)

    def together(height: Doubles) -> Floats:
        values = np.zeros((len(edge), 3))
        for side in (x < 0.0, x >= 0.0):
            corner = height[side & (outwards > _WHOLE)].mean()
            values[side, 1] = share[side] * (corner - height[side])
        return spread(rig, edge, values, _REACH, _NOISE).astype(np.float32)

    return (
        together(rig.mean[edge, 1].astype(np.float64)),
        together(rig.blendshapes[_JAW, edge, 1].astype(np.float64)),
    )
