"""How consistent identity and background are over a video.

Frames are compared with a reference image: the portrait, or the first frame. No recognition network
is used, so these are measures of change, not of who a person is.

Axis legend: ``h``, ``w`` pixels, ``s`` side of the upright face.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.evaluation.track import FaceTrack, bony_points, mean_face
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.nn.ssim import structural_similarity
from joyvasa_lib.rig.regions import LEFT_EYE, MOUTH_AND_CHIN, RIGHT_EYE

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

SIDE = 160
"""Side of the upright square in pixels."""
HEAD = (0.55, 0.75, 0.55, 0.9)
"""Margins for hair, ears and neck around the box of the landmarks, as shares of its sides: left,
top, right, bottom."""
_FARTHEST_SHIFT = 8.0
"""Largest shift in pixels of the upright square that is put down to inaccurate landmarks."""
_FACE_SHARE = 0.62
"""Width of the face as a share of the upright square."""
_EYES = (RIGHT_EYE.outline, LEFT_EYE.outline)


@dataclass(frozen=True)
class ConsistencyScores:
    """Change of a face and of the background over a video.

    Attributes:
        identity_drift: deviation of the bony points from their median shape, as a percentage of
            the distance of the outer eye corners; root mean square over points, median over frames.
        identity_similarity: structural similarity of the face without mouth, chin and eyes to the
            reference after registration, median over frames; 1 is equal. None where no frame could
            be compared.
        background_change: mean absolute difference of the pixels around the head from the first
            frame, in levels of 255; None where the head fills the image.
    """

    identity_drift: float
    identity_similarity: float | None
    background_change: float | None


class ConsistencyTracker:
    """Compares frames one by one for :class:`ConsistencyScores`, in constant memory.

    Args:
        reference: [h, w, 3] the portrait; the first frame with a face if None.
        reference_face: its face; needed with ``reference``.
    """

    def __init__(self, reference: Pixels | None = None, reference_face: Face | None = None) -> None:
        self._first: Pixels | None = None
        self._change: NDArray[np.float64] | None = None
        self._count = 0
        self._box = np.array([np.inf, np.inf, -np.inf, -np.inf])
        self._similarity: list[float] = []
        self._face: Pixels | None = None
        self._mask: Mask | None = None
        if reference is not None and reference_face is not None:
            self._keep_face(reference, reference_face)

    def see(self, frame: Pixels, face: Face | None) -> None:
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
                    similarity = similarity_map(registered, self._face)
                    self._similarity.append(float(similarity[both].mean()))
        if self._first is None:
            self._first = frame.copy()
            self._change = np.zeros(frame.shape[:2])
        elif frame.shape == self._first.shape and self._change is not None:
            self._change += cv2.absdiff(frame, self._first).mean(axis=2)
            self._count += 1

    def scores(self, track: FaceTrack) -> ConsistencyScores:
        """The scores of all frames so far.

        Args:
            track: the face over the same frames.
        """
        similarity = float(np.median(self._similarity)) if self._similarity else None
        return ConsistencyScores(identity_drift(track), similarity, self._background())

    def _keep_face(self, image: Pixels, face: Face) -> None:
        self._face, seen = upright_face(image, face)
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
    """Deviation of the bony points from their median shape; see :class:`ConsistencyScores`."""
    if track.bones is None:
        return 0.0
    shapes = track.bones[np.isfinite(track.bones).all(axis=(1, 2))]
    if len(shapes) == 0:
        return 0.0
    away = np.square(shapes - np.median(shapes, axis=0)).sum(axis=-1).mean(axis=-1)
    return float(100.0 * np.median(np.sqrt(away)))


def upright_face(image: Pixels, face: Face) -> tuple[Pixels, Mask]:
    """The face upright in a square [s, s, 3], and a mask [s, s] of what lies in the image."""
    matrix = _upright(face)
    size = (SIDE, SIDE)
    upright = cv2.warpAffine(
        image, matrix, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
    )
    whole = np.full(image.shape[:2], 255, np.uint8)
    inside = cv2.warpAffine(whole, matrix, size, flags=cv2.INTER_NEAREST)
    return np.asarray(upright, np.uint8), np.asarray(inside) > 0


def _registered(upright: Pixels, reference: Pixels, mask: Mask) -> Pixels:
    """The upright face shifted onto the reference, as landmarks are off by a pixel or two.

    The shift is the peak of the phase correlation within the mask (Kuglin and Hines 1975).
    """
    weight = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 3.0)
    parts = []
    for image in (reference, upright):
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
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


def similarity_map(a: Pixels, b: Pixels) -> NDArray[np.float64]:
    """Structural similarity [h, w] of two images [h, w, 3], the mean over channels.

    The window is the Gaussian of 1.5 pixels of Wang et al. 2004.
    """

    def local_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5))

    values = structural_similarity(a.astype(np.float64), b.astype(np.float64), local_mean, 255.0)
    return np.asarray(values.mean(axis=2))


def _upright(face: Face) -> NDArray[np.float64]:
    """Similarity transform [2, 3] from image pixels to the upright square, by the bony points."""
    model = mean_face()
    width = float(np.ptp(model[:, 0]))
    target = (model[:, :2] - model[:, :2].mean(0)) * (_FACE_SHARE * SIDE / width) + SIDE / 2
    still = bony_points()
    source, target = face.landmarks[still, :2].astype(np.float64), target[still]
    a, b = source - source.mean(0), target - target.mean(0)
    # Rotation and scale that fit best, as one complex factor.
    factor = complex((a * b).sum(), (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / np.sum(a**2)
    turn = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.concatenate([turn, (target.mean(0) - turn @ source.mean(0))[:, None]], axis=1)


def _fill(mask: NDArray[np.uint8], points: NDArray[np.floating], value: int) -> None:
    hull = cv2.convexHull(np.round(points).astype(np.int32))
    cv2.fillConvexPoly(mask, hull, value)
