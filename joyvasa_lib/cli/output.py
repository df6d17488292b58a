"""What commands write and say: a video, progress bars, tables, a closing line or JSON object."""

from __future__ import annotations

import codecs
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joyvasa_lib.checks import checked_float, checked_int
from joyvasa_lib.cli.options.signing import Sign, read_signer
from joyvasa_lib.errors import OptionError

if TYPE_CHECKING:
    from rich.table import Table

    from joyvasa_lib.animation import Animation
    from joyvasa_lib.pipeline import EncodedPortrait

Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bar, no closing line.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]

Full = Annotated[
    bool, typer.Option("--full/--crop", help="Whole image, or the square around the face.")
]

Advance = Callable[[int], None]
_PRINTING = "joyvasa-printing"
"""Name of what Python calls an error handler."""


@dataclass(frozen=True)
class Reporting:
    """How much a command says."""

    quiet: Quiet = False
    as_json: Json = False

    @contextmanager
    def progress(self, total: int | None, what: str) -> Iterator[Advance | None]:
        """A progress bar on standard error, or a counter where the total is not known.

        Only a terminal shows one; a file would get empty lines.

        Yields:
            What takes the number of steps done; None where nothing is shown.
        """
        if self.quiet or self.as_json:
            yield None
            return
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn

        count = (SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.completed}"))
        columns = count if total is None else Progress.get_default_columns()
        console = Console(stderr=True)
        hidden = not console.is_terminal
        with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
            task = bar.add_task(what, total=total)
            yield lambda done: bar.update(task, completed=done)

    def close(self, line: str, values: dict[str, Any]) -> None:
        """Says what was done: a line, or one JSON object of the values."""
        if self.as_json:
            sys.stdout.write(json.dumps(values) + "\n")
        elif not self.quiet:
            sys.stdout.write(line + "\n")


@dataclass(frozen=True)
class VideoOutput:
    """The video that a command writes, and the motion beside it."""

    output: Annotated[Path, typer.Option("--output", "-o", help=".mp4, .mov or .mkv")]
    full: Full = True
    max_size: Annotated[
        str,
        typer.Option(
            help="Pixels of a frame's longer side; larger frames are scaled down to it. 0 or none "
            "keeps every image's own size."
        ),
    ] = "1920"
    motion_out: Annotated[
        Path | None, typer.Option(help="Also save the motion here, .safetensors.")
    ] = None
    sign: Sign = None

    @property
    def largest(self) -> int | None:
        """Pixels of a frame's longer side, None for no limit.

        Raises:
            OptionError: it is neither ``none`` nor a whole number of at least 64, or 0.
        """
        written = self.max_size.strip().lower()
        if written in ("0", "none"):
            return None
        whole = written.isascii() and written.isdigit() and len(written) < 10
        return checked_int("--max-size", int(written) if whole else self.max_size, least=64)

    @property
    def of_image(self) -> int | None:
        """Pixels of the longer side of the image that frames are made from, None for any."""
        return self.largest if self.full or self.largest is None else 4096

    def check(self, fps: float | None) -> None:
        """Refuses what cannot be written, before the long work.

        Raises:
            OptionError: unknown suffix, a rate or size out of range, or an unusable certificate.
            OutputError: a file cannot be put there.
        """
        from joyvasa_lib.media.video import check_video_path

        if fps is not None:
            checked_float("--fps", fps, least=1, most=120)
        _ = self.largest
        check_video_path(self.output)
        if self.motion_out is not None:
            check_motion_path(self.motion_out)
        read_signer(self.sign, self.output)

    def save(self, animation: Animation, reporting: Reporting) -> None:
        """Saves motion and video.

        Raises:
            OutputError: a file cannot be written.
        """
        if self.motion_out is not None:
            animation.motion.save(self.motion_out)
        with reporting.progress(animation.n_frames, "rendering") as advance:
            signer = read_signer(self.sign, self.output)
            animation.save(self.output, progress=advance, signer=signer)

    def close(
        self,
        animation: Animation,
        encoded: EncodedPortrait,
        started: float,
        timings: dict[str, float],
        reporting: Reporting,
    ) -> None:
        """Says what was written.

        Args:
            animation: what was saved.
            encoded: its portrait.
            started: ``time.perf_counter()`` when the command began.
            timings: seconds of each stage.
            reporting: how much to say.
        """
        spent = time.perf_counter() - started
        reporting.close(
            f"{self.output}: {animation.n_frames} frames, {animation.duration:.1f} s, made in "
            f"{spent:.1f} s",
            {
                "output": str(self.output),
                "frames": animation.n_frames,
                "fps": animation.fps,
                "seconds": animation.duration,
                "size": list(animation.size),
                "face_score": round(encoded.crop.face.score, 3),
                "warnings": list(animation.warnings),
                "timings": {name: round(seconds, 3) for name, seconds in timings.items()},
            },
        )


def check_motion_path(path: Path) -> None:
    """Refuses a name for a motion that it cannot have, before the long work.

    Nothing else than a motion is replaced that way: no recording, no image, no video.

    Raises:
        OptionError: it does not end in ``.safetensors``.
        OutputError: no file can be put there.
    """
    from joyvasa_lib.media.files import check_writable

    check_writable(path)
    if path.suffix.lower() != ".safetensors":
        raise OptionError(f"A motion is a .safetensors file, not {path.name}")


def print_wide(table: Table) -> None:
    """Prints a table at its own width; in a narrow window rich would break its columns."""
    from rich.console import Console
    from rich.measure import Measurement

    console = Console()
    width = Measurement.get(console, console.options.update(max_width=1000), table).maximum
    Console(width=max(console.width, width)).print(table)


def print_anything() -> None:
    """Lets standard output and error take text that their encoding lacks.

    Bytes of file names that are no text are printed as they are, other signs as ``?``.
    """
    codecs.register_error(_PRINTING, _printable)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not one that a program put in its place
            stream.reconfigure(errors=_PRINTING)


def _printable(error: UnicodeError) -> tuple[bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    sign = error.object[error.start]
    is_byte = "\udc80" <= sign <= "\udcff"
    return (sign.encode("ascii", "surrogateescape") if is_byte else b"?"), error.start + 1
