"""The options of driving, one set for both presets."""

from __future__ import annotations

from typing import Any

import pytest

from joyvasa_lib.errors import OptionError
from joyvasa_lib.motion.driving.options import (
    ALL_REGIONS,
    BLENDSHAPE_OPTIONS,
    KEYPOINT_OPTIONS,
    DrivingOptions,
)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"head": "still"}, "head must be one of 'relative', 'absolute', not 'still'"),
        ({"expression": "still"}, "expression must be one of"),
        ({"mouth": "both"}, "mouth must be one of None, 'relative', 'absolute', not 'both'"),
        ({"driving_option": "friendly"}, "'pose-friendly', 'expression-friendly'"),
        ({"keep_smile": 2.0}, "keep_smile must be a number from 0 to 1, not 2"),
        ({"multiplier": -1.0}, "multiplier must be a number of at least 0, not -1"),
        ({"multiplier": float("nan")}, "not nan"),
        ({"lip_threshold": float("inf")}, "lip_threshold"),
        ({"regions": frozenset({"ears"})}, "'brows'.*not 'ears'"),
        ({"regions": "exp"}, "not 'exp'"),
        ({"regions": 3}, "names of regions, not 3"),
    ],
)
def test_options_that_are_not_allowed_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        DrivingOptions(**options)


@pytest.mark.parametrize("name", ["head", "expression", "mouth"])
def test_expression_friendly_has_no_absolute_part(name: str) -> None:
    absolute: dict[str, Any] = {name: "absolute"}
    with pytest.raises(OptionError, match=f"{name} must be 'relative'"):
        DrivingOptions(driving_option="expression-friendly", **absolute)


def test_regions_are_named_one_by_one_or_all_together() -> None:
    assert DrivingOptions(regions="all") == DrivingOptions()
    assert DrivingOptions().regions == ALL_REGIONS
    assert DrivingOptions(regions="mouth") == DrivingOptions(regions=["mouth"])
    assert [DrivingOptions(regions="mouth").drives(name) for name in ("mouth", "eyes")] == [
        True,
        False,
    ]


def test_options_that_one_kind_of_motion_lacks_are_refused_unless_they_are_defaults() -> None:
    shared = DrivingOptions(
        head="absolute", expression="absolute", mouth="relative", regions="eyes"
    )
    for known in (BLENDSHAPE_OPTIONS, KEYPOINT_OPTIONS):
        DrivingOptions().require(known, "its kind")
        shared.require(known, "its kind")
    DrivingOptions(keep_smile=0.3).require(BLENDSHAPE_OPTIONS, "blendshapes")
    with pytest.raises(OptionError, match=r"keep_smile=0.3 is not an option of motion of keypoi"):
        DrivingOptions(keep_smile=0.3).require(KEYPOINT_OPTIONS, "keypoints")
    DrivingOptions(close_lips=False).require(KEYPOINT_OPTIONS, "keypoints")
    with pytest.raises(OptionError, match=r"close_lips=False .* which has head, .* keep_smile"):
        DrivingOptions(close_lips=False).require(BLENDSHAPE_OPTIONS, "blendshapes")
