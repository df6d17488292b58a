"""Fills parts of an image from what surrounds them: smooth, without lines.

Axis legend: ``h`` x ``w`` the image, ``c`` its channels.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_SOFTER = 0.5
"""Spread of the blur beyond an image's border for each pixel of distance from it."""
_LEVELS = 7
"""Blurs beyond the border: 1 pixel wide, 2, 4 and so on."""


def continued(pixels: NDArray[np.generic], box: tuple[int, int, int, int]) -> Floats:
    """Pixels [h, w, c] of which only a part shows an image: what lies beyond is continued.

    The image's edge goes on, and is blurred more the farther it is: nothing becomes a line that
    leads out of the image.

    Args:
        pixels: [h, w, c]; outside of the box they do not matter.
        box: left, top, right, bottom of the part that shows the image, at least a pixel of it.
    """
    left, top, right, bottom = box
    height, width = pixels.shape[:2]
    if box == (0, 0, width, height):
        return np.array(pixels, np.float32)
    rows = np.clip(np.arange(height), top, bottom - 1)
    columns = np.clip(np.arange(width), left, right - 1)
    values = np.asarray(pixels, np.float32)[rows[:, None], columns[None]]
    away = np.hypot(*np.meshgrid(np.arange(width) - columns, np.arange(height) - rows))
    level = np.clip(np.log2(np.maximum(_SOFTER * away, 0.5)) + 1.0, 0.0, float(_LEVELS))
    softer = values
    result = values.copy()
    for number in range(_LEVELS):
        sharp, softer = softer, _blurred(values, 2.0**number)
        share = np.clip(level - number, 0.0, 1.0)[..., None].astype(np.float32)
        result = np.where(share > 0.0, sharp + share * (softer - sharp), result)
    return result


def _blurred(image: Floats, spread: float) -> Floats:
    """A Gaussian blur [h, w, c]; a wide one on a smaller image, which is much faster."""
    height, width = image.shape[:2]
    factor = min(max(1, int(spread / 2.0)), max(1, min(height, width) // 8))
    small = image
    if factor > 1:
        size = (max(1, width // factor), max(1, height // factor))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), spread / factor, borderType=cv2.BORDER_REPLICATE)
    if factor > 1:
        soft = cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(soft, np.float32).reshape(image.shape)


def smooth_fill(image: NDArray[np.generic], known: NDArray[np.generic]) -> Floats:
    """The image [h, w, c] with what is not known interpolated smoothly from what is.

    Averages of ever larger squares are laid under each other (Gortler et al. 1996, "The
    lumigraph", push-pull): close to known pixels details of the edge go on, farther away only
    broad colours do.

    Args:
        image: [h, w, c].
        known: [h, w] in [0, 1], how far each pixel is to be kept.
    """
    weight = np.asarray(known, np.float32)[..., None]
    return _filled(np.asarray(image, np.float32) * weight, weight)


def _filled(weighted: Floats, weight: Floats) -> Floats:
    """``weighted`` [h, w, c] over ``weight`` [h, w, 1], filled where the weight is below 1."""
    height, width = weight.shape[:2]
    if min(height, width) <= 2 or float(weight.min()) >= 1.0:
        share = max(float(weight.mean()), 1e-6)
        mean = weighted.mean((0, 1)) / share
        return np.asarray(weighted + (1.0 - weight) * mean, np.float32)
    half = (max(1, width // 2), max(1, height // 2))
    both = cv2.resize(np.concatenate([weighted, weight], 2), half, interpolation=cv2.INTER_AREA)
    share = both[..., -1:]
    full = np.minimum(4.0 * share, 1.0)
    coarse = _filled(both[..., :-1] * (full / np.maximum(share, 1e-6)), full)
    under = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(weighted + (1.0 - weight) * under.reshape(weighted.shape), np.float32)
