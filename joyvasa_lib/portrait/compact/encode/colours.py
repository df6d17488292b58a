"""Smooth colours of skin and eyes, interpolated where the image does not show them.

Axis legend: ``v`` vertices, ``s`` side of the crop.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.layers import EYE, SKIN
from joyvasa_lib.rig.eyelids import distance_from_brows, distance_from_eyelids, eye_margin
from joyvasa_lib.rig.head_rig import Floats, HeadRig
from joyvasa_lib.rig.laplacian import degrees, factored, mesh_neighbours, screened_laplacian
from joyvasa_lib.rig.regions import EYEBALLS

Bytes = NDArray[np.uint8]

_AROUND_EYES, _AROUND_BROWS = 0.12, 0.17
"""Rig units around eyelids and brows whose colours are left out: lashes, liner, hair."""
_ANCHOR, _WEAK = 3.0, 1e-4
"""Weights of known colours and of the mean colour, against the smoothness along one edge."""
_NO_SKIN = (180.0, 150.0, 135.0)
"""Colour where the image shows no skin at all: a light brown."""
_IRIS = 0.13
"""Radius of the iris on the rig's eyeball, rig units."""


def _visible(
    rig: HeadRig, vertices: Floats, layer: Bytes, depth: Floats, wanted: int, tolerance: float
) -> NDArray[np.bool_]:
    side = len(layer)
    column = np.round(vertices[:, 0]).astype(int)
    row = np.round(vertices[:, 1]).astype(int)
    inside = (column >= 1) & (row >= 1) & (column < side - 1) & (row < side - 1)
    visible = np.zeros(len(vertices), dtype=bool)
    c, r = column[inside], row[inside]
    visible[inside] = (layer[r, c] == wanted) & (vertices[inside, 2] <= depth[r, c] + tolerance)
    return visible


def skin_colours(
    rig: HeadRig,
    image: Bytes,
    vertices: Floats,
    layer: Bytes,
    depth: Floats,
    scale: float,
    margins: Floats,
) -> Floats:
    """Smooth colours [v, 3] of the skin, interpolated where it is hidden; 0 off the skin.

    Args:
        rig: the head model.
        image: [s, s, 3] RGB crop.
        vertices: [v, 3] the head on it, pixels.
        layer: [s, s] layer of the head that each pixel shows.
        depth: [s, s] depth of the head, pixels.
        scale: pixels per rig unit.
        margins: [2, 2] pixels between the fitted eyelids and clean skin.
    """
    sampled = _sampled(image, vertices, scale)
    seen = _visible(rig, vertices, layer, depth, SKIN, 0.03 * scale)
    clean = distance_from_eyelids(rig) > eye_margin(rig, margins / scale) + _AROUND_EYES
    seen &= rig.skin_vertex & clean & (distance_from_brows(rig) > _AROUND_BROWS)
    skin = rig.part_vertices("skin", "eye_cavity")
    colour = np.zeros((len(vertices), 3), dtype=np.float32)
    colour[skin] = _diffuse(rig, skin, sampled, seen)
    return colour


def white_of_eyes(
    rig: HeadRig,
    image: Bytes,
    vertices: Floats,
    layer: Bytes,
    depth: Floats,
    scale: float,
    standard: Floats,
) -> Floats:
    """Colour [3] of the eyeballs beside the iris; ``standard`` [3] where the image shows none."""
    sampled = _sampled(image, vertices, scale)
    eyes = rig.part_vertices(*EYEBALLS)
    white = _visible(rig, vertices, layer, depth, EYE, 0.03 * scale)
    iris = rig.mean[rig.iris_vertex]
    distance = np.linalg.norm(rig.mean[eyes, None] - iris[None], axis=-1).min(1)
    white[eyes[distance < _IRIS]] = False
    if white.sum() < 4:
        return standard
    return np.asarray(np.percentile(sampled[white], 60, axis=0), dtype=np.float32)


def _sampled(image: Bytes, vertices: Floats, scale: float) -> Floats:
    """[v, 3] colour of the image around each vertex."""
    blurred = cv2.GaussianBlur(image, (0, 0), max(0.8, scale * 0.02)).astype(np.float32)
    column = np.clip(np.round(vertices[:, 0]).astype(int), 0, len(image) - 1)
    row = np.clip(np.round(vertices[:, 1]).astype(int), 0, len(image) - 1)
    return blurred[row, column]


def _diffuse(
    rig: HeadRig, part: NDArray[np.int32], values: Floats, known: NDArray[np.bool_]
) -> Floats:
    """Harmonic interpolation over the mesh of values known at some vertices of a part."""
    index = np.full(len(rig.mean), -1)
    index[part] = np.arange(len(part))
    faces = index[rig.triangles]
    neighbours = mesh_neighbours(faces[(faces >= 0).all(1)], len(part))
    anchor = known[part].astype(np.float64) * _ANCHOR
    system = screened_laplacian(neighbours, degrees(neighbours) + anchor + _WEAK)
    fallback = values[known].mean(0) if known.any() else np.array(_NO_SKIN)
    right = anchor[:, None] * values[part] + _WEAK * fallback
    return np.asarray(factored(system).solve(right), dtype=np.float32)
