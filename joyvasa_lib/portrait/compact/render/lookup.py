"""Where each pixel of a driven head lies on the source image, and whether it is visible there.

Axis legend: ``b`` frames, ``s`` side of the image, ``h`` x ``w`` a window of it, ``v`` vertices,
``f`` triangles, ``p`` x ``q`` the painted image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.layers import EYE, MIXED, MOUTH, OUTSIDE, SKIN
from joyvasa_lib.rig.compiled import njit
from joyvasa_lib.rig.kernels import barycentric, bilinear
from joyvasa_lib.rig.threads import for_each_frame

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Bytes = NDArray[np.uint8]

_TOUCHED = 0.01
"""Share of a point's own layer among the pixels around it from which on the others do not count."""
_HARDLY = 0.1
"""Share of the depth tolerance by which mixed pixels may move."""


@dataclass(frozen=True, eq=False)
class Window:
    """A window of one frame, looked up on the image.

    Attributes:
        where: [h, w, 2] pixel of the image; unset outside the head.
        unseen: [h, w] share that has to be painted, [0, 1].
        fill: [h, w, 3] the paint, [0, 255]; unset where nothing is unseen.
        layer: [h, w] layer of the head.
        uncovered: [h, w] share of an eyeball that lids covered on the image, [0, 1].
    """

    where: Floats
    unseen: Floats
    fill: Floats
    layer: Bytes
    uncovered: Floats


@njit(cache=True, fastmath=True, nogil=True)  # type: ignore[untyped-decorator]
def _flow_one(triangle, driven, source, triangles, layer, flow, kind):  # type: ignore[no-untyped-def]
    height, width = triangle.shape
    for row in range(height):
        for column in range(width):
            f = triangle[row, column]
            if f < 0 or layer[f] == OUTSIDE:
                kind[row, column] = OUTSIDE
                continue
            i, j, k, wa, wb, wc = barycentric(driven, triangles, f, column, row, np.float32(1.0))
            flow[row, column, 0] = (
                wa * source[i, 0] + wb * source[j, 0] + wc * source[k, 0] - column
            )
            flow[row, column, 1] = wa * source[i, 1] + wb * source[j, 1] + wc * source[k, 1] - row
            kind[row, column] = layer[f]


@njit(cache=True, fastmath=True, nogil=True)  # type: ignore[untyped-decorator]
def _look_up_one(  # type: ignore[no-untyped-def]
    triangle, driven, source, triangles, layer, source_layer, source_depth, matte, trust, shut,
    opened, shown, paintable, tolerance, origin, finer, uv, tint, image, where, unseen, fill, kind,
    uncovered,
):  # fmt: skip
    height, width = triangle.shape
    source_side = source_layer.shape[0]
    one, zero = np.float32(1.0), np.float32(0.0)
    free = np.float32(_HARDLY) * tolerance
    for row in range(height):
        for column in range(width):
            f = triangle[row, column]
            if f < 0 or layer[f] == OUTSIDE:
                kind[row, column] = OUTSIDE
                unseen[row, column] = uncovered[row, column] = zero
                continue
            i, j, k, wa, wb, wc = barycentric(driven, triangles, f, column, row, one)
            x = wa * source[i, 0] + wb * source[j, 0] + wc * source[k, 0]
            y = wa * source[i, 1] + wb * source[j, 1] + wc * source[k, 1]
            z = wa * source[i, 2] + wb * source[j, 2] + wc * source[k, 2]
            where[row, column, 0] = x
            where[row, column, 1] = y
            mine = layer[f]
            kind[row, column] = mine
            uncovered[row, column] = zero
            painted = wa * paintable[i] + wb * paintable[j] + wc * paintable[k]
            if painted <= zero:
                unseen[row, column] = zero
                continue
            # Of the four source pixels, bilinearly, the share of the same layer that is not deeper.
            # Beside such pixels others do not count, or a seam would be painted where layers meet.
            # Skin may also come from outside the fitted head, whose outline is never exact.
            moved_x = x - (origin[0] + (column + np.float32(0.5)) / finer - np.float32(0.5))
            moved_y = y - (origin[1] + (row + np.float32(0.5)) / finer - np.float32(0.5))
            still = max(one - (moved_x * moved_x + moved_y * moved_y) / (free * free), zero)
            left, top = int(np.floor(x)), int(np.floor(y))
            closing = (wa * shut[i] + wb * shut[j] + wc * shut[k]) / np.float32(255.0)
            eyeball = wa * opened[i] + wb * opened[j] + wc * opened[k] if mine == EYE else zero
            share = own = same = counted = zero
            for dy in range(2):
                for dx in range(2):
                    u, v = left + dx, top + dy
                    if u < 0 or v < 0 or u >= source_side or v >= source_side:
                        continue
                    theirs = source_layer[v, u]
                    usable, counts = zero, zero
                    if theirs == mine or (mine == SKIN and (theirs == OUTSIDE or theirs >= MOUTH)):
                        usable = counts = one  # the skin's image has lips in the mouth's place
                    elif (
                        mine == EYE and theirs == SKIN
                    ):  # the eye is larger than its fitted eyelids
                        usable = matte[v, u] / np.float32(255.0)
                    elif theirs == MIXED:
                        usable, counts = still, one
                    if mine == SKIN:
                        usable *= one - closing * matte[v, u]
                    if z > source_depth[v, u] + tolerance:
                        usable = zero
                    if eyeball > zero:
                        usable = one  # the eyes without lids show all of them
                    near = (one - abs(x - u)) * (one - abs(y - v))
                    share += usable * near
                    same += counts * usable * near
                    counted += counts * near
                    own += np.float32(shown[v, u]) / np.float32(255.0) * near
            if counted > _TOUCHED:
                share = max(share, same / counted)
            uncovered[row, column] = eyeball * max(share - own, zero)
            trusted = wa * trust[i] + wb * trust[j] + wc * trust[k]
            hidden = (one - share * trusted) * painted
            unseen[row, column] = hidden
            if hidden <= zero:
                continue
            px = wa * uv[i, 0] + wb * uv[j, 0] + wc * uv[k, 0]
            py = wa * uv[i, 1] + wb * uv[j, 1] + wc * uv[k, 1]
            px = min(max(px, zero), np.float32(image.shape[1] - 1.001))
            py = min(max(py, zero), np.float32(image.shape[0] - 1.001))
            left, top = int(px), int(py)
            px -= left
            py -= top
            for c in range(3):
                colour = wa * tint[i, c] + wb * tint[j, c] + wc * tint[k, c]
                fill[row, column, c] = colour * bilinear(image, left, top, px, py, c)


def flow_to_source(
    triangle: Ints, driven: Floats, source: Floats, triangles: Ints, layer: Bytes
) -> tuple[Floats, Bytes]:
    """Backward flow of rasterised frames.

    Args:
        triangle: [b, s, s] nearest triangle of the driven head, -1 outside.
        driven: [b, v, 3] driven vertices in pixels.
        source: [v, 3] the same vertices on the image, pixels.
        triangles: [f, 3] vertex indices.
        layer: [f] layer of each triangle; ``OUTSIDE`` hides what is behind but shows nothing.

    Returns:
        flow [b, s, s, 2] from the frame to the image in pixels (zero outside the head), and
        layer [b, s, s].
    """
    batch, height, width = triangle.shape
    flow = np.zeros((batch, height, width, 2), dtype=np.float32)
    kind = np.empty((batch, height, width), dtype=np.uint8)

    def frame(b: int) -> None:
        _flow_one(triangle[b], driven[b], source, triangles, layer, flow[b], kind[b])

    for_each_frame(frame, batch)
    return flow, kind


def look_up(
    triangle: Ints,
    driven: Floats,
    source: Floats,
    triangles: Ints,
    layer: Bytes,
    source_layer: Bytes,
    source_depth: Floats,
    matte: Bytes,
    trust: Floats,
    shut: Floats,
    opened: Floats,
    shown: Bytes,
    paintable: Floats,
    tolerance: float,
    origin: tuple[int, int],
    finer: int,
    uv: Floats,
    tint: Floats,
    image: Floats,
) -> Window:
    """Looks up a window of one frame: where it lies on the image, and what is painted instead.

    Args:
        triangle: [h, w] nearest triangle of the driven head, -1 outside.
        driven: [v, 3] driven vertices in pixels of the window.
        source: [v, 3] the same vertices on the image, pixels.
        triangles: [f, 3] vertex indices.
        layer: [f] layer of each triangle; ``OUTSIDE`` hides what is behind but shows nothing.
        source_layer: [s, s] layer that the image shows at each pixel.
        source_depth: [s, s] depth of the fitted head on the image, pixels.
        matte: [s, s] share of each pixel of the image that is an open eye's, 255 for all.
        trust: [v] share of the image's own pixels to use, [0, 1].
        shut: [v] share of the open eye's pixels that skin must not show, [0, 1].
        opened: [v] share in [0, 1] to which eyeballs show what lids cover on the image; 0 where
            that is not known, and they are painted.
        shown: [s, s] share of each pixel that the image shows of an eyeball, 255 for all of it.
        paintable: [v] share of what the image does not show that may be painted, [0, 1].
        tolerance: depth in pixels by which a point may lie behind the visible surface.
        origin: column and row of the frame at which the window begins.
        finer: pixels of the window along one pixel of the frame.
        uv: [v, 2] pixels of the vertices on the painted image.
        tint: [v, 3] what its colours are multiplied by.
        image: [p, q, 3] the painted image, [0, 255].
    """
    height, width = triangle.shape
    window = Window(
        np.zeros((height, width, 2), dtype=np.float32),
        np.empty((height, width), dtype=np.float32),
        np.zeros((height, width, 3), dtype=np.float32),
        np.empty((height, width), dtype=np.uint8),
        np.empty((height, width), dtype=np.float32),
    )
    start = np.array(origin, dtype=np.float32)
    _look_up_one(
        triangle, driven, source, triangles, layer, source_layer, source_depth, matte, trust, shut,
        opened, shown, paintable, np.float32(tolerance), start, np.float32(finer), uv, tint, image,
        window.where, window.unseen, window.fill, window.layer, window.uncovered,
    )  # fmt: skip
    return window
