"""JSON and YAML that hold plain values, and nothing that a file can do to its reader."""

from __future__ import annotations

import os
import time
import tracemalloc
from pathlib import Path

import pytest

from joyvasa_lib.budgets import Budgets, set_budgets
from joyvasa_lib.documents import (
    DEEPEST,
    DocumentError,
    parse_json,
    parse_yaml,
    read_json,
    read_object,
)
from joyvasa_lib.emotion.timeline import EmotionTimeline
from joyvasa_lib.errors import CheckpointError, OptionError
from joyvasa_lib.recipes import read_recipe
from joyvasa_lib.speech.diffusion.normalizer import MotionNormalizer


@pytest.fixture(autouse=True)
def _own_budgets():
    yield
    set_budgets(None)


def _laughs(first: str, again: str) -> str:
    """A dozen lines, each of nine aliases to the one before: 9 ** 11 values."""
    lines = [f"a0: &a0 {first}"]
    lines += [f"a{i}: &a{i} {again % ','.join([f'*a{i - 1}'] * 9)}" for i in range(1, 12)]
    return "\n".join(lines)


LAUGHS = {
    "lists": _laughs("[x, x]", "[%s]"),
    "merged mappings": _laughs("{k: v}", "{<<: [%s]}"),
}


@pytest.mark.parametrize("name", LAUGHS)
def test_aliases_that_unfold_to_billions_are_counted_before_they_are_followed(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"loop:\n{LAUGHS[name]}".replace("\n", "\n  "))
    tracemalloc.start()
    with pytest.raises(OptionError, match=r"a\.yaml.*\(yaml_values\)"):
        read_recipe(path)
    with pytest.raises(OptionError, match=r"a\.yaml.*\(yaml_values\)"):
        EmotionTimeline.load(path)
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


def test_ordinary_aliases_and_merges_are_followed() -> None:
    found = parse_yaml("base: &base {rate: 1e-4, steps: 3}\nrun: {<<: *base, steps: 4}")
    assert found["run"] == {"rate": 1e-4, "steps": 4}


@pytest.mark.parametrize(
    "text",
    [
        "&a [*a]",
        "a: 2001-99-99",
        "a: !!timestamp x",
        "a: !!binary é",
        "a: " + "1" * 5000,
        "a: 1" + ":59" * 10**5,
        "? [a]\n: b",
        "a: \0",
        "a: 1\n---\nb: 2",
        "!!python/object/apply:os.system [ls]",
        "!!python/name:os.system",
        "[" * 400_000,
        "- " * 200_000,
        "? " * 200_000,
        "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1),
    ],
    ids=lambda text: text[:30],
)
def test_yaml_that_is_not_plain_values_is_refused_at_once(text: str) -> None:
    started = time.process_time()
    with pytest.raises(DocumentError) as refusal:
        parse_yaml(text)
    assert time.process_time() - started < 5
    assert len(str(refusal.value)) < 500


@pytest.mark.parametrize("count", [DEEPEST + 1, 10**5])
def test_values_nested_too_deeply_are_refused(count: int) -> None:
    with pytest.raises(DocumentError, match="nested more than 64 levels"):
        parse_json("[" * count + "]" * count)
    assert str(parse_json("[" * DEEPEST + "]" * DEEPEST)) == "[" * DEEPEST + "]" * DEEPEST
    assert str(parse_yaml("[" * DEEPEST + "]" * DEEPEST)) == "[" * DEEPEST + "]" * DEEPEST


def test_a_configuration_nested_a_hundred_thousand_deep_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "normalizer.json").write_text("[" * 10**5)
    with pytest.raises(CheckpointError, match=r"normalizer\.json"):
        MotionNormalizer.from_pretrained(tmp_path)


def test_lengths_and_numbers_of_values_have_budgets(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("[1, 2, 3]")
    set_budgets(Budgets(json_bytes=9, json_values=3, yaml_bytes=9, yaml_values=4))
    assert read_json(path) == parse_yaml("[1, 2, 3]") == [1, 2, 3]
    for name, least in (("json_bytes", 9), ("json_values", 3)):
        set_budgets(Budgets(**{name: least - 1}))
        with pytest.raises(DocumentError, match=name):
            read_json(path)
    for name, least in (("yaml_bytes", 9), ("yaml_values", 4)):
        set_budgets(Budgets(**{name: least - 1}))
        with pytest.raises(DocumentError, match=name):
            parse_yaml("[1, 2, 3]")


def test_no_more_of_a_file_is_read_than_the_budget(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with path.open("wb") as file:
        file.truncate(2**33)  # takes no room on the disk
    tracemalloc.start()
    with pytest.raises(DocumentError, match="json_bytes"):
        read_json(path)
    assert tracemalloc.get_traced_memory()[1] < 40e6
    tracemalloc.stop()


def test_a_pipe_given_as_a_document_does_not_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.json")
    for path in (tmp_path / "a.json", Path("/dev/zero")):
        with pytest.raises(DocumentError, match="pipe, socket or device"):
            read_json(path)


@pytest.mark.parametrize("text", ["[]", "3", "null", '"a"', "[[1]]"])
def test_a_file_of_anything_but_an_object_is_refused_where_one_is_due(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DocumentError, match="instead of an object"):
        read_object(tmp_path / "x.json")
    with pytest.raises(CheckpointError, match="normalizer"):
        (tmp_path / "normalizer.json").write_text(text)
        MotionNormalizer.from_pretrained(tmp_path)
