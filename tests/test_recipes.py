"""Recipes are read as written, and what is wrong in one is named."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("accelerate")
import pytest

from joyvasa_lib.errors import OptionError
from joyvasa_lib.recipes import read_section
from joyvasa_lib.training.loop.config import LoopConfig

pytest.importorskip("accelerate")
from joyvasa_lib.recipes import read_recipe, take_section


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("loop: {steps: many}", "loop.steps must be a whole number, not 'many'"),
        ("loop: {steps: 0}", "loop.steps must be at least 1, not 0"),
        ("loop: {mixed_precision: fp8}", "'no', 'bf16' or 'fp16', not 'fp8'"),
        ("[1, 2]", "no recipe"),
        ("loop: {a: [}", "not valid YAML"),
    ],
)
def test_a_recipe_that_cannot_work_is_refused_at_once(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(OptionError, match=message):
        take_section(read_recipe(path), LoopConfig, "loop")


def test_changes_go_over_the_file_and_numbers_without_a_dot_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("loop: {steps: 3, learning_rate: 1e-4}")
    loop = take_section(read_recipe(path, ["loop.steps=7"]), LoopConfig, "loop")
    assert (loop.steps, loop.learning_rate) == (7, 1e-4)
    with pytest.raises(OptionError, match="section.key=value"):
        read_recipe(path, ["steps=7"])


def test_an_unknown_key_in_a_recipe_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("loop: {stepps: 3}")
    with pytest.raises(OptionError, match="stepps"):
        read_section(path, LoopConfig, "loop")
