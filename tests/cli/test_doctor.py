"""``joyvasa doctor`` says what is there, what is broken, and how to mend it."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from typer.testing import CliRunner

from joyvasa_lib import __version__
from joyvasa_lib.cli import app, doctor

PACKAGE = Path(doctor.__file__).parent.parent
REASON = "OSError: undefined symbol: _ZNK3c105Error4whatEv"


@pytest.fixture
def without_torchaudio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "examine_torchaudio", lambda: ("absent", ""))


@pytest.fixture
def broken_torchaudio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A torchaudio that is installed and, like a build for another torch, does not load."""
    package, info = tmp_path / "torchaudio", tmp_path / "torchaudio-9.9.9.dist-info"
    package.mkdir()
    info.mkdir()
    (package / "__init__.py").write_text(f"raise OSError({REASON.removeprefix('OSError: ')!r})\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: torchaudio\nVersion: 9.9.9\n")
    monkeypatch.syspath_prepend(str(tmp_path))  # for the version found here
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # for the process that imports it


@pytest.mark.usefixtures("without_torchaudio")
def test_in_words_it_lists_what_is_there_and_ends_well() -> None:
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0, result.output
    assert f"joyvasa-lib: {__version__}" in result.output
    assert f"torch: {metadata.version('torch')}" in result.output
    assert "MEND" not in result.output
    assert result.output.endswith("all good\n")


@pytest.mark.usefixtures("without_torchaudio")
def test_as_json_it_tells_versions_ffmpeg_and_the_sizes_of_the_models() -> None:
    result = CliRunner().invoke(app, ["doctor", "--json"])
    report = json.loads(result.output)
    assert report["problems"] == []
    assert report["packages"]["torch"] == metadata.version("torch")
    program = report["ffmpeg"].split(" ", 1)[1]
    assert subprocess.run([program, "-version"], capture_output=True, check=False).returncode == 0
    models = report["models"]
    assert {Path(name).suffix for name in models} == {".onnx", ".safetensors"}
    for name, megabytes in models.items():
        assert megabytes == pytest.approx((PACKAGE / name).stat().st_size / 1e6, abs=0.006)


@pytest.mark.usefixtures("broken_torchaudio")
def test_a_torchaudio_that_does_not_load_is_found_and_the_remedy_named() -> None:
    result = CliRunner().invoke(app, ["doctor", "--json"])
    assert result.exit_code == 1
    report = json.loads(result.output)
    assert report["packages"]["torchaudio"] == "9.9.9"
    assert report["torchaudio"] == "broken"
    (problem,) = report["problems"]
    assert REASON in problem
    assert "pip uninstall -y torchaudio" in problem
    words = CliRunner().invoke(app, ["doctor"])
    assert words.exit_code == 1
    assert "MEND  torchaudio does not load" in words.output
    assert "all good" not in words.output


def test_a_torchaudio_that_takes_its_process_down_is_broken_too() -> None:
    command = [sys.executable, "-c", "import os; os.abort()"]
    state, reason = doctor.examine_torchaudio(command)
    assert state == "broken"
    assert reason


@pytest.mark.usefixtures("without_torchaudio")
def test_a_missing_model_is_a_problem_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("joyvasa_lib.checkpoints.folder.BUNDLED", tmp_path)
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert "reinstall joyvasa-lib" in result.output
