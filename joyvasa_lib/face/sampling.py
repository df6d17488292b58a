"""Pixels of an image under an affine map, at the cost of the visible part alone."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.errors import MediaError, OptionError

Pixels = NDArray[np.uint8]

_BORDERS = {"repeat": cv2.BORDER_REPLICATE, "black": cv2.BORDER_CONSTANT}
_METHODS = ("smooth", "bilinear")


def as_rgb(image: NDArray[Any]) -> Pixels:
    """An image as [h, w, 3] uint8 RGB; grey is repeated, alpha is left out.

    Args:
        image: [h, w], or [h, w, 1, 3 or 4], uint8.

    Raises:
        MediaError: it has another shape or type, or no pixels.
    """
    if image.dtype != np.uint8 or image.size == 0:
        raise MediaError(
            f"An image is a uint8 array with pixels in it, not {image.dtype} of shape "
            f"{image.shape}; read it with joyvasa_lib.media.image.load_image"
        )
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.shape[2] not in (1, 3, 4):
        raise MediaError(
            f"An image is [height, width] or [height, width, 1, 3 or 4], not {image.shape}"
        )
    if image.shape[2] == 1:
        return np.repeat(image, 3, axis=2)
    return image[..., :3]


def sample(
    image: NDArray[np.uint8],
    matrix: NDArray[np.floating],
    size: int,
    border: str = "repeat",
    method: str = "smooth",
) -> Pixels:
    """The square [size, size, c] to which a map takes a part of an image.

    Args:
        image: [h, w] or [h, w, c] uint8.
        matrix: [3, 3] homogeneous map from image pixels to pixels of the result, pixel centres
            at integers.
        size: side of the result in pixels.
        border: beyond the image, ``"repeat"`` its edge or ``"black"``.
        method: ``"smooth"`` averages areas first where the result is smaller than what it shows;
            ``"bilinear"`` takes four pixels for each, as the reference does.

    Raises:
        OptionError: ``border`` or ``method`` has another value.
    """
    if border not in _BORDERS:
        raise OptionError(f"border must be 'repeat' or 'black', not {border!r}")
    if method not in _METHODS:
        raise OptionError(f"method must be 'smooth' or 'bilinear', not {method!r}")
    height, width = image.shape[:2]
    inverse = np.linalg.inv(matrix)
    ends = np.array([[0, 0, 1], [size, 0, 1], [size, size, 1], [0, size, 1]]) - [0.5, 0.5, 0.0]
    seen = ends @ inverse[:2].T
    reach = 2 + int(np.ceil(max(np.hypot(*inverse[:2, 0]), np.hypot(*inverse[:2, 1]))))
    low = np.floor(seen.min(0)).astype(int) - reach
    high = np.ceil(seen.max(0)).astype(int) + reach
    # At least one row and column, even where the square lies beside the image.
    left, top = (int(np.clip(low[0], 0, width - 1)), int(np.clip(low[1], 0, height - 1)))
    right, bottom = (
        int(np.clip(high[0], left + 1, width)),
        int(np.clip(high[1], top + 1, height)),
    )
    part = image[top:bottom, left:right]
    moved = np.asarray(matrix, dtype=np.float64) @ _shift(left, top)
    scale = float(np.sqrt(abs(np.linalg.det(moved[:2, :2]))))
    if method == "smooth" and scale < 0.75:
        wide, tall = (max(1, round(side * scale)) for side in (right - left, bottom - top))
        fx, fy = (right - left) / wide, (bottom - top) / tall
        part = np.asarray(cv2.resize(part, (wide, tall), interpolation=cv2.INTER_AREA))
        moved = moved @ np.array(
            [[fx, 0.0, fx / 2 - 0.5], [0.0, fy, fy / 2 - 0.5], [0.0, 0.0, 1.0]]
        )
    result = cv2.warpAffine(
        part, moved[:2], (size, size), flags=cv2.INTER_LINEAR, borderMode=_BORDERS[border]
    )
    return np.asarray(result, dtype=np.uint8)


def upright_matrix(
    centre: NDArray[np.floating], side: float, angle: float, size: int
) -> NDArray[np.float64]:
    """[3, 3] map that turns a square of an image upright and scales it to ``size`` pixels.

    Args:
        centre: [2] x, y in image pixels.
        side: in image pixels.
        angle: radians by which the square is turned clockwise.
        size: side of the result in pixels.
    """
    scale = size / side
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    turn = np.array([[cos, sin], [-sin, cos]])
    matrix = np.eye(3)
    matrix[:2, :2] = turn
    matrix[:2, 2] = size / 2 - turn @ np.asarray(centre, dtype=np.float64)
    return matrix


def _shift(x: float, y: float) -> NDArray[np.float64]:
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])
