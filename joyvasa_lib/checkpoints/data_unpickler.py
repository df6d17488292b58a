"""An unpickler for data only: it calls nothing that a file names, and its memory has a budget.

It is the Python form of the standard library's unpickler, not the C form, because only there can an
object's state, a dictionary's keys and every opcode's cost be checked before they are used: the C
form hashes nested tuples, gives NumPy's types any state, and makes a table as long as the largest
memo index.
"""

from __future__ import annotations

import pickle
import struct
from argparse import Namespace
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from joyvasa_lib.checkpoints.pickle_budget import (
    ENTRY_COST,
    OBJECT_COST,
    Damaged,
    MemoryBudget,
    Refused,
    opcode_cost,
    short_repr,
)

_KEYS = (str, int, float, bytes, bool, type(None))
"""What may be a key or a member of a set: hashing these takes no longer than reading them."""
_DAMAGE = (
    *(pickle.UnpicklingError, struct.error, ValueError, IndexError, TypeError, AttributeError),
    RuntimeError,  # which torch raises for impossible shapes
)


@dataclass(frozen=True)
class Name:
    """What stands for a class or function that a pickle names.

    Attributes:
        name: its dotted name.
        make: called with the pickle's arguments, which it must check; None where the name may be
            mentioned but not called.
    """

    name: str
    make: Callable[..., Any] | None = None

    def __repr__(self) -> str:
        return repr(self.name)


class BoundedReader:
    """A binary file of which never more is asked for than it has left.

    Args:
        file: the open file.
        size: its length in bytes.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self.size = file, size

    def read(self, count: int) -> bytes:
        """At most ``count`` bytes; fewer at the end."""
        return self._file.read(max(0, min(count, self.size - self._file.tell())))

    def readline(self) -> bytes:
        """The rest of a line."""
        return self._file.readline()


class DataUnpickler(pickle._Unpickler):
    """Reads one pickle of plain data.

    Args:
        reader: the file, at the place where the pickle starts.
        names: by dotted name, everything that the pickle may name: a :class:`Name`, or the value
            that the name stands for.
        build: ``build(made, state)`` gives an object its state in place; raises :class:`Refused`
            for kinds of objects that have none.
        persistent: gives the object of a persistent id; None where there must be none.
    """

    stack: list[Any]
    append: Callable[[Any], None]
    pop_mark: Callable[[], list[Any]]

    def __init__(
        self,
        reader: BoundedReader,
        names: Mapping[str, Any],
        build: Callable[[Any, Any], None],
        persistent: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(reader, encoding="latin1")
        self._names, self._give_state, self._persistent = names, build, persistent
        self.budget = MemoryBudget(reader.size)

    def load(self) -> Any:
        """The object that the pickle holds.

        Raises:
            Refused: it names something that is not in the table, does what data does not, or
                needs more memory than its size warrants.
            Damaged: it is cut short or no pickle.
        """
        try:
            made = super().load()
            self.budget.check_unfolded(made)
            _refuse_names(made)
        except EOFError as error:
            raise Damaged("it has no end") from error
        except KeyError as error:
            raise Damaged(f"an unknown opcode or memo entry {error}") from error
        except (MemoryError, OverflowError, RecursionError) as error:
            raise Damaged(f"a length in it is impossible ({type(error).__name__})") from error
        except _DAMAGE as error:
            raise Damaged(str(error) or type(error).__name__) from error
        return made

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a name: never the class or function itself."""
        full = f"{module}.{name}"
        if full not in self._names:
            raise Refused(full)
        return self._names[full]

    def persistent_load(self, identity: Any) -> Any:
        """The object of a persistent id."""
        if self._persistent is None:
            raise Refused("a persistent id, which only torch.save's files have")
        return self._persistent(identity)

    # Names, what they make, and its state

    def _stack_global(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if type(name) is not str or type(module) is not str:
            raise Refused(
                f"a name that is no text ({type(module).__name__}, {type(name).__name__})"
            )
        self.append(self.find_class(module, name))

    def _reduce(self) -> None:
        arguments, named = self.stack.pop(), self.stack.pop()
        self._instantiate(named, arguments)

    def _reduce_with_keywords(self) -> None:
        if self.stack.pop():
            raise Refused(f"keyword arguments for {short_repr(self.stack[-2])}")
        self._reduce()

    def _instantiate(self, named: Any, arguments: Any) -> None:  # also what INST and OBJ call
        if not isinstance(named, Name) or not isinstance(arguments, tuple | list):
            raise Refused(f"a call of a {type(named).__name__}")
        if named.make is None:
            raise Refused(f"a call of {named.name}")
        self.budget.spend(OBJECT_COST)
        self.budget.spend_on_copies(arguments)
        try:
            self.append(named.make(*arguments))
        except (ValueError, TypeError, RuntimeError) as error:
            raise Damaged(f"{named.name} has unusable arguments: {error}") from error

    def _build(self) -> None:
        state = self.stack.pop()
        self.budget.spend_on_copies((state, *state) if isinstance(state, tuple) else (state,))
        self._give_state(self.stack[-1], state)

    # Dictionaries and sets, whose keys are hashed

    def _dict(self) -> None:
        items = self.pop_mark()
        self.append({})
        self._update(items)

    def _set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._update([key, value])

    def _set_items(self) -> None:
        self._update(self.pop_mark())

    def _update(self, items: list[Any]) -> None:
        if len(items) % 2:
            raise Damaged("a key has no value")
        self.budget.spend(ENTRY_COST * (len(items) // 2))
        self._top(dict).update(zip(checked_keys(items[::2]), items[1::2], strict=True))

    def _add_items(self) -> None:
        items = checked_keys(self.pop_mark())
        self.budget.spend(ENTRY_COST * len(items))
        self._top(set).update(items)

    def _frozenset(self) -> None:
        items = checked_keys(self.pop_mark())
        self.budget.spend(ENTRY_COST * len(items))
        self.append(frozenset(items))

    def _top(self, kind: type) -> Any:
        top = self.stack[-1]
        if type(top) not in (kind, OrderedDict) or not isinstance(top, kind):
            raise Damaged(f"items are put into a {type(top).__name__}")
        return top

    def _bytearray(self) -> None:  # the standard one allocates before it reads
        read: Callable[[Any], None] = pickle._Unpickler.dispatch[pickle.BINBYTES8[0]]
        read(self)
        self.stack[-1] = bytearray(self.stack[-1])


def checked_keys(items: Iterable[Any]) -> list[Any]:
    """The items, once all may be keys.

    Raises:
        Refused: one may not.
    """
    keys = list(items)
    for key in keys:
        if type(key) not in _KEYS:
            raise Refused(f"a {type(key).__name__} as a key")
    return keys


def _refuse_names(value: Any) -> None:
    """Refuses a value in which a name is left that nothing has called."""
    seen: set[int] = set()
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, Name):
            raise Refused(f"the bare name {item.name}")
        if isinstance(item, list | tuple | dict | Namespace) and id(item) not in seen:
            seen.add(id(item))
            inner = vars(item) if isinstance(item, Namespace) else item
            left.extend(inner.values() if isinstance(inner, dict) else inner)


# What each opcode does, after its cost is taken from the budget


def _refusing(name: str) -> Callable[[Any], None]:
    def refuse(unpickler: DataUnpickler) -> None:
        raise Refused(f"the opcode {name}")

    return refuse


def _charged(opcode: int, step: Callable[[Any], None]) -> Callable[[Any], None]:
    cost = opcode_cost(opcode)

    def run(unpickler: DataUnpickler) -> None:
        unpickler.budget.spend(cost)
        step(unpickler)

    return run


_STEPS: dict[bytes, Callable[[Any], None]] = {
    pickle.STACK_GLOBAL: DataUnpickler._stack_global,
    pickle.REDUCE: DataUnpickler._reduce,
    pickle.NEWOBJ: DataUnpickler._reduce,
    pickle.NEWOBJ_EX: DataUnpickler._reduce_with_keywords,
    pickle.BUILD: DataUnpickler._build,
    pickle.DICT: DataUnpickler._dict,
    pickle.SETITEM: DataUnpickler._set_item,
    pickle.SETITEMS: DataUnpickler._set_items,
    pickle.ADDITEMS: DataUnpickler._add_items,
    pickle.FROZENSET: DataUnpickler._frozenset,
    pickle.BYTEARRAY8: DataUnpickler._bytearray,
}
for _name in ("EXT1", "EXT2", "EXT4", "PERSID", "NEXT_BUFFER", "READONLY_BUFFER"):
    _STEPS[getattr(pickle, _name)] = _refusing(_name)
DataUnpickler.dispatch = {
    opcode: _charged(opcode, _STEPS.get(bytes([opcode]), standard))
    for opcode, standard in pickle._Unpickler.dispatch.items()
}
