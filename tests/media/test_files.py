"""What is written appears whole or not at all, and a full disk is said in a sentence."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors import SafetensorError

from joyvasa_lib.errors import OutputError
from joyvasa_lib.media.files import atomic_folder, atomic_path


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
    with pytest.raises(OutputError, match="no room left for"), atomic_folder(target) as folder:
        write(folder / "model.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_other_errors_of_the_block_stay_what_they_are(tmp_path: Path) -> None:
    for writer in (atomic_path, atomic_folder):
        with pytest.raises(PermissionError), writer(tmp_path / "x"):
            raise PermissionError(errno.EACCES, "Permission denied")
    assert list(tmp_path.iterdir()) == []
