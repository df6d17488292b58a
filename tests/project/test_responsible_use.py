"""What the page on responsible use says of marks is what files and commands say."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import places
from joyvasa_lib.cli import app
from joyvasa_lib.media.provenance.mark import COMPOSITE, SYNTHETIC_VIDEO
from joyvasa_lib.media.video import VideoWriter

PAGE = (places.ROOT / "docs" / "responsible-use.md").read_text("utf-8")


def test_the_page_runs_and_shows_what_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with VideoWriter("talking.mp4", (96, 64), 25.0, model="compact") as writer:
        writer.write(np.full((2, 64, 96, 3), 90, np.uint8))
    (command,) = re.findall(r"^```\njoyvasa (.*)\n```$", PAGE, re.MULTILINE)
    result = CliRunner().invoke(app, shlex.split(command))
    assert result.exit_code == 0
    shown = re.findall(r"^    (talking.mp4 says.*\n)((?:    .*\n)+)", PAGE, re.MULTILINE)
    assert shown
    for line in "".join(shown[0]).splitlines():
        assert line.strip() in result.output
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    exec(compile(code, "responsible-use.md", "exec"), {})
    assert capsys.readouterr().out.startswith("True joyvasa_lib ")


def test_the_page_names_the_sentence_and_the_term() -> None:
    assert f'"{SYNTHETIC_VIDEO}"' in PAGE
    assert f"`{COMPOSITE}`" in PAGE


def test_the_commands_that_the_page_says_sign_take_the_option() -> None:
    (named,) = re.findall(r"^(.*) take `--sign`", PAGE, re.MULTILINE)
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    signing = {
        name
        for name, command in known.items()
        if any("--sign" in option.opts for option in command.params)
    }
    assert signing == {words.split()[0] for words in re.findall(r"`([^`]+)`", named)}
