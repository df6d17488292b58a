"""How large frames are: an image above a limit is scaled once, before frames are pasted into it."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.checks import checked_int
from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.face.landmarks.detector import Face

Pixels = NDArray[np.uint8]

MAX_SIZE = 1920
"""Pixels of a frame's longer side by default: Full HD, of which a face keeps its detail."""
SMALLEST = 64
"""Pixels; a smaller frame shows no face."""
SMALLEST_FACE = 128
"""Pixels of a face that is still cut out at its own resolution (of the smallest crop, 256)."""


logger = logging.getLogger(__name__)


def checked_max_size(value: Any) -> int | None:
    """The largest side of frames, or None for no limit.

    Raises:
        OptionError: it is neither None nor a whole number of at least 64.
    """
    return None if value is None else checked_int("max_size", value, least=SMALLEST)


def fitted_size(size: tuple[int, int], max_size: int | None) -> tuple[int, int]:
    """Width and height in their shape, with a longer side of at most ``max_size`` pixels.

    A size that fits stays as it is. Others become even, which videos need: their colours are
    stored for squares of 2 x 2 pixels.
    """
    longest = max(size)
    if max_size is None or longest <= max_size:
        return size
    factor = max_size // 2 * 2 / longest
    width, height = (max(2, 2 * round(side * factor / 2)) for side in size)
    return width, height


def tell_scaled(what: str, size: tuple[int, int], to: tuple[int, int]) -> None:
    """Says in the log from what and to what something is scaled, where it is."""
    if size != to:
        logger.warning(
            "%s of %dx%d pixels is scaled to %dx%d; max_size=None (--max-size none) keeps it",
            *(what, *size, *to),
        )


def fit_face(image: Pixels, face: Face, max_size: int | None) -> tuple[Pixels, Face]:
    """An image scaled down to a limit, with a line in the log, and a face in it.

    Args:
        image: [h, w] or [h, w, c].
        face: the face; an image in which it would be too small is left as it is.
        max_size: pixels of the longer side; None for any.
    """
    whole = image.shape[1], image.shape[0]
    size = fitted_size(whole, max_size)
    extent = float(np.ptp(face.landmarks[:, :2], axis=0).max(initial=0.0))
    if size == whole or not extent * max(size) / max(whole) >= SMALLEST_FACE:
        return image, face
    tell_scaled("The image", whole, size)
    return scaled(image, size), _moved(face, size[0] / whole[0], size[1] / whole[1])


def fit_crop(crop: FaceCrop, size: tuple[int, int]) -> FaceCrop:
    """The crop as one of a scaled image; its own pixels stay as they are.

    Args:
        crop: the crop.
        size: width and height that the image is scaled to.
    """
    height, width = crop.full_image.shape[:2]
    if size == (width, height):
        return crop
    across, down = width / size[0], height / size[1]
    back = np.array(  # from the scaled image to the image
        [
            [across, 0.0, across / 2 - 0.5],
            [0.0, down, down / 2 - 0.5],
            [0.0, 0.0, 1.0],
        ]
    )
    face = _moved(crop.face, 1 / across, 1 / down)
    return FaceCrop(scaled(crop.full_image, size), crop.image, crop.matrix @ back, face)


def scaled(image: Pixels, size: tuple[int, int]) -> Pixels:
    """An image [h, w] or [h, w, c] in fewer pixels, each the mean of those that it covers.

    Args:
        image: what is scaled; returned as it is where it has the size already.
        size: width and height of the result.
    """
    if image.shape[1::-1] == size:
        return image
    result = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(result, np.uint8).reshape(size[1], size[0], *image.shape[2:])


def _moved(face: Face, across: float, down: float) -> Face:
    """A face in an image that is scaled by two factors; pixel centres lie at integers."""
    factors, half = np.array([across, down, (across + down) / 2]), np.array([0.5, 0.5, 0.0])
    box = (face.box + 0.5) * np.tile(factors[:2], 2) - 0.5
    landmarks = (face.landmarks + half) * factors - half
    return replace(face, box=box.astype(np.float32), landmarks=landmarks.astype(np.float32))
