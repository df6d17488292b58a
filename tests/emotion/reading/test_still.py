"""Expressions are read from images, on portraits whose expression is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import places
from joyvasa_lib import Emotion, EncodedPortrait, JoyVASAPipeline
from joyvasa_lib.datasets.heads.reading_pairs import draw_head
from joyvasa_lib.emotion.prototypes import BASIC
from joyvasa_lib.errors import JoyVASAError, MediaError, NoFaceError, OptionError

pytestmark = pytest.mark.slow

Pixels = NDArray[np.uint8]
ASTRONAUT = places.DEMO / "astronaut.jpg"


@pytest.fixture(scope="module")
def drawn() -> Pixels:
    """A drawn head at rest, none of those that the map was fitted to."""
    return draw_head(np.random.default_rng((77, 4)))


@pytest.fixture(scope="module")
def drawn_portrait(pipe: JoyVASAPipeline, drawn: Pixels) -> EncodedPortrait:
    return pipe.encode(drawn)


def shown(pipe: JoyVASAPipeline, portrait: EncodedPortrait, emotion: Emotion | str) -> Pixels:
    return pipe.edit(portrait, emotion, paste_back=False)


def test_a_face_beside_itself_is_neutral() -> None:
    assert Emotion.from_image(ASTRONAUT, neutral=ASTRONAUT).is_neutral


def test_most_emotions_of_a_portrait_are_named(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait, drawn_portrait: EncodedPortrait
) -> None:
    wrong = {}
    for portrait in (encoded, drawn_portrait):
        for name in BASIC:
            frame = shown(pipe, portrait, Emotion.named(name, 0.8))
            found, _ = Emotion.from_image(frame, neutral=portrait.at_rest).nearest
            if found != name:
                wrong[name, portrait is encoded] = found
    assert len(wrong) <= 3, wrong


@pytest.mark.parametrize("name", ["happiness", "surprise", "fear"])
def test_a_stronger_expression_is_read_as_a_higher_level(
    pipe: JoyVASAPipeline, drawn_portrait: EncodedPortrait, name: str
) -> None:
    rest = drawn_portrait.at_rest
    levels = []
    for level in (0.3, 0.6, 1.0):
        frame = shown(pipe, drawn_portrait, Emotion.named(name, level))
        found, read = Emotion.from_image(frame, neutral=rest).nearest
        assert found == name
        levels.append(read)
    assert levels == sorted(levels)
    assert levels[-1] - levels[0] > 0.3


def test_a_smile_is_copied_from_one_face_to_another(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait, drawn: Pixels, drawn_portrait: EncodedPortrait
) -> None:
    smiling = shown(pipe, drawn_portrait, Emotion.happiness(0.8))
    smile = Emotion.from_image(smiling, neutral=drawn)
    sad = shown(pipe, encoded, Emotion.sadness(0.8))
    other = pipe.encode(draw_head(np.random.default_rng((77, 5))))
    copied = Emotion.from_image(shown(pipe, other, smile), neutral=other.at_rest)
    assert copied.nearest[0] == "happiness"
    assert min(copied["AU12_left"], copied["AU12_right"]) > 0.4
    assert max(Emotion.from_image(sad, neutral=encoded.at_rest)["AU12_left"], 0.0) < 0.2


def test_a_smiling_portrait_smiles_without_an_image_at_rest() -> None:
    units = Emotion.from_image(ASTRONAUT)
    assert min(units["AU12_left"], units["AU12_right"]) > 0.5
    assert units.nearest[0] == "happiness"


def test_a_drawn_face_at_rest_shows_next_to_nothing(drawn: Pixels) -> None:
    assert Emotion.from_image(drawn).intensity < 0.5


def test_what_is_read_is_text_and_back(pipe: JoyVASAPipeline, encoded: EncodedPortrait) -> None:
    frame = shown(pipe, encoded, "anger:0.8")
    emotion = Emotion.from_image(frame, neutral=ASTRONAUT)
    assert emotion.vector.min() >= 0.0 and 0.2 < emotion.vector.max() <= 1.0
    assert Emotion.parse(str(emotion)) == emotion


def test_a_face_that_is_not_there_is_refused(tmp_path: Path) -> None:
    nobody = np.full((128, 128, 3), 90, np.uint8)
    with pytest.raises(NoFaceError, match="No face"):
        Emotion.from_image(nobody)
    with pytest.raises(NoFaceError, match="No face"):
        Emotion.from_image(ASTRONAUT, neutral=nobody)
    with pytest.raises(NoFaceError, match="Face 3"):
        Emotion.from_image(ASTRONAUT, face=3)
    with pytest.raises(OptionError, match="face"):
        Emotion.from_image(ASTRONAUT, face="widest")
    with pytest.raises(MediaError, match=r"gone\.jpg"):
        Emotion.from_image(tmp_path / "gone.jpg")
    assert issubclass(NoFaceError, JoyVASAError)
