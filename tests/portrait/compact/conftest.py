"""One face, and what the compact preset makes of it; a file may have a crop of its own."""

from __future__ import annotations

import pytest

import places
from joyvasa_lib.face.crop import FaceCrop, crop_face
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.face.reading import read_face
from joyvasa_lib.media.image import load_image
from joyvasa_lib.portrait.compact.model import CompactPortraitModel
from joyvasa_lib.portrait.compact.portrait import CompactPortrait


@pytest.fixture(scope="session")
def detector() -> MediaPipeFaceDetector:
    return MediaPipeFaceDetector()


@pytest.fixture(scope="session")
def model() -> CompactPortraitModel:
    return CompactPortraitModel.from_pretrained()


@pytest.fixture(scope="module")
def crop(detector: MediaPipeFaceDetector) -> FaceCrop:
    """The astronaut, who smiles and shows her teeth."""
    image = load_image(places.DEMO / "astronaut.jpg")
    return crop_face(image, read_face(image, detector.detect(image)[0], detector).face, size=256)


@pytest.fixture(scope="module")
def portrait(model: CompactPortraitModel, crop: FaceCrop) -> CompactPortrait:
    return model.encode(crop)
