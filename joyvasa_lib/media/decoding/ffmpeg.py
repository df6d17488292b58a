"""The one place that starts ffmpeg: arguments as a list, no shell, no terminal, no deadlock."""

from __future__ import annotations

import re
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast

from joyvasa_lib.budgets import budgets
from joyvasa_lib.errors import MissingDependencyError, OutputError

QUIET = ("-nostdin", "-hide_banner", "-loglevel", "error")
LONGEST_REASON = 200
CONTAINERS_READ = (
    *("mov", "matroska", "avi", "flv", "mpeg", "mpegts", "asf", "ogg", "mxf", "nut", "rm", "wtv"),
    *("dv", "ivf", "gif", "apng", "h264", "hevc", "obu", "m4v", "mpegvideo"),
    *("yuv4mpegpipe", "wav", "w64", "aiff", "caf", "au", "voc", "nistsphere", "flac", "mp3", "aac"),
    *("loas", "ac3", "eac3", "dts", "truehd", "amr", "amrnb", "amrwb", "gsm", "qcp", "ape", "mpc"),
    *("mpc8", "tak", "tta", "wv", "dsf", "sox", "webp_anim"),
)
"""ffmpeg's demuxers that hold their own data; playlists and lists, which name files, are not."""
_CONTEXT = re.compile(r"\[[^\]]*@ 0x[0-9a-fA-F]+\]\s*")


def ffmpeg_path() -> str:
    """The ffmpeg program of the imageio-ffmpeg package, or the one its environment variable names.

    Raises:
        MissingDependencyError: neither is usable on this machine.
    """
    import imageio_ffmpeg  # type: ignore[import-untyped, unused-ignore]

    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise MissingDependencyError(
            "No ffmpeg program was found; reinstall imageio-ffmpeg or set IMAGEIO_FFMPEG_EXE to one"
        ) from error


def ffmpeg_version() -> str:
    """What that program calls its version.

    Raises:
        MissingDependencyError: see :func:`ffmpeg_path`.
    """
    import imageio_ffmpeg  # type: ignore[import-untyped, unused-ignore]

    ffmpeg_path()
    return str(imageio_ffmpeg.get_ffmpeg_version())


def input_arguments(path: Path) -> list[str]:
    """Arguments that open a local file and nothing else.

    The `file:` prefix keeps names that start with a dash or hold a colon from being read as
    options or protocols. Playlists, concat lists, image sequences and the like are refused,
    because they make ffmpeg open what they name; no protocol but a file's is open to the rest.
    Images above the budget for videos are not decoded.
    """
    allowed = ["-protocol_whitelist", "file", "-format_whitelist", ",".join(CONTAINERS_READ)]
    return [*allowed, "-max_pixels", str(budgets().video_pixels), "-i", f"file:{path}"]


def describe(path: Path) -> str:
    """What `ffmpeg -i` writes about a file; it names the file's streams, or why there are none."""
    command = [ffmpeg_path(), "-nostdin", "-hide_banner", *input_arguments(path)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return done.stderr.decode("utf-8", errors="replace")


class FFmpeg:
    """A running ffmpeg; leaving the block finishes it, an error inside the block kills it.

    What ffmpeg complains about goes to a temporary file, which cannot fill up as a pipe can, so
    one thread can feed or drain the process.

    Args:
        arguments: everything after the program's name and the quieting options.
        feed: whether `stdin` is a pipe to write to; otherwise it is empty.
        drain: whether `stdout` is a pipe to read from; otherwise it goes nowhere.

    Raises:
        OutputError: there is no place for temporary files.
        MissingDependencyError: see :func:`ffmpeg_path`.
    """

    def __init__(self, arguments: list[str], *, feed: bool = False, drain: bool = False) -> None:
        try:
            self._messages: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 (see __exit__)
        except OSError as error:
            raise OutputError(
                f"Cannot make a temporary file ({error.strerror}); free some room there, or name "
                "another place in TMPDIR"
            ) from error
        try:
            # A session of its own: Ctrl-C reaches this process alone, which then kills ffmpeg.
            self._process = subprocess.Popen(
                [ffmpeg_path(), *QUIET, *arguments],
                stdin=subprocess.PIPE if feed else subprocess.DEVNULL,
                stdout=subprocess.PIPE if drain else subprocess.DEVNULL,
                stderr=self._messages,
                start_new_session=True,
            )
        except BaseException:
            self._messages.close()
            raise

    def __enter__(self) -> FFmpeg:
        return self

    def __exit__(self, *error: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        self._process.wait()
        self._messages.close()

    @property
    def stdin(self) -> BinaryIO:
        """The pipe to ffmpeg; only with `feed`."""
        if self._process.stdin is None:
            raise RuntimeError("This ffmpeg was started without feed")
        return cast("BinaryIO", self._process.stdin)

    @property
    def stdout(self) -> BinaryIO:
        """The pipe from ffmpeg; only with `drain`."""
        if self._process.stdout is None:
            raise RuntimeError("This ffmpeg was started without drain")
        return cast("BinaryIO", self._process.stdout)

    def finish(self) -> int:
        """Ends the input, waits for ffmpeg to finish its work and returns its exit status."""
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        return self._process.wait()

    def reason(self) -> str:
        """The last thing ffmpeg complained about, on one line, or "" where it did not."""
        self._messages.seek(0)
        lines = self._messages.read().decode("utf-8", errors="replace").splitlines()
        lines = [_CONTEXT.sub("", line).strip() for line in lines]
        reasons = [line for line in lines if line and not line.startswith("Conversion failed")]
        return reasons[-1][:LONGEST_REASON].rstrip(".") if reasons else ""
