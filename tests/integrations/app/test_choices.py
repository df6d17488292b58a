"""What is chosen on the page means what it says; no browser is needed."""

from __future__ import annotations

import pytest

from joyvasa_lib import Emotion
from joyvasa_lib.emotion.action_units import UNITS
from joyvasa_lib.emotion.emotion import Emotion as Feeling
from joyvasa_lib.errors import OptionError
from joyvasa_lib.integrations.app import choices as on_page
from joyvasa_lib.integrations.app.choices import Choices
from joyvasa_lib.speech.options import GenerationOptions

SLIDERS = (
    *on_page.HEAD,
    *on_page.POSE,
    *on_page.GAINS,
    *on_page.STYLE_DIALS,
    *(one for sliders in on_page.UNIT_SLIDERS.values() for one in sliders),
)


def test_where_controls_stand_at_first_changes_nothing() -> None:
    first = Choices.of({one.name: one.value for one in SLIDERS})
    assert first.editor() is None
    plain = GenerationOptions(**first.generation())
    assert plain == GenerationOptions()
    assert (first.blink, first.mouth, first.brows) == (1, 1, 1)


@pytest.mark.parametrize("name", on_page.EMOTIONS[1:])
def test_an_emotion_has_its_name_and_level(name: str) -> None:
    editor = Choices.of({"emotion": name, "level": 0.5}).editor()
    assert editor is not None
    assert editor.emotion == Emotion.named(name, 0.5)


def test_single_units_are_added_to_the_emotion() -> None:
    editor = Choices.of({"emotion": "happiness", "level": 0.5, "AU4": 0.25, "AU9": 0}).editor()
    assert editor is not None
    assert isinstance(editor.emotion, Feeling)
    assert editor.emotion == Emotion.happiness(0.5) + Emotion.units({"AU4": 0.25})


def test_every_unit_that_both_sides_can_show_has_a_slider() -> None:
    names = [one.name for sliders in on_page.UNIT_SLIDERS.values() for one in sliders]
    assert sorted(names) == sorted(set(UNITS) - {"AU30", "MS"})


def test_a_style_is_named_or_dialled() -> None:
    assert Choices.of({"style": "calm"}).generation()["style"] == "calm"
    own = Choices.of({"style": on_page.OWN_DIALS, "style_head": 0.5, "style_smile": 2})
    assert own.generation()["style"] == {"head": 0.5, "smile": 2}
    assert "style" not in Choices.of({"style_head": 0.5}).generation()


def test_the_head_goes_where_it_is_told() -> None:
    head = Choices.of({"head_motion": 0.5, "head_limit": 8, "pitch": 1, "yaw": 2, "roll": 3})
    options = GenerationOptions(**head.generation())
    assert (options.head_motion, options.head_limit) == (0.5, 8)
    assert options.head_pose == (1, 2, 3)


def test_an_empty_control_means_what_it_stood_at_first() -> None:
    assert Choices.of({"seed": None, "emotion": None, "AU4": None}) == Choices()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"moustache": 1}, "no control 'moustache'"),
        ({"emotion": "boredom"}, "boredom"),
        ({"AU4": 7}, "from -1 to 1"),
    ],
)
def test_what_no_control_gives_is_refused(values: dict[str, object], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        Choices.of(values).editor()


def test_a_style_that_is_none_is_refused() -> None:
    with pytest.raises(OptionError, match="style must be one of"):
        Choices.of({"style": "grand"}).generation()
