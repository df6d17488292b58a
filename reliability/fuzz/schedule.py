"""Which kind an input is of, and the random generator that decides it."""

from __future__ import annotations

from functools import cache
from random import Random

from reliability.fuzz.kinds import KINDS

ROUND = sum(kind.share for kind in KINDS.values())
"""Inputs among which every kind has its share."""


def kind_of(seed: int, index: int) -> str:
    """The name of the kind of an input."""
    return _order(seed, index // ROUND)[index % ROUND]


def random_of(seed: int, index: int) -> Random:
    """What decides an input."""
    return Random(f"{seed} {index}")


@cache
def _order(seed: int, number: int) -> list[str]:
    """The kinds of one round of inputs, mixed, so that any stride meets all."""
    names = [name for name, kind in KINDS.items() for _ in range(kind.share)]
    Random(f"round {seed} {number}").shuffle(names)
    return names
