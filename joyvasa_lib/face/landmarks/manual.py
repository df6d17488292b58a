"""Faces given by hand: for animals, drawings and whatever the detector does not find."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joyvasa_lib.errors import NoFaceError, OptionError
from joyvasa_lib.face.eye_regions import find_eye
from joyvasa_lib.face.landmark_sets import (
    anchor_points,
    conversion_groups,
    convert_landmarks,
    landmark_set,
    take,
)
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.face.landmarks.mediapipe import SCHEME, MediaPipeFaceDetector
from joyvasa_lib.face.sampling import as_rgb
from joyvasa_lib.rig.regions import Indices, LandmarkSet

_BENT = ("five", "animal9", "ibug68")
"""Sets to which the mesh can be fitted."""
_MESHES = ("mediapipe468", SCHEME)
_SMALLEST_BOX = 8.0
_SMALLEST_EYES = 4.0
"""Least distance between the eyes, in pixels, of five or nine points."""
_WHOLE_SIDE, _WHOLE_CENTRE = 1.0 / 2.3, (0.5, 0.56)
"""Side and centre of a face in an image that is a crop already, as in this library's crops."""

_PERSON = 0.5
"""Least score of a mesh that fits a person's eyes."""
_REACH, _FINE_REACH = 0.6, 0.2
"""Reach of a given point's displacement of the mesh, in distances between the eyes."""
_STIFFNESS = 0.005
"""Ridge of the displacements: 0 would meet every point exactly, however much the mesh folds."""

Points = NDArray[np.float32]
Floats = NDArray[np.float64]


class ManualFaceDetector:
    """A face whose place the user knows.

    Exactly one of the three is given:

    Args:
        box: left, top, right, bottom in pixels, brow to chin and ear to ear; the mesh is fitted
            there whatever its confidence.
        landmarks: points in pixels, ``[n, 2]``: 5 (the eyes, the tip of the nose, the corners of
            the mouth); 9 (two corners of each eye, the nose, the corners of the mouth, the upper
            and the lower lip); 68 iBUG points; 468 mesh points, or 478 with irises, these also
            ``[n, 3]``. Of 5 and
            9 points left and right may be exchanged: the face stands upright on its mouth. Where
            they are not a person's, the eyelids follow the eyes that the image shows.
        whole_image: the image is a square crop already, with the face in its middle.
        result: ``"mesh"`` for the mesh of landmarks that the bundled preset needs; ``"given"`` for
            the landmarks as they are, which crops as the official animal pipeline does.

    Raises:
        NoFaceError: none or several are given, or their shape or numbers are unusable.
        OptionError: ``result`` has another value, or is ``"given"`` without landmarks.
    """

    def __init__(
        self,
        box: ArrayLike | None = None,
        landmarks: ArrayLike | None = None,
        *,
        whole_image: bool = False,
        result: str = "mesh",
    ) -> None:
        if (box is not None) + (landmarks is not None) + whole_image != 1:
            raise NoFaceError(
                "Give exactly one of the face's box, its landmarks, and whole_image=True"
            )
        if result not in ("mesh", "given"):
            raise OptionError(f"result must be 'mesh' or 'given', not {result!r}")
        if result == "given" and landmarks is None:
            raise OptionError("result='given' needs landmarks; a box has none of its own")
        self.result = result
        self.whole_image = whole_image
        self.box = None if box is None else _checked_box(box)
        self.landmarks: Points | None = None
        self._set: LandmarkSet | None = None
        if landmarks is not None:
            self.landmarks, self._set = _checked_landmarks(landmarks)

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        """The one face that was given.

        Raises:
            NoFaceError: it does not lie inside the image.
            MediaError: the image is not one of 8-bit pixels.
        """
        mesh = MediaPipeFaceDetector()
        if self.landmarks is None or self._set is None:
            if self.box is None:
                return mesh.detect(image)[:1] or [mesh.landmarks(image, _whole_box(image))]
            _check_inside(image, (self.box[:2] + self.box[2:]) / 2)
            return [mesh.landmarks(image, self.box)]
        points = self.landmarks
        _check_inside(image, points[:, :2].mean(0))
        if self.result == "given":
            return [_face(points, self._set.name)]
        if self._set.name in _MESHES:
            if points.shape[1] == 2:
                depth = mesh.landmarks(image, _bounds(points)).landmarks[: len(points), 2:]
                points = np.concatenate([points, depth], 1)
            return [_face(points, self._set.name)]
        return [_lay_mesh(mesh, image, points[:, :2], self._set)]


def _checked_box(box: ArrayLike) -> Points:
    numbers = _numbers(box, "box")
    if numbers.shape != (4,) or (numbers[2:] - numbers[:2] < _SMALLEST_BOX).any():
        raise NoFaceError(
            f"A face box is left,top,right,bottom in pixels, at least {_SMALLEST_BOX:.0f} wide "
            f"and high, not {numbers.tolist()}"
        )
    return numbers


def _checked_landmarks(landmarks: ArrayLike) -> tuple[Points, LandmarkSet]:
    points = _numbers(landmarks, "landmarks")
    counts = {landmark_set(name).count: name for name in (*_BENT, *_MESHES)}
    if points.ndim != 2 or points.shape[1] not in (2, 3) or len(points) not in counts:
        raise NoFaceError(
            "Face landmarks are 5 points (eyes, nose, mouth corners), 9 (eye corners, nose, mouth "
            f"corners, lips), 68, 468 or 478 [x, y] points, not an array of shape {points.shape}"
        )
    marks = landmark_set(counts[len(points)])
    if marks.name in ("five", "animal9"):
        points = _in_order(points, marks)
    return points, marks


def _numbers(values: ArrayLike, name: str) -> Points:
    try:
        numbers = np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise NoFaceError(f"The face's {name} cannot be read as numbers ({error})") from error
    if not np.isfinite(numbers).all():
        raise NoFaceError(f"The face's {name} hold a number that is not finite")
    return numbers


def _in_order(points: Points, marks: LandmarkSet) -> Points:
    """Points with left and right as the set has them: a face is never its mirror image."""
    left, right, lips = anchor_points(points, marks.name)
    down = lips - (left + right) / 2
    apart = float(np.hypot(*(right - left)))
    if apart < _SMALLEST_EYES:
        raise NoFaceError(
            f"The eyes are given {apart:.1f} pixels apart, at {left.tolist()} and "
            f"{right.tolist()}; they must be {_SMALLEST_EYES:.0f} apart at least"
        )
    if float(np.hypot(*down)) < _SMALLEST_EYES:
        raise NoFaceError(
            f"The mouth is given between the eyes, at {lips.tolist()}; the order is eyes, nose, "
            "mouth"
        )
    across = np.array([down[1], -down[0]])
    along = points[:, :2] @ across
    points = points.copy()
    groups = ((marks.left_eye, marks.right_eye), (marks.lips[:1], marks.lips[1:]))
    for first, second in groups:
        if along[list(first)].mean() > along[list(second)].mean():
            points[[*first, *second]] = points[[*second, *first]]
    if marks.name == "animal9":
        along = points[:, :2] @ across
        for a, b in (marks.left_eye, marks.right_eye):
            if along[a] > along[b]:
                points[[a, b]] = points[[b, a]]
    return points


def _check_inside(image: NDArray[np.uint8], centre: NDArray[Any]) -> None:
    height, width = image.shape[:2]
    if not (0 <= centre[0] < width and 0 <= centre[1] < height):
        raise NoFaceError(
            f"The given face is centred at {centre.round().tolist()}, outside the image of "
            f"{width} x {height} pixels"
        )


def _whole_box(image: NDArray[np.uint8]) -> Points:
    height, width = image.shape[:2]
    side = max(height, width)
    corner = np.array([width - side, height - side]) / 2
    centre = corner + side * np.array(_WHOLE_CENTRE)
    half = side * _WHOLE_SIDE / 2
    return np.concatenate([centre - half, centre + half]).astype(np.float32)


def _bounds(points: NDArray[Any]) -> Points:
    return np.concatenate([points[:, :2].min(0), points[:, :2].max(0)]).astype(np.float32)


def _face(points: Points, scheme: str, score: float = 1.0) -> Face:
    if points.shape[1] == 2:
        points = np.concatenate([points, np.zeros_like(points[:, :1])], 1)
    return Face(_bounds(points), points.astype(np.float32), score, scheme)


def _lay_mesh(
    mesh: MediaPipeFaceDetector, image: NDArray[np.uint8], given: Points, marks: LandmarkSet
) -> Face:
    """A mesh found near the given points, then displaced so that its own points lie on them.

    Points so close that the mesh would fold are met halfway.
    """
    left, right, lips = anchor_points(given, marks.name)
    eyes, down = right - left, lips - (left + right) / 2
    roll = float(np.rad2deg(np.arctan2(-down[0], down[1])))
    centre = (left + right) / 2 + down / 2
    half = max(float(np.hypot(*eyes)), float(np.hypot(*down))) * 1.1
    face = mesh.landmarks(image, np.concatenate([centre - half, centre + half]), roll)
    points = face.landmarks.astype(np.float64)
    # The whole face by eyes, nose and mouth, then the details of each by all points.
    rough = np.asarray(convert_landmarks(given, "five", marks.name), dtype=np.float64)
    five = conversion_groups(SCHEME, "five")
    points = _bend(_affine(points, five, rough), five, rough, _REACH * float(np.hypot(*eyes)))
    if marks.name != "five":
        groups = conversion_groups(SCHEME, marks.name)
        points = _bend(points, groups, given, _FINE_REACH * float(np.hypot(*eyes)))
    found = _face(points.astype(np.float32), SCHEME, face.score)
    return found if marks.eyes else _with_own_eyes(found, image, marks.name == "animal9")


def _with_own_eyes(face: Face, image: NDArray[np.uint8], corners_given: bool) -> Face:
    """The mesh with its eyelids around the eyes that the image shows, unless it is a person's.

    Args:
        face: a face of 478 landmarks.
        image: the image, RGB with grey and alpha allowed.
        corners_given: the corners of the eyes stay as they are, not only the middle between them.
    """
    if face.score >= _PERSON:
        return face
    points = face.landmarks.astype(np.float64)
    left, right, _ = anchor_points(points[:, :2])
    axis = (right - left) / np.hypot(*(right - left))
    down = np.array([-axis[1], axis[0]])
    groups: list[Indices] = []
    wanted: list[Floats] = []
    for eye in landmark_set(SCHEME).eyes or ():
        start, end = (take(points[:, :2], ids) for ids in (eye.start, eye.end))
        middle = (start + end) / 2
        found = find_eye(as_rgb(image), middle, right - left)
        if found is None:
            return face
        if not corners_given:
            start, end = middle - found.half_width * axis, middle + found.half_width * axis
        middle = middle + ((found.centre - middle) @ down) * down
        groups += [eye.start, eye.end, eye.upper, eye.lower]
        wanted += [start, end, middle - found.half_height * down, middle + found.half_height * down]
    reach = _FINE_REACH * float(np.hypot(*(right - left)))
    bent = _bend(points, tuple(groups), np.stack(wanted), reach)
    return _face(bent.astype(np.float32), face.scheme, face.score)


def _own(points: Floats, groups: tuple[Indices, ...]) -> Floats:
    return np.stack([take(points[:, :2], group) for group in groups])


def _affine(points: Floats, groups: tuple[Indices, ...], given: Floats) -> Floats:
    """The mesh under the affine map that brings its own points nearest to the given ones."""
    own = _own(points, groups)
    affine, *_ = np.linalg.lstsq(np.concatenate([own, np.ones((len(own), 1))], 1), given)
    flat = np.concatenate([points[:, :2], np.ones((len(points), 1))], 1) @ affine
    depth = points[:, 2:] * np.sqrt(abs(np.linalg.det(affine[:2])))
    return np.concatenate([flat, depth], 1)


def _bend(
    points: Floats, groups: tuple[Indices, ...], given: NDArray[np.floating], reach: float
) -> Floats:
    """The mesh with its own points pulled to the given ones, by Gaussians of a reach in pixels."""
    own = _own(points, groups)
    offsets = points[:, None, :2] - own[None]
    influence = np.exp(-(offsets**2).sum(-1) / (2 * reach**2))
    # A group's own place is the mean of its points', so each group is one row of the system.
    system = np.stack([influence[list(group)].mean(0) for group in groups])
    weights = np.linalg.solve(system + _STIFFNESS * np.eye(len(own)), given - own)
    return np.concatenate([points[:, :2] + influence @ weights, points[:, 2:]], 1)
