"""The laws of the emotion space, its names and its text."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joyvasa_lib import Emotion
from joyvasa_lib.emotion.action_units import COMPONENTS, REGIONS, UNIT_OF
from joyvasa_lib.emotion.emotion import blend
from joyvasa_lib.emotion.prototypes import BASIC, COMPOUND, PROTOTYPES
from joyvasa_lib.errors import OptionError

NEUTRAL = Emotion.neutral()


@st.composite
def emotions(draw: Callable[..., object], limit: float = 3.0) -> Emotion:
    """Vectors of which some components are zero, some equal on both sides."""
    chosen = draw(st.dictionaries(st.sampled_from(COMPONENTS), st.floats(-limit, limit)))
    vector = np.zeros(len(COMPONENTS))
    assert isinstance(chosen, dict)
    for name, value in chosen.items():
        vector[COMPONENTS.index(name)] = value
        if name.endswith("_left") and value > 0:
            vector[COMPONENTS.index(name) + 1] = value
    return Emotion(vector)


scalars = st.floats(-4, 4)


@given(emotions())
def test_neutral_is_the_identity_and_every_emotion_has_an_inverse(a: Emotion) -> None:
    assert a + NEUTRAL == NEUTRAL + a == a
    assert a - a == NEUTRAL
    assert a + -a == NEUTRAL
    assert 1.0 * a == a
    assert 0.0 * a == NEUTRAL


@given(emotions(), emotions())
def test_addition_is_commutative_to_the_last_bit(a: Emotion, b: Emotion) -> None:
    assert a + b == b + a
    assert hash(a + b) == hash(b + a)


@given(emotions(), emotions(), emotions())
def test_addition_is_associative_to_the_last_bit(a: Emotion, b: Emotion, c: Emotion) -> None:
    assert (a + b) + c == a + (b + c)


@given(emotions(), emotions(), scalars, scalars)
def test_scaling_distributes(a: Emotion, b: Emotion, s: float, t: float) -> None:
    assert (s * (a + b)).allclose(s * a + s * b, atol=1e-10)
    assert ((s + t) * a).allclose(s * a + t * a, atol=1e-10)
    assert (s * (t * a)).allclose((s * t) * a, atol=1e-10)


@given(st.sampled_from(sorted(PROTOTYPES)), st.floats(0, 1))
def test_levels_are_linear_inside_the_units_range(name: str, level: float) -> None:
    emotion = Emotion.named(name, level)
    assert emotion == level * Emotion.named(name)
    assert emotion == emotion.saturated()
    assert emotion.allclose(Emotion.named(name).level(level), atol=1e-9)


@given(emotions())
def test_emotions_saturate_outside_the_range_and_only_there(a: Emotion) -> None:
    shown = a.saturated()
    assert shown.intensity <= 1.0
    assert shown.saturated() == shown
    inside = np.abs(a.vector) <= 1.0
    assert np.array_equal(shown.vector[inside], a.vector[inside])
    assert np.array_equal(np.sign(shown.vector), np.sign(a.vector))


@given(emotions(), st.lists(st.sampled_from(REGIONS), unique=True))
def test_an_emotion_is_the_sum_of_its_parts_inside_and_outside_regions(
    a: Emotion, regions: list[str]
) -> None:
    inside, outside = a.only(*regions), a.without(*regions)
    assert inside + outside == a
    assert all(UNIT_OF[name].region in regions for name, _ in inside.items())
    assert inside.only(*regions) == inside
    assert inside.without(*regions) == NEUTRAL


@given(emotions(), emotions(), st.floats(0, 1))
def test_a_blend_is_linear_between_two_emotions(a: Emotion, b: Emotion, t: float) -> None:
    assert blend(a, b, 0.0) == a
    assert blend(a, b, 1.0) == b
    assert blend(a, b, t).allclose(a + t * (b - a), atol=1e-10)
    assert blend(a, b, t).allclose(blend(b, a, 1.0 - t), atol=1e-10)


@given(emotions())
def test_the_mirror_is_its_own_inverse_and_linear(a: Emotion) -> None:
    assert a.mirrored().mirrored() == a
    assert (2.0 * a).mirrored() == 2.0 * a.mirrored()


def test_the_mirror_exchanges_sides_gaze_and_head() -> None:
    assert Emotion.contempt().mirrored() == Emotion.units(AU12_left=0.5, AU14_left=1.0)
    assert Emotion.units(AU61=0.4, AU51=0.2).mirrored() == Emotion.units(AU62=0.4, AU52=0.2)
    assert Emotion.happiness().mirrored() == Emotion.happiness()


@given(emotions(limit=1.0))
def test_the_text_reads_back_as_the_very_same_emotion(a: Emotion) -> None:
    assert Emotion.parse(str(a)) == a
    assert eval(repr(a), {"Emotion": Emotion}) == a


@given(st.sampled_from(sorted(PROTOTYPES)), st.integers(0, 100))
def test_a_multiple_of_a_named_emotion_prints_by_its_name(name: str, percent: int) -> None:
    level = percent / 100
    emotion = Emotion.named(name, level)
    if not emotion.is_neutral:
        assert str(emotion) == f"{name}:{level:g}"
    assert Emotion.parse(str(emotion)) == emotion


def test_text_is_a_sum_of_names_units_and_letters() -> None:
    assert Emotion.parse("happiness:0.6,AU4:0.2") == Emotion.happiness(0.6) + Emotion.units(AU4=0.2)
    assert Emotion.parse(" Happily_Surprised : B ") == Emotion.named("happily surprised", 0.4)
    assert Emotion.parse("AU6L:D, fear:-0.5") == Emotion.units(AU6_left=0.8) - Emotion.fear(0.5)
    assert Emotion.parse("anger") == Emotion.anger()
    assert Emotion.parse("neutral") == NEUTRAL
    assert str(Emotion.units(AU12_left=0.5, AU6=0.25)) == "AU6:0.25,AU12_left:0.5"


def test_the_examples_of_the_readme() -> None:
    happy = Emotion.happiness(0.7) + Emotion.units(AU2=0.3)
    assert happy["AU2_left"] == happy["AU2"] == 0.3
    assert happy["AU12"] == 0.7
    assert Emotion.units(AU12=0.5, AU6_left=0.3)["AU6"] == pytest.approx(0.15)
    assert Emotion.units({"AU12": 0.5}) == Emotion.units(AU12=0.5)
    assert np.float32(0.5) * happy == happy * 0.5 == happy / 2


def test_basic_emotions_are_the_published_units() -> None:
    for one in BASIC.values():
        published = Emotion.from_facs(one.facs)
        assert {name for name, _ in one.emotion.items()} == {name for name, _ in published.items()}
        assert (one.emotion.vector >= 0).all()
    assert Emotion.surprise()["AU5"] < Emotion.fear()["AU5"]  # EMFACS: 5B and 5
    right = {name for name, _ in Emotion.contempt().items()}
    assert right == {"AU12_right", "AU14_right"}


def test_compound_emotions_are_unions_of_the_published_units() -> None:
    assert len(COMPOUND) == 15
    for one in COMPOUND.values():
        most, _, many = one.facs.rstrip("]").partition(" [")
        formula = "+".join(part for part in (most, many) if part)
        published = {name for name, _ in Emotion.from_facs(formula).items()}
        assert {name for name, _ in one.emotion.items()} == published, one.name
    assert len({one.emotion for one in COMPOUND.values()}) == 15


@pytest.mark.parametrize("name", [name for name in PROTOTYPES if name != "neutral"])
def test_at_level_one_the_strongest_unit_is_one(name: str) -> None:
    assert Emotion.named(name).intensity == 1.0


def test_facs_formulas_read_and_print() -> None:
    assert Emotion.from_facs("1+2+5B+26") == Emotion.units(AU1=1, AU2=1, AU5=0.4, AU26=1)
    assert Emotion.from_facs("R12A + L14C") == Emotion.units(AU12_right=0.2, AU14_left=0.6)
    assert Emotion.units(AU12_right=0.2, AU4=0.55, AU1=0.02).facs == "4C+R12A"
    for bad in ("12+", "1,2", "12X", "one"):
        with pytest.raises(OptionError, match="FACS formula"):
            Emotion.from_facs(bad)


def test_an_emotion_cannot_be_changed_and_can_be_copied() -> None:
    fear = Emotion.fear()
    with pytest.raises(AttributeError, match="cannot be changed"):
        fear.vector = np.zeros(3)  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        fear.vector[0] = 1.0
    assert copy.deepcopy(fear) == pickle.loads(pickle.dumps(fear)) == fear
    assert len({fear, Emotion.fear(), Emotion.anger()}) == 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Emotion.named("joy"), "no emotion 'joy'; there are neutral, happiness, sadness"),
        (lambda: Emotion.parse("joy:0.5"), "no emotion 'joy'"),
        (lambda: Emotion.parse("AU3:0.5"), "no action unit 'AU3'"),
        (lambda: Emotion.parse("happiness:much"), "number or a letter A to E, not 'much'"),
        (lambda: Emotion.parse("happiness:nan"), "must be a number from -1 to 1, not nan"),
        (
            lambda: Emotion.parse("happiness:1.2"),
            "level of happiness must be .* from -1 to 1, not 1.2",
        ),
        (lambda: Emotion.parse("happiness:"), "not an emotion: write names with levels"),
        (lambda: Emotion.parse(""), "not an emotion"),
        (lambda: Emotion.parse("a:b:c"), "not 'b:c'"),
        (lambda: Emotion.parse(None), "is a string such as"),  # type: ignore[arg-type]
        (lambda: Emotion.happiness(float("nan")), "from -1 to 1, not nan"),
        (lambda: Emotion.happiness(-1.01), "not -1.01"),
        (lambda: Emotion.units(AU12=float("inf")), "from -1 to 1, not inf"),
        (
            lambda: Emotion.units(AU12=1.5),
            "intensity of AU12 must be .* from -1 to 1, not 1.5",
        ),
        (lambda: Emotion.units(AU12="0.5"), "from -1 to 1, not '0.5'"),  # type: ignore[arg-type]
        (lambda: Emotion.units(AU12=True), "from -1 to 1, not True"),
        (lambda: Emotion.units(AU12=0.5, AU12_left=0.2), "AU12_left is given twice"),
        (lambda: Emotion.units(AU45=0.5, AU43=0.2), "given twice, by 'AU43' and 'AU45'|'AU45'"),
        (lambda: Emotion.fear() * float("nan"), "must be a number, not nan"),
        (lambda: Emotion.fear() / 0, "divided by zero"),
        (lambda: Emotion.fear().level(2.0), "The level must be a number from -1 to 1, not 2.0"),
        (lambda: Emotion.fear().only("face"), "neither a region .brow, eye, cheek"),
        (lambda: blend(NEUTRAL, NEUTRAL, 1.5), "must be a number from 0 to 1, not 1.5"),
        (lambda: Emotion([1.0]), "63 components, not of"),
        (lambda: Emotion(np.full(63, np.nan)), "numbers up to 1000; got nan"),
        (lambda: 2000.0 * Emotion.fear(), "numbers up to 1000"),
        (lambda: Emotion.from_arkit({"mouthGrin": 1.0}), "no ARKit blendshape 'mouthGrin'"),
        (
            lambda: Emotion.from_arkit({"jawOpen": 2.0}),
            "The activation of jawOpen must be a number from -1 to 1, not 2.0",
        ),
    ],
)
def test_what_is_not_an_emotion_is_refused_with_the_choices(
    make: Callable[[], object], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        make()


def test_other_things_do_not_add_to_emotions() -> None:
    with pytest.raises(TypeError):
        Emotion.fear() + 1  # type: ignore[operator]
    with pytest.raises(TypeError):
        Emotion.fear() * Emotion.anger()  # type: ignore[operator]
    assert Emotion.fear() != 1


def test_compound_emotions_of_disgust_raise_the_upper_lip() -> None:
    for name in ("happily-disgusted", "appalled", "hatred"):
        assert Emotion.named(name)["AU10_left"] > 0.5
