"""Draws driven heads: warps the photograph, paints what it never showed, smooths layer edges.

Axis legend: ``b`` frames, ``v`` vertices, ``f`` triangles, ``s`` side of the crop, ``h`` x ``w``
a window of it, drawn several times finer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.appearance import Appearance, set_back
from joyvasa_lib.portrait.compact.fitting import LIPS
from joyvasa_lib.portrait.compact.frame_threads import for_each_frame
from joyvasa_lib.portrait.compact.head_rig import Floats, HeadRig
from joyvasa_lib.portrait.compact.lids import eye_distance
from joyvasa_lib.portrait.compact.lookup import look_up
from joyvasa_lib.portrait.compact.rasterizer import rasterize

Frames = NDArray[np.uint8]

_FINER = 2
"""Samples along one side of a pixel where layers meet."""
_TORN, _PARTLY = 4.0, 0.25
"""Within a pixel, distance on the photograph (pixels) and share of paint that make an edge."""
_AROUND_LIDS, _AROUND_LIPS = 0.16, 0.12
"""Distance in the mean head, rig units, within which edges are smoothed."""
_SEEN = 0.02
"""Share of painting below which the photograph is left alone."""


@dataclass(frozen=True, eq=False)
class Performance:
    """One batch of driven heads, ready to draw.

    Attributes:
        vertices: [b, v, 3] driven head in crop pixels.
        colour: [b, v, 3] paint for what the photograph does not show, [0, 255].
        trust: [b, v] share of the photograph's own pixels, [0, 1].
        tolerance: pixels by which a point may lie behind the photograph's surface.
    """

    vertices: Floats
    colour: Floats
    trust: Floats
    tolerance: float


def draw_frames(
    rig: HeadRig, look: Appearance, performance: Performance, mask: Floats, scale: float
) -> Frames:
    """Draws a batch of frames.

    Args:
        rig: the head model.
        look: the photograph seen through the fitted head.
        performance: the driven heads.
        mask: [s, s] in [0, 1], where displacement is allowed (it fades at the crop's border).
        scale: pixels per rig unit.

    Returns:
        [b, s, s, 3] uint8.
    """
    side = len(look.photo)
    deeper = set_back(rig, performance.vertices, scale)
    triangle, _ = rasterize(deeper, rig.triangles, side)
    flow, unseen, fill, kind = look_up(
        triangle, performance.vertices, look.vertices, rig.triangles, look.shown_layer,
        look.layer, look.depth, performance.colour, performance.trust, look.paint,
        performance.tolerance,
    )  # fmt: skip
    around = look.extension.backward(performance.vertices[..., :2] - look.vertices[..., :2])
    frames = np.empty((len(flow), side, side, 3), dtype=np.uint8)
    line = np.arange(side, dtype=np.float32)

    def frame(b: int) -> None:
        wide = cv2.resize(around[b], (side, side), interpolation=cv2.INTER_LINEAR)
        shown = _inner_weight(kind[b])
        wide += shown * (flow[b] - wide)
        wide *= mask[..., None]
        wide[..., 0] += line
        wide[..., 1] += line[:, None]
        warped = cv2.remap(
            look.photo, wide, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        frames[b] = _painted(warped, fill[b], unseen[b])
        _smooth_edges(rig, look, performance, deeper, b, frames[b])

    for_each_frame(frame, len(flow))
    return frames


def _inner_weight(kind: NDArray[np.uint8]) -> Floats:
    """[s, s, 1] 0 away from mouth and eyes, 1 in their middle, a coarse cell of transition."""
    reach = 2 * (len(kind) // 64) + 1
    face = (kind > 0).astype(np.uint8) * 255
    inner = cv2.blur(face, (reach, reach), borderType=cv2.BORDER_REPLICATE)
    weight = inner.astype(np.float32) * np.float32(2 / 255) - np.float32(1.0)
    return np.maximum(weight, 0.0)[..., None]


def _painted(warped: Frames, fill: Floats, unseen: Floats) -> Frames:
    """Paints the unseen over the warped photograph, with soft borders."""
    rows = np.flatnonzero(unseen.max(1) > _SEEN)
    if len(rows) == 0:
        return warped
    columns = np.flatnonzero(unseen.max(0) > _SEEN)
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    alpha = cv2.blur(unseen[window], (3, 3))[..., None]
    area = warped[window].astype(np.float32)
    area += alpha * (fill[window] - area)
    warped[window] = np.clip(area + 0.5, 0, 255).astype(np.uint8)
    return warped


@lru_cache(maxsize=2)
def _fine_parts(rig: HeadRig) -> tuple[NDArray[np.intp], ...]:
    """Vertices around which edges are smoothed: each eye, the mouth."""
    lips = rig.mean[rig.landmark_vertex[list(LIPS)]]
    mouth = np.linalg.norm(rig.mean[:, None] - lips[None], axis=-1).min(1) < _AROUND_LIPS
    eyes = (eye_distance(rig) < _AROUND_LIDS) & rig.skin_vertex
    left = rig.mean[:, 0] > 0
    return tuple(np.flatnonzero(part) for part in (eyes & left, eyes & ~left, mouth))


def _smooth_edges(
    rig: HeadRig,
    look: Appearance,
    performance: Performance,
    deeper: Floats,
    b: int,
    frame: Frames,
) -> None:
    """Draws pixels on the edges of lids and lips again, as means of finer ones, in place."""
    side = len(frame)
    for part in _fine_parts(rig):
        around = performance.vertices[b, part, :2]
        left, top = np.clip(np.floor(around.min(0)).astype(int), 0, side - 1)
        right, bottom = np.clip(np.ceil(around.max(0)).astype(int) + 1, (left + 1, top + 1), side)
        size = (_FINER * (bottom - top), _FINER * (right - left))
        fine = performance.vertices[b : b + 1].copy()
        fine[..., :2] -= np.array([left, top], dtype=np.float32)
        fine[..., :2] = _FINER * fine[..., :2] + np.float32((_FINER - 1) / 2)
        ordered = fine.copy()
        ordered[..., 2] = deeper[b, :, 2]
        triangle, _ = rasterize(ordered, rig.triangles, size)
        flow, unseen, fill, kind = look_up(
            triangle, fine, look.vertices, rig.triangles, look.shown_layer, look.layer, look.depth,
            performance.colour[b : b + 1], performance.trust[b : b + 1], look.paint,
            performance.tolerance,
        )  # fmt: skip
        where = flow[0]
        where[..., 0] += np.arange(size[1], dtype=np.float32)
        where[..., 1] += np.arange(size[0], dtype=np.float32)[:, None]
        torn = _spread(where[..., 0]) + _spread(where[..., 1]) > _TORN
        layers = _cells(kind[0])
        edge = (layers.max(-1) != layers.min(-1)) & torn | (_spread(unseen[0]) > _PARTLY)
        edge &= layers.min(-1) > 0
        if not edge.any():
            continue
        warped = cv2.remap(
            look.photo, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        painted = _painted(warped, fill[0], unseen[0])
        mean = cv2.resize(painted, edge.shape[::-1], interpolation=cv2.INTER_AREA)
        frame[top:bottom, left:right][edge] = mean[edge]


def _cells(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """[h, w, n] the samples of each pixel of finer values [n h, n w]."""
    height, width = values.shape[0] // _FINER, values.shape[1] // _FINER
    cells = values.reshape(height, _FINER, width, _FINER).transpose(0, 2, 1, 3)
    return cells.reshape(height, width, -1)


def _spread(values: Floats) -> Floats:
    """[h, w] difference between the largest and the smallest sample of each pixel."""
    cells = _cells(values)
    return np.asarray(cells.max(-1) - cells.min(-1), dtype=np.float32)
