"""Fills a part of an image with pieces of the rest, so that lines and grain go on behind a person.

From coarse to fine, each pixel to be filled is given the place whose surroundings look most like
its own (PatchMatch, Barnes et al. 2009), and takes the mean of what its neighbours' places say
about it (Wexler, Shechtman and Irani 2007, "Space-time completion of video").

Axis legend: ``h`` x ``w`` a level of the pyramid.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.face.image_fill import smooth_fill
from joyvasa_lib.rig.compiled import njit
from joyvasa_lib.rig.head_rig import Floats

Bytes = NDArray[np.uint8]

_RADIUS = 2
"""Of the squares that are compared, pixels of their level."""
_SIDES = (64, 128, 192)
"""Sides of the levels."""
_ROUNDS = (6, 3, 2)
"""How often each level is searched and averaged."""
_FEWEST = 60
"""Fewest places that can be copied from."""
_FAR = 1500.0
"""Squared grey levels that a place a whole side away counts as less alike."""
_SEAM = 24.0
"""Most grey levels by which a piece is made lighter or darker."""
_UNLIKE = 0.03
"""Sides of the image over which a piece that is unlike what it meets goes over into it."""
_ALIKE = 60.0
"""Squared grey levels by which a place's weight in the mean falls to 1/e."""


@njit(cache=True, fastmath=True, nogil=True)  # type: ignore[untyped-decorator]
def _difference(image, y, x, v, u, worst):  # type: ignore[no-untyped-def]
    """Mean squared difference of the squares around two pixels; stops above the worst."""
    height, width = image.shape[:2]
    total, count = np.float32(0.0), 0
    reach = np.float32(((y - v) ** 2 + (x - u) ** 2) / (height * width)) * np.float32(_FAR)
    limit = (worst - reach) * np.float32((2 * _RADIUS + 1) ** 2)
    for dy in range(-_RADIUS, _RADIUS + 1):
        row = y + dy
        if row < 0 or row >= height:
            continue
        for dx in range(-_RADIUS, _RADIUS + 1):
            column = x + dx
            if column < 0 or column >= width:
                continue
            count += 1
            for c in range(3):
                apart = image[row, column, c] - image[v + dy, u + dx, c]
                total += apart * apart
        if total > limit:
            return np.float32(1e9)
    return total / np.float32(max(count, 1)) + reach


@njit(cache=True, fastmath=True, nogil=True)  # type: ignore[untyped-decorator]
def _search(image, targets, allowed, place, distance, seed, backwards):  # type: ignore[no-untyped-def]
    """One round of PatchMatch over the targets, in place."""
    height, width = image.shape[:2]
    step = -1 if backwards else 1
    count = targets.shape[0]
    for number in range(count):
        index = count - 1 - number if backwards else number
        y, x = int(targets[index, 0]), int(targets[index, 1])
        best_v, best_u = int(place[y, x, 0]), int(place[y, x, 1])
        best = _difference(image, y, x, best_v, best_u, np.float32(1e9))
        for axis in range(2):
            row = y - step if axis == 0 else y
            column = x if axis == 0 else x - step
            if row < 0 or column < 0 or row >= height or column >= width:
                continue
            if place[row, column, 0] < 0:
                continue
            v = int(place[row, column, 0]) + y - row
            u = int(place[row, column, 1]) + x - column
            if v < 0 or u < 0 or v >= height or u >= width or allowed[v, u] == 0:
                continue
            found = _difference(image, y, x, v, u, best)
            if found < best:
                best, best_v, best_u = found, v, u
        radius = max(height, width) // 2
        while radius >= 1:
            seed = (seed * 1103515245 + 12345) % 2147483648
            v = best_v + (seed >> 8) % (2 * radius + 1) - radius
            seed = (seed * 1103515245 + 12345) % 2147483648
            u = best_u + (seed >> 8) % (2 * radius + 1) - radius
            if 0 <= v < height and 0 <= u < width and allowed[v, u] != 0:
                found = _difference(image, y, x, v, u, best)
                if found < best:
                    best, best_v, best_u = found, v, u
            radius //= 2
        place[y, x, 0], place[y, x, 1] = best_v, best_u
        distance[y, x] = best


@njit(cache=True, fastmath=True, nogil=True)  # type: ignore[untyped-decorator]
def _average(source, targets, place, distance, scale, reach, result):  # type: ignore[no-untyped-def]
    """Sets each target to the mean of what the places around it say, in place.

    ``scale`` pixels of ``source`` and ``result`` are one of the level of ``place``.
    """
    height, width = place.shape[:2]
    tall, wide = source.shape[:2]
    mean = np.zeros(3, np.float32)
    for number in range(targets.shape[0]):
        y, x = int(targets[number, 0]), int(targets[number, 1])
        row, column = min(int(y / scale), height - 1), min(int(x / scale), width - 1)
        mean[:] = 0.0
        total = np.float32(0.0)
        for dy in range(-reach, reach + 1):
            for dx in range(-reach, reach + 1):
                r, c = row + dy, column + dx
                if r < 0 or c < 0 or r >= height or c >= width or place[r, c, 0] < 0:
                    continue
                v = y + int(np.rint((place[r, c, 0] - r) * scale))
                u = x + int(np.rint((place[r, c, 1] - c) * scale))
                if v < 0 or u < 0 or v >= tall or u >= wide:
                    continue
                weight = np.exp(-distance[r, c] / np.float32(_ALIKE)) + np.float32(1e-4)
                total += weight
                for k in range(3):
                    mean[k] += weight * source[v, u, k]
        if total > 0.0:
            for k in range(3):
                result[y, x, k] = mean[k] / total


@njit(cache=True, fastmath=True, nogil=True)  # type: ignore[untyped-decorator]
def _grow(image, have, targets, choices, place):  # type: ignore[no-untyped-def]
    """Fills targets one after the other from the place most like what is known around them."""
    height, width = have.shape
    side = 2 * _RADIUS + 1
    offsets = np.zeros((side * side, 2), np.int32)
    for number in range(targets.shape[0]):
        y, x = int(targets[number, 0]), int(targets[number, 1])
        around = 0
        for dy in range(-_RADIUS, _RADIUS + 1):
            for dx in range(-_RADIUS, _RADIUS + 1):
                row, column = y + dy, x + dx
                if 0 <= row < height and 0 <= column < width and have[row, column] != 0:
                    offsets[around, 0], offsets[around, 1] = dy, dx
                    around += 1
        count = np.float32(around + 1)
        least = np.float32(1e30)
        for choice in range(choices.shape[0]):
            v, u = int(choices[choice, 0]), int(choices[choice, 1])
            far = np.float32(((y - v) ** 2 + (x - u) ** 2) / (height * width) * _FAR)
            limit = (least - far) * count
            total = np.float32(0.0)
            for index in range(around):
                if total >= limit:
                    break
                dy, dx = int(offsets[index, 0]), int(offsets[index, 1])
                for c in range(3):
                    apart = image[y + dy, x + dx, c] - image[v + dy, u + dx, c]
                    total += apart * apart
            if total < limit:
                least = total / count + far
                place[y, x, 0], place[y, x, 1] = v, u
        for c in range(3):
            image[y, x, c] = image[place[y, x, 0], place[y, x, 1], c]
        have[y, x] = 1


def patch_fill(image: Bytes, known: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> Floats:
    """The image [s, s, 3] with unknown pixels filled: with pieces of the known where wanted.

    Args:
        image: [s, s, 3] uint8 RGB.
        known: [s, s] what is kept, and copied from.
        wanted: [s, s] which of the unknown will be seen; the others are only smooth.
    """
    filled = smooth_fill(image, known)
    place: NDArray[np.int32] | None = None
    for size, rounds in zip(_SIDES, _ROUNDS, strict=True):
        level, kept, asked = (
            np.asarray(cv2.resize(plane, (size, size), interpolation=cv2.INTER_AREA))
            for plane in (filled, known.astype(np.float32), wanted.astype(np.float32))
        )
        kept = (kept > 0.999).astype(np.uint8)
        allowed = _whole_squares(kept)
        choices = np.argwhere(allowed).astype(np.int32)
        targets = _inwards(kept, asked > 0.0)
        if len(choices) < _FEWEST or not len(targets):
            return filled
        distance = np.zeros((size, size), np.float32)
        if place is None:
            place = np.full((size, size, 2), -1, np.int32)
            _grow(level, kept, targets, choices, place)
        else:  # what the coarser level found, in this one's pixels
            place = _finer(place, targets, allowed, choices)
            _average(level.copy(), targets, place, distance, 1.0, _RADIUS, level)
        for turn in range(rounds):
            _search(level, targets, allowed, place, distance, turn + 1, turn % 2 == 1)
            _average(level.copy(), targets, place, distance, 1.0, _RADIUS, level)
    assert place is not None
    return _in_full(filled, known, wanted, place, distance)


def _in_full(
    filled: Floats,
    known: NDArray[np.bool_],
    wanted: NDArray[np.bool_],
    place: NDArray[np.int32],
    distance: Floats,
) -> Floats:
    """The filled image [s, s, 3] with pieces from the places of the finest level.

    Where they meet the image they are a little lighter or darker; that difference is taken off
    them, smoothly from the seam on. What is unlike the image there is so at a distance only.
    """
    side = len(filled)
    ratio = side / len(place)
    rim = max(3, round(2 * ratio))
    square = np.ones((2 * rim + 1, 2 * rim + 1), np.uint8)
    asked = wanted & ~known
    seam = known & (cv2.dilate(asked.astype(np.uint8), square) > 0)
    copied = filled.copy()
    targets = np.argwhere(asked | seam).astype(np.int32)
    _average(filled, targets, place, distance, ratio, 1, copied)
    apart = copied - filled
    told = seam & (apart != 0.0).any(-1)
    if told.any():
        lighter = np.clip(apart, -_SEAM, _SEAM)
        copied -= smooth_fill(lighter, told)
        away = cv2.distanceTransform(asked.astype(np.uint8), cv2.DIST_L2, 5)
        nearby = np.exp(-np.square(away / (_UNLIKE * side))) * _mostly(apart != lighter, told)
        copied -= nearby[..., None] * smooth_fill(apart - lighter, told)
    return np.where(asked[..., None], copied, filled)


def _mostly(unlike: NDArray[np.bool_], told: NDArray[np.bool_]) -> Floats:
    """From 0 to 1 [s, s] how much of what is told around a pixel is unlike: a strand is not."""
    spread = _UNLIKE * len(told)
    near = cv2.GaussianBlur((unlike.any(-1) & told).astype(np.float32), (0, 0), spread)
    share = near / np.maximum(cv2.GaussianBlur(told.astype(np.float32), (0, 0), spread), 1e-3)
    return np.asarray(np.clip(4.0 * share - 2.0, 0.0, 1.0), np.float32)


def _whole_squares(kept: Bytes) -> Bytes:
    """[h, w] 1 at the middles of squares that are known as a whole, 0 elsewhere."""
    square = np.ones((2 * _RADIUS + 1, 2 * _RADIUS + 1), np.uint8)
    found = cv2.erode(kept, square, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(found, np.uint8)


def _inwards(kept: Bytes, asked: NDArray[np.bool_]) -> NDArray[np.int32]:
    """[n, 2] rows and columns of pixels that are asked for, those next to known ones first."""
    targets = np.argwhere(asked & (kept == 0)).astype(np.int32)
    away = cv2.distanceTransform(1 - kept, cv2.DIST_L2, 5)
    order = np.argsort(away[targets[:, 0], targets[:, 1]], kind="stable")
    return np.ascontiguousarray(targets[order])


def _finer(
    coarse: NDArray[np.int32],
    targets: NDArray[np.int32],
    allowed: Bytes,
    choices: NDArray[np.int32],
) -> NDArray[np.int32]:
    """[h, w, 2] a place for each target, from the coarser level or drawn; -1 elsewhere."""
    size = len(allowed)
    place = np.full((size, size, 2), -1, np.int32)
    ratio = size / len(coarse)
    row, column = np.minimum((targets / ratio).astype(int), len(coarse) - 1).T
    given = coarse[row, column]
    guess = np.rint((given - np.stack([row, column], 1)) * ratio).astype(int) + targets
    guess = np.clip(guess, 0, size - 1)
    usable = (given[:, 0] >= 0) & (allowed[guess[:, 0], guess[:, 1]] > 0)
    drawn = choices[np.random.default_rng(0).integers(len(choices), size=len(targets))]
    place[targets[:, 0], targets[:, 1]] = np.where(usable[:, None], guess, drawn)
    return place
