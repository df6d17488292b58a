"""The table of action units is consistent and equivalent to ARKit's 52 blendshapes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joyvasa_lib.emotion.action_units import (
    ACTION_UNITS,
    ALIASES,
    COMPONENTS,
    FACE_COMPONENTS,
    REGIONS,
    UNIT_OF,
    UNITS,
    resolve_components,
)
from joyvasa_lib.emotion.emotion import Emotion
from joyvasa_lib.emotion.facs import intensity_letter, letter_intensity
from joyvasa_lib.emotion.unit_effects import arkit_home, arkit_inverse, arkit_matrix, pose_matrix
from joyvasa_lib.errors import OptionError
from joyvasa_lib.motion import BLENDSHAPES
from joyvasa_lib.motion import REGIONS as ARKIT_REGIONS
from joyvasa_lib.motion.blendshapes import ACTION_UNIT_NAMES

WANTED = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 18, 20, 22, 23, 24, 25, 26, 27, 28, 43, 45)
WANTED += (61, 62, 63, 64)


def test_the_units_of_the_face_the_jaw_and_the_head_are_known() -> None:
    known = {*UNITS, *ALIASES}
    assert {f"AU{number}" for number in WANTED} <= known
    assert sum(unit.region == "head" for unit in ACTION_UNITS) == 8
    assert {UNITS[code].region for code in ("AU26", "AU27", "AU29", "AU30")} == {"jaw"}


def test_codes_and_components_are_unique_and_regions_are_known() -> None:
    assert len(UNITS) == len(ACTION_UNITS)
    assert len(set(COMPONENTS)) == len(COMPONENTS)
    assert {unit.region for unit in ACTION_UNITS} == set(REGIONS)
    assert all(unit.name and unit.muscles for unit in ACTION_UNITS)


def test_each_blendshape_has_a_component_and_the_inverse_is_exact() -> None:
    assert set(arkit_home()) == set(BLENDSHAPES)
    np.testing.assert_allclose(arkit_inverse() @ arkit_matrix(), np.eye(52), atol=1e-12)


def test_plots_use_the_same_unit_names() -> None:
    homes: dict[str, set[str]] = {}
    for arkit, component in arkit_home().items():
        homes.setdefault(component.partition("_")[0], set()).add(arkit)
    assert {code: set(members) for code, (_, members) in ACTION_UNIT_NAMES.items()} == homes
    for code, (name, _) in ACTION_UNIT_NAMES.items():
        assert UNITS[code].name.lower() == name


@given(st.lists(st.floats(0, 1), min_size=52, max_size=52))
def test_blendshape_activations_survive_a_round_trip(values: list[float]) -> None:
    given_units = dict(zip(BLENDSHAPES, values, strict=True))
    back = Emotion.from_arkit(given_units).arkit()
    for name, value in given_units.items():
        assert back.get(name, 0.0) == pytest.approx(value, abs=1e-9)


def test_left_and_right_of_every_unit_are_mirror_images() -> None:
    mirror = {"Left": "Right", "Right": "Left"}
    gaze = {"AU61": "AU62", "AU62": "AU61"}
    for unit in ACTION_UNITS:
        if "left" not in unit.sides:
            continue
        left = unit.arkit["left"]
        right = UNITS[gaze.get(unit.code, unit.code)].arkit["right"]
        swapped = {
            next(n[: -len(s)] + t for s, t in mirror.items() if n.endswith(s)): weight
            for n, weight in left.items()
        }
        assert swapped == right, unit.code


def test_a_units_region_is_that_of_its_blendshapes() -> None:
    where = {"brow": "brows", "eye": "eyes", "cheek": "cheeks", "nose": "cheeks"}
    where |= {"mouth": "mouth", "jaw": "mouth"}
    for name in FACE_COMPONENTS:
        unit = UNIT_OF[name]
        weights = unit.arkit[name.partition("_")[2]]
        strongest = max(weights, key=lambda arkit: weights[arkit])
        assert strongest in ARKIT_REGIONS[where[unit.region]], name


def test_head_units_move_the_head_and_no_others_do() -> None:
    for name, pose, row in zip(COMPONENTS, pose_matrix(), arkit_matrix(), strict=True):
        is_head = UNIT_OF[name].region == "head"
        assert bool(pose.any()) == is_head
        assert bool(row.any()) != is_head
    for one, other in (("AU51", "AU52"), ("AU53", "AU54"), ("AU55", "AU56"), ("AU57", "AU58")):
        assert UNITS[one].pose == tuple(-value for value in UNITS[other].pose)


@pytest.mark.parametrize(
    ("name", "components"),
    [
        ("AU12", ("AU12_left", "AU12_right")),
        ("AU12_left", ("AU12_left",)),
        ("12L", ("AU12_left",)),
        ("au6R", ("AU6_right",)),
        ("AU45", ("AU43_left", "AU43_right")),
        ("AU28T", ("AU28_upper",)),
        ("AU1", ("AU1",)),
        ("MS_left", ("MS_left",)),
    ],
)
def test_a_unit_has_several_accepted_names(name: str, components: tuple[str, ...]) -> None:
    assert resolve_components(name) == components


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("AU3", "no action unit 'AU3'; there are AU1, AU2, AU4"),
        ("smile", "no action unit 'smile'"),
        ("AU1_left", r"AU1 \(inner brow raiser\) has no sides"),
        ("AU12T", "has only left and right"),
        ("AU28_left", "has only upper and lower"),
        ("", "no action unit ''"),
    ],
)
def test_an_unknown_unit_or_side_is_refused_with_the_choices(name: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        resolve_components(name)


def test_letters_are_fifths_and_intensities_round_to_the_nearest_letter() -> None:
    assert [letter_intensity(letter) for letter in "ABCDE"] == [0.2, 0.4, 0.6, 0.8, 1.0]
    for letter in "ABCDE":
        assert intensity_letter(letter_intensity(letter)) == letter
    assert intensity_letter(0.05) == ""
    assert intensity_letter(0.11) == "A"
    for bad in ("F", "", "AB"):
        with pytest.raises(OptionError, match="one of A, B, C, D, E"):
            letter_intensity(bad)
    with pytest.raises(OptionError, match="between 0 and 1"):
        intensity_letter(1.01)
