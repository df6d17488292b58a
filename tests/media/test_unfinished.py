"""What a killed process left unfinished is removed; what a living one works on is not."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from joyvasa_lib.errors import OutputError
from joyvasa_lib.media import files
from joyvasa_lib.media.files import atomic_folder, atomic_path, write_text
from joyvasa_lib.media.unfinished import LOCK, remove_leftovers, temporary_folder

pytestmark = pytest.mark.skipif(os.name == "nt", reason="locks of Unix")

WRITER = """
import os, sys
from pathlib import Path
from joyvasa_lib.media import files

target, moment = Path(sys.argv[1]), sys.argv[2]

def stay(*_):
    print("ready", flush=True)
    sys.stdin.read()  # until it is killed, or nobody is left to do that
    os._exit(1)

if moment == "between renames":
    rename = Path.replace
    def replace(self, place):
        rename(self, place)
        if str(place).endswith("-old"):
            stay()
    Path.replace = replace
if moment == "video":
    import numpy as np
    from joyvasa_lib.media.audio import Speech
    from joyvasa_lib.media.video import VideoWriter

    sound = Speech(np.full(16000, 0.1, np.float32))
    with VideoWriter(target, (64, 64), 25, sound) as writer:
        writer.write(np.zeros((3, 64, 64, 3), np.uint8))
        stay()
if moment == "temporary":
    from joyvasa_lib.media.unfinished import temporary_folder

    with temporary_folder("work") as folder:
        (folder / "frames").write_text("half")
        stay()
if moment == "file":
    with files.atomic_path(target) as path:
        path.write_text("half")
        stay()
with files.atomic_folder(target, ours=lambda _: True) as folder:
    (folder / "weights").write_text("new")
    if moment == "folder":
        stay()
"""


def start(target: Path, moment: str) -> subprocess.Popen[str]:
    """A process that has come to a moment of its writing."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(target), moment],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.parametrize("moment", ["file", "folder"])
def test_leftovers_of_a_killed_process_are_removed_by_the_next_write_beside_them(
    moment: str, tmp_path: Path
) -> None:
    kill(start(tmp_path / "made.bin", moment))
    assert len(list(tmp_path.iterdir())) == 2  # the unfinished one and its lock
    write_text(tmp_path / "other.txt", "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["other.txt"]


def test_a_killed_video_with_sound_leaves_nothing_after_the_next_write(tmp_path: Path) -> None:
    kill(start(tmp_path / "talk.mp4", "video"))
    assert any(path.is_dir() for path in tmp_path.iterdir())  # of the image without its sound
    write_text(tmp_path / "other.txt", "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["other.txt"]


def test_temporary_folders_of_killed_processes_are_removed_and_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    kill(start(tmp_path / "x", "temporary"))
    assert len(list(tmp_path.iterdir())) == 2
    living = start(tmp_path / "x", "temporary")
    try:
        with temporary_folder("work") as folder:
            assert folder.parent == tmp_path
            assert list(folder.iterdir()) == []
            assert folder.stat().st_mode & 0o077 == 0
            assert len(list(tmp_path.iterdir())) == 4  # two folders and their locks
        assert len(list(tmp_path.iterdir())) == 2
    finally:
        kill(living)


def test_without_room_for_temporary_files_the_error_says_where_to_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    with pytest.raises(OutputError, match="TMPDIR"), temporary_folder("work"):
        pass


def test_what_a_living_process_works_on_is_left_alone(tmp_path: Path) -> None:
    process = start(tmp_path / "made", "folder")
    try:
        before = set(tmp_path.iterdir())
        write_text(tmp_path / "other.txt", "whole")
        assert set(tmp_path.iterdir()) == before | {tmp_path / "other.txt"}
    finally:
        kill(process)


def test_a_folder_whose_replacement_was_killed_between_renames_comes_back(tmp_path: Path) -> None:
    target = tmp_path / ("checkpoint-with-a-name-longer-than-" + "32 characters")
    target.mkdir()
    (target / "weights").write_text("old")
    kill(start(target, "between renames"))
    assert not target.exists()
    write_text(tmp_path / "other.txt", "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [target.name, "other.txt"]
    assert (target / "weights").read_text() == "old"


def test_other_hidden_files_and_those_of_others_stay(tmp_path: Path) -> None:
    names = [".config-0123456789ab", ".notes" + LOCK, ".git", ".x-0123456789ab.txt"]
    for name in names:
        (tmp_path / name).write_text("mine")
    (tmp_path / f".link-0123456789ab{LOCK}").symlink_to(tmp_path / ".git")
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} >= set(names)


def test_two_writers_of_one_file_at_once_leave_one_whole_result(tmp_path: Path) -> None:
    texts = [letter * 200_000 for letter in "abcd"]
    threads = [
        threading.Thread(target=write_text, args=(tmp_path / "out.txt", text)) for text in texts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "out.txt").read_text() in texts
    assert [path.name for path in tmp_path.iterdir()] == ["out.txt"]


def test_a_lock_that_is_removed_before_it_is_held_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, removed = os.write, []

    def write_then_be_taken_for_a_leftover(file: int, data: bytes) -> int:
        count = write(file, data)
        if not removed:
            removed.extend(tmp_path.iterdir())
            remove_leftovers(tmp_path)
        return count

    monkeypatch.setattr(os, "write", write_then_be_taken_for_a_leftover)
    with atomic_path(tmp_path / "out.txt") as path:
        (lock,) = tmp_path.glob(f".*{LOCK}")
        assert lock.name == path.stem + LOCK
        assert removed == [removed[0]] != [lock]
        path.write_text("whole")
    assert (tmp_path / "out.txt").read_text() == "whole"


def test_two_writers_of_one_folder_at_once_leave_one_whole_result(tmp_path: Path) -> None:
    ready, failures = threading.Barrier(4), []

    def put(letter: str) -> None:
        try:
            with atomic_folder(tmp_path / "made", ours=lambda _: True) as folder:
                for name in ("a", "b"):
                    (folder / name).write_text(letter)
                ready.wait(20)
        except OutputError as error:
            failures.append(error)

    threads = [threading.Thread(target=put, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(failures) < len(threads)
    assert len({path.read_text() for path in (tmp_path / "made").iterdir()}) == 1
    assert len(list((tmp_path / "made").iterdir())) == 2
    assert list(tmp_path.iterdir()) == [tmp_path / "made"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EXDEV])
def test_a_disk_that_takes_nothing_leaves_the_old_file_and_nothing_else(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out.txt"
    target.write_text("old")

    def refuse(self: Path, place: Path) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OutputError, match=r"out\.txt"):
        write_text(target, "new")
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out.txt"]


def test_a_full_disk_while_a_folder_is_written_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "made"
    target.mkdir()
    (target / "weights").write_text("old")
    with (
        pytest.raises(OutputError, match="no room left"),
        atomic_folder(target, ours=lambda _: True) as folder,
    ):
        (folder / "weights").write_text("ne")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert (target / "weights").read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_folder_in_which_nothing_can_be_made_is_named(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "open", refuse)
    with (
        pytest.raises(OutputError, match=os.strerror(code)) as raised,
        atomic_path(tmp_path / "x.txt"),
    ):
        pass
    assert str(tmp_path) in str(raised.value)


@pytest.mark.parametrize("name", ["", ".", "..", "/"])
def test_the_current_folder_and_those_above_are_no_targets(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "outer" / "inner"
    here.mkdir(parents=True)
    (here / "mine").write_text("mine")
    monkeypatch.chdir(here)
    with pytest.raises(OutputError), atomic_folder(name, ours=lambda _: True):
        pass
    with pytest.raises(OutputError), files.atomic_path(name):
        pass
    assert (here / "mine").read_text() == "mine"
    assert list(here.iterdir()) == [here / "mine"]


def test_a_file_system_without_locks_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    write_text(tmp_path / "out.txt", "whole")
    write_text(tmp_path / "out.txt", "again")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["again"]
