"""Where each pixel of a driven head comes from in the photograph, and whether it was seen there.

Axis legend: ``b`` frames, ``s`` side of the picture, ``v`` vertices, ``f`` triangles.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.frame_threads import for_each_frame

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Bytes = NDArray[np.uint8]

OUTSIDE, SKIN, EYE, MOUTH, MIXED = 0, 1, 2, 3, 4
"""Layers: a pixel may only be taken from the same layer of the photograph."""


@njit(cache=True, fastmath=True, nogil=True)  # type: ignore[untyped-decorator]
def _look_up_one(  # type: ignore[no-untyped-def]
    triangle, driven, source, triangles, layer, source_layer, source_depth, colour, trust, paint,
    tolerance, flow, unseen, fill, kind,
):  # fmt: skip
    height, width = triangle.shape
    source_side = source_layer.shape[0]
    for row in range(height):
        for column in range(width):
            f = triangle[row, column]
            if f < 0 or layer[f] == 0:
                kind[row, column] = 0
                unseen[row, column] = 0.0
                continue
            i, j, k = triangles[f, 0], triangles[f, 1], triangles[f, 2]
            ax, ay = driven[i, 0], driven[i, 1]
            bx, by = driven[j, 0], driven[j, 1]
            cx, cy = driven[k, 0], driven[k, 1]
            inverse = np.float32(1.0) / ((bx - ax) * (cy - ay) - (by - ay) * (cx - ax))
            wa = ((bx - column) * (cy - row) - (by - row) * (cx - column)) * inverse
            wb = ((cx - column) * (ay - row) - (cy - row) * (ax - column)) * inverse
            wc = np.float32(1.0) - wa - wb
            x = wa * source[i, 0] + wb * source[j, 0] + wc * source[k, 0]
            y = wa * source[i, 1] + wb * source[j, 1] + wc * source[k, 1]
            z = wa * source[i, 2] + wb * source[j, 2] + wc * source[k, 2]
            flow[row, column, 0] = x - column
            flow[row, column, 1] = y - row
            mine = layer[f]
            kind[row, column] = mine
            for channel in range(3):
                fill[row, column, channel] = (
                    wa * colour[i, channel] + wb * colour[j, channel] + wc * colour[k, channel]
                )
            trusted = wa * trust[i] + wb * trust[j] + wc * trust[k]
            # Bilinear share of the four source pixels that show the same layer, not deeper.
            # Skin may also come from outside the fitted head, whose outline is never exact.
            left, top = int(np.floor(x)), int(np.floor(y))
            share = np.float32(0.0)
            for dy in range(2):
                for dx in range(2):
                    u, v = left + dx, top + dy
                    if u < 0 or v < 0 or u >= source_side or v >= source_side:
                        continue
                    theirs = source_layer[v, u]
                    same = theirs == mine or (mine == 1 and theirs == 0)
                    near = z <= source_depth[v, u] + tolerance
                    if same and near:
                        share += (np.float32(1.0) - abs(x - u)) * (np.float32(1.0) - abs(y - v))
            painted = wa * paint[i] + wb * paint[j] + wc * paint[k]
            unseen[row, column] = (np.float32(1.0) - share * trusted) * painted


def look_up(
    triangle: Ints,
    driven: Floats,
    source: Floats,
    triangles: Ints,
    layer: Bytes,
    source_layer: Bytes,
    source_depth: Floats,
    colour: Floats,
    trust: Floats,
    paint: Floats,
    tolerance: float,
) -> tuple[Floats, Floats, Floats, Bytes]:
    """Backward flow and visibility of rasterised frames.

    Args:
        triangle: [b, s, s] nearest triangle of the driven head, -1 outside.
        driven: [b, v, 3] driven vertices in pixels.
        source: [v, 3] the same vertices on the photograph, pixels.
        triangles: [f, 3] vertex indices.
        layer: [f] layer of each triangle; ``OUTSIDE`` hides what is behind but shows nothing.
        source_layer: [s, s] layer that the photograph shows at each pixel.
        source_depth: [s, s] depth of the fitted head on the photograph, pixels.
        colour: [b, v, 3] colour to show where the photograph shows nothing usable, [0, 255].
        trust: [b, v] share of the photograph's own pixels to use, [0, 1].
        paint: [v] share of what the photograph does not show that may be painted, [0, 1].
        tolerance: depth in pixels by which a point may lie behind the visible surface.

    Returns:
        flow [b, s, s, 2] from the frame to the photograph in pixels (unset outside the head);
        unseen [b, s, s] in [0, 1]; fill colour [b, s, s, 3]; layer [b, s, s].
    """
    batch, height, width = triangle.shape
    flow = np.zeros((batch, height, width, 2), dtype=np.float32)
    unseen = np.empty((batch, height, width), dtype=np.float32)
    fill = np.zeros((batch, height, width, 3), dtype=np.float32)
    kind = np.empty((batch, height, width), dtype=np.uint8)

    def frame(b: int) -> None:
        _look_up_one(
            triangle[b], driven[b], source, triangles, layer, source_layer, source_depth,
            colour[b], trust[b], paint, np.float32(tolerance), flow[b], unseen[b], fill[b], kind[b],
        )  # fmt: skip

    for_each_frame(frame, batch)
    return flow, unseen, fill, kind
