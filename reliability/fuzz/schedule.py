"""Which kind an input is of, and how seed and index decide it."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from random import Random

from reliability.fuzz.inputs import Case
from reliability.fuzz.kinds import KINDS

ROUND = sum(kind.share for kind in KINDS.values())
"""Inputs among which every kind has its share."""


def kind_of(seed: int, index: int) -> str:
    """The name of the kind of an input."""
    return _order(seed, index // ROUND)[index % ROUND]


def make_input(seed: int, index: int, samples: Path) -> Case:
    """An input; ``samples`` is the folder of sound ones."""
    return input_of(kind_of(seed, index), Random(f"{seed} {index}"), samples)


def input_of(name: str, random: Random, samples: Path) -> Case:
    """An input of a kind."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(50_000)  # values are written that are nested thousands of levels deep
    try:
        return KINDS[name].make(random, samples)
    finally:
        sys.setrecursionlimit(limit)


@cache
def _order(seed: int, number: int) -> list[str]:
    """The kinds of one round of inputs, mixed, so that any stride meets all."""
    names = [name for name, kind in KINDS.items() for _ in range(kind.share)]
    Random(f"round {seed} {number}").shuffle(names)
    return names
