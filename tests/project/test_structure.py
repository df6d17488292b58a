"""House rules that no linter checks: small folders, small files, presets behind one interface."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import places

PACKAGE = places.ROOT / "joyvasa_lib"
MODULES = sorted(PACKAGE.rglob("*.py"))
FOLDERS = sorted({path.parent for path in MODULES})
LARGEST_FOLDER = 14
LONGEST_FILE = 300
LONGEST_TEST = 400
PRESET_CLASSES = re.compile(
    r"isinstance\([^)]*\b(Compact|LivePortrait|JoyVASA)\w*(Portrait|PortraitModel|Model)\b"
)


def named(path: Path) -> str:
    return str(path.relative_to(places.ROOT))


@pytest.mark.parametrize("folder", FOLDERS, ids=named)
def test_a_folder_can_be_taken_in_at_a_glance(folder: Path) -> None:
    assert len(list(folder.glob("*.py"))) <= LARGEST_FOLDER


def test_a_file_is_one_idea_or_says_why_it_is_long() -> None:
    long = [path for path in MODULES if len(path.read_text("utf-8").splitlines()) > LONGEST_FILE]
    unexplained = []
    for path in long:
        about = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        if not re.search(r"over 300 lines\b.*\bbecause\b", about, re.I | re.S):
            unexplained.append(named(path))
    assert unexplained == []


def test_every_module_says_what_it_is() -> None:
    silent = [
        named(path) for path in MODULES if not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]
    assert silent == []


def test_a_test_file_is_not_too_long_to_read() -> None:
    tests = sorted(places.TESTS.rglob("*.py"))
    long = [named(p) for p in tests if len(p.read_text("utf-8").splitlines()) > LONGEST_TEST]
    assert long == []


def test_no_room_asks_which_preset_it_has() -> None:
    asking = [
        named(path)
        for path in MODULES
        if path.relative_to(PACKAGE).parts[0] not in ("portrait", "compat")
        and PRESET_CLASSES.search(path.read_text("utf-8"))
    ]
    assert asking == []


def test_every_folder_of_tests_is_a_folder_of_the_library() -> None:
    apart = {"support", "fixtures", "project", "pipeline", "__pycache__"}
    folders = [path for path in places.TESTS.rglob("*") if path.is_dir()]
    strange = [
        named(path)
        for path in folders
        if not apart & set(path.relative_to(places.TESTS).parts)
        and not (PACKAGE / path.relative_to(places.TESTS)).is_dir()
    ]
    assert strange == []


def test_the_page_on_architecture_names_what_is_there() -> None:
    page = (places.ROOT / "docs" / "architecture.md").read_text("utf-8")
    paths = re.findall(r"`([a-z_]+(?:/[a-z_]+)*(?:/|\.py))`", page)
    assert len(paths) > 20
    assert [path for path in paths if not (PACKAGE / path).exists()] == ["benchmarks/behaviour.py"]
    rooms = {path.stem for path in PACKAGE.glob("[a-z]*") if path.suffix in ("", ".py")}
    table = page.split("## Rooms")[1].split("##")[0]
    unnamed = rooms - set(re.findall(r"`(\w+)`", table)) - {"demo_assets"}
    assert unnamed == set()
