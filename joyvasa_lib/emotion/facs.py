"""FACS formulas: ``1+2+5B+26``, ``R12A+R14A``."""

from __future__ import annotations

import re

from joyvasa_lib.emotion.action_units import (
    UNITS,
    intensity_letter,
    letter_intensity,
    resolve_components,
)
from joyvasa_lib.emotion.emotion import Emotion
from joyvasa_lib.errors import OptionError

_FACS_TERM = re.compile(r"([LRTB])?(\d+)([A-E])?$")
_SIDES = {"L": "left", "R": "right", "T": "upper", "B": "lower"}


def parse_facs(formula: str) -> Emotion:
    """The emotion of a FACS formula; see :meth:`Emotion.from_facs`.

    Raises:
        OptionError: malformed formula or unknown unit.
    """
    total = Emotion.neutral()
    for term in formula.replace(" ", "").split("+"):
        found = _FACS_TERM.match(term)
        if found is None:
            raise OptionError(
                f"{formula!r} is not a FACS formula: write numbers joined by +, each with L, R, T "
                "or B before and a letter A to E behind if wanted, such as '1+2+5B+26'"
            )
        side, number, letter = found.groups()
        name = f"AU{number}" + (f"_{_SIDES[side]}" if side else "")
        value = letter_intensity(letter) if letter else 1.0
        total = total + Emotion.units({component: value for component in resolve_components(name)})
    return total


def print_facs(emotion: Emotion) -> str:
    """The FACS formula of the components above zero that have at least a trace."""
    letters = {side: letter for letter, side in _SIDES.items()}
    terms = []
    for name, value in merged_sides(emotion).items():
        code, _, side = name.partition("_")
        mark = intensity_letter(min(value, 1.0)) if value > 0.0 else ""
        unit = UNITS[code]
        if mark and unit.in_facs:
            terms.append(f"{letters.get(side, '')}{code.removeprefix('AU')}{mark}")
    return "+".join(terms)


def merged_sides(emotion: Emotion) -> dict[str, float]:
    """Components that are not zero, both sides of a unit as one where they are equal."""
    values = dict(emotion.items())
    result: dict[str, float] = {}
    for unit in UNITS.values():
        sides = [values.get(name, 0.0) for name in unit.components]
        alike = len(set(sides)) == 1
        names = unit.components[:1] if alike else unit.components
        for name, value in zip(names, sides, strict=False):
            if value:
                result[unit.code if alike else name] = value
    return result
