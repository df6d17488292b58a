"""Damage to values: what JSON, YAML and pickles hold."""

from __future__ import annotations

import math
from collections.abc import Iterator
from copy import deepcopy
from random import Random
from typing import Any

Path = tuple[Any, ...]
"""Keys and indices that lead to a value."""

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**30, 0.5, -0.0, 1e-320, 1e308, math.nan,
    math.inf, -math.inf, "", " ", "nan", "1", "é\u202e", "\ud800", "a" * 5000, "../../x",
    "/dev/zero", "$HOME", "[]", [], {}, [[]], [None], {"": None}, {"a": {"b": []}}, [0] * 300,
)  # fmt: skip
"""Values that somebody forgot. A lone surrogate is what JSON's escapes can make."""


def damaged_tree(random: Random, value: Any, odd: tuple[Any, ...] = ODD) -> Any:
    """The value with one to four changes somewhere inside."""
    root = [deepcopy(value)]
    for _ in range(random.choice((1, 1, 2, 4))):
        *way, last = random.choice([path for path in _paths(root) if path])
        holder: Any = root
        for key in way:
            holder = holder[key]
        _change(random, holder, last, odd)
        if not root:
            root = [None]
    return root[0]


def _paths(value: Any, path: Path = ()) -> Iterator[Path]:
    yield path
    if isinstance(value, dict):
        for key in list(value):
            yield from _paths(value[key], (*path, key))
    elif isinstance(value, list):
        for index in range(min(len(value), 40)):  # rows are alike
            yield from _paths(value[index], (*path, index))


def _change(random: Random, holder: Any, key: Any, odd: tuple[Any, ...]) -> None:
    value = holder[key]
    match random.randrange(8):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[random.choice(("", "x", str(key).upper(), str(key) + "s"))] = holder.pop(key)
        case 1:
            holder.insert(random.randrange(len(holder) + 1), deepcopy(value))
        case 2:
            holder[key] = _nested(value, random.choice((1, 3, 70, 400)))
        case 3 if isinstance(value, int | float) and not isinstance(value, bool):
            holder[key] = random.choice((-value, value * 1e9, str(value), [value], value + 0.5))
        case 3 if isinstance(value, list):
            holder[key] = value[: random.randrange(len(value) + 1)] if value else [value]
        case 3 if isinstance(value, str):
            holder[key] = random.choice((value.upper(), value[:-1], value * 50, [value]))
        case _:
            holder[key] = deepcopy(random.choice(odd))


def _nested(value: Any, levels: int) -> Any:
    for _ in range(levels):
        value = [value]
    return value
