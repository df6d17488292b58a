"""The light on a face, estimated from its skin: brighter where the skin faces the light.

Axis legend: ``v`` vertices, ``f`` triangles.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.luminance import LUMA
from joyvasa_lib.rig.head_rig import Floats, HeadRig
from joyvasa_lib.rig.regions import PLAIN_SKIN

_FROM_ABOVE = np.array([0.0, -0.45, -0.35])
"""Change of luminance with the normal's x, y, z on a face of luminance 1 under a usual light: from
above and in front (y down, z away from the viewer)."""
_PRIOR = 0.5
"""Weight of the usual light against the image's, as a share of its vertices."""


def light_on_skin(
    rig: HeadRig, image: NDArray[np.uint8], vertices: Floats, visible: NDArray[np.bool_]
) -> Floats:
    """[3] change of luminance with the normal of the skin, as shares of the skin's luminance.

    Luminance is taken for affine in the normal, which is the first order of spherical harmonics
    (Ramamoorthi & Hanrahan 2001, "On the relationship between radiance and irradiance").

    Args:
        rig: the head model.
        image: [s, s, 3] RGB crop.
        vertices: [v, 3] the fitted head on it, pixels.
        visible: [v] vertices of plain skin that the image shows.
    """
    side = len(image)
    inside = visible & (vertices[:, :2] >= 0).all(1) & (vertices[:, :2] <= side - 1).all(1)
    index = np.flatnonzero(inside)
    if len(index) < len(PLAIN_SKIN):
        return _FROM_ABOVE.astype(np.float32)
    column, row = np.rint(vertices[index, :2]).astype(int).T
    light = image[row, column].astype(np.float64) @ LUMA
    usual = max(float(np.median(light)), 1.0)
    light = np.clip(light / usual, 0.0, 2.0)
    normal = vertex_normals(rig, vertices)[index]
    design = np.column_stack([np.ones(len(index)), normal])
    weight = np.ones(len(index))
    ridge = _PRIOR * len(index) * np.diag([0.0, 0.1, 0.1, 0.1])
    prior = np.concatenate([[0.0], _FROM_ABOVE])
    found = prior
    for _ in range(4):  # outliers, such as hair and highlights, count less
        normal_matrix = design.T @ (design * weight[:, None]) + ridge
        found = np.linalg.solve(normal_matrix, design.T @ (weight * light) + ridge @ prior)
        weight = 1.0 / (1.0 + np.square((light - design @ found) / 0.15))
    return found[1:].astype(np.float32)


def vertex_normals(rig: HeadRig, vertices: Floats) -> NDArray[np.float64]:
    """[v, 3] outward normals."""
    a, b, c = (vertices[rig.triangles[:, n]].astype(np.float64) for n in range(3))
    face = np.cross(b - a, c - a)
    normal = np.zeros((len(vertices), 3))
    for n in range(3):
        np.add.at(normal, rig.triangles[:, n], face)
    return np.asarray(normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9))
