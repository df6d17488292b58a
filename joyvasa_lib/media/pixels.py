"""Numbers of any type to 8-bit pixels, and arrays of any layout to Pillow images."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from joyvasa_lib.errors import MediaError

_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_TOLERANCE = 1e-3
"""How far floats may lie outside [0, 1]: what resampling leaves behind."""


def image_from_array(array: npt.NDArray[Any]) -> Image.Image:
    """A Pillow image from [h, w], [h, w, c] or [c, h, w], c from 1 to 4 in RGB order.

    The short axis holds the channels; an image is at least 64 pixels a side, so that no shape
    can be read both ways. One leading axis of length 1 is a batch of one and is dropped.

    Raises:
        MediaError: another shape, or numbers outside their range.
    """
    shape = array.shape
    if array.ndim == 4 and shape[0] == 1:
        array = array[0]
    if array.ndim == 3 and array.shape[2] not in _MODES and array.shape[0] in _MODES:
        array = np.moveaxis(array, 0, 2)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in _MODES or array.size == 0:
        raise MediaError(
            f"An array of shape {shape} is not an image; give [h, w], [h, w, 3] or [3, h, w]"
        )
    pixels = to_unit_range(array, "The array")
    channels = pixels.shape[2]
    return Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if channels == 1 else pixels))


def to_unit_range(array: npt.NDArray[Any], name: str) -> npt.NDArray[np.uint8]:
    """8-bit pixels of an array in memory, whose floats must be in [0, 1].

    Raises:
        MediaError: floats outside [0, 1], NaN or infinity, or a type that is no pixel.
    """
    if array.dtype.kind == "f":
        low, high = float(array.min()), float(array.max())
        if not (low >= -_TOLERANCE and high <= 1 + _TOLERANCE):
            raise MediaError(
                f"{name} holds floats from {low:.4g} to {high:.4g}; scale them to [0, 1] first"
            )
        pixels: npt.NDArray[np.uint8] = np.rint(np.clip(array, 0, 1) * 255).astype(np.uint8)
        return pixels
    return to_eight_bits(array, name)


def to_eight_bits(array: npt.NDArray[Any], name: str) -> npt.NDArray[np.uint8]:
    """8-bit pixels by the smallest of the usual full scales (1 for floats, 255, 65535) that fits.

    Grey files of 16 bits come as int32 or float32 from some readers, so that their type does not
    tell the scale; uint16 always means 65535.

    Raises:
        MediaError: negative, NaN or larger numbers, or a type that is no pixel.
    """
    kind = array.dtype.kind
    if array.dtype == np.uint8:
        return array
    if kind == "b":
        return array.astype(np.uint8) * np.uint8(255)
    if kind not in "iuf":
        raise MediaError(f"{name} holds {array.dtype}, not pixels; give uint8 or floats in [0, 1]")
    low, high = float(array.min()), float(array.max())
    scales = (65535.0,) if array.dtype == np.uint16 else (255.0, 65535.0)
    scale = next((s for s in ((1.0,) if kind == "f" else ()) + scales if high <= s), None)
    if scale is None or not low >= 0:
        raise MediaError(
            f"{name} holds values from {low:.6g} to {high:.6g}; give 8 or 16 bits, from 0 up"
        )
    pixels: npt.NDArray[np.uint8] = np.rint(array * (255.0 / scale)).astype(np.uint8)
    return pixels
