"""State dicts in the wrappings of training scripts are read as the bare ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from joyvasa_lib.checkpoints.official.reading import read_generator, read_state

BARE = {"first.weight": torch.arange(6.0).reshape(2, 3), "first.bias": torch.ones(2)}


def named(prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + name: value for name, value in BARE.items()}


def assert_bare(state: Mapping[str, Any]) -> None:
    assert list(state) == list(BARE)
    assert all(torch.equal(state[name], value) for name, value in BARE.items())


@pytest.mark.parametrize(
    "content",
    [
        BARE,
        {"state_dict": BARE, "epoch": 3},
        {"model": BARE, "optimizer": {"lr": 0.1}},
        {"model_state_dict": named("module.")},
        named("_orig_mod."),
        named("module."),
        named("model."),
        {"state_dict": named("module._orig_mod.model.")},
    ],
)
def test_wrappings_are_taken_off(content: dict[str, Any], tmp_path: Path) -> None:
    torch.save(content, tmp_path / "weights.pth")
    assert_bare(read_state(tmp_path / "weights.pth"))


def test_a_beginning_that_not_all_names_have_stays(tmp_path: Path) -> None:
    content = {"module.a": torch.ones(1), "b": torch.ones(1)}
    torch.save(content, tmp_path / "weights.pth")
    assert list(read_state(tmp_path / "weights.pth")) == ["module.a", "b"]


def test_the_names_of_the_motion_generator_lose_their_beginning(tmp_path: Path) -> None:
    torch.save({"model": named("module."), "args": {"n": 1}}, tmp_path / "generator.pt")
    weights, args = read_generator(tmp_path / "generator.pt")
    assert_bare(weights)
    assert args == {"n": 1}
