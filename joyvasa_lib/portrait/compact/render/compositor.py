"""Draws driven heads: warps the source image and paints what it does not show.

The whole frame follows a smooth flow. Around eyes and mouth, where layers of the head slide over
each other, windows are drawn at two to three times the resolution, so that eyelids, lips and teeth
get soft edges.

Axis legend: ``b`` frames, ``v`` vertices, ``f`` triangles, ``s`` side of the crop, ``h`` x ``w`` a
window of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.encode.appearance import Appearance, set_back
from joyvasa_lib.portrait.compact.encode.paint import Paint
from joyvasa_lib.portrait.compact.folds.shading import folded
from joyvasa_lib.portrait.compact.grain import add_grain
from joyvasa_lib.portrait.compact.lips.lip_line import parted, with_lip_line
from joyvasa_lib.portrait.compact.person.layers import compose
from joyvasa_lib.portrait.compact.render.eye_shading import shade_eye
from joyvasa_lib.portrait.compact.render.feature_parts import FeaturePart, feature_parts
from joyvasa_lib.portrait.compact.render.lookup import flow_to_source, look_up
from joyvasa_lib.portrait.compact.render.mouth_shading import ambient_visibility
from joyvasa_lib.portrait.compact.render.resolve import resolve, torn
from joyvasa_lib.portrait.compact.render.softening import soften, softening
from joyvasa_lib.rig.head_rig import Floats, HeadRig
from joyvasa_lib.rig.rasterizer import rasterize
from joyvasa_lib.rig.threads import for_each_frame

Frames = NDArray[np.uint8]

_FINE = 120.0
"""Least samples of windows per rig unit, bounded to two or three along one side of a pixel."""


@dataclass(frozen=True, eq=False)
class DrivenHeads:
    """One batch of driven heads.

    Attributes:
        vertices: [b, v, 3] driven head in crop pixels.
        posed: [b, v, 3] the same pose with the source image's expression.
        trust: [b, v] share of the image's own pixels, [0, 1].
        shut: [b, v] share of the open eye's pixels that eyelids must not show, [0, 1].
        opened: [b, v] share in [0, 1] to which eyeballs show what lids cover on the image; 0 where
            that is not known.
        closed: [b, 2] how far the person's left and right eye have closed from how the image shows
            them, [0, 1].
        folds: [b, n] depths of the skin's folds.
        tolerance: depth in pixels by which a point may lie behind the source image's surface.
    """

    vertices: Floats
    posed: Floats
    trust: Floats
    shut: Floats
    opened: Floats
    closed: Floats
    folds: Floats
    tolerance: float


def draw_frames(
    rig: HeadRig,
    appearance: Appearance,
    paint: Paint,
    heads: DrivenHeads,
    mask: Floats,
    scale: float,
) -> Frames:
    """Draws a batch of frames.

    Args:
        rig: the head model.
        appearance: the image seen through the fitted head.
        paint: what is painted where the image shows nothing.
        heads: the driven heads.
        mask: [s, s] in [0, 1], where displacement is allowed (it fades at the crop's border).
        scale: pixels per rig unit.

    Returns:
        [b, s, s, 3] uint8.
    """
    side = len(appearance.image)
    deeper = set_back(rig, heads.vertices, scale, heads.opened)
    triangle, _ = rasterize(deeper, rig.triangles, side)
    flow, kind = flow_to_source(
        triangle, heads.vertices, appearance.vertices, rig.triangles, appearance.shown_layer
    )
    posed = heads.posed[..., :2]
    around = appearance.extension.backward(
        posed - appearance.vertices[..., :2], heads.vertices[..., :2] - posed
    )
    frames = np.empty((len(flow), side, side, 3), dtype=np.uint8)
    parts = feature_parts(rig)
    spread = softening(appearance.softness)
    apart = parted(rig, heads.vertices, scale)

    def frame(b: int) -> None:
        own = (appearance.skin, appearance.layers)
        lips = with_lip_line(*own, appearance.lip_line, float(apart[b]))
        skin, layers = folded(*lips, appearance.folds, heads.folds[b])
        look = appearance if skin is own[0] else replace(appearance, skin=skin, layers=layers)
        wide = cv2.resize(around[b], (side, side), interpolation=cv2.INTER_LINEAR)
        fading = mask[..., None]
        before = np.empty_like(frames[b]) if spread else None
        if before is not None:  # without the edges of what slides over each other
            _warp(look, wide * fading, before)
        shown = _inner_weight(kind[b])
        wide += shown * (flow[b] - wide)
        wide *= fading
        _warp(look, wide, frames[b])
        noted = bool(spread) or appearance.grain is not None
        cover = np.zeros((side, side), np.float32) if noted else None
        for part, closed in zip(parts, (*heads.closed[b], 0.0), strict=True):
            _draw_part(
                part, look, paint, heads, deeper, b, scale, float(closed), frames[b], cover,
                bool(spread),
            )  # fmt: skip
        if before is not None and cover is not None:
            soften(frames[b], before, spread, cover)
        if appearance.grain is not None and cover is not None:
            add_grain(frames[b], appearance.grain, cover)

    for_each_frame(frame, len(flow))
    return frames


def _warp(appearance: Appearance, flow: Floats, frame: Frames) -> None:
    """Draws the image's skin under a flow [s, s, 2] to the image, pixels, into a frame."""
    if appearance.layers is not None:
        compose(appearance.layers, flow, frame)
        return
    line = np.arange(len(frame), dtype=np.float32)
    where = flow + np.stack(np.meshgrid(line, line), -1)
    skin, border = appearance.skin, cv2.BORDER_REPLICATE
    cv2.remap(skin, where, None, cv2.INTER_CUBIC, frame, borderMode=border)


def _inner_weight(kind: NDArray[np.uint8]) -> Floats:
    """[s, s, 1] 1 inside mouth and eyes, 0 away from them, with a transition one cell wide.

    Also between two of them that are less than a cell apart: there is no flow to be shown.
    """
    reach = 2 * (len(kind) // 64) + 1
    face = (kind > 0).astype(np.uint8) * 255
    inner = cv2.blur(face, (reach, reach), borderType=cv2.BORDER_REPLICATE)
    weight = inner.astype(np.float32) * np.float32(2 / 255) - np.float32(1.0)
    weight[kind == 0] = 0.0
    return np.maximum(weight, 0.0)[..., None]


def _draw_part(
    part: FeaturePart,
    appearance: Appearance,
    paint: Paint,
    heads: DrivenHeads,
    deeper: Floats,
    b: int,
    scale: float,
    closed: float,
    frame: Frames,
    cover: Floats | None,
    soft: bool,
) -> None:
    """Paints one eye or the mouth, in place, and notes the share of paint in a ``cover`` [s, s].

    An eye has ``closed`` by a share in [0, 1].
    Under a ``soft`` image so are the edges of what slides over something else.
    """
    side = len(frame)
    finer = int(np.clip(np.ceil(_FINE / scale), 2, 3))
    driven = heads.vertices[b, part.vertex]
    bounds = driven[part.bounding, :2]
    left, top = np.clip(np.floor(bounds.min(0)).astype(int) - 1, 0, side - 1)
    right, bottom = np.clip(np.ceil(bounds.max(0)).astype(int) + 2, (left + 1, top + 1), side)
    size = (finer * int(bottom - top), finer * int(right - left))
    driven[:, :2] = finer * (driven[:, :2] - np.array([left, top], np.float32) + 0.5) - 0.5
    ordered = driven.copy()
    ordered[:, 2] = deeper[b, part.vertex, 2]
    triangle = rasterize(ordered[None], part.triangles, size)[0][0]
    window = look_up(
        triangle, driven, appearance.vertices[part.vertex], part.triangles,
        appearance.shown_layer[part.triangle],
        appearance.layer, appearance.depth, appearance.eye_matte,
        heads.trust[b, part.vertex], heads.shut[b, part.vertex], heads.opened[b, part.vertex],
        appearance.eyes.shown,
        appearance.paintable[part.vertex], heads.tolerance,
        (int(left), int(top)), finer, paint.uv[part.vertex], paint.tint[part.vertex],
        paint.image,
    )  # fmt: skip
    visibility = (
        ambient_visibility(window.layer, scale * finer)
        if part.inside
        else np.full_like(window.layer, 255)
    )
    resolve(
        window, visibility, paint.light, (appearance.skin, appearance.image, appearance.eyes.image),
        finer, (int(left), int(top)), frame,
    )  # fmt: skip
    shaded = shade_eye(frame[top:bottom, left:right], window.layer, closed)
    if cover is not None:
        tall, wide = bottom - top, right - left
        noted = np.maximum(window.unseen, torn(window)) if soft else window.unseen
        share = cv2.resize(noted, (wide, tall), interpolation=cv2.INTER_AREA)
        if soft and shaded is not None:
            np.maximum(share, shaded, out=share)
        part_of = cover[top:bottom, left:right]
        np.maximum(part_of, share, out=part_of)
