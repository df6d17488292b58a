"""Emotions as text: ``happiness:0.6,AU4:0.2``."""

from __future__ import annotations

import re

from joyvasa_lib.emotion.facs import LETTERS, letter_intensity, merged_sides
from joyvasa_lib.emotion.prototypes import PROTOTYPES, named_emotion
from joyvasa_lib.emotion.vector import EmotionVector
from joyvasa_lib.errors import OptionError

_LOOKS_LIKE_A_UNIT = re.compile(r"(au)?\d|ms\b|ms_", re.IGNORECASE)


def parse_emotion(text: str) -> EmotionVector:
    """Reads text: a sum of named emotions and action units.

    A level is a number in [-1, 1] or a FACS letter; without one it is 1.

    Raises:
        OptionError: malformed text, an unknown name, or a level out of range.
    """
    if not isinstance(text, str):
        raise OptionError(
            f"An emotion's text is a string such as 'happiness:0.6,AU4:0.2', not {text!r}"
        )
    total = EmotionVector()
    for term in text.split(","):
        name, colon, level = (part.strip() for part in term.partition(":"))
        if not name or (colon and not level):
            raise OptionError(
                f"{text!r} is not an emotion: write names with levels, separated by commas, such "
                "as 'happiness:0.6,AU4:0.2'"
            )
        value = _level(level, name) if colon else 1.0
        if _LOOKS_LIKE_A_UNIT.match(name):
            total = total + EmotionVector.units({name: value})
        else:
            total = total + named_emotion(name, value)
    return total


def _level(text: str, name: str) -> float:
    if text.upper() in LETTERS:
        return letter_intensity(text)
    try:
        return float(text)
    except ValueError as error:
        raise OptionError(
            f"The level of {name} is a number or a letter A to E, not {text!r}"
        ) from error


def print_emotion(emotion: EmotionVector) -> str:
    """The text of an emotion, which :func:`parse_emotion` reads back exactly within [-1, 1].

    A multiple of a named emotion is printed by its name, equal sides as one unit.
    """
    if emotion.is_neutral:
        return "neutral"
    for name, known in PROTOTYPES.items():
        if known.emotion.is_neutral:
            continue
        strongest = int(abs(known.emotion.vector).argmax())
        level = float(emotion.vector[strongest] / known.emotion.vector[strongest])
        if abs(level) <= 1.0 and level * known.emotion == emotion:
            return f"{name}:{_number(level)}"
    return ",".join(f"{name}:{_number(value)}" for name, value in merged_sides(emotion).items())


def _number(value: float) -> str:
    return repr(value).removesuffix(".0")
