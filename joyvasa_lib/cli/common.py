"""What several commands share: options, progress and the closing line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.table import Table

Device = Annotated[str | None, typer.Option(help="cpu, cuda, mps; the best there is by default.")]
Checkpoint = Annotated[Path | None, typer.Option(help="Checkpoint folder; the bundled one.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bar, no closing line.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


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
