"""Notation of the Facial Action Coding System: formulas such as ``1+2+5B+26`` and ``R12A+R14A``."""

from __future__ import annotations

import math
import re

from joyvasa_lib.emotion.action_units import UNITS, resolve_components
from joyvasa_lib.emotion.vector import EmotionVector
from joyvasa_lib.errors import OptionError

LETTERS = "ABCDE"
"""FACS intensities: A trace, B slight, C pronounced, D severe, E maximum."""

_TERM = re.compile(r"([LRTB])?(\d+)([A-E])?$")
_SIDES = {"L": "left", "R": "right", "T": "upper", "B": "lower"}


def parse_facs(formula: str) -> EmotionVector:
    """The emotion of a FACS formula; a unit without a letter has intensity 1.

    Raises:
        OptionError: malformed formula or unknown unit.
    """
    total = EmotionVector()
    for term in formula.replace(" ", "").split("+"):
        found = _TERM.match(term)
        if found is None:
            raise OptionError(
                f"{formula!r} is not a FACS formula: write numbers joined by +, each with L, R, T "
                "or B before and a letter A to E behind if wanted, such as '1+2+5B+26'"
            )
        side, number, letter = found.groups()
        name = f"AU{number}" + (f"_{_SIDES[side]}" if side else "")
        value = letter_intensity(letter) if letter else 1.0
        units = {component: value for component in resolve_components(name)}
        total = total + EmotionVector.units(units)
    return total


def print_facs(emotion: EmotionVector) -> str:
    """The FACS formula of the components that are above zero by at least a trace."""
    letters = {side: letter for letter, side in _SIDES.items()}
    terms = []
    for name, value in merged_sides(emotion).items():
        code, _, side = name.partition("_")
        mark = intensity_letter(min(value, 1.0)) if value > 0.0 else ""
        unit = UNITS[code]
        if mark and unit.in_facs:
            terms.append(f"{letters.get(side, '')}{code.removeprefix('AU')}{mark}")
    return "+".join(terms)


def merged_sides(emotion: EmotionVector) -> dict[str, float]:
    """Components that are not zero; sides of a unit that are equal are given as the unit."""
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


def letter_intensity(letter: str) -> float:
    """Intensity of a FACS letter: A 0.2, B 0.4, C 0.6, D 0.8, E 1.

    FACS orders the letters without numbering them; the equal steps are those of data sets that
    code them as 1 to 5 (DISFA, Mavadati et al. 2013).

    Raises:
        OptionError: the letter is not one of A to E.
    """
    place = LETTERS.find(letter.upper()) + 1 if len(letter) == 1 else 0
    if not place:
        raise OptionError(f"A FACS intensity is one of {', '.join(LETTERS)}, not {letter!r}")
    return place / len(LETTERS)


def intensity_letter(intensity: float) -> str:
    """The FACS letter of an intensity, rounded to fifths; empty below a tenth.

    Raises:
        OptionError: the intensity is not in [0, 1].
    """
    if not 0.0 <= intensity <= 1.0:
        raise OptionError(f"An intensity lies between 0 and 1, not {intensity}")
    place = math.floor(intensity * len(LETTERS) + 0.5)
    return LETTERS[place - 1] if place else ""
