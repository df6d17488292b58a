"""The lips of the head rig: where they end, how they are brought to an image's contours or closed.

How far the lips are parted belongs to the image alone: they lie so close together that a smooth
change moves both, and a face whose broad smile is taken away must not keep the gap.

Axis legend: ``v`` vertices, ``u`` blendshapes, ``n`` points of a contour, ``m`` vertices along an
edge.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import dijkstra

from joyvasa_lib.rig.head_rig import Floats, HeadRig
from joyvasa_lib.rig.laplacian import mesh_edges
from joyvasa_lib.rig.regions import (
    INNER_LOWER_LIP,
    INNER_UPPER_LIP,
    MIDDLE_INNER_UPPER_LIP,
    OUTER_EYE_CORNERS,
    OUTER_LOWER_LIP,
    OUTER_UPPER_LIP,
    TEETH,
)
from joyvasa_lib.rig.spreading import Doubles, height_of, spread

_UPPER_INNER, _LOWER_INNER = INNER_UPPER_LIP[1:-1], INNER_LOWER_LIP[1:-1]
"""Inner contours of the lips without the corners."""
_REACH, _SMOOTHING = 0.16, 0.005
"""Standard deviation of the kernel that spreads displacements of a lip's edge, rig units, and the
variance of its noise relative to displacements: edges are met."""
_OUTLINE_SMOOTHING = 0.02
"""The same for the outer contours of the lips."""
_OWN_LIP = 0.25
"""Rig units from a lip within which skin moves with it rather than with the other one."""
_SHARPNESS = 6.0
"""How soon, on the way from the corner of the mouth, skin belongs to one lip alone."""
_SHUT, _OPEN = 0.03, 0.10
"""Rig units between landmarks of touching lips, and from which on they mark the lips' edges."""
_ROLL = 0.16
"""Rig units along the skin from a lip's landmarks to its edge, which is rolled inwards."""
_WIDTH, _COLUMNS = 0.36, 15
"""Distance from the midline, rig units, within which the edges of the lips are apart, and the
columns in which they are found: the mesh is that fine."""
_MOST_STRETCH = 1.1
"""Height of closed lips over that of parted ones up to which they are stretched; then they move."""
_UPPER_SHARE = 0.25
"""Part of that way that the upper lip goes: mostly the jaw closes a mouth."""
_ROUNDS = 4
"""Rounds in which lips are moved to a contour."""
_OF_A_LIP = 0.2
"""Share from which on a vertex can be moved with a lip."""
_JAW_SHARE = 0.6
"""Share of the jaw's largest effect from which on a vertex belongs to the lower face; the corners
of the mouth move less."""


def lip_parting(rig: HeadRig, shape: Floats, landmarks: Doubles) -> Floats:
    """[v, 3] displacement that moves the edges of the lips to where the image has them, rig units.

    Args:
        rig: the head model.
        shape: [v, 3] the expressive head that was fitted.
        landmarks: [468, 3] the image's landmarks in the head's frame, rig units.
    """
    upper, lower = (landmarks[list(ids)] for ids in (INNER_UPPER_LIP, INNER_LOWER_LIP))
    gap = np.maximum(lower[:, 1] - upper[:, 1], 0.0)
    # Landmarks of closed lips lie beside the line where the lips meet.
    beside = 0.5 * gap * np.clip((_OPEN - gap) / (_OPEN - _SHUT), 0.0, 1.0)
    middle = 0.5 * (upper[:, 1] + lower[:, 1])
    upper_end = np.stack([upper[:, 0], np.minimum(upper[:, 1] + beside, middle)], 1)
    lower_end = np.stack([lower[:, 0], np.maximum(lower[:, 1] - beside, middle)], 1)
    return _lips_moved_to(rig, shape, upper_end, lower_end)


def lip_closing(rig: HeadRig, shape: Floats, parted: Floats, overlap: float) -> Floats:
    """[v, 3] displacement that brings the edges of the lips together, rig units.

    They meet where both lips keep the share of the mouth's height that they have while parted, so
    that neither is stretched more than the other.

    Args:
        rig: the head model.
        shape: [v, 3] a head whose lips should touch.
        parted: [v, 3] the same head as the image shows it.
        overlap: rig units by which the edges then overlap.
    """
    above, upper, lower, below = _lip_contours(rig, parted)[..., 1]
    thick, thin = np.maximum(upper - above, 0.0), np.maximum(below - lower, 0.0)
    contours = _lip_contours(rig, shape)
    x, top, bottom = contours[0, :, 0], contours[0, :, 1], contours[3, :, 1]
    excess = np.maximum(bottom - top - _MOST_STRETCH * (thick + thin), 0.0)
    top, bottom = top + _UPPER_SHARE * excess, bottom - (1.0 - _UPPER_SHARE) * excess
    meeting = top + thick / np.maximum(thick + thin, 1e-6) * (bottom - top)
    outlines = _outlines_moved_to(rig, shape, np.stack([x, top], 1), np.stack([x, bottom], 1))
    ends = shape[rig.landmark_vertex[[INNER_UPPER_LIP[0], INNER_UPPER_LIP[-1]]], :2]
    line = np.concatenate([ends[:1], np.stack([x, meeting], 1), ends[1:]])
    half = np.array([0.0, 0.5 * overlap])
    moved = _lips_moved_to(rig, shape + outlines, line + half, line - half)
    return np.asarray(outlines + moved, np.float32)


def _outlines_moved_to(rig: HeadRig, shape: Floats, top: Doubles, bottom: Doubles) -> Floats:
    """[v, 3] smooth displacement that moves the outer contours of the lips, corners left alone.

    Args:
        rig: the head model.
        shape: [v, 3] the head.
        top: [n, 2] where the upper lip should begin.
        bottom: [n, 2] where the lower lip should end.
    """
    known, wanted = [], []
    for ids, contour in ((OUTER_UPPER_LIP, top), (OUTER_LOWER_LIP, bottom)):
        vertex = rig.landmark_vertex[list(ids)]
        start, end = shape[vertex[[0, -1]], :2]
        whole = np.concatenate([start[None], contour, end[None]])
        known.append(vertex[1:-1])
        wanted.append((height_of(whole, shape[vertex, 0]) - shape[vertex, 1])[1:-1])
    corners = rig.landmark_vertex[[OUTER_UPPER_LIP[0], OUTER_UPPER_LIP[-1]]]
    vertex, first = np.unique(np.concatenate([*known, corners]), return_index=True)
    values = np.concatenate([*wanted, np.zeros(2)])[first]
    displacement = np.zeros((len(rig.mean), 3), np.float32)
    displacement[:, 1] = spread(rig, vertex, values[:, None], _REACH, _OUTLINE_SMOOTHING)[:, 0]
    displacement[rig.part_vertices(*TEETH, "tongue")] = 0.0
    return displacement * rig.head_weight[:, None]


def _lips_moved_to(rig: HeadRig, shape: Floats, upper: Doubles, lower: Doubles) -> Floats:
    """[v, 3] displacement that moves the edges of the lips to contours; their outer ones stay.

    Args:
        rig: the head model.
        shape: [v, 3] the head.
        upper: [n, 2] where the upper lip should end, from one corner of the mouth to the other.
        lower: [n, 2] where the lower lip should end, likewise.
    """
    side = lip_side(rig)
    still = rig.landmark_vertex[[*OUTER_UPPER_LIP, *OUTER_LOWER_LIP]]
    moved = np.zeros(len(rig.mean))
    for edge, contour, lip in zip(lip_rims(rig), (upper, lower), (side, -side), strict=True):
        share = np.maximum(lip, 0.0)
        known = np.unique(np.concatenate([edge, still]))
        at_edge = np.isin(known, edge) & (share[known] > _OF_A_LIP)
        wanted = height_of(contour, shape[known, 0]) - shape[known, 1]
        for _ in range(_ROUNDS):  # lips share what is spread: it is less than asked for
            missing = np.where(at_edge, wanted - moved[known], 0.0)
            moved += spread(rig, known, missing[:, None], _REACH, _SMOOTHING)[:, 0] * share
    displacement = np.zeros((len(rig.mean), 3), np.float32)
    displacement[:, 1] = moved
    return displacement


def _lip_contours(rig: HeadRig, shape: Floats) -> Doubles:
    """[4, n, 2] outer upper, inner upper, inner lower and outer lower contour of the lips.

    At places that divide the way between the corners of the mouth evenly, corners left out.
    """
    upper, lower = lip_rims(rig)
    above, below = (rig.landmark_vertex[list(ids)] for ids in (OUTER_UPPER_LIP, OUTER_LOWER_LIP))
    ends = shape[rig.landmark_vertex[[OUTER_UPPER_LIP[0], OUTER_UPPER_LIP[-1]]], 0]
    x = ends[0] + np.linspace(0.2, 0.8, _COLUMNS) * (ends[1] - ends[0])
    contours = [shape[ids, :2].astype(np.float64) for ids in (above, upper, lower, below)]
    return np.stack([np.stack([x, height_of(contour, x)], 1) for contour in contours])


@lru_cache(maxsize=2)
def lip_side(rig: HeadRig) -> Floats:
    """[v] 1 on the upper lip, -1 on the lower one, 0 in the mouth's corners and far from it."""
    upper, lower = (_along_mesh(rig, ids) for ids in (_UPPER_INNER, _LOWER_INNER))
    with np.errstate(invalid="ignore"):
        side = np.tanh(_SHARPNESS * (lower - upper) / (lower + upper))
        side *= np.exp(-((np.minimum(lower, upper) / _OWN_LIP) ** 2))
    return np.nan_to_num(side).astype(np.float32)


@lru_cache(maxsize=2)
def lip_edges(rig: HeadRig) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """[m] vertices where the upper lip ends below, and where the lower lip ends above."""
    edges = []
    for ids, down in ((_UPPER_INNER, 1.0), (_LOWER_INNER, -1.0)):
        near = np.flatnonzero(_along_mesh(rig, ids) < _ROLL)
        column = np.abs(rig.mean[near, 0] - rig.mean[rig.landmark_vertex[list(ids)], 0][:, None])
        lowest = np.where(column < 0.04, down * rig.mean[near, 1], -np.inf).argmax(1)
        edges.append(near[lowest].astype(np.int32))
    return edges[0], edges[1]


@lru_cache(maxsize=2)
def lip_rims(rig: HeadRig) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """[m] vertices along the edges of upper and lower lip, from the image's left.

    The corners are left out: there the lips are one.
    """
    rims = []
    columns = np.linspace(-_WIDTH, _WIDTH, _COLUMNS)[:, None]
    for ids, down in ((_UPPER_INNER, 1.0), (_LOWER_INNER, -1.0)):
        near = np.flatnonzero(_along_mesh(rig, ids) < _ROLL)
        x = rig.mean[near, 0]
        inside = np.abs(x - columns) < 0.5 * (columns[1] - columns[0])
        lowest = np.where(inside, down * rig.mean[near, 1], -np.inf)
        rims.append(near[lowest.argmax(1)[inside.any(1)]].astype(np.int32))
    return rims[0], rims[1]


def _along_mesh(rig: HeadRig, landmarks: tuple[int, ...]) -> Doubles:
    """[v] distance from landmarks along the skin and the inside of the mouth, rig units."""
    edges = mesh_edges(rig.triangles[rig.part("skin", "mouth_cavity")])
    length = np.linalg.norm(rig.mean[edges[:, 0]] - rig.mean[edges[:, 1]], axis=1)
    links = sparse.coo_matrix((length, (edges[:, 0], edges[:, 1])), shape=(len(rig.mean),) * 2)
    start = rig.landmark_vertex[list(landmarks)]
    return np.asarray(dijkstra(links.tocsr(), directed=False, indices=start, min_only=True))


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
