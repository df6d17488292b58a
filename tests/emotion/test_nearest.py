"""Vectors get the name of the emotion that they are most like."""

from __future__ import annotations

import pytest

from joyvasa_lib import Emotion
from joyvasa_lib.emotion.nearest import nearest_emotion
from joyvasa_lib.emotion.prototypes import BASIC, COMPOUND


@pytest.mark.parametrize("name", BASIC)
def test_a_basic_emotion_is_nearest_to_itself_at_its_level(name: str) -> None:
    found, level = Emotion.named(name, 0.6).nearest
    assert found == name
    assert level == pytest.approx(0.6)
    assert Emotion.named(name, 0.6).mirrored().nearest == pytest.approx((found, level))


@pytest.mark.parametrize("name", COMPOUND)
def test_a_compound_emotion_is_nearest_to_itself_where_it_is_a_choice(name: str) -> None:
    emotion = Emotion.named(name, 0.5)
    assert nearest_emotion(emotion, {**BASIC, **COMPOUND}) == pytest.approx((name, 0.5))


def test_a_smile_of_both_sides_is_happiness_and_of_one_side_contempt() -> None:
    assert Emotion.units(AU12_left=0.5, AU12_right=0.55).nearest[0] == "happiness"
    assert Emotion.units(AU12_left=0.15, AU12_right=0.6, AU14_right=0.4).nearest[0] == "contempt"
    assert Emotion.units(AU12_left=0.6, AU14_left=0.4, AU12_right=0.15).nearest[0] == "contempt"


def test_nothing_shown_is_neutral() -> None:
    assert Emotion.neutral().nearest == ("neutral", 0.0)
    assert (-Emotion.happiness()).nearest == ("neutral", 0.0)
    assert Emotion.units(AU22=0.5).nearest == ("neutral", 0.0)
