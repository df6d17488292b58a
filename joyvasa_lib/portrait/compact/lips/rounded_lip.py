"""A lower lip that stays round while it is everted.

The rig's funnelled lips ("oh", "sh") pull the middle of the lower lip down alone, to a point.
People's lower lips come down as an arc: the displacement is evened out along the lip.

Axis legend: ``b`` frames, ``v`` vertices, ``n`` vertices of the lower lip and the chin.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.rig.head_rig import Floats, HeadRig
from joyvasa_lib.rig.lips import lip_rims
from joyvasa_lib.rig.regions import OUTER_LOWER_LIP
from joyvasa_lib.rig.spreading import height_of

_FUNNEL, _JAW = BLENDSHAPES.index("mouthFunnel"), BLENDSHAPES.index("jawOpen")
_WITH_JAW = (0.15, 0.35)
"""Drop in rig units under an open jaw from which on a vertex belongs to the lower lip, and from
which on wholly."""
_ALONG, _ACROSS, _DEEP = 0.18, 0.35, 0.12
"""Standard deviations of the mean along the lip in rig units, across it in heights of the lip, and
in depth behind its edge in rig units."""
_THINNEST = 0.05
"""Least height of a lip, rig units: there is none in the corners."""
_AGAIN = 1.4
"""Factor on the mean: an arc as high as the point was would open the mouth too far."""
_MIDDLE, _HALF = 0.2, 0.42
"""Distances from the midline up to which the lip is rounded wholly, and from which on it stays: the
corners do not come down."""


def lip_rounding(rig: HeadRig, funnel: NDArray[np.floating]) -> Floats:
    """[b, v, 3] displacements in rig units that make a funnelled lower lip round.

    Args:
        rig: the head model.
        funnel: [b] activation of ``mouthFunnel``.
    """
    return np.asarray(np.clip(funnel, 0.0, None)[:, None, None] * _rounded(rig), np.float32)


@lru_cache(maxsize=2)
def _rounded(rig: HeadRig) -> Floats:
    """[v, 3] what a full activation adds."""
    drop = rig.blendshapes[_JAW, :, 1]
    share = np.clip((drop - _WITH_JAW[0]) / (_WITH_JAW[1] - _WITH_JAW[0]), 0.0, 1.0)
    share *= np.clip((_HALF - np.abs(rig.mean[:, 0])) / (_HALF - _MIDDLE), 0.0, 1.0)
    share[np.setdiff1d(np.arange(len(share)), rig.part_vertices("skin", "mouth_cavity"))] = 0.0
    lip = np.flatnonzero(share)
    places = rig.mean[lip].astype(np.float64)
    rim, end = (rig.mean[ids].astype(np.float64) for ids in
                (lip_rims(rig)[1], rig.landmark_vertex[list(OUTER_LOWER_LIP)]))  # fmt: skip
    x = places[:, 0]
    top, bottom = (height_of(contour[:, :2], x) for contour in (rim, end))
    places[:, 1] = (places[:, 1] - top) / np.maximum(bottom - top, _THINNEST)
    places[:, 2] -= height_of(rim[:, [0, 2]], x)
    places /= np.array([_ALONG, _ACROSS, _DEEP])
    kernel = np.exp(-0.5 * np.square(places[:, None] - places).sum(-1)) * share[lip]
    own = rig.blendshapes[_FUNNEL, lip, 1]
    mean = _AGAIN * (kernel @ own) / kernel.sum(1)
    added = np.zeros_like(rig.mean)
    added[lip, 1] = share[lip] * (mean - own)
    return np.asarray(added, np.float32)
