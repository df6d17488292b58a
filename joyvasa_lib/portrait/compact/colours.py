"""Colours for what the photograph never shows: closed lids, inner lips, the inside of the mouth.

Axis legend: ``v`` vertices, ``s`` side of the crop.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import spsolve

from joyvasa_lib.portrait.compact.head_rig import Floats, HeadRig
from joyvasa_lib.portrait.compact.lids import eye_distance
from joyvasa_lib.portrait.compact.lookup import EYE, SKIN

Bytes = NDArray[np.uint8]

_STANDARD_SKIN = 165.0
"""Luminance of skin at which the mouth's standard colours are taken unchanged."""
_INTERIOR_COLOUR = {
    "mouth_cavity": (92.0, 34.0, 32.0),
    "teeth_upper": (226.0, 216.0, 200.0),
    "teeth_lower": (206.0, 196.0, 182.0),
    "tongue": (172.0, 84.0, 84.0),
}
_SCLERA = (214.0, 208.0, 204.0)
_AROUND_EYES, _AROUND_BROWS = 0.12, 0.17
"""Rig units around lids and brows whose colours are not clean skin."""
_BROWS = (
    46,
    53,
    52,
    65,
    55,
    70,
    63,
    105,
    66,
    107,
    276,
    283,
    282,
    295,
    285,
    300,
    293,
    334,
    296,
    336,
)


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


def vertex_colours(
    rig: HeadRig,
    photo: Bytes,
    vertices: Floats,
    layer: Bytes,
    depth: Floats,
    scale: float,
    margins: Floats,
) -> Floats:
    """Smooth colours [v, 3], also of vertices that the photograph hides.

    Args:
        rig: the head model.
        photo: [s, s, 3] RGB crop.
        vertices: [v, 3] the head on it, pixels.
        layer: [s, s] layer of the head that each pixel shows.
        depth: [s, s] depth of the head, pixels.
        scale: pixels per rig unit.
        margins: [2] pixels between the fitted upper lids and clean skin.
    """
    blurred = cv2.GaussianBlur(photo, (0, 0), max(0.8, scale * 0.02)).astype(np.float32)
    column = np.clip(np.round(vertices[:, 0]).astype(int), 0, len(photo) - 1)
    row = np.clip(np.round(vertices[:, 1]).astype(int), 0, len(photo) - 1)
    sampled = blurred[row, column]
    tolerance = 0.03 * scale

    colour = np.zeros((len(vertices), 3), dtype=np.float32)
    skin = rig.part_vertices("skin", "eye_cavity")
    seen = _visible(rig, vertices, layer, depth, SKIN, tolerance)
    seen &= rig.skin_vertex & ~_eye_surroundings(rig, margins / scale)
    colour[skin] = _diffuse(rig, skin, sampled, seen)

    light, chroma = _skin_light(colour, rig)
    for name, standard in _INTERIOR_COLOUR.items():
        part = rig.part_vertices(name)
        colour[part] = _lit(standard, light, chroma) * _shade(rig, part)[:, None]
    eyes = rig.part_vertices("eye_left", "eye_right")
    seen = _visible(rig, vertices, layer, depth, EYE, tolerance)
    iris = rig.iris_vertex
    distance = np.linalg.norm(rig.mean[eyes, None] - rig.mean[iris][None], axis=-1).min(1)
    white = seen.copy()
    white[eyes[distance < 0.13]] = False
    standard_white = _lit(_SCLERA, light, chroma)
    colour[eyes] = np.percentile(sampled[white], 60, axis=0) if white.sum() >= 4 else standard_white
    return colour


def _eye_surroundings(rig: HeadRig, margins: Floats) -> NDArray[np.bool_]:
    """Mask [v] of eyes with lashes and liner (``margins`` [2] rig units wide) and of the brows."""
    clean = np.where(rig.mean[:, 0] > 0, margins[0], margins[1]) + _AROUND_EYES
    brows = rig.mean[rig.landmark_vertex[list(_BROWS)]]
    brow = np.linalg.norm(rig.mean[:, None] - brows[None], axis=-1).min(1)
    return np.asarray((eye_distance(rig) < clean) | (brow < _AROUND_BROWS))


def _diffuse(
    rig: HeadRig, part: NDArray[np.int32], values: Floats, known: NDArray[np.bool_]
) -> Floats:
    """Harmonic continuation over the mesh of values known at some vertices of a part."""
    index = np.full(len(rig.mean), -1)
    index[part] = np.arange(len(part))
    faces = index[rig.triangles]
    faces = faces[(faces >= 0).all(1)]
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    n = len(part)
    ones = np.ones(len(edges))
    adjacency = sparse.coo_matrix((ones, (edges[:, 0], edges[:, 1])), shape=(n, n))
    adjacency = ((adjacency + adjacency.T) > 0).astype(np.float64)
    degree = np.asarray(adjacency.sum(1)).ravel()
    anchor = known[part].astype(np.float64) * 3.0
    weak = 1e-4
    laplacian = sparse.diags(degree + anchor + weak) - adjacency
    fallback = values[known].mean(0) if known.any() else np.array([180.0, 150.0, 135.0])
    right = anchor[:, None] * values[part] + weak * fallback
    return np.asarray(spsolve(sparse.csc_matrix(laplacian), right), dtype=np.float32)


def _skin_light(colour: Floats, rig: HeadRig) -> tuple[float, float]:
    """Brightness of the lower face against standard skin, and how coloured the picture is."""
    lower = rig.landmark_vertex[[50, 280, 205, 425, 199, 152, 164, 18]]
    skin = colour[lower]
    luminance = skin @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    light = float(np.clip(np.median(luminance) / _STANDARD_SKIN, 0.25, 1.15))
    spread = float(np.median(skin.max(1) - skin.min(1)) / max(float(np.median(luminance)), 1.0))
    return light, float(np.clip(spread / 0.25, 0.0, 1.0))


def _lit(standard: tuple[float, float, float], light: float, chroma: float) -> Floats:
    colour = np.array(standard, dtype=np.float32)
    grey = colour @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    return np.asarray((grey + chroma * (colour - grey)) * light, dtype=np.float32)


def _shade(rig: HeadRig, part: NDArray[np.int32]) -> Floats:
    """Less light reaches the back and the sides of the mouth."""
    teeth = rig.part_vertices("teeth_upper", "teeth_lower")
    front = rig.mean[teeth, 2].min()
    behind = np.maximum(rig.mean[part, 2] - front, 0.0)
    aside = np.abs(rig.mean[part, 0]) / np.abs(rig.mean[teeth, 0]).max()
    return np.asarray(np.exp(-behind / 0.55) * (1.0 - 0.35 * np.clip(aside, 0, 1) ** 2), np.float32)
