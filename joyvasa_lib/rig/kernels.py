"""What the compiled kernels share: barycentric coordinates and bilinear samples.

All functions here are inlined into their callers and compiled with their options.
"""

from __future__ import annotations

from joyvasa_lib.rig.compiled import njit


@njit(inline="always")  # type: ignore[untyped-decorator]
def barycentric(vertices, triangles, f, column, row, one):  # type: ignore[no-untyped-def]
    """Corners of a triangle, and the weights of a pixel's centre on them.

    Args:
        vertices: [v, 2 or 3] pixels.
        triangles: [f, 3] vertex indices.
        f: the triangle.
        column: of the pixel.
        row: of the pixel.
        one: 1 in the precision in which the area is inverted.

    Returns:
        Three indices into ``vertices`` and three weights that sum to 1.
    """
    i, j, k = triangles[f, 0], triangles[f, 1], triangles[f, 2]
    ax, ay = vertices[i, 0], vertices[i, 1]
    bx, by = vertices[j, 0], vertices[j, 1]
    cx, cy = vertices[k, 0], vertices[k, 1]
    inverse = one / ((bx - ax) * (cy - ay) - (by - ay) * (cx - ax))
    wa = ((bx - column) * (cy - row) - (by - row) * (cx - column)) * inverse
    wb = ((cx - column) * (ay - row) - (cy - row) * (ax - column)) * inverse
    return i, j, k, wa, wb, one - wa - wb


@njit(inline="always")  # type: ignore[untyped-decorator]
def bilinear(image, left, top, x, y, channel):  # type: ignore[no-untyped-def]
    """One channel of an image [h, w, c] between four pixels.

    Args:
        image: the image.
        left: column of the upper left pixel.
        top: its row.
        x: share of the way to the next column, [0, 1].
        y: share of the way to the next row, [0, 1].
        channel: which channel.
    """
    upper = image[top, left, channel] * (1.0 - x) + image[top, left + 1, channel] * x
    lower = image[top + 1, left, channel] * (1.0 - x) + image[top + 1, left + 1, channel] * x
    return upper * (1.0 - y) + lower * y
