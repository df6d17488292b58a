"""Draws driven heads: warps the photograph and paints what it never showed.

The whole frame follows a smooth flow. Around eyes and mouth, where layers of the head slide over
each other, windows are drawn several times finer, so that lids, lips and teeth get soft edges.

Axis legend: ``b`` frames, ``v`` vertices, ``f`` triangles, ``s`` side of the crop, ``h`` x ``w`` a
window of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.appearance import Appearance, set_back
from joyvasa_lib.portrait.compact.feature_parts import FeaturePart, feature_parts
from joyvasa_lib.portrait.compact.frame_threads import for_each_frame
from joyvasa_lib.portrait.compact.head_rig import Floats, HeadRig
from joyvasa_lib.portrait.compact.lookup import Window, flow_to_photo, look_up
from joyvasa_lib.portrait.compact.mouth_shade import mouth_shade
from joyvasa_lib.portrait.compact.paint import Paint
from joyvasa_lib.portrait.compact.rasterizer import rasterize

Frames = NDArray[np.uint8]

_FINE = 120.0
"""Samples per rig unit that windows have at least, up to three along one side of a pixel."""
_TORN, _PARTLY = 4.0, 0.25
"""Within a pixel, distance on the photograph (pixels) and share of paint that make an edge."""
_SEEN = 0.02
"""Share of painting below which the photograph is left alone."""


@dataclass(frozen=True, eq=False)
class Performance:
    """One batch of driven heads, ready to draw.

    Attributes:
        vertices: [b, v, 3] driven head in crop pixels.
        trust: [b, v] share of the photograph's own pixels, [0, 1].
        shut: [b, v] share of the open eye's pixels that lids must not show, [0, 1].
        tolerance: pixels by which a point may lie behind the photograph's surface.
    """

    vertices: Floats
    trust: Floats
    shut: Floats
    tolerance: float


def draw_frames(
    rig: HeadRig,
    look: Appearance,
    paint: Paint,
    performance: Performance,
    mask: Floats,
    scale: float,
) -> Frames:
    """Draws a batch of frames.

    Args:
        rig: the head model.
        look: the photograph seen through the fitted head.
        paint: what is painted where the photograph shows nothing.
        performance: the driven heads.
        mask: [s, s] in [0, 1], where displacement is allowed (it fades at the crop's border).
        scale: pixels per rig unit.

    Returns:
        [b, s, s, 3] uint8.
    """
    side = len(look.photo)
    deeper = set_back(rig, performance.vertices, scale)
    triangle, _ = rasterize(deeper, rig.triangles, side)
    flow, kind = flow_to_photo(
        triangle, performance.vertices, look.vertices, rig.triangles, look.shown_layer
    )
    around = look.extension.backward(performance.vertices[..., :2] - look.vertices[..., :2])
    frames = np.empty((len(flow), side, side, 3), dtype=np.uint8)
    line = np.arange(side, dtype=np.float32)
    parts = feature_parts(rig)

    def frame(b: int) -> None:
        wide = cv2.resize(around[b], (side, side), interpolation=cv2.INTER_LINEAR)
        shown = _inner_weight(kind[b])
        wide += shown * (flow[b] - wide)
        wide *= mask[..., None]
        wide[..., 0] += line
        wide[..., 1] += line[:, None]
        cv2.remap(
            look.photo, wide, None, cv2.INTER_LINEAR, frames[b], borderMode=cv2.BORDER_REPLICATE
        )
        for part in parts:
            _draw_part(part, look, paint, performance, deeper, b, scale, frames[b])

    for_each_frame(frame, len(flow))
    return frames


def _inner_weight(kind: NDArray[np.uint8]) -> Floats:
    """[s, s, 1] 0 away from mouth and eyes, 1 in their middle, a coarse cell of transition."""
    reach = 2 * (len(kind) // 64) + 1
    face = (kind > 0).astype(np.uint8) * 255
    inner = cv2.blur(face, (reach, reach), borderType=cv2.BORDER_REPLICATE)
    weight = inner.astype(np.float32) * np.float32(2 / 255) - np.float32(1.0)
    return np.maximum(weight, 0.0)[..., None]


def _draw_part(
    part: FeaturePart,
    look: Appearance,
    paint: Paint,
    performance: Performance,
    deeper: Floats,
    b: int,
    scale: float,
    frame: Frames,
) -> None:
    """Paints one eye or the mouth, in place."""
    side = len(frame)
    finer = int(np.clip(np.ceil(_FINE / scale), 2, 3))
    driven = performance.vertices[b, part.vertex]
    bounds = driven[part.bounding, :2]
    left, top = np.clip(np.floor(bounds.min(0)).astype(int) - 1, 0, side - 1)
    right, bottom = np.clip(np.ceil(bounds.max(0)).astype(int) + 2, (left + 1, top + 1), side)
    size = (finer * int(bottom - top), finer * int(right - left))
    driven[:, :2] = finer * (driven[:, :2] - np.array([left, top], np.float32) + 0.5) - 0.5
    ordered = driven.copy()
    ordered[:, 2] = deeper[b, part.vertex, 2]
    triangle = rasterize(ordered[None], part.triangles, size)[0][0]
    window = look_up(
        triangle, driven, look.vertices[part.vertex], part.triangles,
        look.shown_layer[part.triangle], look.layer, look.depth, look.eye_matte,
        performance.trust[b, part.vertex], performance.shut[b, part.vertex],
        look.paintable[part.vertex], performance.tolerance,
        (int(left), int(top)), finer, paint.place[part.vertex], paint.tint[part.vertex],
        paint.picture,
    )  # fmt: skip
    where = window.flow
    where[..., 0] += np.arange(size[1], dtype=np.float32)
    where[..., 1] += np.arange(size[0], dtype=np.float32)[:, None]
    torn = _torn(window, where, finer)
    if not torn.any() and not (window.unseen > _SEEN).any():
        return
    _blend(window, where, torn, look, paint, scale, finer, frame[top:bottom, left:right])


def _blend(
    window: Window,
    where: Floats,
    torn: NDArray[np.bool_],
    look: Appearance,
    paint: Paint,
    scale: float,
    finer: int,
    area: Frames,
) -> None:
    """Puts a fine window into its part of the frame [h, w, 3], in place.

    Paint is laid over the frame with its coverage; where layers meet, the pixel becomes the mean of
    its samples instead, since the frame's own sample of the photograph is on one layer only.
    """
    size = area.shape[1::-1]
    alpha = cv2.blur(window.unseen, (3, 3))[..., None]
    shade = mouth_shade(window.layer, scale * finer, paint.light)
    fill = window.fill
    if shade is not None:
        fill = fill * shade
    covered = cv2.resize(alpha * fill, size, interpolation=cv2.INTER_AREA)
    share = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
    mixed = area * (1.0 - share[..., None]) + covered
    if torn.any():
        warped = cv2.remap(
            look.photo, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        samples = warped + alpha * (fill - warped)
        mixed[torn] = cv2.resize(samples, size, interpolation=cv2.INTER_AREA)[torn]
    change = torn | (share > _SEEN)
    area[change] = np.clip(mixed[change] + 0.5, 0, 255).astype(np.uint8)


def _torn(window: Window, where: Floats, finer: int) -> NDArray[np.bool_]:
    """[h, w] pixels of the frame in which layers meet that lie apart on the photograph."""
    layers = _cells(window.layer, finer)
    low, high = layers.min(-1), layers.max(-1)
    apart = _spread(where[..., 0], finer) + _spread(where[..., 1], finer) > _TORN
    edge = (low != high) & apart | (_spread(window.unseen, finer) > _PARTLY)
    return np.asarray(edge & (low > 0))


def _cells(values: NDArray[np.generic], finer: int) -> NDArray[np.generic]:
    """[h, w, n] the samples of each pixel of finer values [n h, n w]."""
    height, width = values.shape[0] // finer, values.shape[1] // finer
    cells = values.reshape(height, finer, width, finer).transpose(0, 2, 1, 3)
    return cells.reshape(height, width, -1)


def _spread(values: Floats, finer: int) -> Floats:
    """[h, w] difference between the largest and the smallest sample of each pixel."""
    cells = _cells(values, finer)
    return np.asarray(cells.max(-1) - cells.min(-1), dtype=np.float32)
