"""The skin of the eyelids: its vertices, and how much of it is painted as an eye closes.

Most of an open eye's upper eyelid is folded into the crease; its skin is painted where it appears.

Axis legend: ``v`` vertices.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.rig.head_rig import Floats, HeadRig, Ints
from joyvasa_lib.rig.regions import EYEBALLS, EYES, LEFT_EYE, RIGHT_EYE
from joyvasa_lib.rig.spreading import height_of, spread

_BLINKS = ("eyeBlinkLeft", "eyeBlinkRight")
_FOLDED, _STRETCHED = 0.05, 0.25
"""Weights up to which a closed eyelid shows the image, and from which on it is painted, because the
image's skin would be stretched too far."""
_REACH, _SMOOTHING = 0.11, 0.005
"""Standard deviation of the kernel that spreads displacements of an eyelid's edge, rig units, and
the variance of its noise relative to displacements."""
_BESIDE, _BEFORE = 0.03, 0.03
"""Rig units from the rim of an eye, as seen from the front, within which the edge of an eyelid is
looked for, and least distance before the rim."""
_BEHIND, _THICK = 0.01, 0.12
"""Rig units behind an eyelid's edge from which on skin is its inner side, and from its rim up to
which it is."""
_RISING = 0.5
"""Share of its depth below the corners of the eye by which the edge of the lower eyelid rises in a
blink, as in those of people who talk: the lashes end on a line that hardly sags."""
_UNDER_LASHES = 0.12
"""Rig units below an eye up to which skin lies under the lashes when it is closed; it fades to
twice as far."""
_STILL = 0.02
"""Weight up to which skin does not belong to the upper eyelid."""


def lid_weight(rig: HeadRig) -> Floats:
    """[v] how far a blink moves a vertex: 1 on the edge of the upper eyelid, 0 off the eyelid."""
    blink = rig.blendshapes[[rig.blendshape_index(name) for name in _BLINKS]]
    length = np.linalg.norm(blink, axis=-1)
    weight = (length / length.max(1, keepdims=True)).max(0)
    return np.where(rig.skin_vertex | (weight > 0), weight, 0.0).astype(np.float32)


def above_irises(rig: HeadRig) -> NDArray[np.bool_]:
    """[v] whether a vertex of the mean head lies above both irises, where upper eyelids are."""
    return np.asarray(rig.mean[:, 1] < rig.mean[rig.iris_vertex, 1].min())


def lid_rim(rig: HeadRig) -> Ints:
    """Vertices of the edges of the eyelids, where skin turns into the eye's cavity."""
    return np.intersect1d(rig.part_vertices("skin"), rig.part_vertices("eye_cavity"))


@lru_cache(maxsize=2)
def lid_edges(rig: HeadRig) -> tuple[tuple[Ints, Ints], tuple[Ints, Ints]]:
    """Vertices of the edges of upper and lower eyelid, of the person's left eye and the right one.

    The skin that bounds the opening as it is seen from the front; the rim itself lies behind it.
    Each goes from the corner on the image's left to the other, both corners included.
    """
    blinks = [rig.blendshape_index(name) for name in _BLINKS]
    shut = rig.mean + rig.blendshapes[blinks].sum(0)
    skin = np.flatnonzero(rig.skin_vertex)
    eyes = []
    for marks, ring in zip(EYES, _rims(rig), strict=True):
        corners = rig.landmark_vertex[[marks.outer_corner, marks.inner_corner]]
        corners = corners[np.argsort(rig.mean[corners, 0])]
        edges = []
        for rim, down in zip(ring, (1.0, -1.0), strict=True):
            edge = [corners[0]]
            for vertex in rim[1:-1]:
                offset = rig.mean[skin] - rig.mean[vertex]
                apart = np.hypot(*offset[:, :2].T) + 10.0 * (offset[:, 2] > -_BEFORE)
                near = apart < max(_BESIDE, float(apart.min()) + 1e-6)
                front = skin[near][(down * shut[skin[near], 1]).argmax()]
                if rig.mean[edge[-1], 0] < rig.mean[front, 0] < rig.mean[corners[1], 0]:
                    edge.append(front)
            edges.append(np.array([*edge, corners[1]], np.int32))
        eyes.append((edges[0], edges[1]))
    return eyes[0], eyes[1]


@lru_cache(maxsize=2)
def inner_sides(rig: HeadRig) -> Ints:
    """Vertices of the eyelids' inner sides: the rim, and the skin between it and the edge."""
    inside = np.zeros(len(rig.mean), bool)
    x, y, z = rig.mean.astype(np.float64).T
    for edge in (line for eye in lid_edges(rig) for line in eye):
        points = rig.mean[edge].astype(np.float64)
        beside = (x > points[:, 0].min()) & (x < points[:, 0].max())
        level = np.abs(y - height_of(points[:, :2], x)) < _BESIDE
        inside |= beside & level & (z > height_of(points[:, [0, 2]], x) + _BEHIND)
    inside &= rig.skin_vertex & (distance_from_eyelids(rig) < _THICK)
    inside[lid_rim(rig)] = True
    return np.flatnonzero(inside).astype(np.int32)


def _rims(rig: HeadRig) -> list[tuple[Ints, Ints]]:
    """Upper and lower half of the rim of each eye, from the image's left to its right."""
    rim = lid_rim(rig)
    halves = []
    for ring in (rim[rig.mean[rim, 0] > 0], rim[rig.mean[rim, 0] < 0]):
        around = rig.mean[ring, :2] - rig.mean[ring, :2].mean(0)
        ring = ring[np.argsort(np.arctan2(around[:, 1], around[:, 0]))]  # left, above, right, below
        ring = np.roll(ring, -int(rig.mean[ring, 0].argmin()))
        last = int(rig.mean[ring, 0].argmax())
        halves.append((ring[: last + 1], np.append(ring[last:], ring[0])[::-1]))
    return halves


def lid_closing(rig: HeadRig, shut: Floats, overlap: float) -> Floats:
    """[2, v, 3] displacement that lays the edges of the upper eyelids on the lower ones, rig units.

    A blink of the rig closes the mean eye, with its upper eyelid alone. On a person's eye it leaves
    gaps, or goes beyond the lower eyelid, which rises to meet the upper one: what is missing, of
    the person's left and right eye.

    Args:
        rig: the head model.
        shut: [v, 3] the head with its eyes shut by the rig's blinks.
        overlap: rig units by which the upper eyelid then covers the lower one in the middle.
    """
    closing = np.zeros((2, *shut.shape), np.float32)
    for eye, (upper, lower) in enumerate(lid_edges(rig)):
        x = shut[upper, 0]
        share = (x - x[0]) / (x[-1] - x[0])
        margin = shut[lower, :2].astype(np.float64)
        rising = _RISING * np.minimum(height_of(margin[[0, -1]], margin[:, 0]) - margin[:, 1], 0.0)
        margin[:, 1] += rising
        end = height_of(margin, x)
        end += overlap * np.clip(4.0 * share * (1.0 - share), 0.0, 1.0)  # none in the corners
        missing = (end - shut[upper, 1])[1:-1, None]
        closing[eye, :, 1] = _with_edge(rig, eye, missing, rising[1:-1, None])[:, 0]
    return closing


@lru_cache(maxsize=2)
def lid_following(rig: HeadRig) -> Floats:
    """[2, u, v] how far a closed upper eyelid goes down as each blendshape moves its lower one.

    Lids that squint, widen or follow the gaze would leave a closed eye open, or cover the lashes
    below it: the edge of the upper one stays on the lower one's. Rig units down per activation, of
    the person's left and right eye; 0 for blinks, which :func:`lid_closing` ends.
    """
    heights = rig.blendshapes[..., 1].copy()
    heights[[rig.blendshape_index(name) for name in _BLINKS]] = 0.0
    following = np.zeros((2, *heights.shape), np.float32)
    for eye, (upper, lower) in enumerate(lid_edges(rig)):
        line = rig.mean[lower, 0].astype(np.float64)
        missing = [
            np.interp(rig.mean[upper, 0], line, height[lower]) - height[upper] for height in heights
        ]
        following[eye] = _with_edge(rig, eye, np.stack(missing, 1)[1:-1]).T
    return following


def _with_edge(
    rig: HeadRig,
    eye: int,
    moved: NDArray[np.floating],
    rising: NDArray[np.floating] | None = None,
) -> Floats:
    """[v, k] the eyelids' skin that follows movements of their edges.

    Args:
        rig: the head model.
        eye: 0 for the person's left one.
        moved: [n, k] of the upper edge without its ends.
        rising: [m, k] of the lower one; None where it stays.
    """
    upper, lower = lid_edges(rig)[eye]
    inner = upper[1:-1]
    if rising is not None:
        inner, moved = np.concatenate([inner, lower[1:-1]]), np.concatenate([moved, rising])
    marks = EYES[eye]
    still = np.concatenate([lower, rig.landmark_vertex[list(marks.crease + marks.bag)]])
    still = np.setdiff1d(still, inner)
    values = np.concatenate([moved, np.zeros((len(still), moved.shape[1]))])
    skin = spread(rig, np.concatenate([inner, still]), values, _REACH, _SMOOTHING)
    skin[rig.part_vertices(*EYEBALLS)] = 0.0
    return np.asarray(skin, np.float32)


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


def under_lashes(rig: HeadRig) -> Floats:
    """[v] share in [0, 1] to which skin below a closed eye shows the shadow of its lashes."""
    middle = rig.mean[rig.iris_vertex, 1].max()
    near = np.clip(2.0 - distance_from_eyelids(rig) / _UNDER_LASHES, 0.0, 1.0)
    return np.asarray(near * (rig.skin_vertex & (rig.mean[:, 1] > middle)), dtype=np.float32)


def closing_order(rig: HeadRig) -> Floats:
    """[v] how far an eye has closed when its eyelid reaches a vertex: 0 on it, 1 below the eye."""
    rim = rig.mean[lid_rim(rig), 1]
    top, bottom = float(rim.min()), float(rim.max())
    order = np.clip((rig.mean[:, 1] - top) / (bottom - top), 0.0, 1.0)
    upper = above_irises(rig) & (lid_weight(rig) > _STILL)
    return np.where(upper, 0.0, order).astype(np.float32)
