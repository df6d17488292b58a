"""Ways to run a command in this process; the bundled checkpoint is loaded, a face read, once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import places
from command_line import Joyvasa, Outcome, Refused, Run
from encoded_once import encode_once
from joyvasa_lib import JoyVASAPipeline
from joyvasa_lib.cli import app, main
from joyvasa_lib.media.audio import load_speech, write_wav


@pytest.fixture(scope="package")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """0.24 s of the demonstration sentence, 6 frames: a WAV file."""
    waveform = load_speech(places.DEMO / "hello.flac").waveform[8000:11840]
    return write_wav(tmp_path_factory.mktemp("recordings") / "words.wav", waveform)


@pytest.fixture
def loaded(pipe: JoyVASAPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that ask for the bundled checkpoint, on any device, get it without loading."""
    encode_once(monkeypatch)
    load = JoyVASAPipeline.from_pretrained

    def once(source: Any = None, **options: Any) -> JoyVASAPipeline:
        bundled = source is None and not any(options.values())
        return pipe if bundled else load(source, **options)

    monkeypatch.setattr(JoyVASAPipeline, "from_pretrained", once)


@pytest.fixture
def run(loaded: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["joyvasa", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "120")
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capfd.readouterr()
        return Outcome(int(ended.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def joyvasa(loaded: None) -> Joyvasa:
    def run(*arguments: object) -> str:
        result = CliRunner().invoke(app, list(map(str, arguments)))
        assert result.exit_code == 0, (result.output, result.exception)
        return result.stdout

    return run


@pytest.fixture
def refused(loaded: None) -> Refused:
    def run(*arguments: object) -> str:
        result = CliRunner().invoke(app, list(map(str, arguments)))
        assert result.exit_code != 0
        return str(result.exception)

    return run
