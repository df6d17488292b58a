"""What commands print: progress bars, tables, and one closing line or JSON object."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bar, no closing line.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]

Advance = Callable[[int], None]


@dataclass(frozen=True)
class Reporting:
    """How much a command says."""

    quiet: Quiet = False
    as_json: Json = False

    @contextmanager
    def progress(self, total: int | None, what: str) -> Iterator[Advance | None]:
        """A progress bar on standard error, or a counter where the total is not known.

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
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda done: bar.update(task, completed=done)

    def close(self, line: str, values: dict[str, Any]) -> None:
        """Says what was done: a line, or one JSON object of the values."""
        if self.as_json:
            sys.stdout.write(json.dumps(values) + "\n")
        elif not self.quiet:
            sys.stdout.write(line + "\n")


def print_wide(table: Table) -> None:
    """Prints a table at its own width; in a narrow window rich would break its columns."""
    from rich.console import Console
    from rich.measure import Measurement

    console = Console()
    width = Measurement.get(console, console.options.update(max_width=1000), table).maximum
    Console(width=max(console.width, width)).print(table)
