"""How much memory a pickle's objects may take, and how a pickle is refused."""

from __future__ import annotations

import pickle
import reprlib
from collections.abc import Iterable
from typing import Any

BASE_MEMORY = 16 * 2**20
"""Bytes that the objects of any pickle, however short, may take."""
MEMORY_PER_BYTE = 64
"""Further bytes for each byte of the pickle; driving templates are charged 20 to 30."""
MOST_MEMORY = 2 * 2**30
"""Bytes that the objects of no pickle may exceed; an hour of motion is charged 1.4 GB."""

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
        self._left = min(BASE_MEMORY + MEMORY_PER_BYTE * size, MOST_MEMORY)

    def spend(self, cost: int) -> None:
        """Takes ``cost`` bytes from what is left, before they are allocated.

        Raises:
            Refused: less is left.
        """
        self._left -= cost
        if self._left < 0:
            raise Refused("objects of more memory than a file of its size needs")

    def spend_on_copies(self, values: Iterable[Any]) -> None:
        """Takes the bytes that copies of the values need, without what their items refer to.

        Raises:
            Refused: less is left.
        """
        self.spend(sum(map(_copy_cost, values)))


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
