"""LivePortrait's square around a face, and the map into it.

The square stands upright on the line from the eyes to the lips, encloses the landmarks and is
larger by a factor. Formulas as in LivePortrait's published code (arXiv 2407.03168); the angle is
in radians and positive when the face leans clockwise in the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joyvasa_lib.errors import OptionError
from joyvasa_lib.face.landmark_sets import anchor_points, outline_points
from joyvasa_lib.face.sampling import upright_matrix

Floats = NDArray[np.float64]

_SHORTEST = 1e-3
"""Pixels between eyes and lips below which the face is taken as upright."""


@dataclass(frozen=True)
class PixelSquare:
    """A square of whole image pixels along the image's axes; it may reach beyond the image.

    Attributes:
        left, top: the corner's pixel.
        side: in image pixels.
    """

    left: int
    top: int
    side: int

    def matrix(self, size: int) -> NDArray[np.float64]:
        """[3, 3] homogeneous map from image pixels to a crop of side ``size``."""
        scale = size / self.side
        shift = 0.5 * scale - 0.5
        return np.array(
            [
                [scale, 0.0, shift - scale * self.left],
                [0.0, scale, shift - scale * self.top],
                [0.0, 0.0, 1.0],
            ]
        )


@dataclass(frozen=True, eq=False)
class FaceSquare:
    """A square in an image, turned by an angle about its centre.

    Attributes:
        centre: [2] x, y in image pixels.
        side: in image pixels.
        angle: radians, clockwise as seen.
    """

    centre: Floats
    side: float
    angle: float

    def upright(self) -> FaceSquare:
        """The same square, not turned."""
        return FaceSquare(self.centre, self.side, 0.0)

    def corners(self) -> Floats:
        """[4, 2] the corners in image pixels: of the face top left, then clockwise."""
        half = self.side / 2
        offsets = half * np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
        return self.centre + offsets @ _axes(self.angle)

    def matrix(self, size: int) -> Floats:
        """[3, 3] homogeneous map from image pixels to pixels of a crop of side ``size``."""
        return upright_matrix(self.centre, self.side, self.angle, size)


def face_square(
    landmarks: ArrayLike,
    scheme: str | None = None,
    *,
    scale: float = 2.3,
    shift: tuple[float, float] = (0.0, -0.125),
) -> FaceSquare:
    """The square around a face.

    Args:
        landmarks: [n, 2 or 3] in image pixels.
        scheme: name of the landmark set; by default the one with this number of points.
        scale: side of the square over the larger side of the landmarks' box, measured along the
            face's own axes.
        shift: how far the square's centre lies right of and below the box's, along the face's
            axes, in sides. The reference offers the first but ignores it when cropping.

    Raises:
        OptionError: the set is unknown, ``scale`` is not positive, or all points are one.
    """
    if not scale > 0:
        raise OptionError(f"The crop scale must be above 0, not {scale}")
    left, right, lips = (point.astype(np.float64) for point in anchor_points(landmarks, scheme))
    points = outline_points(landmarks, scheme).astype(np.float64)
    down = lips - (left + right) / 2
    length = float(np.hypot(*down))
    y_axis = down / length if length > _SHORTEST else np.array([0.0, 1.0])
    x_axis = np.array([y_axis[1], -y_axis[0]])
    mean = points.mean(0)
    own = (points - mean) @ np.stack([x_axis, y_axis], 1)
    low, high = own.min(0), own.max(0)
    side = float(max(high - low)) * scale
    if side <= 0:
        raise OptionError("The landmarks are all in one place, so there is no square around them")
    middle = (low + high) / 2 + np.asarray(shift, dtype=np.float64) * side
    angle = float(np.arccos(np.clip(x_axis[0], -1.0, 1.0)))
    return FaceSquare(
        mean + x_axis * middle[0] + y_axis * middle[1], side, -angle if x_axis[1] < 0 else angle
    )


def source_size(
    height: int, width: int, longest: int = 1280, division: int = 2
) -> tuple[tuple[int, int], tuple[int, int]]:
    """The size to which LivePortrait reduces a source image before anything else.

    The longer side is scaled down to a limit; then rows at the bottom and columns on the right are
    cut off until both sides are multiples of ``division`` (unless nothing would be left).

    Returns:
        Height and width after scaling, and after cutting.

    Raises:
        OptionError: a number is below 1.
    """
    if min(height, width, longest, division) < 1:
        raise OptionError(
            f"An image of {width} x {height} pixels cannot be reduced to {longest} pixels in "
            f"steps of {division}; all must be 1 at least"
        )
    if max(height, width) > longest:
        if height > width:
            scaled = (longest, int(width * longest / height))
        else:
            scaled = (int(height * longest / width), longest)
    else:
        scaled = (height, width)
    cut = (scaled[0] - scaled[0] % division, scaled[1] - scaled[1] % division)
    return scaled, (cut[0] or scaled[0], cut[1] or scaled[1])


def apply_matrix(matrix: NDArray[np.floating], points: ArrayLike) -> Floats:
    """Points [..., 2] under a homogeneous map [3, 3]."""
    given = np.asarray(points, dtype=np.float64)
    exact = np.asarray(matrix, dtype=np.float64)
    return given @ exact[:2, :2].T + exact[:2, 2]


def _axes(angle: float) -> Floats:
    """[2, 2] the face's x and y axis, as rows, in image coordinates."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, sin], [-sin, cos]])
