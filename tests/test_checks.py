"""Checks of option values: what passes unchanged, and what is refused with which error."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from joyvasa_lib.checks import checked_choice, checked_float, checked_int
from joyvasa_lib.errors import MotionError, OptionError


@pytest.mark.parametrize("value", [0.5, 1, np.float32(0.25), np.array(0.75)])
def test_a_number_in_range_is_returned_as_a_float(value: Any) -> None:
    found = checked_float("level", value, least=0.0, most=1.0)
    assert type(found) is float and found == float(value)


@pytest.mark.parametrize("value", ["0.5", None, True, math.nan, math.inf, [1.0, 2.0], 1 + 1j, 1.01])
def test_what_is_no_number_in_range_is_refused_with_its_name_and_value(value: Any) -> None:
    with pytest.raises(OptionError, match="level must be a number from 0 to 1, not"):
        checked_float("level", value, least=0.0, most=1.0)


def test_a_bound_that_is_not_reached_is_named() -> None:
    assert checked_float("fps", 1e-9, above=0.0) == 1e-9
    with pytest.raises(MotionError, match="fps must be a number above 0, not 0"):
        checked_float("fps", 0, above=0.0, error=MotionError)


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_a_whole_number_is_returned_as_an_int(value: Any) -> None:
    found = checked_int("steps", value, least=1, most=5)
    assert type(found) is int and found == 3


@pytest.mark.parametrize("value", [2.5, 2.0, "2", None, False, 0, 6])
def test_what_is_no_whole_number_in_range_is_refused(value: Any) -> None:
    with pytest.raises(OptionError, match="steps must be a whole number from 1 to 5, not"):
        checked_int("steps", value, least=1, most=5)


def test_a_choice_is_returned_or_all_choices_are_named() -> None:
    assert checked_choice("mode", "a", ("a", "b")) == "a"
    with pytest.raises(OptionError, match="mode must be one of 'a', 'b', not 'c'"):
        checked_choice("mode", "c", ("a", "b"))
    with pytest.raises(OptionError, match="mode must be one of"):
        checked_choice("mode", np.zeros(3), ("a", "b"))  # type: ignore[arg-type]
