"""What the page of the documentation on the app says works."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
import typer
from PIL import Image

import places
from joyvasa_lib import JoyVASAPipeline
from joyvasa_lib.cli import app as commands
from joyvasa_lib.media.video import probe

pytestmark = pytest.mark.slow

PAGE = places.ROOT / "docs" / "how-to" / "app.md"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_python_on_the_page_runs(
    pipe: JoyVASAPipeline,
    words: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("gradio", reason="the extra demo is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(JoyVASAPipeline, "from_pretrained", lambda: pipe)
    Image.open(places.DEMO / "astronaut.jpg").crop((64, 0, 384, 320)).save("portrait.jpg")
    shutil.copy(words, "speech.wav")
    blocks = [code for language, code in FENCE.findall(PAGE.read_text("utf-8")) if language]
    assert len(blocks) == 2 and all(len(code.splitlines()) <= 40 for code in blocks)
    names: dict[str, object] = {}
    for code in blocks:
        exec(compile(code, str(PAGE), "exec"), names)
    assert "Open http://127.0.0.1:" in capsys.readouterr().out
    assert probe(names["made"].video).has_audio  # type: ignore[attr-defined]


def test_its_commands_are_understood() -> None:
    text = PAGE.read_text("utf-8")
    lines = re.findall(r"^joyvasa (.*)$", text, re.MULTILINE)
    assert lines
    command = typer.main.get_command(commands)
    for line in lines:
        name, *rest = shlex.split(line)
        command.commands[name].make_context(name, rest)  # type: ignore[attr-defined]


def test_its_pictures_are_there_and_small() -> None:
    pictures = re.findall(r"!\[.+?\]\((.+?)\)", PAGE.read_text("utf-8"))
    assert len(pictures) == 3
    assert all((PAGE.parent / name).stat().st_size < 300 * 1024 for name in pictures)
