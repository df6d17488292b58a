"""Blends a finely drawn window into the frame: paint by its coverage, soft edges between layers.

Axis legend: ``h`` x ``w`` the window in pixels of the frame, ``n`` samples along one of them, ``s``
side of the image.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.layers import MOUTH
from joyvasa_lib.portrait.compact.render.lookup import Window
from joyvasa_lib.rig.compiled import njit
from joyvasa_lib.rig.kernels import bilinear

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

_TORN, _PARTLY = 4.0, 0.25
"""Distance on the image (pixels) and difference in share of paint between a pixel's samples from
which on it is an edge."""
_SEEN = 0.02
"""Share of paint below which a pixel is not changed: it would not be visible."""


@njit(cache=True, fastmath=True, nogil=True)  # type: ignore[untyped-decorator]
def _resolve(  # type: ignore[no-untyped-def]
    where, unseen, fill, layer, uncovered, visibility, light, skin, image, eyes, finer, left_edge,
    top_edge, frame,
):  # fmt: skip
    one, zero = np.float32(1.0), np.float32(0.0)
    last = np.float32(image.shape[0] - 1.001)
    count = np.float32(finer * finer)
    mean = np.zeros(3, dtype=np.float32)
    paint = np.zeros(3, dtype=np.float32)
    for row in range(layer.shape[0] // finer):
        for column in range(layer.shape[1] // finer):
            pixel = frame[top_edge + row, left_edge + column]
            low, high = 255, 0
            least, most, cover, bared = one, zero, zero, zero
            left = top = np.float32(1e9)
            right = bottom = np.float32(-1e9)
            for v in range(row * finer, (row + 1) * finer):
                for u in range(column * finer, (column + 1) * finer):
                    kind = layer[v, u]
                    low, high = min(low, kind), max(high, kind)
                    alpha = unseen[v, u]
                    least, most = min(least, alpha), max(most, alpha)
                    bared = max(bared, uncovered[v, u])
                    cover += alpha
                    if kind > 0:
                        left, right = min(left, where[v, u, 0]), max(right, where[v, u, 0])
                        top, bottom = min(top, where[v, u, 1]), max(bottom, where[v, u, 1])
            cover /= count
            apart = right - left + bottom - top > _TORN
            mouth = high >= MOUTH  # the frame shows lips there
            edge = low > 0 and (mouth or apart or most - least > _PARTLY)
            edge = edge or bared > _SEEN  # the frame shows eyelids there
            if not edge and cover <= _SEEN:
                continue
            for c in range(3):
                mean[c] = zero
                paint[c] = zero
            for v in range(row * finer, (row + 1) * finer):
                for u in range(column * finer, (column + 1) * finer):
                    alpha = unseen[v, u]
                    for c in range(3):
                        paint[c] += alpha * fill[v, u, c] * light[visibility[v, u], c]
                    if edge and alpha < one:
                        x = min(max(where[v, u, 0], zero), last)
                        y = min(max(where[v, u, 1], zero), last)
                        i, j = int(x), int(y)
                        x -= i
                        y -= j
                        if layer[v, u] >= MOUTH:
                            for c in range(3):
                                mean[c] += (one - alpha) * bilinear(image, i, j, x, y, c)
                        elif uncovered[v, u] > zero:
                            share = uncovered[v, u]
                            for c in range(3):
                                mean[c] += (one - alpha) * (
                                    (one - share) * bilinear(skin, i, j, x, y, c)
                                    + share * bilinear(eyes, i, j, x, y, c)
                                )
                        else:
                            for c in range(3):
                                mean[c] += (one - alpha) * bilinear(skin, i, j, x, y, c)
            for c in range(3):
                if edge:
                    value = (mean[c] + paint[c]) / count
                else:
                    value = pixel[c] * (one - cover) + paint[c] / count
                pixel[c] = np.uint8(min(max(value + np.float32(0.5), zero), 255.0))


@njit(cache=True, fastmath=True, nogil=True)  # type: ignore[untyped-decorator]
def _torn(where, layer, mask):  # type: ignore[no-untyped-def]
    height, width = layer.shape
    for row in range(height):
        for column in range(width):
            if layer[row, column] == 0:
                continue
            for down, aside in ((1, 0), (0, 1)):
                y, x = row + down, column + aside
                if y == height or x == width or layer[y, x] == 0:
                    continue
                apart = abs(where[y, x, 0] - where[row, column, 0])
                apart += abs(where[y, x, 1] - where[row, column, 1])
                if apart > _TORN:
                    mask[y, x] = mask[row, column] = 1.0


def torn(window: Window) -> Floats:
    """[h, w] 1 where two samples side by side lie apart on the image: one slides over the other."""
    mask = np.zeros(window.layer.shape, np.float32)
    _torn(window.where, window.layer, mask)
    return mask


def resolve(
    window: Window,
    visibility: Bytes,
    light: Floats,
    images: tuple[Bytes, Bytes, Bytes],
    finer: int,
    origin: tuple[int, int],
    frame: Bytes,
) -> None:
    """Blends a window into the frame, in place.

    Paint covers the frame's pixels by its share of the samples. Where layers meet that lie apart on
    the image, the pixel becomes the mean of its samples instead, since the frame's own sample lies
    on one layer only.

    Args:
        window: [n h, n w] samples.
        visibility: [n h, n w] index into ``light`` of each sample.
        light: [256, 3] factors of the paint.
        images: [s, s, 3] RGB each: what lips and skin show, what shows between parted lips, and
            eyeballs without lids.
        finer: samples along one side of a pixel.
        origin: column and row of the window's first pixel on the frame.
        frame: [s, s, 3] the frame.
    """
    _resolve(
        window.where, window.unseen, window.fill, window.layer, window.uncovered, visibility, light,
        *images, finer, origin[0], origin[1], frame,
    )  # fmt: skip
