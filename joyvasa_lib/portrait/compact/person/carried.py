"""What moves with the head: hair and hat as the skull does, neck and shoulders less and less.

Every place on the person gets a depth and a weight. Where the fitted head shows, both are the
mesh's; from there they go on smoothly, the depth towards that of the skull's outline, the weight
towards what the height along the neck says. Such a place moves as a point of the rigid head would,
times its weight: a turning head carries its face far and its outline little, as parallax has it.

The motion of a rigid head is affine, so that of any point is a fixed mixture of the motion of four
of its vertices.

Axis legend: ``v`` vertices, ``s`` side of the crop, ``g`` side of the coarse grid, ``o`` cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.rig.fitting import HeadFit
from joyvasa_lib.rig.head_rig import Floats, HeadRig, Ints
from joyvasa_lib.rig.laplacian import degrees, factored, grid_neighbours, screened_laplacian

_AWAY, _NEAR = 1.3, 2.5
"""Depths of the outline of skull and hair on the rig, its units: where it turns away from the view,
and where it comes into view and its back is soon seen."""
_CENTRE, _RADII = (0.0, -1.0), (1.9, 2.2)
"""Middle of an ellipse around head and hair on the rig, and its half axes."""
_HAIR, _FAR = 1.1, 1.75
"""Distances from the middle, in half axes, up to which all moves with the head, and from which
nothing does: shoulders, a hand that is raised, a neighbour."""
_EYES, _MOUTH, _CHEEK, _HELD = -0.6, 0.6, 1.3, 0.8
"""Heights between which what is beside the cheeks begins to move less, and distances from the
middle, rig units: there may be hands and what they hold."""
_STEEPEST = 2.7
"""Largest slope of the depth: at a turn of 20 degrees it nearly squeezes the image to a line. Where
the head is steeper it would hide a part of itself, and a flow cannot."""
_FADES = 1.4
"""Rig units over which depth and weight of the mesh turn into the general ones."""
_FADES_NEAR, _STEEPEST_NEAR = 0.35, 7.0
"""The same, and the largest slope, on the side that comes into view, whose image is stretched."""
_SOFTLY = 2.0
"""Pixels over which an outline changes from turning away to coming into view."""
_LEAST_COVER = 0.4
"""Share of a cell that shows the mesh from which on the mesh decides."""
_LEAST_WEIGHT = 0.05
"""Weight below which a depth does not matter."""
_HEAD = 0.95
"""Weight from which on the mesh is the head, not the neck."""
_FIRM, _LOOSE = 20.0, 0.05
"""How firmly cells of head and neck keep the mesh's values, against their neighbours'."""


@dataclass(frozen=True, eq=False)
class Carried:
    """How cells of the coarse grid move with the head.

    Attributes:
        anchors: [4] vertices of the skull.
        turning_away: [o, 4] factors of their displacement, weight included, as it is on the side of
            the head that turns away from the view.
        turning_near: [o, 4] the same on the side that comes into view.
        outwards: [o, 2] unit vectors from the middle of the head.
        cells: [o] flat indices of the cells.
        free: [o] whether each of them shows no face from in front, whose mesh would say more.
    """

    anchors: Ints
    turning_away: Floats
    turning_near: Floats
    outwards: Floats
    cells: Ints
    free: NDArray[np.bool_]

    def only(self, chosen: NDArray[np.bool_]) -> Carried:
        """The same for some [o] of the cells."""
        return Carried(
            self.anchors,
            self.turning_away[chosen],
            self.turning_near[chosen],
            self.outwards[chosen],
            self.cells[chosen],
            self.free[chosen],
        )

    def displacement(self, anchors: Floats) -> Floats:
        """Displacement [o, 2 b] of the cells from that of the anchors [4, 2 b], pixels.

        Of an outline's two candidates the one farther out is seen; the change from one to the
        other is soft.
        """
        away, near = self.turning_away @ anchors, self.turning_near @ anchors
        apart = (near - away).reshape(len(away), -1, 2)
        farther = (apart * self.outwards[:, None]).sum(-1)
        share = np.clip(0.5 + 0.5 * farther / _SOFTLY, 0.0, 1.0)[..., None]
        return np.asarray(away + (share * apart).reshape(away.shape), np.float32)


def carried_cells(
    rig: HeadRig,
    fit: HeadFit,
    vertices: Floats,
    triangle: Ints,
    depth: Floats,
    trusted: NDArray[np.bool_],
    grid: int,
) -> Carried:
    """The cells of a portrait's grid, whatever they show.

    Args:
        rig: the head model.
        fit: the rig fitted to the crop.
        vertices: [v, 3] the head on the crop, pixels.
        triangle: [s, s] triangle that each pixel shows, -1 outside the head.
        depth: [s, s] its depth, pixels.
        trusted: [f] triangles whose own displacement counts; what is carried joins on to them.
        grid: side of the coarse grid.
    """
    side = len(triangle)
    skin = np.append(rig.part("skin"), False)[triangle]
    weight = np.append(rig.head_weight[rig.triangles].mean(1), 0.0)[triangle]
    known, seen_depth, seen_weight = _cell_means(skin, depth, weight, grid)
    shown = np.append(trusted, False)[triangle].astype(np.float32)
    fixed = cv2.resize(shown, (grid, grid), interpolation=cv2.INTER_AREA) > 0.5
    line = ((np.arange(grid) + 0.5) * side / grid - 0.5).astype(np.float32)
    places = np.stack(np.meshgrid(line, line), -1)
    cell = side / (grid * fit.scale)
    # Where the chin hides the neck, depth and weight change at once; a flow must not.
    neck = known & (seen_weight <= _HEAD)
    firm = np.where(neck, _LOOSE, _FIRM)
    pull = (cell / _FADES) ** 2

    def depths(depth_of_outline: float, keeps: NDArray[np.bool_], fading: float) -> Floats:
        outline = fit.project(np.array([[*_CENTRE, depth_of_outline]], np.float32))[0, 2]
        anchor = np.where(keeps, firm, fading)
        target = np.where(keeps, seen_depth, outline)
        return _smooth(anchor, target, np.full_like(anchor, outline))

    far = depths(_AWAY, known, pull)
    near = depths(_NEAR, fixed | neck, (cell / _FADES_NEAR) ** 2)
    points = np.concatenate([places, far[..., None]], -1).reshape(-1, 3)
    on_rig = ((points - fit.translation) / fit.scale) @ fit.rotation.T
    general = _general_weight(on_rig).reshape(grid, grid)
    anchor = np.where(known, firm, pull)
    follow = np.clip(_smooth(anchor, np.where(known, seen_weight, general), general), 0.0, 1.0)
    pivot = float(fit.project(rig.pivot[None])[0, 2])
    anchors = _anchors(rig)
    corners = np.concatenate([vertices[anchors], np.ones((4, 1))], 1).astype(np.float64)

    def factors(depth: Floats, steepest: float) -> Floats:
        swing = _gentle(follow * (depth - pivot), fixed, steepest * side / grid)
        gentle = pivot + swing / np.maximum(follow, _LEAST_WEIGHT)
        homogeneous = np.dstack([places, gentle, np.ones_like(gentle)]).reshape(-1, 4)
        found = np.linalg.solve(corners.T, homogeneous.T).T * follow.reshape(-1, 1)
        return np.asarray(found, np.float32)

    middle = fit.project(np.array([[*_CENTRE, _AWAY]], np.float32))[0, :2]
    outwards = (places - middle).reshape(-1, 2)
    outwards /= np.maximum(np.linalg.norm(outwards, axis=1, keepdims=True), 1e-6)
    away, near = factors(far, _STEEPEST), factors(near, _STEEPEST_NEAR)
    cells = np.arange(grid * grid, dtype=np.int32)
    return Carried(anchors, away, near, outwards, cells, ~fixed.ravel())


def _general_weight(points: NDArray[np.floating]) -> Floats:
    """[o] how far points [o, 3] of the rig's space move with the head where no mesh is."""
    away = np.linalg.norm((points[:, :2] - np.array(_CENTRE)) / np.array(_RADII), axis=1)
    share = np.clip((away - _HAIR) / (_FAR - _HAIR), 0.0, 1.0)
    low = np.clip((points[:, 1] - _EYES) / (_MOUTH - _EYES), 0.0, 1.0)
    beside = np.maximum(np.abs(points[:, 0]) - _CHEEK, 0.0) / _HELD
    fall = (1.0 - share * share * (3.0 - 2.0 * share)) * np.exp(-low * beside * beside)
    return np.asarray(fall, np.float32)


def _cell_means(
    skin: NDArray[np.bool_], depth: Floats, weight: Floats, grid: int
) -> tuple[NDArray[np.bool_], Floats, Floats]:
    """Cells [g, g] that show the mesh, and its mean depth and weight there."""
    planes = np.dstack([skin, np.where(skin, depth, 0.0), np.where(skin, weight, 0.0)])
    means = cv2.resize(planes.astype(np.float32), (grid, grid), interpolation=cv2.INTER_AREA)
    share = np.maximum(means[..., 0], 1e-6)
    return means[..., 0] > _LEAST_COVER, means[..., 1] / share, means[..., 2] / share


def _smooth(anchor: Floats, target: Floats, general: Floats) -> Floats:
    """Cells [g, g] near their targets, smooth between them.

    Args:
        anchor: [g, g] how firmly each cell keeps its target.
        target: [g, g].
        general: [g, g] a field whose own shape does not count as rough.
    """
    cells = grid_neighbours(*anchor.shape)
    system = screened_laplacian(cells, degrees(cells) + anchor.ravel())
    found = factored(system).solve((anchor * (target - general)).ravel().astype(np.float64))
    return np.asarray(found.reshape(anchor.shape) + general, np.float32)


def _gentle(field: Floats, fixed: NDArray[np.bool_], slope: float) -> Floats:
    """The field [g, g] with slopes of at most ``slope`` from cell to cell.

    What is not ``fixed`` [g, g] is brought within reach of what is. Of the result this is the mean
    of the largest gentle field below it and the least above it.
    """
    far = np.float32(np.inf)
    most = _below(np.where(fixed, field, far), slope)
    least = -_below(np.where(fixed, -field, far), slope)
    field = np.where(fixed, field, np.clip(field, np.minimum(least, most), most))
    return np.asarray(0.5 * (_below(field, slope) - _below(-field, slope)), np.float32)


def _below(field: Floats, slope: float) -> Floats:
    """The largest field [g, g] below one whose slopes are at most ``slope``, by relaxation."""
    steps = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx]
    tall, wide = field.shape
    found = np.array(field)
    for _ in range(len(field)):
        around = np.pad(found, 1, constant_values=np.inf)
        least = found
        for dy, dx in steps:
            beside = around[1 + dy : 1 + dy + tall, 1 + dx : 1 + dx + wide]
            least = np.minimum(least, beside + slope * np.float32(np.hypot(dy, dx)))
        if np.array_equal(least, found):
            break
        found = least
    return found


def _anchors(rig: HeadRig) -> Ints:
    """[4] vertices of the skull, far apart: top, back, left and right."""
    head = np.flatnonzero((rig.head_weight > 0.999) & rig.skin_vertex)
    place = rig.mean[head]
    ends = (place[:, 1].argmin(), place[:, 2].argmax(), place[:, 0].argmin(), place[:, 0].argmax())
    return np.asarray(head[list(ends)], np.int32)
