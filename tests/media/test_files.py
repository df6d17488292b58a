"""What is written appears whole or not at all, and a full disk is said in a sentence."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from safetensors import SafetensorError

from joyvasa_lib.errors import OutputError
from joyvasa_lib.media.files import atomic_folder, atomic_path
from joyvasa_lib.motion import Motion


def plainly(path: Path) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def by_safetensors(path: Path) -> None:
    """What safetensors raises where nothing fits: no OSError, and its number in words alone."""
    raise SafetensorError(
        "Error while serializing: I/O error: No space left on device (os error 28)"
    )


@pytest.mark.parametrize("write", [plainly, by_safetensors])
def test_a_full_disk_is_told_and_leaves_the_old_file(
    write: Callable[[Path], None], tmp_path: Path
) -> None:
    target = tmp_path / "motion.safetensors"
    target.write_text("old")
    with pytest.raises(OutputError, match="no room left for .*motion"), atomic_path(target) as path:
        write(path)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("write", [plainly, by_safetensors])
def test_a_full_disk_is_told_and_leaves_no_folder(
    write: Callable[[Path], None], tmp_path: Path
) -> None:
    target = tmp_path / "checkpoint"
    with (
        pytest.raises(OutputError, match="no room left for"),
        atomic_folder(target, ours=bool) as folder,
    ):
        write(folder / "model.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_other_errors_of_the_block_stay_what_they_are(tmp_path: Path) -> None:
    for writer in (atomic_path, partial(atomic_folder, ours=bool)):
        with pytest.raises(PermissionError), writer(tmp_path / "x"):
            raise PermissionError(errno.EACCES, "Permission denied")
    assert list(tmp_path.iterdir()) == []


# Folders that are replaced


def marked(folder: Path) -> bool:
    return [path.name for path in folder.iterdir()] == ["ours"]


def write(path: Path | str) -> None:
    with atomic_folder(path, ours=marked) as folder:
        (folder / "ours").write_text("new")


def test_a_folder_of_the_same_kind_and_an_empty_one_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "ours").write_text("old")
    for name in ("empty", "ours", "absent"):
        write(tmp_path / name)
        assert (tmp_path / name / "ours").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["absent", "empty", "ours"]


def test_a_folder_with_anything_else_in_it_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "photographs"
    folder.mkdir()
    (folder / "ours").write_text("old")
    (folder / "holiday.jpg").write_text("sea")
    with pytest.raises(OutputError, match="photographs is there already and holds other things"):
        write(folder)
    assert (folder / "holiday.jpg").read_text() == "sea"
    assert [path.name for path in tmp_path.iterdir()] == ["photographs"]


@pytest.mark.parametrize("place", [".", "..", "", "below/..", "../here", "/"])
def test_the_current_folder_and_those_above_are_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    here = tmp_path / "here"
    (here / "below").mkdir(parents=True)
    monkeypatch.chdir(here)
    with pytest.raises(OutputError, match="is the current folder or holds it"):
        write(place)
    assert (here / "below").is_dir()


def test_dots_in_a_path_that_leads_elsewhere_are_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "other" / "below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    write("../new")
    assert (tmp_path / "new" / "ours").is_file()
    with pytest.raises(OutputError, match="other is there already"):
        write("../other/below/..")
    assert (tmp_path / "other" / "below").is_dir()


def test_a_link_to_a_folder_stays_a_link_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    write(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]


def test_a_file_and_a_missing_parent_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file; give the name of a folder"):
        write(tmp_path / "file")
    with pytest.raises(OutputError, match="does not exist; create it first"):
        write(tmp_path / "absent" / "new")


def by_another_file(path: Path) -> None:
    """As safetensors does, which only its owner may read."""
    other = path.with_name("other")
    other.touch(mode=0o600)
    other.replace(path)


@pytest.mark.skipif(os.name == "nt", reason="permissions of Unix")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o002, 0o664)])
def test_what_is_written_may_be_read_by_whom_the_umask_lets(
    tmp_path: Path, umask: int, mode: int
) -> None:
    before = os.umask(umask)
    try:
        with atomic_path(tmp_path / "new") as path:
            by_another_file(path)
        with atomic_folder(tmp_path / "folder", ours=marked) as folder:
            (folder / "below").mkdir()
            by_another_file(folder / "below" / "ours")
        made = [tmp_path / "new", tmp_path / "folder" / "below" / "ours"]
        assert [path.stat().st_mode & 0o777 for path in made] == [mode, mode]
        (tmp_path / "new").chmod(0o600)
        with atomic_path(tmp_path / "new") as path:
            path.write_text("kept as it was")
        assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)


@pytest.mark.skipif(os.name == "nt", reason="permissions of Unix")
def test_a_saved_motion_may_be_read_by_others(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    path = Motion.neutral(2).save(tmp_path / "motion.safetensors")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes of Unix")
@pytest.mark.parametrize("through_a_link", [False, True])
def test_pipes_and_devices_are_no_files_to_replace(tmp_path: Path, through_a_link: bool) -> None:
    os.mkfifo(tmp_path / "pipe")
    target = tmp_path / "pipe"
    if through_a_link:
        target = tmp_path / "link"
        target.symlink_to(tmp_path / "pipe")
    with pytest.raises(OutputError, match="is a pipe, socket or device"), atomic_path(target):
        pass
    assert (tmp_path / "pipe").is_fifo()
