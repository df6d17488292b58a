"""LivePortrait's published networks for animals: given by hand, driven by their own rules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import places
from joyvasa_lib import JoyVASAPipeline, Motion
from joyvasa_lib.errors import CheckpointError, NoFaceError
from joyvasa_lib.face.landmarks.manual import ManualFaceDetector
from joyvasa_lib.portrait.liveportrait.model import LivePortraitModel
from official_pipeline import CAT_POINTS
from small_liveportrait import turning

pytestmark = pytest.mark.slow

DEMO = places.DEMO
ASTRONAUT, HELLO = DEMO / "astronaut.jpg", DEMO / "hello.flac"


@pytest.fixture(scope="module")
def animals(official_folder: Path) -> JoyVASAPipeline:
    return JoyVASAPipeline.from_official(official_folder, "animal", "cpu", with_speech=False)


@pytest.fixture(scope="module")
def spoken() -> Motion:
    """A motion of LivePortrait's keypoints; that it is spoken makes no difference here."""
    return turning(3)


HAND: dict[str, Callable[[], ManualFaceDetector]] = {
    "box": lambda: ManualFaceDetector(box=(140, 60, 330, 260)),
    "nine points": lambda: ManualFaceDetector(landmarks=CAT_POINTS, result="given"),
    "square": lambda: ManualFaceDetector(whole_image=True),
}


@pytest.mark.usefixtures("keypoints_for_images")
@pytest.mark.parametrize("way", HAND)
def test_an_animal_given_by_hand_is_animated(
    animals: JoyVASAPipeline,
    cat: NDArray[np.uint8],
    spoken: Motion,
    way: str,
) -> None:
    full_image = cat[:300, 60:360] if way == "square" else cat
    encoded = animals.encode(full_image, detector=HAND[way]())
    crop = encoded.crop
    assert crop.size == 512
    if way == "square":
        np.testing.assert_allclose(crop.matrix[:2, :2], np.eye(2) * 512 / 300)
    if way == "nine points":  # cropped by the points themselves, as the published pipeline does
        assert crop.face.scheme == "animal9"
    frame = next(animals.render(encoded, spoken[:1]).frames())
    assert frame.shape == full_image.shape
    assert (frame != full_image).any()


def test_an_animal_that_is_not_found_is_told_with_the_three_ways(
    animals: JoyVASAPipeline,
) -> None:
    with pytest.raises(NoFaceError, match="box or landmarks by hand \\(nine points for an animal"):
        animals.encode(np.full((200, 300, 3), 128, np.uint8))


@pytest.mark.usefixtures("keypoints_for_images")
def test_how_sure_the_aligner_is_can_be_read(
    animals: JoyVASAPipeline, astronaut: NDArray[np.uint8], cat: NDArray[np.uint8]
) -> None:
    assert animals.encode(astronaut).crop.face.score > 0.7
    unsure = animals.encode(cat, detector=ManualFaceDetector(box=(140, 60, 330, 260)))
    assert unsure.crop.face.score <= 0.5


def test_animals_are_driven_by_the_rules_for_animals(animals: JoyVASAPipeline) -> None:
    model = animals.portrait_model
    assert isinstance(model, LivePortraitModel)
    assert model.subject == "animal"


def test_without_stage_two_nobody_speaks(animals: JoyVASAPipeline) -> None:
    with pytest.raises(CheckpointError, match="Only stage one was loaded"):
        animals.generate_motion(HELLO)
