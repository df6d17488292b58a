"""Z-buffer rasterisation of the head mesh on the CPU, compiled by numba.

Axis legend: ``b`` frames, ``v`` vertices, ``f`` triangles, ``s`` side of the square image.
Pixel centres lie at integer coordinates (the OpenCV convention).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.rig.compiled import njit
from joyvasa_lib.rig.threads import for_each_frame

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
        vertices: [b, v, 3] image coordinates in pixels, z away from the viewer.
        triangles: [f, 3] vertex indices, wound clockwise on screen towards the viewer.
        size: side of the image in pixels, or its height and width.

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


def interpolate(triangle: Ints, vertices: Floats, triangles: Ints, values: Floats) -> Floats:
    """Values of vertices at every pixel of one image, by barycentric coordinates.

    Args:
        triangle: [h, w] triangle of each pixel, -1 where there is none.
        vertices: [v, 3] the vertices that were rasterised, pixels.
        triangles: [f, 3] vertex indices.
        values: [v, k].

    Returns:
        [h, w, k]; zero where there is no triangle.
    """
    row, column = np.nonzero(triangle >= 0)
    corner = triangles[triangle[row, column]]
    weight = barycentric_weights(corner, vertices, np.stack([column, row], 1))
    out = np.zeros((*triangle.shape, values.shape[1]), dtype=np.float32)
    out[row, column] = np.einsum("nc,nck->nk", weight, values[corner])
    return out


def barycentric_weights(
    corner: Ints, vertices: Floats, point: NDArray[np.integer]
) -> NDArray[np.float64]:
    """[n, 3] weights of points on the corners of their triangles; they sum to 1.

    Args:
        corner: [n, 3] vertex indices of each point's triangle.
        vertices: [v, 2 or more] pixels.
        point: [n, 2] column and row.
    """
    a, b, c = (vertices[corner[:, n], :2].astype(np.float64) for n in range(3))
    whole = _cross(b - a, c - a)
    whole = np.where(np.abs(whole) < 1e-9, 1.0, whole)
    weight = np.stack([_cross(b - point, c - point), _cross(c - point, a - point)], 1)
    weight = weight / whole[:, None]
    return np.concatenate([weight, 1.0 - weight.sum(1, keepdims=True)], 1)


def _cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
