"""The bundled face detector: MediaPipe's detector and 478-point landmarker in onnxruntime."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.errors import OptionError
from joyvasa_lib.face.landmark_sets import outline_points
from joyvasa_lib.face.landmarks.blaze_face import Candidate, View, box_overlap, find_candidates
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.face.landmarks.face_landmarker import (
    CERTAIN,
    PRESENT,
    LandmarkFit,
    fit_from_several_squares,
    fit_in_video,
    fit_landmarks,
    fit_landmarks_either_way,
    mean_mesh,
)
from joyvasa_lib.face.sampling import as_rgb

SCHEME = "mediapipe478"
_AROUND = 1.5
"""Side of the landmarker's first square over that of a box from brows to chin."""
_LARGE = 1024
"""Longest side in pixels from which an image is searched in tiles, half as large, too."""
_SMALL = 0.125
"""Side of a face, in sides of the image, below which there may be a crowd."""
_SAME_FACE = 0.4
"""Intersection over union from which two faces count as one."""
_BOTH_DOUBT = 0.65
"""Score of the detector below which a face that the landmarker doubts, too, is none."""
_UNKNOWN = 0.1
"""Largest score of a face that the network does not recognise."""


class MediaPipeFaceDetector:
    """Finds faces of people, paintings, statues and many drawn characters.

    Args:
        min_score: detector confidence, in (0, 1), below which nothing counts as a face.

    Raises:
        OptionError: ``min_score`` is outside (0, 1).
    """

    def __init__(self, min_score: float = 0.5) -> None:
        if not 0.0 < min_score < 1.0:
            raise OptionError(f"min_score must lie between 0 and 1, not {min_score}")
        self.min_score = min_score

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        """Faces with 478 landmarks, largest first; the score says how sure each is.

        An image in which nothing is found for certain is looked at again: tilted, with a margin
        around it (a face that fills the frame), in overlapping tiles (a small face in a large
        image), and turned on its side and head. Tiles are also looked at where all faces are
        small: in the image of a group there may be more. Doubtful faces count only where there
        is no certain one.

        Args:
            image: [h, w, 3] uint8 RGB; grey and alpha are allowed.

        Raises:
            MediaError: it is not an image of 8-bit pixels.
        """
        image = as_rgb(image)
        found: list[_Found] = []
        for kind, views in _searches(*image.shape[:2]):
            certain = [one for one in found if one.is_certain]
            crowd = kind == "tiles" and all(one.is_small(image) for one in certain)
            if certain and not crowd:
                continue
            for view in views:
                for candidate in find_candidates(image, view, self.min_score):
                    if not any(one.is_certain and one.covers(candidate) for one in found):
                        _add(found, _look_at(image, candidate))
        kept = [one for one in found if one.is_certain] or found
        return sorted((one.face for one in kept), key=lambda face: -face.area)

    def landmarks(
        self, image: NDArray[np.uint8], box: NDArray[np.floating], roll_degrees: float = 0.0
    ) -> Face:
        """The 478 landmarks of the face in a given box, whatever their confidence.

        Where the network does not recognise a face there, or moves to another place, the mean
        face is put into the box, with a score of 0.1 at most.

        Args:
            image: [h, w, 3] uint8 RGB; grey and alpha are allowed.
            box: [4] left, top, right, bottom in pixels, brow to chin and ear to ear.
            roll_degrees: clockwise tilt of the face in the image.

        Raises:
            MediaError: it is not an image of 8-bit pixels.
        """
        box = np.asarray(box, dtype=np.float64)
        centre, roll = (box[:2] + box[2:]) / 2, float(np.deg2rad(roll_degrees))
        side = float(max(box[2:] - box[:2]))
        fit = fit_landmarks(as_rgb(image), centre, _AROUND * side, roll)
        outline = outline_points(fit.points, SCHEME)
        bounds = np.concatenate([outline.min(0), outline.max(0)])
        if fit.presence >= PRESENT and box_overlap(box, bounds[None])[0] >= _SAME_FACE:
            return _face(fit)
        return _laid_into(box, roll, min(fit.score, _UNKNOWN))

    def follow(self, image: NDArray[np.uint8], face: Face) -> Face | None:
        """The same face in the next frame of a video, or None where it is lost.

        Much faster than :meth:`detect`, for a face that moved by less than half its size.

        Args:
            image: [h, w, 3] uint8 RGB, the next frame; grey and alpha are allowed.
            face: the face in the frame before, with 478 landmarks.

        Raises:
            MediaError: it is not an image of 8-bit pixels.
            OptionError: the face has other landmarks.
        """
        if face.scheme != SCHEME:
            raise OptionError(f"A face is followed by its {SCHEME} landmarks, not {face.scheme}")
        fit = fit_in_video(as_rgb(image), LandmarkFit(face.landmarks, 0.0))
        return _face(fit) if fit.presence >= PRESENT else None

    def look_closely(self, image: NDArray[np.uint8], face: Face) -> tuple[Face, float]:
        """A face of a still image, read from squares of several sizes: the best of them.

        Takes a third of a second.

        Args:
            image: [h, w, 3] uint8 RGB; grey and alpha are allowed.
            face: a face that this detector found.

        Returns:
            The face, with the disagreement of the squares about each landmark, and the logit that
            there is one.

        Raises:
            MediaError: it is not an image of 8-bit pixels.
            OptionError: the face has other landmarks.
        """
        if face.scheme != SCHEME:
            raise OptionError(f"A face is read by its {SCHEME} landmarks, not {face.scheme}")
        fit = fit_from_several_squares(as_rgb(image), LandmarkFit(face.landmarks, -np.inf))
        return Face(fit.box, fit.points, face.score, SCHEME, fit.spread), fit.presence


class _Found:
    """A face while others are being looked for."""

    def __init__(self, fit: LandmarkFit, confidence: float) -> None:
        self.fit = fit
        self.face = Face(fit.box, fit.points, confidence * fit.score, SCHEME)

    @property
    def is_certain(self) -> bool:
        return self.fit.presence >= CERTAIN

    def is_small(self, image: NDArray[np.uint8]) -> bool:
        side = float(max(self.face.box[2:] - self.face.box[:2]))
        return side < _SMALL * max(image.shape[:2])

    def covers(self, candidate: Candidate) -> bool:
        half = candidate.side / 2
        box = np.concatenate([candidate.centre - half, candidate.centre + half])
        return bool(box_overlap(box, self.face.box[None])[0] >= _SAME_FACE)


def _look_at(image: NDArray[np.uint8], candidate: Candidate) -> _Found | None:
    side = _AROUND * candidate.side
    fit = fit_landmarks_either_way(image, candidate.centre, side, candidate.roll)
    doubted = fit.presence < CERTAIN and candidate.score < _BOTH_DOUBT
    return None if fit.presence < PRESENT or doubted else _Found(fit, candidate.score)


def _add(found: list[_Found], new: _Found | None) -> None:
    """Adds a face; of two on one face the one with the higher presence is kept."""
    if new is None:
        return
    same = [one for one in found if box_overlap(new.face.box, one.face.box[None])[0] >= _SAME_FACE]
    if all(one.fit.presence < new.fit.presence for one in same):
        found[:] = [one for one in found if one not in same] + [new]


def _searches(height: int, width: int) -> Iterator[tuple[str, list[View]]]:
    """Where to look, one group of views after the other."""
    centre = np.array([width - 1, height - 1]) / 2
    longest = float(max(height, width))
    tilts = [np.deg2rad(degrees) for degrees in (30.0, -30.0)]
    turns = [np.deg2rad(degrees) for degrees in (90.0, -90.0, 180.0, 60.0, -60.0)]
    yield "whole", [View(centre, longest)]
    yield "tilted", [View(centre, 1.25 * longest, tilt) for tilt in tilts]
    yield "margin", [View(centre, 2.0 * longest, tilt) for tilt in (0.0, *tilts)]
    if longest >= _LARGE:
        yield "tiles", _tiles(height, width, longest / 2)
    yield "turned", [View(centre, 1.4 * longest, turn) for turn in turns]


def _tiles(height: int, width: int, side: float) -> list[View]:
    """Squares that cover the image and overlap by half."""
    places = []
    for extent in (width, height):
        count = max(1, int(np.ceil(2 * extent / side - 1)))
        ends = (side - 1) / 2, max(extent - (side + 1) / 2, (side - 1) / 2)
        places.append(np.linspace(*ends, count))
    return [View(np.array([x, y]), side) for y in places[1] for x in places[0]]


def _face(fit: LandmarkFit) -> Face:
    return Face(fit.box, fit.points, fit.score, SCHEME)


def _laid_into(box: NDArray[np.floating], roll: float, score: float) -> Face:
    """The mean face, its outline from brows to chin scaled to a box and turned in it."""
    mesh = mean_mesh().astype(np.float64)
    outline = outline_points(mesh, SCHEME)
    low, high = outline.min(0), outline.max(0)
    factors = (box[2:] - box[:2]) / (high - low)
    cos, sin = np.cos(roll), np.sin(roll)
    flat = (mesh[:, :2] - (low + high) / 2) * factors @ np.array([[cos, sin], [-sin, cos]])
    points = np.concatenate(
        [flat + (box[:2] + box[2:]) / 2, mesh[:, 2:] * np.sqrt(np.prod(factors))], 1
    ).astype(np.float32)
    return Face(LandmarkFit(points, 0.0).box, points, score, SCHEME)
