"""Names of unfinished files and folders, and the removal of those whose process is gone.

Beside an unfinished file or folder lies a lock file that its process holds locked. The system
frees the lock when the process ends, however it ends and on whichever machine it ran, so what lies
beside a free lock is left over.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from joyvasa_lib.errors import OutputError

try:
    import fcntl
except ImportError:  # Windows, where leftovers stay
    fcntl = None  # type: ignore[assignment]

LONGEST_STEM = 32
"""Characters of the final name kept in the unfinished one, so that it stays below 255 bytes."""
LOCK = ".joyvasa-lock"
OLD = "-old"
"""Ending of a folder that is about to be replaced."""
_UNFINISHED = re.compile(r"\..*-[0-9a-f]{12}", re.DOTALL)


@contextmanager
def unfinished(target: Path) -> Iterator[Path]:
    """Gives a hidden path beside ``target`` for whatever is not finished, and removes leftovers.

    Every file or folder whose name begins with that of the path belongs to it. The block must have
    removed them at its end.

    Raises:
        OSError: the folder cannot be written to.
    """
    remove_leftovers(target.parent)
    while True:
        with _locked(target) as path:
            if path is not None:
                yield path
                return


@contextmanager
def _locked(target: Path) -> Iterator[Path | None]:
    """Gives a path whose lock is held in the block; None where another was faster.

    Whatever ends it, and be it a signal between two of its lines, the lock's file goes with it.
    """
    path = target.with_name(f".{target.stem[:LONGEST_STEM]}-{secrets.token_hex(6)}")
    lock, file = target.with_name(f"{path.name}{LOCK}"), -1
    if lock.exists():  # another's
        yield None
        return
    try:
        file = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(file, os.fsencode(target.name))
        _take(file, waits=True)
        yield path if lock.exists() else None  # None: removed as a leftover before it was taken
    finally:
        with suppress(OSError):
            lock.unlink(missing_ok=True)
        if file >= 0:
            os.close(file)


@contextmanager
def temporary_folder(name: str) -> Iterator[Path]:
    """Gives an empty folder for temporary files, and removes those of processes that are gone.

    Raises:
        OutputError: it cannot be made where temporary files are.
    """
    with ExitStack() as stack:
        try:
            target = Path(tempfile.gettempdir()) / f"joyvasa-{name}"
            path = stack.enter_context(unfinished(target))
            stack.callback(shutil.rmtree, path, ignore_errors=True)
            path.mkdir(mode=0o700)
        except OSError as error:
            raise OutputError(
                f"Cannot make a temporary folder ({error.strerror}); free some room there, or name "
                "another place in TMPDIR"
            ) from error
        yield path


def remove_leftovers(folder: Path) -> None:
    """Removes what processes that are gone left unfinished in a folder.

    A folder that was about to be replaced is put back if nothing has taken its place. What cannot
    be removed is left.
    """
    with suppress(OSError):
        for name in os.listdir(folder):  # noqa: PTH208 - folders of prepared sets hold thousands
            if name.endswith(LOCK) and _UNFINISHED.fullmatch(name.removesuffix(LOCK)):
                with suppress(OSError):
                    _remove(folder / name)


def _remove(lock: Path) -> None:
    if lock.is_symlink() or not lock.is_file():
        return
    file = os.open(lock, os.O_RDWR)
    try:
        if fcntl is None or not _take(file):
            return
        target = lock.with_name(Path(os.fsdecode(os.read(file, 1024))).name or lock.name)
        start = lock.name.removesuffix(LOCK)
        old = lock.with_name(start + OLD)
        if old.is_dir() and not target.exists():
            old.replace(target)
        for path in [p for p in lock.parent.iterdir() if p.name.startswith(start) and p != lock]:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        lock.unlink()
    finally:
        os.close(file)


def _take(file: int, *, waits: bool = False) -> bool:
    """Locks an open file, at once or when others have freed it; whether that succeeded."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held by another, or a file system without locks
        return False
    return True
