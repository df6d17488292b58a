"""Checks of option values: what passes unchanged, and what is refused with which error."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from joyvasa_lib import JoyVASAPipeline, Motion
from joyvasa_lib.checks import checked_choice, checked_float, checked_int, checked_path
from joyvasa_lib.errors import CheckpointError, MotionError, OptionError, OutputError
from joyvasa_lib.media.files import check_folder, check_writable


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


@pytest.mark.parametrize("value", ["", b"a", 3, None])
def test_what_is_no_path_is_refused(value: Any) -> None:
    assert checked_path("A file", "not/there") == Path("not/there")
    with pytest.raises(OptionError, match="A file must be given as a path, not"):
        checked_path("A file", value)


@pytest.mark.parametrize("name", ["a" * 300, "ä" * 130, "a\0b"])
def test_what_no_file_can_be_called_is_refused(tmp_path: Path, name: str) -> None:
    for path in (name, str(tmp_path / name)):
        with pytest.raises(OptionError, match="A file cannot be called '.*; shorten it|null"):
            checked_path("A file", path)
        with pytest.raises(MotionError, match="cannot be called"):
            Motion.load(path)
        with pytest.raises(CheckpointError, match="cannot be called"):
            JoyVASAPipeline.from_pretrained(Path(path))
        with pytest.raises(OutputError, match="cannot be called"):
            check_writable(path)
        with pytest.raises(OutputError, match="cannot be called"):
            check_folder(path, ours=lambda _: True)
