"""The square crop around a face that portrait models see."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.errors import NoFaceError, OptionError
from joyvasa_lib.face.detector import Face

SMALLEST, LARGEST = 256, 1024
"""Sides between which a crop keeps the picture's own pixels."""
_FEWEST_PIXELS = 24
"""A face smaller than this shows neither lips nor lids."""


@dataclass(frozen=True, eq=False)
class FaceCrop:
    """A square cut out of a picture around a face.

    Attributes:
        picture: [h, w, 3] uint8 RGB, the whole picture.
        image: [s, s, 3] uint8 RGB, the crop.
        left, top: the square's corner in picture pixels; may be negative.
        side: the square's side in picture pixels. When it equals ``size``, crop pixels are the
            picture's own.
        face: the face, in picture pixels.
    """

    picture: NDArray[np.uint8]
    image: NDArray[np.uint8]
    left: int
    top: int
    side: int
    face: Face

    @property
    def size(self) -> int:
        """Side of the crop in its own pixels."""
        return len(self.image)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """[3, 3] homogeneous map from picture pixels to crop pixels (pixel centres at integers)."""
        scale = self.size / self.side
        shift = 0.5 * scale - 0.5
        return np.array(
            [
                [scale, 0.0, shift - scale * self.left],
                [0.0, scale, shift - scale * self.top],
                [0.0, 0.0, 1.0],
            ]
        )

    @property
    def landmarks(self) -> NDArray[np.float32]:
        """[n, 3] the face's landmarks in crop pixels."""
        matrix = self.matrix
        points = self.face.landmarks.astype(np.float64)
        flat = points[:, :2] @ matrix[:2, :2].T + matrix[:2, 2]
        return np.concatenate([flat, points[:, 2:] * matrix[0, 0]], 1).astype(np.float32)


def crop_face(
    picture: NDArray[np.uint8],
    face: Face,
    size: int | None = None,
    scale: float = 2.3,
    raise_by: float = 0.06,
) -> FaceCrop:
    """Cuts an axis-aligned square of whole picture pixels around a face.

    Beyond the picture's border its edge is repeated.

    Args:
        picture: [h, w, 3] uint8 RGB.
        face: the face in picture pixels.
        size: side of the crop in its own pixels; by default the native side kept within 256 and
            1024.
        scale: side of the square over the larger side of the landmarks' box.
        raise_by: how far the square's centre lies above the landmarks', in sides (for the hair).

    Raises:
        NoFaceError: the face is too small to animate.
        OptionError: ``size`` or ``scale`` is unusable.
    """
    if scale < 1.2 or scale > 6.0:
        raise OptionError(f"The crop scale must lie between 1.2 and 6, not {scale}")
    if size is not None and size < 64:
        raise OptionError(f"The crop size must be at least 64 pixels, not {size}")
    low, high = face.landmarks[:, :2].min(0), face.landmarks[:, :2].max(0)
    extent = float(max(high - low))
    if extent < _FEWEST_PIXELS:
        raise NoFaceError(
            f"The face is only {extent:.0f} pixels wide; at least {_FEWEST_PIXELS} are needed: "
            "use a larger picture"
        )
    side = round(extent * scale)
    centre = (low + high) / 2
    left = round(float(centre[0]) - side / 2)
    top = round(float(centre[1]) - side / 2 - raise_by * side)
    size = size or int(np.clip(side, SMALLEST, LARGEST))
    rows = np.clip(np.arange(top, top + side), 0, picture.shape[0] - 1)
    columns = np.clip(np.arange(left, left + side), 0, picture.shape[1] - 1)
    image = np.ascontiguousarray(picture[rows[:, None], columns[None]])
    if size != side:
        method = cv2.INTER_AREA if size < side else cv2.INTER_CUBIC
        image = np.asarray(cv2.resize(image, (size, size), interpolation=method), dtype=np.uint8)
    return FaceCrop(picture, image, left, top, side, face)
