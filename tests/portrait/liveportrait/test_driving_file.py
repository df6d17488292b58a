"""``driving.json`` of a portrait checkpoint, of this version and of earlier ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from joyvasa_lib.errors import CheckpointError
from joyvasa_lib.motion.driving.options import ALL_REGIONS, DrivingOptions
from joyvasa_lib.portrait.liveportrait.driving_file import DrivingFile

FORMER: dict[str, Any] = {
    "mode": "relative", "mouth": None, "driving_option": "pose-friendly", "regions": "all",
    "multiplier": 1.0, "stitching": True, "close_lips": True, "lip_threshold": 0.03,
    "retarget": [], "subject": "human", "compat": None,
}  # fmt: skip
"""What earlier versions wrote by default."""


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    file = DrivingFile("animal", DrivingOptions(regions={"mouth", "eyes"}, multiplier=1.25))
    file.save(tmp_path)
    assert DrivingFile.load(tmp_path) == file


def test_without_a_file_there_are_the_defaults(tmp_path: Path) -> None:
    assert DrivingFile.load(tmp_path) == DrivingFile("human", DrivingOptions())


@pytest.mark.parametrize(
    ("former", "subject", "options"),
    [
        ({}, "human", {}),
        ({"subject": "animal", "multiplier": 1.3}, "animal", {"multiplier": 1.3}),
        ({"regions": ["mouth"], "stitching": False}, "human",
         {"regions": "mouth", "stitching": False}),
        ({"mode": "absolute", "mouth": "relative", "driving_option": "expression-friendly"},
         "human",
         {"head": "absolute", "expression": "absolute", "mouth": "absolute"}),
        ({"mouth": "absolute", "driving_option": "expression-friendly"}, "human",
         {"driving_option": "expression-friendly"}),
        ({"compat": "joyvasa", "regions": "exp"}, "human", {"regions": ALL_REGIONS - {"head"}}),
        ({"compat": "joyvasa", "regions": "pose"}, "human", {"regions": "head"}),
        ({"compat": "joyvasa", "regions": "lip", "retarget": ["mouth"]}, "human",
         {"regions": "mouth"}),
        ({"compat": "joyvasa", "regions": "eyes"}, "human", {"regions": "eyes"}),
    ],
)  # fmt: skip
def test_files_of_earlier_versions_say_the_same(
    tmp_path: Path, former: dict[str, Any], subject: Any, options: dict[str, Any]
) -> None:
    (tmp_path / "driving.json").write_text(json.dumps({**FORMER, **former}))
    assert DrivingFile.load(tmp_path) == DrivingFile(subject, DrivingOptions(**options))


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"mode": "sideways"}', '{"subject": "robot"}', '{"speed": 2}']
)
def test_anything_else_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "driving.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"driving\.json holds no driving options"):
        DrivingFile.load(tmp_path)
