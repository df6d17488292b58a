"""The skin of the eyelids: its vertices, and how much of it is painted as an eye closes.

Most of an open eye's upper eyelid is folded into the crease; its skin is painted where it appears.

Axis legend: ``v`` vertices.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from joyvasa_lib.rig.head_rig import Floats, HeadRig, Ints
from joyvasa_lib.rig.regions import LEFT_EYE, RIGHT_EYE

_FOLDED, _STRETCHED = 0.35, 0.65
"""Weights up to which a closed eyelid shows the image, and from which on it is painted, because the
image's skin would be stretched too far."""
_STILL = 0.02
"""Weight up to which skin does not belong to the upper eyelid."""


def lid_weight(rig: HeadRig) -> Floats:
    """[v] how far a blink moves a vertex: 1 on the edge of the upper eyelid, 0 off the eyelid."""
    blink = rig.blendshapes[
        [rig.blendshape_index("eyeBlinkLeft"), rig.blendshape_index("eyeBlinkRight")]
    ]
    length = np.linalg.norm(blink, axis=-1)
    weight = (length / length.max(1, keepdims=True)).max(0)
    return np.where(rig.skin_vertex | (weight > 0), weight, 0.0).astype(np.float32)


def lid_rim(rig: HeadRig) -> Ints:
    """Vertices of the edges of the eyelids, where skin turns into the eye's cavity."""
    return np.intersect1d(rig.part_vertices("skin"), rig.part_vertices("eye_cavity"))


@lru_cache(maxsize=2)
def distance_from_eyelids(rig: HeadRig) -> Floats:
    """[v] distance of the mean head's vertices from the edges of the eyelids, rig units."""
    distance = np.linalg.norm(rig.mean[:, None] - rig.mean[lid_rim(rig)][None], axis=-1)
    return np.asarray(distance.min(1), dtype=np.float32)


@lru_cache(maxsize=2)
def distance_from_brows(rig: HeadRig) -> Floats:
    """[v] distance of the mean head's vertices from the brows, rig units."""
    brows = rig.mean[rig.landmark_vertex[list(RIGHT_EYE.brow + LEFT_EYE.brow)]]
    distance = np.linalg.norm(rig.mean[:, None] - brows[None], axis=-1)
    return np.asarray(distance.min(1), dtype=np.float32)


def eye_margin(rig: HeadRig, margins: Floats) -> Floats:
    """[v] the margin of the eyelid that a vertex is nearest to.

    Args:
        rig: the head model.
        margins: [2, 2] of the person's left and right eye, above the upper and below the lower
            eyelid.
    """
    left = rig.mean[:, 0] > 0
    middle = np.where(left, *(rig.mean[v, 1] for v in rig.iris_vertex))
    above = np.where(left, margins[0, 0], margins[1, 0])
    below = np.where(left, margins[0, 1], margins[1, 1])
    return np.asarray(np.where(rig.mean[:, 1] < middle, above, below), dtype=np.float32)


def lid_stretch(rig: HeadRig) -> Floats:
    """[v] share of a closed upper eyelid that stretches the image too far to show it, [0, 1]."""
    stretch = np.clip((lid_weight(rig) - _FOLDED) / (_STRETCHED - _FOLDED), 0.0, 1.0)
    return np.asarray(stretch * rig.skin_vertex, dtype=np.float32)


def closing_order(rig: HeadRig) -> Floats:
    """[v] how far an eye has closed when its eyelid reaches a vertex's height: 0 above, 1 below."""
    rim = rig.mean[lid_rim(rig), 1]
    top, bottom = float(rim.min()), float(rim.max())
    order = np.clip((rig.mean[:, 1] - top) / (bottom - top), 0.0, 1.0)
    return np.where(lid_weight(rig) > _STILL, 0.0, order).astype(np.float32)
