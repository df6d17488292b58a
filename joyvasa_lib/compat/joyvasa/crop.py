"""Crops with the pixels of JoyVASA's published code: black borders, images stretched to squares.

:mod:`joyvasa_lib.face.crop` has the crops of this library, which repeat an image's edge and keep
its shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.face.crop import FaceCrop, check_croppable, crop_upright
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.face.sampling import as_rgb


@dataclass(frozen=True, eq=False)
class StretchedCrop(FaceCrop):
    """A whole image scaled to a square; ``matrix`` scales x and y by factors of their own."""


def crop_black(full_image: NDArray[np.uint8], face: Face, size: int = 512) -> FaceCrop:
    """Cuts LivePortrait's square, black beyond the image, without averaging.

    Args:
        full_image: [h, w, 3] uint8 RGB; grey and alpha are allowed.
        face: the face in image pixels, with landmarks of any known set.
        size: side of the crop in its own pixels.

    Raises:
        NoFaceError: the face is too small to animate, or has no finite place.
        OptionError: ``size`` is unusable, or the landmark set is unknown.
        MediaError: the image is not one of 8-bit pixels.
    """
    return crop_upright(full_image, face, size, border="black", method="bilinear")


def crop_stretched(full_image: NDArray[np.uint8], face: Face, size: int = 512) -> StretchedCrop:
    """Takes the whole image without keeping its shape, as the published code does without a crop.

    A face in an image that is not square comes out wide or narrow, which the networks were not
    trained on; :func:`~joyvasa_lib.face.crop.crop_whole` keeps its shape.

    Args:
        full_image: [h, w, 3] uint8 RGB; grey and alpha are allowed.
        face: the face in image pixels.
        size: side of the crop in its own pixels.

    Raises:
        NoFaceError: the face is too small to animate, or has no finite place.
        OptionError: ``size`` is unusable.
        MediaError: the image is not one of 8-bit pixels.
    """
    check_croppable(face, size)
    image = stretch_to_square(full_image, size)
    height, width = full_image.shape[:2]
    factors = np.array([size / width, size / height])
    matrix = np.diag([*factors, 1.0])
    matrix[:2, 2] = 0.5 * factors - 0.5
    return StretchedCrop(full_image, image, matrix, face)


def stretch_to_square(full_image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """[size, size, 3] an image of any shape, its sides scaled by factors of their own.

    Bilinear without averaging, as the published code resizes an image that is not cropped.

    Args:
        full_image: [h, w, 3] uint8 RGB; grey and alpha are allowed.
        size: side of the result in pixels.

    Raises:
        MediaError: the image is not one of 8-bit pixels.
    """
    pixels = np.ascontiguousarray(as_rgb(full_image))
    resized = cv2.resize(pixels, (size, size), interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized, dtype=np.uint8)
