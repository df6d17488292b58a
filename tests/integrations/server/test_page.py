"""The page on the server: its example runs, its table of limits and its commands are true."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer
from PIL import Image

import places
from joyvasa_lib import JoyVASAPipeline
from joyvasa_lib.cli import app
from joyvasa_lib.integrations.server.limits import Limits
from joyvasa_lib.media.audio import write_wav
from joyvasa_lib.media.video import probe
from web_server import running

PAGE = (places.ROOT / "docs" / "how-to" / "server.md").read_text("utf-8")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_example_makes_a_video_and_talks(
    tmp_path: Path,
    pipe: JoyVASAPipeline,
    words: Path,
    astronaut: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("fastapi", reason="the extra server is not installed")
    from joyvasa_lib.media.audio import load_speech

    (code,) = [code for language, code in FENCE.findall(PAGE) if language == "python"]
    assert len(code.splitlines()) <= 40
    Image.fromarray(astronaut[:320, 64:384]).save(tmp_path / "portrait.jpg")
    write_wav(tmp_path / "speech.wav", load_speech(words).waveform)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "served").mkdir()
    with running(pipe, tmp_path / "served") as server:
        code = code.replace("127.0.0.1:8000", server.url.removeprefix("http://"))
        exec(compile(code, "server.md", "exec"), {})
    assert probe(tmp_path / "talking.mp4", count_frames=True).n_frames == 10
    said = capsys.readouterr().out
    assert "event: end" in said and '"type":"ready"' in said and "s, speaking: " in said


def test_the_page_names_every_limit_with_its_default() -> None:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| ([^|]+) \|", PAGE.split("## Limits")[1], re.M)
    told = {}
    for names, values in rows:
        told.update(zip(re.findall(r"\w+", names), values.split(", "), strict=True))
    assert told.pop("live_clients") == "one for two cores"
    meant = {one.name: str(one.default) for one in fields(Limits)}
    del meant["live_clients"]
    assert told == meant


def test_the_commands_of_the_page_are_understood() -> None:
    lines = [line for _, code in FENCE.findall(PAGE) for line in code.splitlines()]
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("joyvasa ")]
    assert commands == [["serve"]]
    known = typer.main.get_command(app)
    names = {name for option in known.commands["serve"].params for name in option.opts}  # type: ignore[attr-defined]
    assert set(re.findall(r"`(--[a-z-]+)", PAGE)) <= names


def test_files_that_the_page_names_are_there() -> None:
    for name in ("Dockerfile", "scripts/install_server.sh", "benchmarks/serve.py"):
        assert (places.ROOT / name).is_file()
