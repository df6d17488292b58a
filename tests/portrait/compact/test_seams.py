"""Where eyelids and eyeball meet: no seam is drawn, and what has not moved is the image's own."""

from __future__ import annotations

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
from joyvasa_lib.portrait.compact.portrait import CompactPortrait
from joyvasa_lib.rig.regions import EYES

Pixels = NDArray[np.uint8]
SIZE = 384


@pytest.fixture(scope="module")
def crop(detector: MediaPipeFaceDetector) -> FaceCrop:
    image = load_image(places.DEMO / "astronaut.jpg")
    return crop_face(image, read_face(image, detector.detect(image)[0], detector).face, size=SIZE)


@pytest.fixture(scope="module")
def frames(model: CompactPortraitModel, portrait: CompactPortrait) -> tuple[Pixels, ...]:
    """Eyes as they are, and closed by 40 %."""
    values = np.zeros((2, len(BLENDSHAPES)), np.float32)
    values[1, [BLENDSHAPES.index(name) for name in ("eyeBlinkLeft", "eyeBlinkRight")]] = 0.4
    drawn = model.render(portrait, Motion.from_blendshapes(values))
    return tuple(np.asarray(frame) for batch in drawn for frame in batch)


@pytest.mark.parametrize("eye", [0, 1], ids=["left", "right"])
def test_an_open_eye_is_the_images_own(
    crop: FaceCrop, frames: tuple[Pixels, ...], eye: int
) -> None:
    """Pixels on both sides of the eyelids' edges show another layer beside their own."""
    lids = crop.landmarks[list(EYES[eye].lids), :2]
    (left, top), (right, bottom) = (bound.astype(int) for bound in (lids.min(0), lids.max(0)))
    box = slice(top - 6, bottom + 6), slice(left - 6, right + 6)
    changed = np.abs(frames[0][box].astype(int) - crop.image[box]).max(-1)
    assert (changed > 8).mean() < 0.002


@pytest.mark.parametrize("eye", [0, 1], ids=["left", "right"])
def test_a_lid_that_comes_down_leaves_the_skin_below_the_corners(
    crop: FaceCrop, frames: tuple[Pixels, ...], eye: int
) -> None:
    """The lashes of the closed eye lie there; they arrive with the eyelid."""
    marks = EYES[eye]
    edge = crop.landmarks[list(marks.lower_lid), :2]
    wide = float(np.hypot(*(edge[-1] - edge[0])))
    for share in (0.12, 0.25, 0.75, 0.88):
        x = edge[0, 0] + share * (edge[-1, 0] - edge[0, 0])
        order = np.argsort(edge[:, 0])
        y = np.interp(x, edge[order, 0], edge[order, 1])
        rows = slice(round(y + 0.04 * wide), round(y + 0.16 * wide) + 1)
        columns = slice(round(x) - 1, round(x) + 2)
        changed = frames[1][rows, columns].astype(int) - crop.image[rows, columns]
        assert np.abs(changed).mean() < 6.0, share
