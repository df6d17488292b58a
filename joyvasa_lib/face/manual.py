"""Faces given by hand: for animals, drawings and whatever the detector does not find."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joyvasa_lib.errors import NoFaceError
from joyvasa_lib.face.detector import Face
from joyvasa_lib.face.mediapipe import MediaPipeFaceDetector

_FIVE = ((33, 133), (263, 362), (1,), (61,), (291,))
"""Mesh points whose mean is each of the five: eyes (picture left, right), nose, mouth corners."""


class ManualFaceDetector:
    """A face whose place the user knows.

    Args:
        box: left, top, right, bottom in pixels, brow to chin and ear to ear; the mesh is fitted
            there whatever its confidence.
        landmarks: [468, 2 or 3] mesh points, or [5, 2] points: the eye on the picture's left, the
            eye on its right, the tip of the nose, the mouth corner on the left, on the right.

    Raises:
        NoFaceError: neither or both are given, or their shape or numbers are unusable.
    """

    def __init__(self, box: ArrayLike | None = None, landmarks: ArrayLike | None = None) -> None:
        if (box is None) == (landmarks is None):
            raise NoFaceError("Give either the box or the landmarks of the face, not both")
        self.box = None if box is None else np.asarray(box, dtype=np.float32)
        self.landmarks = None if landmarks is None else np.asarray(landmarks, dtype=np.float32)
        given = self.box if self.box is not None else self.landmarks
        if given is None or not np.isfinite(given).all():
            raise NoFaceError("The face's box or landmarks hold a number that is not finite")
        if self.box is not None and (
            self.box.shape != (4,) or (self.box[2:] - self.box[:2] < 8).any()
        ):
            raise NoFaceError(
                f"A face box is left,top,right,bottom in pixels, at least 8 wide and high, "
                f"not {np.asarray(box).tolist()}"
            )
        if self.landmarks is not None and self.landmarks.shape not in (
            (468, 2),
            (468, 3),
            (5, 2),
        ):
            raise NoFaceError(
                "Face landmarks are 468 mesh points or 5 points (eyes, nose, mouth corners), "
                f"not an array of shape {self.landmarks.shape}"
            )

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        """The one face that was given, with 468 landmarks.

        Raises:
            NoFaceError: it does not lie inside the picture.
        """
        mesh = MediaPipeFaceDetector()
        if self.box is not None:
            self._check_inside(image, (self.box[:2] + self.box[2:]) / 2)
            return [mesh.landmarks(image, self.box)]
        assert self.landmarks is not None
        self._check_inside(image, self.landmarks[:, :2].mean(0))
        if len(self.landmarks) == 468:
            depth = (
                self.landmarks[:, 2:]
                if self.landmarks.shape[1] == 3
                else mesh.landmarks(image, _bounds(self.landmarks)).landmarks[:, 2:]
            )
            points = np.concatenate([self.landmarks[:, :2], depth], 1)
            return [Face(_bounds(points), points, 1.0, "mediapipe468")]
        return [_from_five(mesh, image, self.landmarks)]

    @staticmethod
    def _check_inside(image: NDArray[np.uint8], centre: NDArray[Any]) -> None:
        height, width = image.shape[:2]
        if not (0 <= centre[0] < width and 0 <= centre[1] < height):
            raise NoFaceError(
                f"The given face is centred at {centre.round().tolist()}, outside the picture of "
                f"{width} x {height} pixels"
            )


def _bounds(points: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.concatenate([points[:, :2].min(0), points[:, :2].max(0)]).astype(np.float32)


def _kernel(a: NDArray[Any], b: NDArray[Any], reach: float) -> NDArray[Any]:
    return np.exp(-((a[:, None] - b[None]) ** 2).sum(-1) / (2 * reach**2))


def _from_five(
    mesh: MediaPipeFaceDetector, image: NDArray[np.uint8], five: NDArray[np.float32]
) -> Face:
    """A mesh run near the five points, then bent so that its own five lie exactly on them."""
    eyes = five[1] - five[0]
    roll = float(np.rad2deg(np.arctan2(eyes[1], eyes[0])))
    mouth = (five[3] + five[4]) / 2
    centre = ((five[0] + five[1]) / 2 + mouth) / 2
    half = max(float(np.hypot(*eyes)), float(np.hypot(*(mouth - (five[0] + five[1]) / 2)))) * 1.1
    face = mesh.landmarks(image, np.concatenate([centre - half, centre + half]), roll)
    points = face.landmarks.copy()
    own = np.stack([points[list(group), :2].mean(0) for group in _FIVE])
    design = np.concatenate([own, np.ones((5, 1), np.float32)], 1)
    affine, *_ = np.linalg.lstsq(design, five, rcond=None)
    ones = np.ones((len(points), 1), np.float32)
    moved = np.concatenate([points[:, :2], ones], 1) @ affine
    anchors = design @ affine
    reach = 0.6 * float(np.hypot(*eyes))
    weights = np.linalg.solve(_kernel(anchors, anchors, reach) + 1e-6 * np.eye(5), five - anchors)
    points[:, :2] = moved + _kernel(moved, anchors, reach) @ weights
    points[:, 2] *= np.sqrt(abs(np.linalg.det(affine[:2])))
    return Face(_bounds(points), points.astype(np.float32), face.score, "mediapipe468")
