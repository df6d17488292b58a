"""The command ``joyvasa prepare``: several processes, Ray, what it prints, and its page."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import places
from joyvasa_lib.datasets.prepare.outcomes import Reason
from joyvasa_lib.datasets.prepare.prepare import Prepared, prepare_videos
from joyvasa_lib.datasets.prepare.segment_work import STAGING
from joyvasa_lib.datasets.prepared.index import INDEX
from joyvasa_lib.errors import MediaError, OutputError
from prepare_runs import OPTIONS, RECIPE, shards

pytestmark = pytest.mark.slow

COMMAND = "from joyvasa_lib.cli import main; main()"
KILLED_AFTER_ONE_VIDEO = f"""
import os, signal
from joyvasa_lib.datasets.prepare import prepare

every_job = prepare.run_jobs

def until_the_first_is_done(*arguments):
    for done in every_job(*arguments):
        yield done
        os.kill(os.getpid(), signal.SIGKILL)

prepare.run_jobs = until_the_first_is_done
{COMMAND}
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_killed_with_its_workers_the_command_goes_on_to_the_same_set(
    videos: Path, made: tuple[Path, Prepared], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from joyvasa_lib.cli import app

    folder = tmp_path / "set"
    arguments = ["prepare", str(videos), str(folder), *OPTIONS, "--workers", "2", "--json"]
    child = subprocess.run(
        [sys.executable, "-c", KILLED_AFTER_ONE_VIDEO, *arguments],
        capture_output=True,  # which ends when the workers have ended, too
    )
    assert child.returncode == -signal.SIGKILL, child.stderr
    assert list((folder / STAGING).glob("[!.]*.safetensors"))
    assert not (folder / INDEX).exists()
    capsys.readouterr()
    app(arguments, standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    assert told["reasons"] == {"kept": {"count": 3, "seconds": pytest.approx(4.8, abs=0.2)}}
    assert told["train"]["clips"] == 2
    assert told["this_run"]["clips"] < 3
    assert shards(folder) == shards(made[0])


def test_ray_makes_the_same_set(videos: Path, made: tuple[Path, Prepared], tmp_path: Path) -> None:
    ray = pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    prepare_videos(videos, tmp_path / "set", RECIPE, workers=2, engine="ray")
    assert shards(tmp_path / "set") == shards(made[0])
    assert not ray.is_initialized()


def test_the_command_prints_what_became_of_everything(
    quick: None, quick_videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from joyvasa_lib.cli import app

    app(
        ["prepare", str(quick_videos), str(tmp_path / "set"), "--shard-mb", "1"],
        standalone_mode=False,
    )
    told = capsys.readouterr().out
    assert "kept" in told and "18" in told
    assert "train: 15 clips" in told and "valid: 3 clips" in told


def test_the_command_names_a_missing_folder_on_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-c", COMMAND, "prepare", "nowhere", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "joyvasa: There is no folder nowhere; check the name\n"


@pytest.mark.parametrize("name", ["absent", "without videos"])
def test_where_there_is_nothing_to_prepare_no_set_is_begun(tmp_path: Path, name: str) -> None:
    (tmp_path / "without videos").mkdir()
    (tmp_path / "without videos" / "notes.txt").write_text("notes")
    with pytest.raises(MediaError):
        prepare_videos(tmp_path / name, tmp_path / "set", RECIPE)
    assert not (tmp_path / "set").exists()


def test_where_nothing_can_be_begun_no_folder_is_left(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise OutputError(f"Cannot write {path} (No space left on device)")

    monkeypatch.setattr("joyvasa_lib.datasets.prepare.prepare.write_text", full)
    with pytest.raises(OutputError, match="No space left"):
        prepare_videos(videos, tmp_path / "set", RECIPE)
    assert not (tmp_path / "set").exists()
    (tmp_path / "set").mkdir()
    with pytest.raises(OutputError, match="No space left"):
        prepare_videos(videos, tmp_path / "set", RECIPE)
    assert (tmp_path / "set").is_dir()  # which was there


def test_the_page_names_options_and_reasons_that_exist(
    made: tuple[Path, Prepared], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from typer.main import get_command

    from joyvasa_lib.cli import app

    page = (places.ROOT / "docs" / "how-to" / "prepare.md").read_text("utf-8")
    command = get_command(app).commands["prepare"]  # type: ignore[attr-defined]
    known = {name for parameter in command.params for name in parameter.opts}
    assert set(re.findall(r"--[a-z][a-z-]*", page)) <= known
    reasons = re.findall(r"^\| ([a-z, ]+) \|", page, re.MULTILINE)[1:]
    named = {name for row in reasons for name in row.split(", ")}
    assert named == {r.value for r in Reason} - {"kept", "too short", "failed"}
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(made[0].parent)
    exec(code.replace("data/people", made[0].name), {})
    told = capsys.readouterr().out
    assert "(2, " in told and "bob" in told
