"""Z-buffer rasterisation of the head mesh on the CPU, compiled by numba.

Axis legend: ``b`` frames, ``v`` vertices, ``f`` triangles, ``s`` side of the square picture.
Pixel centres lie at integer coordinates (the OpenCV convention).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.frame_threads import for_each_frame

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]


@njit(cache=True, fastmath=True, nogil=True)  # type: ignore[untyped-decorator]
def _rasterize_one(vertices, triangles, triangle, depth):  # type: ignore[no-untyped-def]
    height, width = depth.shape
    for row in range(height):
        for column in range(width):
            triangle[row, column] = -1
            depth[row, column] = np.float32(np.inf)
    for f in range(triangles.shape[0]):
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ax, ay, az = vertices[a, 0], vertices[a, 1], vertices[a, 2]
        bx, by, bz = vertices[b, 0], vertices[b, 1], vertices[b, 2]
        cx, cy, cz = vertices[c, 0], vertices[c, 1], vertices[c, 2]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area >= np.float32(-1e-9):  # seen from behind (y points down)
            continue
        left = max(0, math.ceil(min(ax, bx, cx)))
        right = min(width - 1, math.floor(max(ax, bx, cx)))
        top = max(0, math.ceil(min(ay, by, cy)))
        bottom = min(height - 1, math.floor(max(ay, by, cy)))
        if left > right or top > bottom:
            continue
        inverse = np.float32(1.0) / area
        step_a = (by - cy) * inverse
        step_b = (cy - ay) * inverse
        for row in range(top, bottom + 1):
            wa = ((bx - left) * (cy - row) - (by - row) * (cx - left)) * inverse
            wb = ((cx - left) * (ay - row) - (cy - row) * (ax - left)) * inverse
            for column in range(left, right + 1):
                wc = np.float32(1.0) - wa - wb
                if wa >= 0.0 and wb >= 0.0 and wc >= 0.0:
                    z = wa * az + wb * bz + wc * cz
                    if z < depth[row, column]:
                        depth[row, column] = z
                        triangle[row, column] = f
                wa += step_a
                wb += step_b


def rasterize(
    vertices: Floats, triangles: Ints, size: int | tuple[int, int]
) -> tuple[Ints, Floats]:
    """Nearest triangle and its depth at every pixel.

    Args:
        vertices: [b, v, 3] picture coordinates in pixels, z away from the viewer.
        triangles: [f, 3] vertex indices, wound clockwise on screen towards the viewer.
        size: side of the picture in pixels, or its height and width.

    Returns:
        [b, h, w] triangle index (-1 where there is none) and [b, h, w] depth in pixels
        (infinite where there is none).
    """
    batch = len(vertices)
    height, width = (size, size) if isinstance(size, int) else size
    triangle = np.empty((batch, height, width), dtype=np.int32)
    depth = np.empty((batch, height, width), dtype=np.float32)
    vertices = np.ascontiguousarray(vertices, dtype=np.float32)
    for_each_frame(lambda b: _rasterize_one(vertices[b], triangles, triangle[b], depth[b]), batch)
    return triangle, depth
