"""How much memory a pickle's objects may take, and how a pickle is refused."""

from __future__ import annotations

import pickle
import reprlib
from argparse import Namespace
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from joyvasa_lib.budgets import budgets

BASE_MEMORY = 16 * 2**20
"""Bytes that the objects of any pickle, however short, may take."""
MEMORY_PER_BYTE = 64
"""Further bytes for each byte of the pickle; driving templates are charged 20 to 30. The budget
``pickle_memory`` is the most for any pickle."""

OBJECT_COST = 200
"""Bytes of an object that a named class makes, beside its contents."""
ENTRY_COST = 100
"""Bytes of an entry of a dictionary or a set."""
_OTHER_COST = 32
"""Bytes of a number or a short text and its place on the stack."""
_OPCODE_COSTS = {
    **dict.fromkeys((pickle.EMPTY_LIST, pickle.EMPTY_DICT, pickle.MARK), 80),
    **dict.fromkeys((pickle.LIST, pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3), 64),
    **dict.fromkeys((pickle.EMPTY_SET, pickle.FROZENSET, pickle.DICT), 240),
    **dict.fromkeys((pickle.PUT, pickle.BINPUT, pickle.LONG_BINPUT, pickle.MEMOIZE), ENTRY_COST),
}

_TOO_MUCH = "objects of more memory than a file of its size needs"

_short = reprlib.Repr()
_short.maxlevel, _short.maxstring, _short.maxother = 2, 80, 80


class Refused(Exception):
    """A pickle names or does something that data does not; the message says what."""


class Damaged(Exception):
    """What was read is no whole pickle."""


class MemoryBudget:
    """The bytes that a pickle's objects may still take.

    Args:
        size: the pickle's length in bytes.
    """

    def __init__(self, size: int) -> None:
        self._whole = min(BASE_MEMORY + MEMORY_PER_BYTE * size, budgets().pickle_memory)
        self._left = self._whole

    def spend(self, cost: int) -> None:
        """Takes ``cost`` bytes from what is left, before they are allocated.

        Raises:
            Refused: less is left.
        """
        self._left -= cost
        if self._left < 0:
            raise Refused(_TOO_MUCH)

    def spend_on_copies(self, values: Iterable[Any]) -> None:
        """Takes the bytes that copies of the values need, without what their items refer to.

        Raises:
            Refused: less is left.
        """
        self.spend(sum(map(_copy_cost, values)))

    def check_unfolded(self, value: Any) -> None:
        """Refuses a value that is above the whole budget once every reference in it is a copy.

        A list may hold one object a million times; whoever makes an array of it copies the object
        as often.

        Raises:
            Refused: it is larger, or holds itself.
        """
        costs: dict[int, int] = {}
        open_values: set[int] = set()
        stack = [(value, False)]
        while stack:
            item, done = stack.pop()
            inner = _inside(item)
            if done:
                open_values.discard(id(item))
                cost = OBJECT_COST + sum(costs[id(x)] if _inside(x) else _size(x) for x in inner)
                if cost > self._whole:
                    raise Refused(_TOO_MUCH)
                costs[id(item)] = cost
            elif id(item) in open_values:
                raise Refused(f"a {type(item).__name__} that holds itself")
            elif inner and id(item) not in costs:
                open_values.add(id(item))
                stack.append((item, True))
                stack += [(x, False) for x in inner if _inside(x)]


def opcode_cost(opcode: int) -> int:
    """Bytes of what an opcode makes, without the bytes that the file itself holds."""
    return _OPCODE_COSTS.get(bytes([opcode]), _OTHER_COST)


def short_repr(value: Any) -> str:
    """A value in an error message, however long or nested it is."""
    return _short.repr(value)


def _copy_cost(value: Any) -> int:
    if isinstance(value, bytes | bytearray):
        return len(value)
    if isinstance(value, str):
        return 4 * len(value)
    return ENTRY_COST * len(value) if isinstance(value, list | tuple | dict) else 0


def _inside(value: Any) -> Collection[Any]:
    """What a container holds, without the keys, which are counted with their entry."""
    if isinstance(value, Namespace):
        value = vars(value)
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


def _size(value: Any) -> int:
    """Bytes of an object that holds no others, and its place in one that does."""
    if isinstance(value, bytes | bytearray | str):
        return _OTHER_COST + _copy_cost(value)
    if isinstance(value, np.ndarray):
        return OBJECT_COST + value.nbytes
    return _OTHER_COST
