"""The square crop around a face that portrait models see.

Three framings: :func:`crop_face` cuts whole pixels of the image along its own axes (the bundled
preset), :func:`crop_upright` turns the face upright as LivePortrait does (the official networks),
:func:`crop_whole` takes the image as it is. None of them stretches the face.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.budgets import budgets
from joyvasa_lib.errors import NoFaceError, OptionError
from joyvasa_lib.face.crop_geometry import PixelSquare, apply_matrix, face_square
from joyvasa_lib.face.image_fill import continued
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.face.sampling import as_rgb, sample

SMALLEST, LARGEST = 256, 1024
"""Sides between which a crop keeps the image's own pixels."""
_FEWEST_PIXELS = 24
"""A face smaller than this shows neither lips nor eyelids."""
_WIDEST = 8
"""Largest side of a square over the image's longer one: 6 for a face that fills it, and room."""
_ROOM = 1.25
"""Least side of a square over the extent of all landmarks of a video."""


@dataclass(frozen=True, eq=False)
class FaceCrop:
    """A square cut out of an image around a face.

    Attributes:
        full_image: [h, w, 3] uint8 RGB, the whole image; [h, w] and [h, w, 1 or 4] are kept too.
        image: [s, s, 3] uint8 RGB, the crop.
        matrix: [3, 3] homogeneous map from image pixels to crop pixels (pixel centres at
            integers): a rotation, one scale and a shift.
        face: the face, in image pixels.
        square: the image's pixels that the crop shows, where it lies along the image's axes;
            None for a turned crop. With ``square.side == size`` crop pixels are the image's own.
    """

    full_image: NDArray[np.uint8]
    image: NDArray[np.uint8]
    matrix: NDArray[np.float64]
    face: Face
    square: PixelSquare | None = None

    @property
    def size(self) -> int:
        """Side of the crop in its own pixels."""
        return len(self.image)

    @property
    def scale(self) -> float:
        """Crop pixels for one image pixel."""
        return float(np.hypot(*self.matrix[:2, 0]))

    @property
    def seen(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom of the pixels that show the image; all of a turned crop's."""
        if self.square is None:
            return 0, 0, self.size, self.size
        height, width = self.full_image.shape[:2]
        low = self.matrix[:2, 2] - 0.5 * self.scale + 0.5
        high = low + self.scale * np.array([width, height])
        # A row or column that shows the edge in part counts: it was cut with the edge repeated.
        left, top = np.clip(np.floor(low + 1e-6), 0, self.size).astype(int)
        right, bottom = np.clip(np.ceil(high - 1e-6), 0, self.size).astype(int)
        return int(left), int(top), int(right), int(bottom)

    @property
    def landmarks(self) -> NDArray[np.float32]:
        """[n, 3] the face's landmarks in crop pixels."""
        points = self.face.landmarks.astype(np.float64)
        flat = apply_matrix(self.matrix, points[:, :2])
        return np.concatenate([flat, points[:, 2:] * self.scale], 1).astype(np.float32)


def crop_face(
    full_image: NDArray[np.uint8],
    face: Face,
    size: int | None = None,
    scale: float = 2.3,
    raise_by: float = 0.06,
) -> FaceCrop:
    """Cuts an axis-aligned square of whole image pixels around a face.

    Beyond the image's border its edge goes on, ever softer.

    Args:
        full_image: [h, w, 3] uint8 RGB; grey and alpha are allowed.
        face: the face in image pixels.
        size: side of the crop in its own pixels; by default the native side kept within 256 and
            1024.
        scale: side of the square over the larger side of the landmarks' box.
        raise_by: how far the square's centre lies above the landmarks', in sides (for the hair).

    Raises:
        NoFaceError: the face is too small to animate, or has no finite place.
        OptionError: ``size`` or ``scale`` is unusable.
        MediaError: the image is not one of 8-bit pixels.
    """
    check_croppable(face, size, scale)
    low, high = face.landmarks[:, :2].min(0), face.landmarks[:, :2].max(0)
    side = round(float(max(high - low)) * scale)
    centre = (low + high) / 2
    left = round(float(centre[0]) - side / 2)
    top = round(float(centre[1]) - side / 2 - raise_by * side)
    return _continued(_cut(full_image, face, PixelSquare(left, top, side), size))


def crop_upright(
    full_image: NDArray[np.uint8],
    face: Face,
    size: int = 512,
    scale: float = 2.3,
    shift: tuple[float, float] = (0.0, -0.125),
    *,
    rotate: bool = True,
    border: str = "repeat",
    method: str = "smooth",
) -> FaceCrop:
    """Cuts the square that LivePortrait cuts: turned so that the face stands upright.

    ``border="black", method="bilinear"`` gives the published code's pixels.

    Args:
        full_image: [h, w, 3] uint8 RGB; grey and alpha are allowed.
        face: the face in image pixels, with landmarks of any known set.
        size: side of the crop in its own pixels.
        scale: side of the square over the larger side of the landmarks' box.
        shift: how far the square's centre lies right of and below the landmarks', in sides, along
            the face's axes.
        rotate: whether to turn; otherwise the same square along the image's axes.
        border: beyond the image, ``"repeat"`` its edge or ``"black"``.
        method: ``"smooth"``, free of aliasing, or ``"bilinear"``.

    Raises:
        NoFaceError: the face is too small to animate, or has no finite place.
        OptionError: an option's value is not allowed, or the landmark set is unknown.
        MediaError: the image is not one of 8-bit pixels.
    """
    check_croppable(face, size, scale)
    square = face_square(face.landmarks, face.scheme, scale=scale, shift=shift)
    matrix = (square if rotate else square.upright()).matrix(size)
    image = sample(as_rgb(full_image), matrix, size, border, method)
    return FaceCrop(full_image, image, matrix, face)


def crop_whole(full_image: NDArray[np.uint8], face: Face, size: int | None = None) -> FaceCrop:
    """Takes the whole image, for portraits that are crops already.

    An image that is not square is made so by continuing its edge, ever softer, never by stretching.

    Args:
        full_image: [h, w, 3] uint8 RGB; grey and alpha are allowed.
        face: the face in image pixels.
        size: side of the crop in its own pixels; by default the native side kept within 256 and
            1024.

    Raises:
        NoFaceError: the face is too small to animate, or has no finite place.
        OptionError: ``size`` is unusable.
        MediaError: the image is not one of 8-bit pixels.
    """
    check_croppable(face, size)
    height, width = full_image.shape[:2]
    side = max(height, width)
    square = PixelSquare(-((side - width) // 2), -((side - height) // 2), side)
    return _continued(_cut(full_image, face, square, size))


def crop_square(
    full_image: NDArray[np.uint8], face: Face, square: PixelSquare, size: int | None = None
) -> FaceCrop:
    """Cuts a given square, as for the frames of a video, which all show the same one.

    Args:
        full_image: [h, w, 3] uint8 RGB; grey and alpha are allowed.
        face: the face in image pixels.
        square: what to cut; beyond the image's border its edge is repeated.
        size: side of the crop in its own pixels; by default the native side kept within 256 and
            1024.

    Raises:
        NoFaceError: the face is too small to animate, or has no finite place.
        OptionError: ``size`` is unusable.
        MediaError: the image is not one of 8-bit pixels.
    """
    check_croppable(face, size)
    return _cut(full_image, face, square, size)


def square_around(
    landmarks: NDArray[np.floating], scale: float = 2.3, raise_by: float = 0.06
) -> PixelSquare:
    """The square that holds a face in all frames of a video; for one it is :func:`crop_face`'s.

    Args:
        landmarks: [t, n, 2 or 3] in image pixels.
        scale: side of the square over the median larger side of the landmarks' box; larger where
            the face wanders so far that it would come within a tenth of the border.
        raise_by: how far the square's centre lies above the landmarks', in sides (for the hair).
    """
    flat = np.asarray(landmarks, np.float64)[..., :2]
    low, high = flat.min(axis=1), flat.max(axis=1)
    usual = float(np.median((high - low).max(axis=1)))
    low, high = low.min(axis=0), high.max(axis=0)
    side = round(max(usual * scale, float(max(high - low)) * _ROOM))
    centre = (low + high) / 2
    left = round(float(centre[0]) - side / 2)
    top = round(float(centre[1]) - side / 2 - raise_by * side)
    return PixelSquare(left, top, side)


def _continued(crop: FaceCrop) -> FaceCrop:
    """The crop with what lies beyond the image filled."""
    left, top, right, bottom = crop.seen
    if (left, top, right, bottom) == (0, 0, crop.size, crop.size) or left >= right or top >= bottom:
        return crop
    pixels = np.clip(np.rint(continued(crop.image, crop.seen)), 0, 255).astype(np.uint8)
    return replace(crop, image=pixels)


def check_croppable(face: Face, size: int | None, scale: float = 2.3) -> None:
    """Refuses a face or options that no crop can be cut for.

    Args:
        face: the face in image pixels.
        size: side of the crop in its own pixels; None for the native side.
        scale: side of the square over the larger side of the landmarks' box.

    Raises:
        NoFaceError: the face is too small to animate, or has no finite place.
        OptionError: ``size`` or ``scale`` is unusable.
    """
    if not 1.2 <= scale <= 6.0:
        raise OptionError(f"The crop scale must lie between 1.2 and 6, not {scale}")
    if size is not None and size < 64:
        raise OptionError(f"The crop size must be at least 64 pixels, not {size}")
    if size is not None and size > budgets().crop_side:
        raise OptionError(
            f"The crop size must be at most {budgets().crop_side} pixels (crop_side), not {size}"
        )
    if not np.isfinite(face.landmarks).all():
        raise NoFaceError("The face's landmarks hold a number that is not finite")
    extent = float(max(np.ptp(face.landmarks[:, :2], axis=0)))
    if extent < _FEWEST_PIXELS:
        raise NoFaceError(
            f"The face is only {extent:.0f} pixels wide; at least {_FEWEST_PIXELS} are needed: "
            "use a larger image"
        )


def _cut(
    full_image: NDArray[np.uint8], face: Face, square: PixelSquare, size: int | None
) -> FaceCrop:
    pixels = as_rgb(full_image)
    side = square.side
    if side > _WIDEST * max(pixels.shape[:2]):
        raise NoFaceError(
            f"The square around the face is {side} pixels wide in an image of "
            f"{pixels.shape[1]}x{pixels.shape[0]}; give a face that lies in the image"
        )
    if side > budgets().crop_side:
        raise NoFaceError(
            f"The square around the face is {side} pixels wide, more than the "
            f"{budgets().crop_side} allowed (crop_side); make the image smaller first"
        )
    size = size or int(np.clip(side, SMALLEST, LARGEST))
    rows = np.clip(np.arange(square.top, square.top + side), 0, pixels.shape[0] - 1)
    columns = np.clip(np.arange(square.left, square.left + side), 0, pixels.shape[1] - 1)
    image = np.ascontiguousarray(pixels[rows[:, None], columns[None]])
    if size != side:
        method = cv2.INTER_AREA if size < side else cv2.INTER_CUBIC
        image = np.asarray(cv2.resize(image, (size, size), interpolation=method), dtype=np.uint8)
    return FaceCrop(full_image, image, square.matrix(size), face, square)
