"""What several commands share: options, progress and the closing line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joyvasa_lib.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.table import Table

    from joyvasa_lib.pipeline import JoyVASAPipeline

Device = Annotated[str | None, typer.Option(help="cpu, cuda, mps; the best there is by default.")]
Checkpoint = Annotated[
    Path | None,
    typer.Option(help="Checkpoint folder, or LivePortrait's and JoyVASA's files; the bundled one."),
]
Subject = Annotated[
    str | None, typer.Option(help="human or animal, with LivePortrait's and JoyVASA's files.")
]
Compat = Annotated[
    str | None,
    typer.Option(
        help="joyvasa: the numbers of JoyVASA's published code, with LivePortrait's files; to "
        "compare, not for good motion."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bar, no closing line.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


def load_pipeline(
    checkpoint: Path | None,
    device: str | None,
    subject: str | None = None,
    *,
    with_speech: bool = True,
    compat: str | None = None,
) -> JoyVASAPipeline:
    """The pipeline of a checkpoint folder, of the published files, or of the bundled checkpoint.

    Args:
        checkpoint: the folder, of either kind.
        device: torch device; the best there is by default.
        subject: ``"human"`` or ``"animal"``; a checkpoint folder is for one of them.
        with_speech: whether stage two is needed.
        compat: ``"joyvasa"`` for portraits driven by the published code's rules.

    Raises:
        CheckpointError: the folder cannot be used.
        OptionError: the checkpoint is for the other subject, or has no such rules.
    """
    from joyvasa_lib.checkpoints.folder import looks_official
    from joyvasa_lib.pipeline import JoyVASAPipeline

    if subject not in (None, "human", "animal"):
        raise OptionError(f"--subject is human or animal, not {subject!r}")
    if checkpoint is not None and looks_official(checkpoint):
        pipe = JoyVASAPipeline.from_official(
            checkpoint, subject or "human", device, with_speech=with_speech
        )
    else:
        pipe = JoyVASAPipeline.from_pretrained(checkpoint, device)
    if subject not in (None, pipe.subject):
        raise OptionError(
            f"--subject {subject} needs LivePortrait's files for it as --checkpoint; this one is "
            f"for subject {pipe.subject!r}"
        )
    if compat is not None:
        _follow_joyvasa(pipe)
    return pipe


def _follow_joyvasa(pipe: JoyVASAPipeline) -> None:
    """Has portraits driven, cut and painted as by JoyVASA's published code."""
    from joyvasa_lib.portrait.liveportrait.model import LivePortraitModel

    model = pipe.portrait_model
    if not isinstance(model, LivePortraitModel):
        raise OptionError(
            "--compat joyvasa needs LivePortrait's and JoyVASA's files as --checkpoint; the "
            "bundled checkpoint is none of JoyVASA's"
        )
    model.driving = replace(model.driving, compat="joyvasa")


def check_compat(compat: str | None) -> None:
    """Refuses what --compat does not know, before anything is loaded.

    Raises:
        OptionError: it is not joyvasa.
    """
    if compat not in (None, "joyvasa"):
        raise OptionError(f"--compat is joyvasa or left out, not {compat!r}")


@contextmanager
def progress(
    total: int, silent: bool, what: str = "rendering"
) -> Iterator[Callable[[int], None] | None]:
    """A progress bar on standard error; gives what takes the number of steps done, or None."""
    if silent:
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


def report(as_json: bool, quiet: bool, line: str, values: dict[str, Any]) -> None:
    """Says what was done: a line, or one JSON object of the values."""
    if as_json:
        sys.stdout.write(json.dumps(values) + "\n")
    elif not quiet:
        sys.stdout.write(line + "\n")


def print_wide(table: Table) -> None:
    """Prints a table as wide as it is; squeezed into a narrow window it would be unreadable."""
    from rich.console import Console
    from rich.measure import Measurement

    console = Console()
    width = Measurement.get(console, console.options.update(max_width=1000), table).maximum
    Console(width=max(console.width, width)).print(table)
