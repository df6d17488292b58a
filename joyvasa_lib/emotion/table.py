"""The emotion space as tables: named emotions and action units."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from joyvasa_lib.emotion.action_units import ACTION_UNITS, ActionUnit
from joyvasa_lib.emotion.facs import print_facs
from joyvasa_lib.emotion.prototypes import PROTOTYPES, SOURCES

if TYPE_CHECKING:
    from rich.table import Table


def space_tables() -> Iterator[Table]:
    """A table of the named emotions and a table of the action units."""
    from rich.table import Table

    emotions = Table(
        "emotion", "units", "at level 1", "after", title="Emotions", caption="\n".join(SOURCES)
    )
    for one in PROTOTYPES.values():
        emotions.add_row(one.name, one.facs, print_facs(one.emotion), one.source)
    yield emotions
    units = Table(
        "unit", "name", "region", "sides", "muscles", "ARKit or pose", title="Action units"
    )
    for unit in ACTION_UNITS:
        sides = ", ".join(side for side in unit.sides if side)
        muscles, shown = ", ".join(unit.muscles), _arkit(unit) or _pose(unit)
        units.add_row(unit.code, unit.name, unit.region, sides, muscles, shown)
    yield units


def space_as_dict() -> dict[str, Any]:
    """The same as plain lists and dictionaries, ready for JSON."""
    return {
        "emotions": [
            {
                "name": one.name,
                "facs": one.facs,
                "source": one.source,
                "units": dict(one.emotion.items()),
            }
            for one in PROTOTYPES.values()
        ],
        "action_units": [
            {
                "code": unit.code,
                "name": unit.name,
                "muscles": list(unit.muscles),
                "region": unit.region,
                "sides": [side for side in unit.sides if side],
                "components": list(unit.components),
                "arkit": {side or "both": dict(table) for side, table in unit.arkit.items()},
                "pose": dict(zip(("pitch", "yaw", "roll", "log_size"), unit.pose, strict=True)),
                "in_facs": unit.in_facs,
            }
            for unit in ACTION_UNITS
        ],
    }


def _arkit(unit: ActionUnit) -> str:
    """ARKit's blendshapes without their sides, with weights other than 1."""
    weights: dict[str, float] = {}
    for table in unit.arkit.values():
        for name, weight in table.items():
            base = name.removesuffix("Left").removesuffix("Right")
            weights[name if base in ("jaw", "mouth") else base] = weight
    return ", ".join(
        f"{name} {weight:g}" if weight != 1 else name for name, weight in weights.items()
    )


def _pose(unit: ActionUnit) -> str:
    """The change of head pose by a head unit."""
    *turn, size = unit.pose
    terms = [
        f"{axis} {degrees:+g}°"
        for axis, degrees in zip(("pitch", "yaw", "roll"), turn, strict=True)
        if degrees
    ]
    return ", ".join([*terms, *([f"size x {math.exp(size):.2f}"] if size else [])])
