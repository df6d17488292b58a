"""Long lashes of an open eye do not stay behind above an eyelid that closes."""

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
from joyvasa_lib.portrait.compact.encode.eyelids.eyelid_place import EyelidPlace
from joyvasa_lib.portrait.compact.encode.eyelids.standing_lashes import standing_lashes
from joyvasa_lib.portrait.compact.model import CompactPortraitModel
from joyvasa_lib.rig.regions import EYES

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]
PIXEL = 150.0
"""Pixels per rig unit."""
EDGE, LEFT, LENGTH = 150, 60, 120
"""Row of an eyelid's straight edge, column of its left corner, and its length, pixels."""


def place() -> EyelidPlace:
    """A window of 240 x 240 pixels: the crease 0.2 rig units above the edge, the brow 0.7."""
    row, column = np.mgrid[:240, :240].astype(np.float32)
    above = (EDGE - row) / np.float32(PIXEL)
    share = (column - LEFT) / np.float32(LENGTH)
    return EyelidPlace(share, above, above / 0.2, (above - 0.2) / 0.5, LENGTH / PIXEL)


def found(image: Floats) -> Floats:
    return standing_lashes(image, place(), PIXEL)


def skin() -> Floats:
    return np.full((240, 240, 3), (200.0, 160.0, 140.0), np.float32)


def test_plain_skin_and_soft_shadows_have_none() -> None:
    image = skin()
    row = np.arange(240, dtype=np.float32)[:, None, None]
    image *= 1.0 - 0.4 * np.exp(-(((row - 110.0) / 25.0) ** 2))
    assert found(image).max() < 0.05


@pytest.mark.parametrize("column", [40, 100, 180], ids=["outside", "middle", "other corner"])
def test_a_stroke_is_found_and_its_surroundings_with_it(column: int) -> None:
    image = skin()
    image[105:140, column : column + 4] *= 0.4
    lashes = found(image)
    assert lashes[110:135, column : column + 4].min() > 0.9
    assert lashes[:, column + 40 :].max() == 0.0
    assert lashes[:80].max() == 0.0


@pytest.mark.parametrize(
    "part",
    [np.s_[100:106, 55:190], np.s_[160:190, 100:104], np.s_[30:60, 100:104]],
    ids=["a long line", "below the eyelid", "the brow"],
)
def test_other_dark_things_are_none(part: tuple[slice, slice]) -> None:
    image = skin()
    image[part] *= 0.4
    lashes = found(image)
    assert lashes[part].mean() < 0.15


@pytest.fixture(scope="module")
def large(detector: MediaPipeFaceDetector) -> FaceCrop:
    image = load_image(places.DEMO / "astronaut.jpg")
    return crop_face(image, read_face(image, detector.detect(image)[0], detector).face, size=384)


def with_lashes(crop: FaceCrop) -> FaceCrop:
    """The portrait with strokes from its eyelids' edges to halfway from crease to brow."""
    light = np.ones(crop.image.shape[:2], np.float32)
    for eye in EYES:
        lid, crease, brow = (
            crop.landmarks[list(ids), :2][[1, len(ids) // 2, -2]]
            for ids in (eye.upper_lid, eye.crease, eye.brow_bottom)
        )
        for low, high in zip(lid, 0.6 * crease + 0.4 * brow, strict=True):
            ends = (np.round(4 * one).astype(int).tolist() for one in (low, high))
            cv2.line(light, *ends, 0.3, 2, cv2.LINE_AA, shift=2)
    return replace(crop, image=np.rint(crop.image * light[..., None]).astype(np.uint8))


def test_lashes_go_as_the_eye_closes(model: CompactPortraitModel, large: FaceCrop) -> None:
    values = np.zeros((2, len(BLENDSHAPES)), np.float32)
    values[1, [BLENDSHAPES.index(name) for name in ("eyeBlinkLeft", "eyeBlinkRight")]] = 1.0

    def frames(crop: FaceCrop) -> Floats:
        motion = Motion.from_blendshapes(values)
        drawn = np.concatenate(list(model.render(model.encode(crop), motion)))
        return drawn.astype(np.float32).mean(-1)

    plain, lashed = frames(large), frames(with_lashes(large))
    for eye in EYES:
        crease, brow = (large.landmarks[list(ids), :2] for ids in (eye.crease, eye.brow_bottom))
        line = crease[np.linspace(0, len(crease) - 1, len(brow)).round().astype(int)]
        between = np.concatenate([line, (0.65 * line + 0.35 * brow)[::-1]])
        part = np.zeros(plain[0].shape, np.uint8)
        cv2.fillPoly(part, [np.rint(between).astype(np.int32)], 1)
        shown, left = ((one - two)[part > 0] for one, two in zip(plain, lashed, strict=True))
        strokes = shown > 40.0
        assert left[strokes].mean() < 0.35 * shown[strokes].mean()  # it was half of it
