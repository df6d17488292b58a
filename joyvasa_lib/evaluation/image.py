"""Whether a person stays the same person and the background stays where it is.

Frames of a video are compared with a reference image: the portrait, or the first frame. Nothing
here needs a recognition network, so these are measures of change, not of likeness to a name.

Axis legend: ``h``, ``w`` pixels, ``s`` side of the upright face.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.evaluation.track import FaceTrack, bony_points, mean_face
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.rig.regions import LEFT_EYE, MOUTH_AND_CHIN, RIGHT_EYE

Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]

SIDE = 160
"""Pixels of the square that faces are brought into."""
HEAD = (0.55, 0.75, 0.55, 0.9)
"""Room for hair, ears and neck around the box of the landmarks, in its sides: left, top, right,
bottom."""
_FARTHEST_SHIFT = 8.0
"""Pixels of the upright square by which landmarks of one face may waver."""
_FACE_SHARE = 0.62
"""Width of the face in the upright square."""
_EYES = (RIGHT_EYE.outline, LEFT_EYE.outline)
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


@dataclass(frozen=True)
class ImageScores:
    """Change over a video.

    Attributes:
        identity_drift: how far the bony face departs from its usual shape, root mean square over
            its points, median over frames, percent of the distance of the outer eye corners.
        identity_similarity: structural similarity of the face without mouth, chin and eyes to the
            reference, shifted onto it, median over frames; 1 is the same. None where no frame
            could be compared.
        background_change: mean change of the pixels around the head, levels of 255; None where
            the head fills the image or the reference has another size.
    """

    identity_drift: float
    identity_similarity: float | None
    background_change: float | None


class ImageWatch:
    """Collects what :class:`ImageScores` need, frame by frame, in memory that does not grow.

    Args:
        reference: [h, w, 3] the portrait; the first frame with a face if None.
        reference_face: its face; needed with ``reference``.
    """

    def __init__(
        self, reference: Picture | None = None, reference_face: Face | None = None
    ) -> None:
        self._first: Picture | None = None
        self._change: NDArray[np.float64] | None = None
        self._count = 0
        self._box = np.array([np.inf, np.inf, -np.inf, -np.inf])
        self._similarity: list[float] = []
        self._face: Picture | None = None
        self._mask: Mask | None = None
        if reference is not None and reference_face is not None:
            self._keep_face(reference, reference_face)

    def see(self, frame: Picture, face: Face | None) -> None:
        """Takes the next frame [h, w, 3] with its face, if it has one."""
        if face is not None:
            low, high = face.landmarks[:, :2].min(0), face.landmarks[:, :2].max(0)
            sides = np.concatenate([high - low, high - low])
            room = np.array(HEAD) * sides * np.array([-1.0, -1.0, 1.0, 1.0])
            box = np.concatenate([low, high]) + room
            self._box[:2] = np.minimum(self._box[:2], box[:2])
            self._box[2:] = np.maximum(self._box[2:], box[2:])
            if self._face is None:
                self._keep_face(frame, face)
            elif self._mask is not None:
                upright, seen = upright_face(frame, face)
                both = self._mask & seen
                if both.any():
                    registered = _registered(upright, self._face, both)
                    similarity = structural_similarity(registered, self._face)
                    self._similarity.append(float(similarity[both].mean()))
        if self._first is None:
            self._first = frame.copy()
            self._change = np.zeros(frame.shape[:2])
        elif frame.shape == self._first.shape and self._change is not None:
            self._change += cv2.absdiff(frame, self._first).mean(axis=2)
            self._count += 1

    def scores(self, track: FaceTrack) -> ImageScores:
        """What was seen.

        Args:
            track: the face over the same frames.
        """
        similarity = float(np.median(self._similarity)) if self._similarity else None
        return ImageScores(identity_drift(track), similarity, self._background())

    def _keep_face(self, full_image: Picture, face: Face) -> None:
        self._face, seen = upright_face(full_image, face)
        self._mask = seen & calm_skin(face)

    def _background(self) -> float | None:
        if self._change is None or self._count == 0:
            return None
        outside = np.ones(self._change.shape, dtype=bool)
        if np.isfinite(self._box).all():
            left, top, right, bottom = np.round(self._box).astype(int)
            outside[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = False
        if outside.mean() < 0.01:
            return None
        return float(self._change[outside].mean() / self._count)


def identity_drift(track: FaceTrack) -> float:
    """Departure of the bony face from its median shape; see :class:`ImageScores`."""
    if track.bones is None:
        return 0.0
    shapes = track.bones[np.isfinite(track.bones).all(axis=(1, 2))]
    if len(shapes) == 0:
        return 0.0
    away = np.square(shapes - np.median(shapes, axis=0)).sum(axis=-1).mean(axis=-1)
    return float(100.0 * np.median(np.sqrt(away)))


def upright_face(full_image: Picture, face: Face) -> tuple[Picture, Mask]:
    """The face upright in a square [s, s, 3], and which of its pixels lie in the image."""
    matrix = _upright(face)
    size = (SIDE, SIDE)
    image = cv2.warpAffine(
        full_image, matrix, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
    )
    whole = np.full(full_image.shape[:2], 255, np.uint8)
    inside = cv2.warpAffine(whole, matrix, size, flags=cv2.INTER_NEAREST)
    return np.asarray(image, np.uint8), np.asarray(inside) > 0


def _registered(upright: Picture, reference: Picture, mask: Mask) -> Picture:
    """The upright face shifted onto the reference: landmarks waver by a pixel or two.

    By the peak of the phase correlation of what the mask shows (Kuglin and Hines 1975).
    """
    weight = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 3.0)
    parts = []
    for full_image in (reference, upright):
        grey = cv2.cvtColor(full_image, cv2.COLOR_RGB2GRAY).astype(np.float32)
        parts.append((grey - grey[mask].mean()) * weight)
    (x, y), _ = cv2.phaseCorrelate(*parts)
    if np.hypot(x, y) > _FARTHEST_SHIFT:
        return upright
    matrix = np.array([[1.0, 0.0, -x], [0.0, 1.0, -y]])
    shifted = cv2.warpAffine(upright, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(shifted, np.uint8)


def calm_skin(face: Face) -> Mask:
    """Mask [s, s] of the upright face without mouth, chin and eyes, which move in speech."""
    matrix = _upright(face)
    points = face.landmarks[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    mask = np.zeros((SIDE, SIDE), np.uint8)
    _fill(mask, points, 1)
    _fill(mask, points[list(MOUTH_AND_CHIN)], 0)
    for eye in _EYES:
        centre = points[list(eye)].mean(axis=0)
        _fill(mask, centre + 1.5 * (points[list(eye)] - centre), 0)
    return np.asarray(cv2.erode(mask, np.ones((5, 5), np.uint8))) > 0


def structural_similarity(a: Picture, b: Picture) -> NDArray[np.float64]:
    """Map [h, w] of the structural similarity of two images [h, w, 3], mean over channels.

    Gaussian window of 1.5 pixels and constants as in Wang et al. 2004, "Image quality assessment:
    from error visibility to structural similarity".
    """
    x, y = a.astype(np.float64), b.astype(np.float64)

    def local(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5))

    mean_x, mean_y = local(x), local(y)
    var_x, var_y = local(x * x) - mean_x**2, local(y * y) - mean_y**2
    covariance = local(x * y) - mean_x * mean_y
    value = (2 * mean_x * mean_y + _C1) * (2 * covariance + _C2)
    value = value / ((mean_x**2 + mean_y**2 + _C1) * (var_x + var_y + _C2))
    return np.asarray(value.mean(axis=2))


def _upright(face: Face) -> NDArray[np.float64]:
    """[2, 3] similarity from image pixels to the upright square, by the bony points."""
    model = mean_face()
    width = float(np.ptp(model[:, 0]))
    target = (model[:, :2] - model[:, :2].mean(0)) * (_FACE_SHARE * SIDE / width) + SIDE / 2
    still = bony_points()
    source, target = face.landmarks[still, :2].astype(np.float64), target[still]
    a, b = source - source.mean(0), target - target.mean(0)
    # The best similarity in the plane is one complex factor.
    factor = complex((a * b).sum(), (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / np.sum(a**2)
    turn = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.concatenate([turn, (target.mean(0) - turn @ source.mean(0))[:, None]], axis=1)


def _fill(mask: NDArray[np.uint8], points: NDArray[np.floating], value: int) -> None:
    hull = cv2.convexHull(np.round(points).astype(np.int32))
    cv2.fillConvexPoly(mask, hull, value)
