"""Puts a fitted head on its landmarks: spreads the residuals of identity and blendshapes.

A smooth change of the head belongs to the person. How far the lips are parted belongs to the image
alone: the lips lie so close together that a smooth change moves both, and a face whose broad smile
is taken away must not keep the gap.

Axis legend: ``v`` vertices, ``n`` points with a known displacement, ``m`` pairs of points on the
inner contours of the lips.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import dijkstra

from joyvasa_lib.rig.head_rig import Floats, HeadRig
from joyvasa_lib.rig.laplacian import mesh_edges
from joyvasa_lib.rig.regions import INNER_LOWER_LIP, INNER_UPPER_LIP, OUTER_LIPS

Doubles = NDArray[np.float64]

_UPPER_INNER, _LOWER_INNER = INNER_UPPER_LIP[1:-1], INNER_LOWER_LIP[1:-1]
"""Inner contours of the lips without the corners."""
_REACH, _LIP_REACH = 0.35, 0.16
"""Standard deviation of the kernels that spread displacements of the head and of a lip, rig
units."""
_SMOOTHING, _LIP_SMOOTHING = 0.05, 0.005
"""Assumed variance of the noise of landmarks and of lip edges, relative to displacements: landmarks
are smoothed, lip edges are met."""
_OWN_LIP = 0.25
"""Rig units from a lip within which skin moves with it rather than with the other one."""
_SHUT, _OPEN = 0.03, 0.10
"""Rig units between landmarks of touching lips, and from which on they mark the lips' edges."""
_ROLL = 0.16
"""Rig units along the skin from a lip's landmarks to its edge, which is rolled inwards."""


def spread_residuals(rig: HeadRig, vertex: NDArray[np.int32], displacement: Doubles) -> Floats:
    """[v, 3] displacements known at some vertices, spread smoothly over the head.

    Args:
        rig: the head model.
        vertex: [n] vertices whose displacement is known.
        displacement: [n, 3] rig units.
    """
    known, first = np.unique(vertex, return_index=True)
    spread = _interpolate(rig, known, displacement[first], _REACH, _SMOOTHING)
    return np.asarray(spread * rig.head_weight[:, None], dtype=np.float32)


def lip_parting(rig: HeadRig, shape: Floats, landmarks: Doubles) -> Floats:
    """[v, 3] displacement that moves the edges of the lips to where the image has them, rig units.

    Args:
        rig: the head model.
        shape: [v, 3] the expressive head that was fitted.
        landmarks: [468, 3] the image's landmarks in the head's frame, rig units.
    """
    upper, lower = landmarks[list(_UPPER_INNER), 1], landmarks[list(_LOWER_INNER), 1]
    gap = np.maximum(lower - upper, 0.0)
    # Landmarks of closed lips lie beside the line where the lips meet.
    beside = 0.5 * gap * np.clip((_OPEN - gap) / (_OPEN - _SHUT), 0.0, 1.0)
    middle = 0.5 * (upper + lower)
    wanted = np.minimum(upper + beside, middle), np.maximum(lower - beside, middle)
    side = lip_side(rig)
    still = rig.landmark_vertex[list(OUTER_LIPS)]
    parting = np.zeros((len(rig.mean), 3))
    for edge, place, lip in zip(lip_edges(rig), wanted, (side, -side), strict=True):
        known, first = np.unique(np.concatenate([edge, still]), return_index=True)
        change = np.concatenate([place - shape[edge, 1], np.zeros(len(still))])[first]
        spread = _interpolate(rig, known, change[:, None], _LIP_REACH, _LIP_SMOOTHING)
        parting[:, 1] += spread[:, 0] * np.maximum(lip, 0.0)
    return parting.astype(np.float32)


def _interpolate(
    rig: HeadRig, known: NDArray[np.int32], values: Doubles, reach: float, noise: float
) -> Doubles:
    """[v, d] regularised Gaussian kernel interpolation of values [n, d] at known vertices."""
    places = rig.mean.astype(np.float64) / reach
    squared = (places**2).sum(1)[:, None] + (places[known] ** 2).sum(1)
    kernel = np.exp(-0.5 * np.maximum(squared - 2.0 * places @ places[known].T, 0.0))
    weights = np.linalg.solve(kernel[known] + noise * np.eye(len(known)), values)
    return np.asarray(kernel @ weights)


@lru_cache(maxsize=2)
def lip_side(rig: HeadRig) -> Floats:
    """[v] 1 on the upper lip, -1 on the lower one, 0 in the mouth's corners and far from it."""
    upper, lower = (_along_mesh(rig, ids) for ids in (_UPPER_INNER, _LOWER_INNER))
    with np.errstate(invalid="ignore"):
        side = np.tanh(3.0 * (lower - upper) / (lower + upper))
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


def _along_mesh(rig: HeadRig, landmarks: tuple[int, ...]) -> Doubles:
    """[v] distance from landmarks along the skin and the inside of the mouth, rig units."""
    edges = mesh_edges(rig.triangles[rig.part("skin", "mouth_cavity")])
    length = np.linalg.norm(rig.mean[edges[:, 0]] - rig.mean[edges[:, 1]], axis=1)
    links = sparse.coo_matrix((length, (edges[:, 0], edges[:, 1])), shape=(len(rig.mean),) * 2)
    start = rig.landmark_vertex[list(landmarks)]
    return np.asarray(dijkstra(links.tocsr(), directed=False, indices=start, min_only=True))
