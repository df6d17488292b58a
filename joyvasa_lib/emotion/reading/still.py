"""An expression read from a still image.

Axis legend: ``n`` action-unit components, ``u`` 52 blendshapes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.emotion.reading.unit_reader import bundled_reader
from joyvasa_lib.emotion.vector import EmotionVector
from joyvasa_lib.face.landmarks.blendshape_scores import blendshape_scores
from joyvasa_lib.face.landmarks.detector import face_rank, select_face
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.media.image import ImageSource, load_image

_SETTLING = 2
"""Readings, each the mean of three looks, after which landmarks do not depend on how the face was
found. The map was fitted to such means, and they name more emotions than the best single look."""

_ALIKE = 0.1
"""Difference of the sides of a unit below which both get their mean: it is the landmarks' noise."""


def face_scores(image: ImageSource, face: str | int = "largest") -> NDArray[np.float32]:
    """[u] scores of the blendshapes of a face in an image.

    Raises:
        MediaError: the image cannot be read.
        NoFaceError: there is no face, or not the one that was asked for.
        OptionError: ``face`` is neither ``"largest"`` nor a rank.
    """
    pixels, detector = load_image(image), MediaPipeFaceDetector()
    found = select_face(detector.detect(pixels), face)
    for _ in range(_SETTLING):
        found = detector.follow(pixels, found) or found
    return blendshape_scores(found.landmarks)


def read_image_units(
    image: ImageSource, neutral: ImageSource | None = None, face: str | int = "largest"
) -> NDArray[np.float64]:
    """[n] components of the emotion that a face shows.

    Args:
        image: see :func:`~joyvasa_lib.media.image.load_image`.
        neutral: an image of the same person at rest.
        face: ``"largest"`` or the rank by size, in ``image``; the largest counts in ``neutral``.

    Raises:
        MediaError: an image cannot be read.
        NoFaceError: there is no face, or not the one that was asked for.
        OptionError: ``face`` is neither ``"largest"`` nor a rank.
    """
    face_rank(face)  # refuses what is none, before anything is read
    rest = None if neutral is None else face_scores(neutral)
    units = EmotionVector(bundled_reader().read(face_scores(image, face), rest))
    other = units.mirrored().vector
    alike = np.abs(units.vector - other) < _ALIKE
    return np.where(alike, 0.5 * (units.vector + other), units.vector).round(3)
