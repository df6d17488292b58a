"""What one photograph tells about a head's appearance: layers, colours, light, what may move.

This is the appearance half of the compact preset's encoder; the fitted head rig is the motion half.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import spsolve

from joyvasa_lib.portrait.compact.fitting import HeadFit
from joyvasa_lib.portrait.compact.head_rig import Floats, HeadRig
from joyvasa_lib.portrait.compact.lookup import EYE, MOUTH, SKIN
from joyvasa_lib.portrait.compact.rasterizer import rasterize

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


@dataclass(frozen=True, eq=False)
class Appearance:
    """The photograph seen through the fitted head.

    Attributes:
        photo: [s, s, 3] the square crop, RGB.
        vertices: [v, 3] the fitted head on the crop, pixels.
        layer: [s, s] which layer of the head each pixel shows (see ``lookup``).
        depth: [s, s] depth of the fitted head, pixels; infinite outside.
        colour: [v, 3] smooth colour of every vertex, also of those the photograph hides.
        reach: [s, s] how far displacement carries outside the head, in crop sides.
    """

    photo: Bytes
    vertices: Floats
    layer: Bytes
    depth: Floats
    colour: Floats
    reach: Floats


def triangle_layer(rig: HeadRig) -> Bytes:
    """Layer [f] of every triangle: skin, eyeball or mouth interior."""
    layer = np.full(len(rig.triangles), SKIN, dtype=np.uint8)
    layer[rig.part("eye_left", "eye_right")] = EYE
    layer[rig.part("mouth_cavity", "teeth_upper", "teeth_lower", "tongue")] = MOUTH
    return layer


def read_appearance(rig: HeadRig, fit: HeadFit, photo: Bytes) -> Appearance:
    """Projects the fitted head on the photograph and reads layers and colours.

    Args:
        rig: the head model.
        fit: the rig fitted to this crop.
        photo: [s, s, 3] uint8 RGB crop.
    """
    side = len(photo)
    shape = fit.shape + np.tensordot(fit.units, rig.units, 1)
    vertices = fit.project(np.asarray(shape, np.float32))
    triangle, depth = rasterize(vertices[None], rig.triangles, side)
    layers = np.append(triangle_layer(rig), 0).astype(np.uint8)
    layer = layers[triangle[0]]
    return Appearance(
        photo=photo,
        vertices=vertices,
        layer=layer,
        depth=depth[0],
        colour=_vertex_colours(rig, fit, photo, vertices, layer, depth[0]),
        reach=_reach(photo, triangle[0] >= 0, fit.scale / side),
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


def _vertex_colours(
    rig: HeadRig, fit: HeadFit, photo: Bytes, vertices: Floats, layer: Bytes, depth: Floats
) -> Floats:
    blurred = cv2.GaussianBlur(photo, (0, 0), max(0.8, fit.scale * 0.02)).astype(np.float32)
    column = np.clip(np.round(vertices[:, 0]).astype(int), 0, len(photo) - 1)
    row = np.clip(np.round(vertices[:, 1]).astype(int), 0, len(photo) - 1)
    sampled = blurred[row, column]
    tolerance = 0.03 * fit.scale

    colour = np.zeros((len(vertices), 3), dtype=np.float32)
    skin = rig.part_vertices("skin", "eye_cavity")
    seen = _visible(rig, vertices, layer, depth, SKIN, tolerance)
    seen &= lid_weight(rig) < 0.25
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


def lid_weight(rig: HeadRig) -> Floats:
    """[v] how much a vertex belongs to an upper lid's moving edge: 1 on the edge, 0 off the lid."""
    blink = rig.units[[rig.unit_index("eyeBlinkLeft"), rig.unit_index("eyeBlinkRight")]]
    length = np.linalg.norm(blink, axis=-1)
    weight = (length / length.max(1, keepdims=True)).max(0)
    return np.where(rig.skin_vertex | (weight > 0), weight, 0.0).astype(np.float32)


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


def _reach(photo: Bytes, head: NDArray[np.bool_], scale: float) -> Floats:
    """How far displacement carries: far through hair and neck, hardly into the background.

    The person is separated from the background by GrabCut seeded with the fitted head.
    """
    side = 128
    small = cv2.resize(photo, (side, side), interpolation=cv2.INTER_AREA)
    mesh = cv2.resize(head.astype(np.uint8), (side, side), interpolation=cv2.INTER_AREA) > 0
    radius = max(1, round(scale * side * 1.1))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    near = cv2.dilate(mesh.astype(np.uint8), kernel) > 0
    mask = np.full((side, side), cv2.GC_BGD, dtype=np.uint8)
    mask[near] = cv2.GC_PR_BGD
    inner = cv2.dilate(mesh.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    mask[inner] = cv2.GC_PR_FGD
    mask[cv2.erode(mesh.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0] = cv2.GC_FGD
    if mask.min() == cv2.GC_BGD and (mask == cv2.GC_FGD).any():
        cv2.setRNGSeed(0)
        models = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(small, mask, None, *models, 3, cv2.GC_INIT_WITH_MASK)
    person = np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    person = cv2.GaussianBlur(person, (0, 0), 1.5)
    reach = scale * (0.16 + 0.9 * person)
    return np.asarray(cv2.resize(reach, photo.shape[:2][::-1]), dtype=np.float32)
