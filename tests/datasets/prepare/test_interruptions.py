"""Preparing goes on where it was stopped: kills, full disks, new videos, other recipes."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from joyvasa_lib.datasets.prepare import segment_work
from joyvasa_lib.datasets.prepare.outcomes import Outcome, Reason
from joyvasa_lib.datasets.prepare.prepare import Progress, prepare_videos
from joyvasa_lib.datasets.prepare.recipe import PrepareRecipe
from joyvasa_lib.datasets.prepare.segment_work import STAGING, SegmentJob
from joyvasa_lib.datasets.prepared.clips import Clip, read_header
from joyvasa_lib.datasets.prepared.dataset import PreparedSet
from joyvasa_lib.datasets.prepared.index import INDEX
from joyvasa_lib.errors import MediaError, OptionError, OutputError
from prepare_runs import QUICK, made_up, shards

pytestmark = pytest.mark.slow


def announced(event: str, arguments: tuple[Any, ...]) -> str:
    """What a run tells: which file it is about to put in its place, or to remove for good."""
    if event == "os.rename":
        return f"write {Path(arguments[1]).name}"
    if event == "os.remove" and not Path(arguments[0]).name.startswith("."):
        return f"remove {Path(arguments[0]).name}"
    return ""


def run_until(videos: Path, folder: Path, last: str = "") -> list[str]:
    """The work in a copy of this process, which is killed when it announces ``last``.

    Returns:
        What it announced.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:

            def tell(event: str, arguments: tuple[Any, ...]) -> None:
                if told := announced(event, arguments):
                    os.write(writer, f"{told}\n".encode())
                    if told == last:
                        os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(tell)
            prepare_videos(videos, folder, QUICK)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        lines = told.read().splitlines()
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == (-signal.SIGKILL if last else 0)
    return lines


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_any_moment_it_goes_on_and_nothing_is_lost_or_doubled(
    quick: None, quick_videos: Path, tmp_path: Path
) -> None:
    moments = run_until(quick_videos, tmp_path / "whole")
    expected = shards(tmp_path / "whole")
    assert len([name for name in expected if name.startswith("train")]) >= 3
    assert set(moments) >= {f"write {name}" for name in expected if name != "normalizer.json"}
    stages = set()
    for first in range(4):  # every fourth moment in one folder, all moments in four
        folder = tmp_path / f"broken {first}"
        for moment in moments[first::4]:
            run_until(quick_videos, folder, moment)
            stages.add(check_unbroken(folder))
        (folder / ".tmpAbC123").touch()  # as safetensors names what it had not finished
        prepare_videos(quick_videos, folder, QUICK)
        assert shards(folder) == expected
        assert [path.name for path in folder.iterdir() if path.name[0] == "."] == [STAGING]
        assert [path.name for path in (folder / STAGING).iterdir()] == ["lock"]
    assert stages == {"working", "packing", "indexed"}


def check_unbroken(folder: Path) -> str:
    """Whatever is there is whole; returns how far it came."""
    found = sorted(folder.glob("[tv]*.safetensors"))
    names = [clip.name for path in found for clip in read_header(path).clips]
    assert len(names) == len(set(names))
    if (folder / INDEX).exists():
        PreparedSet(folder)
        return "indexed"
    with pytest.raises(MediaError):
        PreparedSet(folder)
    return "packing" if found else "working"


@pytest.mark.parametrize("where", ["report.jsonl", "train-00001", "index.json", "README.md"])
def test_a_disk_that_is_full_stops_it_and_space_lets_it_go_on(
    quick: None, quick_videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Renaming the finished file into place fails, as it does on a quota."""
    prepare_videos(quick_videos, tmp_path / "whole", QUICK)
    rename = Path.replace

    def full(self: Path, target: Path) -> Path:
        if where in str(target):
            raise OSError(28, "No space left on device")
        return rename(self, target)

    folder = tmp_path / "set"
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", full)
        with pytest.raises(OutputError, match="No space left"):
            prepare_videos(quick_videos, folder, QUICK)
    prepare_videos(quick_videos, folder, QUICK)
    assert shards(folder) == shards(tmp_path / "whole")


def test_a_file_too_large_for_the_disk_stops_it(
    quick: None, quick_videos: Path, tmp_path: Path
) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OutputError, match="free some space"):
            prepare_videos(quick_videos, tmp_path / "set", QUICK)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert prepare_videos(quick_videos, tmp_path / "set", QUICK).clips == 18


def test_done_again_it_does_nothing(quick: None, quick_videos: Path, tmp_path: Path) -> None:
    prepare_videos(quick_videos, tmp_path / "set", QUICK)
    before = shards(tmp_path / "set")
    again = prepare_videos(quick_videos, tmp_path / "set", QUICK)
    assert (again.clips, again.video_seconds) == (0, 0.0)
    assert shards(tmp_path / "set") == before


def test_new_videos_are_added_and_what_was_held_out_stays_so(
    quick: None, quick_videos: Path, tmp_path: Path
) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    paths = sorted(quick_videos.iterdir())
    for path in paths[:3]:
        (videos / path.name).symlink_to(path)
    prepare_videos(videos, tmp_path / "set", QUICK)
    first = {
        clip.name: s for s in ("train", "valid") for clip in PreparedSet(tmp_path / "set").clips(s)
    }
    for path in paths[3:]:
        (videos / path.name).symlink_to(path)
    assert prepare_videos(videos, tmp_path / "set", QUICK).clips == 9
    found = PreparedSet(tmp_path / "set")
    second = {clip.name: s for s in ("train", "valid") for clip in found.clips(s)}
    assert len(second) == 18
    assert {name: second[name] for name in first} == first
    for s in ("train", "valid"):
        for clip in found.clips(s):
            assert len(found.read(clip.name).values) == clip.frames


def test_another_recipe_is_refused(quick: None, quick_videos: Path, tmp_path: Path) -> None:
    prepare_videos(quick_videos, tmp_path / "set", QUICK)
    with pytest.raises(OptionError, match="min_face=80.0, not 120.0"):
        prepare_videos(quick_videos, tmp_path / "set", PrepareRecipe(shard_mb=1.0, min_face=120.0))


def test_two_at_once_are_refused(quick: None, quick_videos: Path, tmp_path: Path) -> None:
    def second(progress: Progress) -> None:
        with pytest.raises(OutputError, match="Another process"):
            prepare_videos(quick_videos, tmp_path / "set", QUICK)

    prepare_videos(quick_videos, tmp_path / "set", QUICK, progress=second)


def test_progress_runs_to_the_end(quick: None, quick_videos: Path, tmp_path: Path) -> None:
    told: list[Progress] = []
    prepare_videos(quick_videos, tmp_path / "set", QUICK, progress=told.append)
    assert told[0].seconds == 0.0
    assert [now.clips for now in told] == [0, 3, 6, 9, 12, 15, 18]
    assert told[-1].seconds == pytest.approx(told[-1].total)


def test_an_odd_error_in_one_video_does_not_end_the_run(
    quick_videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(job: SegmentJob, model: object) -> tuple[list[Clip], list[Outcome]]:
        if job.segment.video.name == "2.mkv":
            raise ZeroDivisionError("by nothing")
        return made_up(job, model)

    monkeypatch.setattr(segment_work, "_work", odd)
    prepared = prepare_videos(quick_videos, tmp_path / "set", QUICK)
    (failed,) = (v for v in prepared.outcomes if v.reason is Reason.FAILED)
    assert failed.video == "2.mkv"
    assert f"ZeroDivisionError: by nothing ({Path(__file__).name}:" in failed.detail
    assert prepared.clips == 15
