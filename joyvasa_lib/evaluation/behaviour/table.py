"""Behaviour as tables: one recording beside real people, or many as rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from joyvasa_lib.evaluation.behaviour.measure import Behaviour, MeasuredRow
from joyvasa_lib.evaluation.behaviour.rows import ROWS
from joyvasa_lib.evaluation.behaviour.theval import THEVAL_MEASURES, THEVAL_REAL

if TYPE_CHECKING:
    from rich.table import Table

_MARKS = {"below": "↓", "above": "↑", "inside": "", None: ""}
_THEVAL_TITLES = {
    "lip_dynamics": "THEval lip dynamics, pixels of 256",
    "head_motion_dynamics": "THEval head motion dynamics",
    "eyebrow_dynamics": "THEval eyebrow dynamics",
    "silent_lip_stability": "THEval silent lip stability",
    "lip_sync": "THEval lip sync",
}


def shown(one: MeasuredRow) -> str:
    """The number of a row, with an arrow where it is below or above people's; else a dash."""
    if one.value is None:
        return "–"
    return f"{one.value:.{one.row.digits}f}{_MARKS[one.place]}"


def behaviour_table(behaviour: Behaviour) -> Table:
    """A table of one recording, with what people do beside each number."""
    from rich.table import Table

    table = Table(title=behaviour.name, title_justify="left")
    table.add_column("measure")
    table.add_column("value", justify="right")
    table.add_column("speakers", justify="right", style="dim")
    table.add_column("people, 10 to 90 %", style="dim")
    table.add_column("")
    for one in behaviour.rows:
        real, digits, unit = one.row.real, one.row.digits, one.row.unit
        note = {"below": "below", "above": "above"}.get(one.place or "", "")
        if one.value is None:
            note = "not measured"
        elif one.basis == "activation":
            note = "activation, not compared"
        table.add_row(
            one.row.title,
            "–" if one.value is None else f"{one.value:.{digits}f} {unit}".strip(),
            f"{real.median:.{digits}f}",
            f"{real.low:.{digits}f} to {real.high:.{digits}f}",
            note,
        )
    if behaviour.theval is not None:
        table.add_section()
        for name in THEVAL_MEASURES:
            value, close = getattr(behaviour.theval, name), behaviour.theval.closeness(name)
            table.add_row(
                _THEVAL_TITLES[name],
                "–" if value is None else f"{value:.4f}",
                f"{getattr(THEVAL_REAL, name):.4f}",
                "",
                "not measured" if close is None else f"closeness {close:.2f}",
            )
    return table


def behaviours_table(behaviours: Sequence[Behaviour]) -> Table:
    """A table with a row per recording; arrows mark what is below or above people's range."""
    from rich.table import Table

    table = Table()
    table.add_column("name", overflow="fold")
    for row in ROWS:
        table.add_column(row.short, justify="right")
    table.add_column("inside", justify="right")
    for one in behaviours:
        table.add_row(one.name, *map(shown, one.rows), verdict(one))
    table.add_section()
    medians = (f"{row.real.median:.{row.digits}f}" for row in ROWS)
    table.add_row("speakers, median", *medians, "", style="dim")
    ranges = (f"{r.real.low:.{r.digits}f}\n{r.real.high:.{r.digits}f}" for r in ROWS)
    table.add_row("people, 10 and 90 %", *ranges, "", style="dim")
    return table


def verdict(behaviour: Behaviour) -> str:
    """How many of the rows that are compared with people lie inside their range."""
    return f"{len(behaviour.inside)}/{len(behaviour.inside) + len(behaviour.outside)}"
