"""The crease of an upper eyelid: nothing of its shadow is left over an eye that closes."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import places
from joyvasa_lib.face.crop import FaceCrop, crop_face
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.face.reading import read_face
from joyvasa_lib.media.image import load_image
from joyvasa_lib.motion import BLENDSHAPES, Motion
from joyvasa_lib.portrait.compact.model import CompactPortraitModel
from joyvasa_lib.rig.regions import EYES

Pixels = NDArray[np.uint8]
SIZE = 384
_HEIGHT = 0.85
"""Of the crease that is drawn, relative to that of the landmarks."""


@pytest.fixture(scope="module")
def crop(detector: MediaPipeFaceDetector) -> FaceCrop:
    image = load_image(places.DEMO / "astronaut.jpg")
    return crop_face(image, read_face(image, detector.detect(image)[0], detector).face, size=SIZE)


def with_dark_creases(crop: FaceCrop) -> FaceCrop:
    """The portrait with a dark line along the crease of each eyelid."""
    light = np.ones(crop.image.shape[:2], np.float32)
    for eye in EYES:
        crease = crop.landmarks[list(eye.crease[1:-1]), :2]
        lid = crop.landmarks[list(eye.upper_lid[1:-1]), :2]
        line = lid[np.linspace(0, len(lid) - 1, len(crease)).round().astype(int)]
        line = line + _HEIGHT * (crease - line)
        wide = float(np.hypot(*np.ptp(crop.landmarks[list(eye.upper_lid), :2], axis=0)))
        thick = max(2, round(0.07 * wide))
        points = [np.round(4 * line).astype(np.int32)]
        cv2.polylines(light, points, False, 0.45, thick, cv2.LINE_AA, shift=2)
    light = cv2.GaussianBlur(light, (0, 0), 0.8)
    return replace(crop, image=np.rint(crop.image * light[..., None]).astype(np.uint8))


def closed(model: CompactPortraitModel, crop: FaceCrop) -> Pixels:
    values = np.zeros((1, len(BLENDSHAPES)), np.float32)
    values[0, [BLENDSHAPES.index(name) for name in ("eyeBlinkLeft", "eyeBlinkRight")]] = 1.0
    return np.asarray(
        next(iter(model.render(model.encode(crop), Motion.from_blendshapes(values))))[0]
    )


@pytest.mark.parametrize("eye", [0, 1], ids=["left", "right"])
def test_the_shadow_of_the_crease_goes_as_the_eye_closes(
    model: CompactPortraitModel, crop: FaceCrop, eye: int
) -> None:
    marks, dark = EYES[eye], with_dark_creases(crop)
    lid = crop.landmarks[list(marks.lower_lid), :2]
    crease = crop.landmarks[list(marks.crease), :2]
    wide = float(np.ptp(lid[:, 0]))
    columns = slice(
        *np.sort(lid[0, 0] + np.array([0.3, 0.7]) * (lid[-1, 0] - lid[0, 0])).astype(int)
    )
    rows = slice(int(crease[:, 1].min() - 0.1 * wide), int(lid[:, 1].mean() - 0.12 * wide))
    shadow = (crop.image[rows, columns].astype(int) - dark.image[rows, columns]).max(-1)
    assert shadow.max() > 60  # the open eye has it
    with_it, without = closed(model, dark)[rows, columns], closed(model, crop)[rows, columns]
    local = [
        cv2.subtract(light, cv2.GaussianBlur(light, (0, 0), 0.12 * wide))
        for light in (frame.mean(-1).astype(np.float32) for frame in (with_it, without))
    ]
    assert (local[1] - local[0]).max() < 25.0
