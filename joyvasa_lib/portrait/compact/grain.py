"""Grain of an image: of a film, a sensor or a canvas. What is painted into it gets the same grain.

Its strength is measured where the image is flat (Immerkaer 1996, "Fast noise variance estimation",
eq. 3, by the median). Its look is that of a flat piece of skin: white noise that is convolved with
such a piece has its spectrum (Galerne, Gousseau and Morel 2011, "Random phase textures", sec. 3).
As that of photons, it grows with the root of the light.

Axis legend: ``s`` side of the crop, ``p`` side of a piece of it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.rig.head_rig import Floats

Bytes = NDArray[np.uint8]

_FLAT = np.array([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]], np.float32) / 6.0
"""Answers to no slope and no edge along an axis, and to noise with its standard deviation."""
_MEDIAN = 0.6745
"""Median of the absolute values of normal noise over its standard deviation."""
_LEAST = 1.5
"""Standard deviation of the grain, levels, from which on its lack is visible."""
_PIECE, _FEWEST = 0.06, 16
"""Side of the piece of skin, sides of the crop, and its least side in pixels."""
_COARSEST = 2.0
"""Standard deviation of the blur that grain is what it takes away, pixels."""


def find_grain(image: Bytes, skin: NDArray[np.bool_]) -> Floats | None:
    """Grain [s, s, 3] like that of an image, levels around 0 over the root of the light's level.

    None where the image shows none.

    Args:
        image: [s, s, 3] uint8 RGB.
        skin: [s, s] where the face's skin is seen.
    """
    side = max(_FEWEST, round(_PIECE * len(image)))
    inner = cv2.erode(skin.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
    if not inner.any():
        return None
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    noise = np.abs(cv2.filter2D(grey, cv2.CV_32F, _FLAT))
    if float(np.median(noise[skin])) / _MEDIAN < _LEAST:
        return None
    # The flattest piece: the one whose broad brightness varies least.
    broad = cv2.GaussianBlur(grey, (0, 0), _COARSEST)
    uneven = cv2.blur(broad * broad, (side, side)) - cv2.blur(broad, (side, side)) ** 2
    row, column = np.unravel_index(np.where(inner, uneven, np.inf).argmin(), uneven.shape)
    top, left = max(int(row) - side // 2, 0), max(int(column) - side // 2, 0)
    piece = image[top : top + side, left : left + side].astype(np.float32)
    texture = _like(piece - cv2.GaussianBlur(piece, (0, 0), _COARSEST), len(image))
    return texture / np.float32(np.sqrt(1.0 + piece.mean()))


def _like(piece: Floats, size: int) -> Floats:
    """Noise [size, size, 3] with the spectrum of a piece [p, p, 3], the same in every call."""
    piece = piece - piece.mean((0, 1))
    white = np.random.default_rng(0).standard_normal((size, size), np.float32)
    spectrum = np.fft.rfft2(white)
    parts = [
        np.fft.irfft2(spectrum * np.fft.rfft2(piece[..., c], (size, size)), (size, size))
        for c in range(3)
    ]
    return np.asarray(np.stack(parts, -1) / np.sqrt(piece[..., 0].size), np.float32)


def add_grain(frame: Bytes, grain: Floats, cover: Floats) -> None:
    """Gives what was painted its grain, in place.

    Args:
        frame: [s, s, 3] the frame.
        grain: result of :func:`find_grain`.
        cover: [s, s] share of paint in each pixel.
    """
    rows, columns = (np.flatnonzero((cover > 0.0).any(axis)) for axis in (1, 0))
    if not len(rows):
        return
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    own = frame[box].astype(np.float32)
    strength = cover[box] * np.sqrt(1.0 + own.mean(-1))
    frame[box] = np.clip(np.rint(own + strength[..., None] * grain[box]), 0, 255)
