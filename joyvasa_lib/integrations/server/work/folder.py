"""The folder of uploads and results: private, and empty again whatever ends the server."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from joyvasa_lib.errors import OutputError
from joyvasa_lib.media.unfinished import unfinished


@contextmanager
def work_folder(parent: Path | None = None) -> Iterator[Path]:
    """Gives an empty folder that only this user reads, and removes it with all that is in it.

    What servers that were killed left there is removed first.

    Args:
        parent: where it lies; a folder of this user's own among the temporary ones if None.

    Raises:
        OutputError: it cannot be made, or the place belongs to somebody else.
    """
    place = _own_place() if parent is None else parent
    try:
        place.mkdir(mode=0o700, exist_ok=True)
        if parent is None:
            _check_own(place)
        with unfinished(place / "serve") as path:
            path.mkdir(mode=0o700)
            try:
                yield path
            finally:
                shutil.rmtree(path, ignore_errors=True)
    except OSError as error:
        raise OutputError(
            f"Cannot keep uploads in {place} ({error.strerror}); choose another --folder"
        ) from error


def _own_place() -> Path:
    user = str(os.getuid()) if hasattr(os, "getuid") else "user"
    return Path(tempfile.gettempdir()) / f"joyvasa-serve-{user}"


def _check_own(place: Path) -> None:
    """Refuses a folder that somebody else put there.

    Raises:
        OutputError: it is a link, or of another user.
    """
    found = place.lstat()
    if place.is_symlink() or (hasattr(os, "getuid") and found.st_uid != os.getuid()):
        raise OutputError(f"{place} belongs to somebody else; choose another --folder")
    place.chmod(0o700)
