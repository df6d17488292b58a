"""Files that exist before they are read, and that appear whole or not at all when written."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from joyvasa_lib.checks import checked_path
from joyvasa_lib.errors import MediaError, OutputError
from joyvasa_lib.media.unfinished import OLD, unfinished

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
"""How an address begins; one slash, because a Path has only one left, and no drive of Windows."""
_STILL_STARTS = (b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*")
_STILL_BRANDS = (b"heic", b"heix", b"mif1", b"avif")


def check_readable(path: str | os.PathLike[str], kind: str) -> Path:
    """Returns `path` as a Path once it is an ordinary, readable file that is not empty.

    Args:
        path: the file that is going to be read.
        kind: what it should hold, for the message: "image", "audio", "video".

    Raises:
        MediaError: there is no such file, it is a folder, it is empty or it may not be read.
    """
    try:
        source = Path(path).expanduser()
        if source.is_dir():
            article = "an" if kind[0] in "aeiou" else "a"
            raise MediaError(f"{source} is a folder; give {article} {kind} file")
        if _ADDRESS.match(str(path)) and not source.exists():
            raise MediaError(f"{str(path)!r} is an address; download it and give the {kind} file")
        if source.exists() and not source.is_file():
            raise MediaError(f"{source} is a pipe, socket or device; give an ordinary {kind} file")
        if not source.is_file():
            raise MediaError(f"There is no {kind} file {str(source)!r}; check the name")
        if source.stat().st_size == 0:
            raise MediaError(f"The {kind} file {source} is empty; give another one")
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise MediaError(f"Cannot read the {kind} {str(path)!r} ({error}); check it") from error
    if not os.access(source, os.R_OK):
        raise MediaError(f"The {kind} file {source} may not be read; change its permissions")
    # /dev/stdin is another file to every process that opens it.
    return source.resolve() if source.parts[1:2] == ("dev",) else source


def is_still_image(path: Path) -> bool:
    """Whether a file begins as a still image does; a GIF may move and counts as a video."""
    with path.open("rb") as file:
        start = file.read(65536)  # an animation says so before its first frame
    if start[4:8] == b"ftyp":
        return start[8:12] in _STILL_BRANDS
    if start[:4] == b"RIFF":
        return start[8:12] == b"WEBP" and b"ANIM" not in start
    if start.startswith(b"\x89PNG"):
        return b"acTL" not in start
    return start.startswith(_STILL_STARTS)


def check_writable(path: str | os.PathLike[str], *, overwrite: bool = True) -> Path:
    """Returns `path` as a Path once a file can be put there, so that work is not done in vain.

    Args:
        path: the file that is going to be written.
        overwrite: whether a file that is already there may be replaced.

    Raises:
        OutputError: the folder is missing or cannot be written to, `path` is a folder, a pipe or a
            device, or it exists and `overwrite` is False.
    """
    try:
        target = checked_path("A result", path, error=OutputError).expanduser()
        if target.is_dir():
            raise OutputError(f"{target} is a folder; give the name of a file inside it")
        if target.exists() and not target.is_file():
            raise OutputError(f"{target} is a pipe, socket or device; give the name of a file")
        if not target.parent.is_dir():
            raise OutputError(f"The folder {target.parent} does not exist; create it first")
        if target.exists() and not overwrite:
            raise OutputError(f"{target} already exists; choose another name or allow overwriting")
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise OutputError(f"Cannot write to {str(path)!r} ({error}); choose another") from error
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise OutputError(f"The folder {target.parent} is not writable; choose another one")
    return target


@contextmanager
def atomic_path(
    path: str | os.PathLike[str], *, overwrite: bool = True, durable: bool = False
) -> Iterator[Path]:
    """Gives a temporary path that becomes `path` when the block ends without an error.

    The temporary file lies in the same folder, so that the rename cannot cross file systems, and
    has the same suffix, because ffmpeg, Pillow and others choose the format by it. On any error,
    KeyboardInterrupt included, it is removed and a file already at `path` stays as it was.

    Args:
        path: the file to write; a symbolic link is followed and stays a link.
        overwrite: whether a file that is already there may be replaced.
        durable: whether the contents are on the disk before the rename, so that a power failure
            leaves the old file or the new one.

    Yields:
        The path to write to; an empty file is already there.

    Raises:
        OutputError: as `check_writable`, before the block runs; or the finished file cannot be
            renamed.
    """
    target = check_writable(path, overwrite=overwrite)
    if target.is_symlink():
        target = check_writable(target.resolve(), overwrite=overwrite)

    def finish() -> None:
        if durable:
            with temporary.open("r+b") as file:
                os.fsync(file.fileno())
        mode = target.stat().st_mode & 0o777 if target.exists() else usual
        temporary.chmod(mode)
        temporary.replace(target)

    usual = 0o666

    def start_empty() -> None:
        nonlocal usual
        temporary.touch(exist_ok=False)
        usual = temporary.stat().st_mode & 0o777  # what libraries that write anew may not keep

    with _unfinished(target) as start:
        temporary = start.with_name(start.name + target.suffix)
        try:
            with _put_in_place(target, start_empty, finish):
                yield temporary
        finally:
            temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes a text file in UTF-8, whole or not at all, also if the power fails.

    Raises:
        OutputError: as `atomic_path`, or it cannot be written.
    """
    try:
        with atomic_path(path, durable=True) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"Cannot write {path} ({error}); free some space or choose another place"
        ) from error


def check_folder(path: str | os.PathLike[str], *, ours: Callable[[Path], bool]) -> Path:
    """Returns the folder to write, once it can be written and replaces nothing of anybody else.

    Args:
        path: the folder that is going to be written; a symbolic link is followed.
        ours: whether an existing folder is a result of the same kind, which may be replaced; not
            asked about an empty one.

    Raises:
        OutputError: `path` is a file, the current folder or one above it, or holds other things;
            or its parent folder is missing or cannot be written to.
    """
    try:
        target = checked_path("A result", path or ".", error=OutputError).expanduser()
        if target.exists() and not target.is_dir():
            raise OutputError(f"{target} is a file; give the name of a folder")
        target = target.resolve() if target.is_symlink() else target
        here = Path.cwd()
        if target.resolve() in (here, *here.parents):
            raise OutputError(f"{str(path)!r} is the current folder or holds it; name a new folder")
        if target.name in ("", ".."):
            target = target.resolve()
        if not target.parent.is_dir():
            raise OutputError(f"The folder {target.parent} does not exist; create it first")
        if target.is_dir() and any(target.iterdir()) and not ours(target):
            raise OutputError(
                f"{target} is there already and holds other things than are written there; choose "
                "another name, or remove it yourself"
            )
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise OutputError(f"Cannot write to {str(path)!r} ({error}); choose another") from error
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise OutputError(f"The folder {target.parent} is not writable; choose another one")
    return target


@contextmanager
def atomic_folder(path: str | os.PathLike[str], *, ours: Callable[[Path], bool]) -> Iterator[Path]:
    """Gives a temporary folder that becomes `path` when the block ends without an error.

    A folder of the same kind at `path` is replaced as a whole; on any error, KeyboardInterrupt
    included, it stays as it was and the temporary one is removed. What a killed process left behind
    is removed by the next write beside it.

    Args:
        path: the folder to write.
        ours: whether an existing folder may be replaced; see :func:`check_folder`.

    Yields:
        An empty folder beside it.

    Raises:
        OutputError: as :func:`check_folder`, before the block runs; or the finished folder cannot
            be renamed.
    """
    target = check_folder(path, ours=ours)

    def finish() -> None:
        usual = temporary.stat().st_mode & 0o666
        for file in temporary.rglob("*"):
            if file.is_file() and not file.is_symlink():
                file.chmod(file.stat().st_mode & 0o777 | usual)
        if target.exists():
            target.replace(old)
        try:
            temporary.replace(target)
        except OSError:
            if old.exists():
                old.replace(target)
            raise

    with _unfinished(target) as temporary:
        old = temporary.with_name(temporary.name + OLD)
        try:
            with _put_in_place(target, temporary.mkdir, finish):
                yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _unfinished(target: Path) -> Iterator[Path]:
    """Gives the beginning of the names of what is unfinished; see `unfinished`."""
    with ExitStack() as stack:
        try:
            path = stack.enter_context(unfinished(target))
        except OSError as error:
            raise _cannot_write(target, error) from error
        yield path


def _cannot_write(target: Path, error: OSError) -> OutputError:
    return OutputError(
        f"Cannot write in the folder {target.parent} ({error.strerror}); choose another one"
    )


@contextmanager
def _put_in_place(
    target: Path, start: Callable[[], None], finish: Callable[[], None]
) -> Iterator[None]:
    """Calls `start`, runs the block, calls `finish`; failures become errors that name `target`."""
    try:
        start()
    except OSError as error:
        raise _cannot_write(target, error) from error
    try:
        yield
        try:
            finish()
        except OSError as error:
            raise OutputError(
                f"Cannot put what is finished at {target} ({error.strerror}); choose another place"
            ) from error
    except Exception as error:
        if _is_full_disk(error):
            raise OutputError(
                f"There is no room left for {target} on its disk; free some space, or choose "
                "another place"
            ) from error
        raise


def _is_full_disk(error: Exception) -> bool:
    """Whether a disk is full, or takes no file as long; some name the code in their message."""
    codes = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    named = any(f"os error {code}" in str(error) for code in codes)
    return named or (isinstance(error, OSError) and error.errno in codes)
