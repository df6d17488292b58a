"""The parts of the head that are drawn finely: each eye and the mouth, with what may occlude them.

Axis legend: ``n`` vertices and ``m`` triangles of a part.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.encode.appearance import paintable
from joyvasa_lib.rig.head_rig import HeadRig, Ints
from joyvasa_lib.rig.regions import INSIDE_MOUTH

_OCCLUDING = 1.6
"""Rig units around what is painted within which skin may occlude it."""


@dataclass(frozen=True, eq=False)
class FeaturePart:
    """A piece of the rig's mesh.

    Attributes:
        vertex: [n] the rig's vertices.
        triangles: [m, 3] indices into ``vertex``.
        triangle: [m] the rig's triangles.
        inside: whether it opens into the mouth.
        bounding: [k] indices into ``vertex`` of the vertices whose box is drawn.
    """

    vertex: Ints
    triangles: Ints
    triangle: Ints
    bounding: Ints
    inside: bool


@lru_cache(maxsize=2)
def feature_parts(rig: HeadRig) -> tuple[FeaturePart, ...]:
    """The person's left eye, right eye and mouth."""
    skin = rig.skin_vertex & (paintable(rig) > 0)
    above, left = rig.mean[:, 1] < 0, rig.mean[:, 0] > 0
    eyes = (
        _part(rig, skin & above & left, ("eye_left", "eye_cavity")),
        _part(rig, skin & above & ~left, ("eye_right", "eye_cavity")),
    )
    return (*eyes, _part(rig, skin & ~above, INSIDE_MOUTH))


def _part(rig: HeadRig, painted: NDArray[np.bool_], inner: tuple[str, ...]) -> FeaturePart:
    core = rig.mean[painted]
    distance = np.linalg.norm(rig.mean[:, None] - core[None], axis=-1).min(1)
    near = rig.skin_vertex & (distance < _OCCLUDING)
    near[rig.part_vertices(*inner)] = True
    near[rig.part_vertices("eye_cavity")] &= distance[rig.part_vertices("eye_cavity")] < 1.0
    allowed = rig.part("skin", *inner)
    triangle = np.flatnonzero(near[rig.triangles].all(1) & allowed)
    vertex, triangles = np.unique(rig.triangles[triangle], return_inverse=True)
    return FeaturePart(
        vertex=vertex.astype(np.int32),
        triangles=np.ascontiguousarray(triangles.reshape(-1, 3), dtype=np.int32),
        triangle=triangle.astype(np.int32),
        inside=inner == INSIDE_MOUTH,
        bounding=np.flatnonzero(painted[vertex]).astype(np.int32),
    )
