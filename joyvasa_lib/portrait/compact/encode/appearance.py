"""The appearance of a head, read from one image through the fitted rig: layers, depth, what moves.

This is the appearance half of the compact preset's encoder; the fitted head rig is the motion half.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.encode.displacement_reach import displacement_reach
from joyvasa_lib.portrait.compact.encode.eyes.eye_contour import eye_margins, eye_matte
from joyvasa_lib.portrait.compact.encode.eyes.eyeballs import WholeEyes, complete_eyes
from joyvasa_lib.portrait.compact.encode.flow_extension import (
    GRID,
    FlowExtension,
    build_extension,
)
from joyvasa_lib.portrait.compact.encode.palette import pale
from joyvasa_lib.portrait.compact.folds.fold_depths import Folds
from joyvasa_lib.portrait.compact.folds.relief import skin_folds
from joyvasa_lib.portrait.compact.grain import add_grain, find_grain
from joyvasa_lib.portrait.compact.layers import (
    LOWER,
    MIXED,
    MOUTH,
    MOUTH_LAYERS,
    OUTSIDE,
    SKIN,
    triangle_layer,
)
from joyvasa_lib.portrait.compact.lips.closed_mouth import (
    fitted_contours,
    seen_contours,
    without_mouth,
)
from joyvasa_lib.portrait.compact.lips.lip_line import LipLine, find_lip_line
from joyvasa_lib.portrait.compact.person.carried import carried_cells
from joyvasa_lib.portrait.compact.person.layers import PersonLayers, split_layers
from joyvasa_lib.portrait.compact.softness import edge_softness
from joyvasa_lib.rig.eyelids import inner_sides, lid_weight
from joyvasa_lib.rig.fitting import HeadFit
from joyvasa_lib.rig.head_rig import Floats, HeadRig, Ints
from joyvasa_lib.rig.rasterizer import rasterize
from joyvasa_lib.rig.regions import EYEBALLS, INSIDE_MOUTH, LEFT_EYE, LIPS, RIGHT_EYE

Bytes = NDArray[np.uint8]

_SET_BACK = {"eye": 0.08, "eye_cavity": 0.16, "mouth": 0.05}
"""Rig units by which eyeballs and teeth are moved back: no fit is exact enough to keep them behind
eyelids and lips everywhere. What lies inside the edges of the eyelids stays behind the eyeball."""
_LIDS_FORWARD = 0.05
"""Rig units by which upper eyelids are moved forward, so that they close over the lower ones."""
_INNER_SIDE = 0.6
"""Rig units by which the inner edges of lids that uncover an eye are moved back."""
_LEAST_FACING = 0.25
"""Cosine between a triangle's normal and the view from which on its displacement is used."""
_FACING_CARRIED = 0.347
"""The same for the motion of the head in front of a background that stays, where it turns farther:
steeper triangles would hide behind others."""
_PAINT_NEAR, _PAINT_FAR = 0.18, 0.32
"""Distances from lips and eyelids, rig units, within which all skin may be painted, and none
beyond."""
_NOSE = 0.05
"""Half the width of the bridge of the nose, rig units; it is not painted."""
_LIP_EDGE = 0.03
"""Rig units around the fitted lips' inner edge in which a pixel may be lip or tooth."""
_TEETH_SHOW = 0.15
"""Share of pale pixels between the lips from which on these are taken for teeth."""
_EAR_X = 1.4
"""Distance from the midline beyond which vertices are the ears', rig units. Ears are not fitted:
they move with the face."""


@dataclass(frozen=True, eq=False)
class Appearance:
    """The image seen through the fitted head.

    Attributes:
        image: [s, s, 3] the square crop, RGB.
        skin: [s, s, 3] see :func:`~joyvasa_lib.portrait.compact.lips.closed_mouth.without_mouth`.
        vertices: [v, 3] the fitted head on the crop, pixels.
        layer: [s, s] which layer of the head each pixel shows (see ``lookup``).
        depth: [s, s] depth of the fitted head, pixels; infinite outside.
        shown_layer: [f] layer of every triangle for driven heads: ``OUTSIDE`` away from mouth and
            eyes, where displacement is smooth enough for the coarse grid of the extension.
        paintable: [v] share of what the image does not show that may be painted: 1 by lips and
            eyelids, 0 on the rest of the skin, whose pixels are stretched instead.
        extension: carries the face's displacement into the image around it.
        eye_margins: [2, 2] see
            :func:`~joyvasa_lib.portrait.compact.encode.eyes.eye_contour.eye_margins`.
        eye_matte: [s, s] see
            :func:`~joyvasa_lib.portrait.compact.encode.eyes.eye_contour.eye_matte`.
        eyes: the eyes without their lids.
        folds: what its skin shows when it folds.
        softness: standard deviation in pixels of the blur that the face's edges show.
        grain: [s, s, 3] see :func:`~joyvasa_lib.portrait.compact.grain.find_grain`; None where
            the image has none.
        layers: ``skin`` as person and background; None where the person is not told from it.
        lip_line: the line between closed lips; None without one.
    """

    image: Bytes
    skin: Bytes
    vertices: Floats
    layer: Bytes
    depth: Floats
    shown_layer: Bytes
    paintable: Floats
    extension: FlowExtension
    eye_margins: Floats
    eye_matte: Bytes
    eyes: WholeEyes
    folds: Folds
    softness: float = 0.0
    grain: Floats | None = None
    layers: PersonLayers | None = None
    lip_line: LipLine | None = None


@lru_cache(maxsize=2)
def _set_back(rig: HeadRig) -> Floats:
    back = np.zeros(len(rig.mean), dtype=np.float32)
    back[rig.part_vertices("eye_cavity")] = _SET_BACK["eye_cavity"]
    back[rig.part_vertices("skin")] = 0.0
    back[rig.part_vertices(*EYEBALLS)] = _SET_BACK["eye"]
    back[rig.part_vertices(*INSIDE_MOUTH)] = _SET_BACK["mouth"]
    back -= _LIDS_FORWARD * lid_weight(rig) * rig.skin_vertex
    return back


def set_back(rig: HeadRig, vertices: Floats, scale: float, opened: Floats | None = None) -> Floats:
    """Vertices with eyeballs and mouth interior a little deeper, for rasterising.

    Args:
        rig: the head model.
        vertices: [..., v, 3] pixels.
        scale: pixels per rig unit.
        opened: [..., v] share to which eyes show what lids cover on the image: the inner side of
            these lids, which would show the eye's pixels a second time, lies behind the eyeball.
    """
    deeper = np.array(vertices, dtype=np.float32)
    deeper[..., 2] += scale * _set_back(rig)
    if opened is not None:
        inner = inner_sides(rig)
        deeper[..., inner, 2] += scale * _INNER_SIDE * opened[..., inner]
    return deeper


@lru_cache(maxsize=2)
def paintable(rig: HeadRig) -> Floats:
    """[v] share of what an image does not show that may be painted; see :class:`Appearance`."""
    near = rig.mean[rig.landmark_vertex[[*LIPS, *RIGHT_EYE.lids, *LEFT_EYE.lids]]]
    distance = np.linalg.norm(rig.mean[:, None] - near[None], axis=-1).min(1)
    weight = np.clip((_PAINT_FAR - distance) / (_PAINT_FAR - _PAINT_NEAR), 0.0, 1.0)
    weight[rig.part_vertices("eye_cavity", *EYEBALLS, *INSIDE_MOUTH)] = 1.0
    weight *= np.clip(np.abs(rig.mean[:, 0]) / _NOSE - 1.0, 0.0, 1.0) ** (rig.mean[:, 1] < 0.0)
    return weight.astype(np.float32)


@lru_cache(maxsize=2)
def _shown_layer(rig: HeadRig) -> Bytes:
    layer = triangle_layer(rig)
    by_features = paintable(rig)[rig.triangles].max(1) > 0.0
    layer[(layer == SKIN) & ~by_features] = OUTSIDE
    return layer


def _trusted(rig: HeadRig, vertices: Floats, least: float) -> NDArray[np.bool_]:
    """[f] triangles of the head's skin that face the view enough for their displacement to count.

    Ears are left out: their position on the image differs from the rig's.
    """
    a, b, c = (vertices[rig.triangles[:, n]] for n in range(3))
    normal = np.cross(b - a, c - a)
    facing = -normal[:, 2] / np.maximum(np.linalg.norm(normal, axis=1), 1e-9)
    head = rig.head_weight[rig.triangles].min(1) > 0.95
    ears = np.abs(rig.mean[rig.triangles, 0]).max(1) > _EAR_X
    return (facing > least) & head & ~ears & rig.part("skin")


def with_lip_edges(layer: Bytes, white: NDArray[np.bool_], scale: float) -> Bytes:
    """Layers [s, s] with uncertain pixels of the mouth marked as ``MIXED``.

    A narrow slit may be lips. If upper teeth show, lips beside them may be teeth, and so may
    ``white`` [s, s] pixels behind and below them.
    """
    mouth = np.isin(layer, MOUTH_LAYERS).astype(np.uint8)
    reach = max(1, round(_LIP_EDGE * scale))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    mixed = (cv2.morphologyEx(mouth, cv2.MORPH_OPEN, disc) == 0) & (mouth > 0)
    if (mouth * white).sum() > _TEETH_SHOW * mouth.sum():
        # Also what is darker between and around teeth: their outlines would be stretched.
        pale_mouth = cv2.morphologyEx(mouth * white.astype(np.uint8), cv2.MORPH_CLOSE, disc)
        mixed |= (layer == LOWER) | ((layer == MOUTH) & (cv2.dilate(pale_mouth, disc) > 0))
        mixed |= (cv2.dilate(mouth, disc) > 0) & (layer == SKIN)
    return np.where(mixed, np.uint8(MIXED), layer)


def typical_skin(image: Bytes, layer: Bytes) -> Floats:
    """Median colour [3] of what an image shows as skin; mid grey without any."""
    skin = image[layer == SKIN]
    return np.asarray(np.median(skin, axis=0) if len(skin) else np.full(3, 128.0), np.float32)


def fitted_layers(rig: HeadRig, fit: HeadFit, side: int) -> tuple[Floats, Ints, Floats, Bytes]:
    """The fitted head on its image.

    Args:
        rig: the head model.
        fit: the rig fitted to the crop.
        side: of the crop in pixels.

    Returns:
        [v, 3] vertices in pixels; [s, s] triangle, its depth and its layer of every pixel.
    """
    shape = fit.shape + fit.parting + np.tensordot(fit.blendshapes, rig.blendshapes, 1)
    vertices = fit.project(np.asarray(shape, np.float32))
    triangle, depth = rasterize(set_back(rig, vertices, fit.scale)[None], rig.triangles, side)
    layers = np.append(triangle_layer(rig), OUTSIDE).astype(np.uint8)
    return vertices, triangle[0], depth[0], layers[triangle[0]]


def read_appearance(
    rig: HeadRig,
    fit: HeadFit,
    image: Bytes,
    landmarks: Floats | None = None,
    matte: Floats | None = None,
) -> Appearance:
    """Projects the fitted head on the image and reads layers and colours.

    Args:
        rig: the head model.
        fit: the rig fitted to this crop.
        image: [s, s, 3] uint8 RGB crop.
        landmarks: [468 or 478, 3] of the crop in pixels; lips are where the fit has them for None.
        matte: [s, s] share of each pixel that the person covers; None where that is not known.
    """
    image = np.require(image, np.uint8, ["C", "W"])  # one type for compiled code
    side = len(image)
    vertices, triangle, depth, layer = fitted_layers(rig, fit, side)
    layer = with_lip_edges(layer, pale(image, typical_skin(image, layer)), fit.scale)
    margins = eye_margins(rig, image, vertices)
    lips = fitted_contours(rig, vertices) if landmarks is None else seen_contours(landmarks)
    trusted = _trusted(rig, vertices, _LEAST_FACING)
    reach, reach_expression = displacement_reach(
        image, triangle >= 0, np.append(trusted, False)[triangle], fit.scale / side, matte
    )
    skin = without_mouth(image, lips, fit.scale)
    grain = find_grain(image, (layer == SKIN) & (triangle >= 0))
    if grain is not None and skin is not image:
        filled = (skin != image).any(-1).astype(np.float32)
        add_grain(skin, grain, cv2.GaussianBlur(filled, (0, 0), 1.0) * filled)
    carried = layers = None
    if matte is not None:
        in_front = _trusted(rig, vertices, _FACING_CARRIED)
        carried = carried_cells(rig, fit, vertices, triangle, depth, in_front, GRID)
        layers = split_layers(skin, matte)
    softness = edge_softness(image, triangle >= 0)
    return Appearance(
        image=image,
        skin=skin,
        vertices=vertices,
        layer=layer,
        depth=depth,
        eye_margins=margins,
        eye_matte=eye_matte(rig, vertices, side, fit.scale),
        eyes=complete_eyes(rig, image, vertices, landmarks, fit.scale),
        folds=skin_folds(rig, fit.shape, image, vertices, layer, softness),
        shown_layer=_shown_layer(rig),
        paintable=paintable(rig),
        extension=build_extension(
            triangle, trusted, vertices, rig.triangles, reach, reach_expression, carried
        ),
        softness=softness,
        grain=grain,
        layers=layers,
        lip_line=find_lip_line(skin, fitted_contours(rig, vertices), fit.scale),
    )
