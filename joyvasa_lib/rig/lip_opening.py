"""How far each blendshape opens the lips of the rig's mean head.

Axis legend: ``u`` blendshapes.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.rig.head_rig import HeadRig
from joyvasa_lib.rig.regions import MIDDLE_INNER_UPPER_LIP, OUTER_EYE_CORNERS

_JAW_SHARE = 0.6
"""Share of the jaw's largest effect from which on a vertex belongs to the lower face; the corners
of the mouth move less."""


@lru_cache(maxsize=2)
def lip_opening(rig: HeadRig) -> NDArray[np.float64]:
    """[u] change of the distance between the inner edges of the lips at full activation.

    In distances of the outer eye corners: 0.1 is the usual opening in speech.
    """
    upper, lower = _lip_vertices(rig)
    gap = (rig.blendshapes[:, lower, 1] - rig.blendshapes[:, upper, 1]).mean(
        axis=1, dtype=np.float64
    )
    return np.asarray(gap / eye_distance(rig))


def eye_distance(rig: HeadRig) -> float:
    """Rig units between the outer corners of the mean head's eyes."""
    left, right = rig.mean[rig.landmark_vertex[list(OUTER_EYE_CORNERS)]].astype(np.float64)
    return float(np.linalg.norm(left - right))


def _lip_vertices(rig: HeadRig) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Vertices of the upper lip's inner edge, and those of the lower lip that they rest on.

    The lips of the mean head nearly touch, so the lower ones are told by what the jaw moves.
    """
    down = rig.blendshapes[rig.blendshape_index("jawOpen"), :, 1]
    lower_face = np.flatnonzero(rig.skin_vertex & (down > _JAW_SHARE * down[rig.skin_vertex].max()))
    upper = rig.landmark_vertex[list(MIDDLE_INNER_UPPER_LIP)].astype(np.intp)
    distance = np.linalg.norm(rig.mean[upper][:, None] - rig.mean[lower_face][None], axis=-1)
    return upper, lower_face[distance.argmin(axis=1)]
