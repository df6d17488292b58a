"""The skin and lashes of closing lids, which an open eye hides.

An open eye keeps most of its upper lid in the crease. What comes out when it closes is painted in
the colour of the clean skin around the eye; on the lid's edge lie the lashes.

Axis legend: ``v`` vertices.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import dijkstra

from joyvasa_lib.portrait.compact.head_rig import Floats, HeadRig

_LASH_RINGS = (4.0, 6.0)
"""Rows of vertices up to which lashes are dark, and where they end."""
_STRETCHED = 4.0
"""One over the lid weight from which on a closed lid stretches the photograph too far."""
_FADE = 0.12
"""Rig units over which painted skin passes into the photograph."""


def lid_weight(rig: HeadRig) -> Floats:
    """[v] how much a vertex belongs to an upper lid's moving edge: 1 on the edge, 0 off the lid."""
    blink = rig.units[[rig.unit_index("eyeBlinkLeft"), rig.unit_index("eyeBlinkRight")]]
    length = np.linalg.norm(blink, axis=-1)
    weight = (length / length.max(1, keepdims=True)).max(0)
    return np.where(rig.skin_vertex | (weight > 0), weight, 0.0).astype(np.float32)


@lru_cache(maxsize=2)
def _edge_rings(rig: HeadRig) -> Floats:
    """[v] rows of skin between a vertex and the inner edge of the lids, infinite elsewhere."""
    faces = rig.triangles[rig.part("skin")]
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    n = len(rig.mean)
    links = sparse.coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(n, n))
    margin = np.intersect1d(rig.part_vertices("skin"), rig.part_vertices("eye_cavity"))
    rings = dijkstra(links.tocsr(), directed=False, indices=margin, unweighted=True, min_only=True)
    return np.asarray(rings, dtype=np.float32)


@lru_cache(maxsize=2)
def eye_distance(rig: HeadRig) -> Floats:
    """[v] distance of the mean head's vertices from the edges of the lids, rig units."""
    margin = np.intersect1d(rig.part_vertices("skin"), rig.part_vertices("eye_cavity"))
    distance = np.linalg.norm(rig.mean[:, None] - rig.mean[margin][None], axis=-1)
    return np.asarray(distance.min(1), dtype=np.float32)


def lash_weight(rig: HeadRig) -> Floats:
    """[v] darkness of the lashes along the edge of the upper lids, [0, 1]."""
    dark, end = _LASH_RINGS
    fade = np.clip((end - _edge_rings(rig)) / (end - dark), 0.0, 1.0)
    moving = np.clip(2.0 * lid_weight(rig), 0.0, 1.0)
    return np.asarray(fade * moving * rig.skin_vertex, dtype=np.float32)


def lid_cover(rig: HeadRig, margin: Floats) -> Floats:
    """[v] share of paint on the skin of a fully closed upper lid, [0, 1].

    Args:
        rig: the head model.
        margin: [2] rig units, person's left and right eye, between the fitted upper lid's edge and
            clean skin: lashes, liner and shadow that a closed lid has to cover.
    """
    clean = np.where(rig.mean[:, 0] > 0, margin[0], margin[1])
    cover = np.clip((clean + _FADE - eye_distance(rig)) / _FADE, 0.0, 1.0)
    moving = lid_weight(rig)
    cover = np.where(moving > 0, np.maximum(cover, np.clip(_STRETCHED * moving, 0.0, 1.0)), 0.0)
    return np.asarray(cover * rig.skin_vertex, dtype=np.float32)
