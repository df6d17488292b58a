"""A pickle reader that runs nothing: an interpreter of the opcodes that only knows data.

Python's own unpickler calls whatever a file names. This one looks each name up in a table of
constructors it was given and refuses all others before anything is made. It imports nothing, calls
nothing from the file, and allocates no more than the file's size warrants. The opcodes are those of
the standard library's ``pickletools``, protocols 0 to 5.
"""

from __future__ import annotations

import pickletools
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

MOST_OPCODES = 10_000_000
"""A motion of four hours has five million; more would take too much memory as Python objects."""

_PLAIN = (
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BYTEARRAY8"),
)
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
_KEYS = (str, int, float, bytes, type(None))
"""What may be a key or a member of a set: hashing these takes no longer than reading them."""


class Refused(Exception):
    """A pickle names or does something that data does not; the message says what."""


class Damaged(Exception):
    """What was read is no whole pickle."""


@dataclass(frozen=True)
class Named:
    """A class or function that a pickle names: its dotted name and nothing else."""

    name: str


@dataclass(frozen=True)
class Constructor:
    """What a named class or function makes.

    Attributes:
        make: called with the pickle's arguments, which it must check; None where the name may be
            mentioned but not called.
        value: what the bare name stands for where it is a value, such as a dtype.
    """

    make: Callable[..., Any] | None = None
    value: Any = None


class BoundedReader:
    """A binary file of which never more is asked for than it has left.

    Args:
        file: the open file.
        size: its length in bytes.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size

    def read(self, count: int) -> bytes:
        """At most ``count`` bytes; fewer at the end."""
        return self._file.read(max(0, min(count, self._size - self._file.tell())))

    def readline(self) -> bytes:
        """The rest of a line."""
        return self._file.readline()

    def tell(self) -> int:
        """Bytes read so far."""
        return self._file.tell()


class PickleMachine:
    """Reads one pickle.

    Args:
        constructors: by dotted name, everything the pickle may name.
        build: ``build(made, state)`` gives an object its state in place; raises :class:`Refused`
            for kinds of objects that have none.
        persistent: gives the object of a persistent id; None where there must be none.
    """

    def __init__(
        self,
        constructors: Mapping[str, Constructor],
        build: Callable[[Any, Any], None],
        persistent: Callable[[Any], Any] | None = None,
    ) -> None:
        self._constructors, self._build, self._persistent = constructors, build, persistent
        self._stack: list[Any] = []
        self._marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def load(self, reader: BoundedReader) -> Any:
        """The object that the pickle at the reader's place holds.

        Raises:
            Refused: it names something that is not in the table, or does what data does not.
            Damaged: it is cut short or no pickle.
        """
        self._stack, self._marks, self._memo = [], [], {}
        operations = pickletools.genops(reader)  # type: ignore[arg-type]
        try:
            for count, (opcode, argument, _) in enumerate(operations):
                if count >= MOST_OPCODES:
                    raise Refused(f"more than {MOST_OPCODES} opcodes")
                if opcode.name == "STOP":
                    return self._plain(self._stack.pop())
                self._run(opcode.name, argument)
        except Refused:
            raise
        except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
            raise Damaged(str(error) or type(error).__name__) from error
        except (OverflowError, MemoryError, RecursionError) as error:
            raise Damaged(f"a length in it is impossible ({type(error).__name__})") from error
        raise Damaged("it has no end")

    def _run(self, name: str, argument: Any) -> None:
        stack = self._stack
        if name in _PLAIN:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name]())
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(self._memo[argument])
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            self._memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = stack[-1]
        elif name in ("PROTO", "FRAME"):
            pass
        elif (step := getattr(self, f"_op_{name.lower()}", None)) is not None:
            step(argument)
        else:
            raise Refused(f"the opcode {name}")

    # Tuples, lists, dictionaries, sets

    def _op_mark(self, _: Any) -> None:
        self._marks.append(self._stack)
        self._stack = []

    def _items(self) -> list[Any]:
        items, self._stack = self._stack, self._marks.pop()
        return [self._plain(item) for item in items]

    def _op_tuple(self, _: Any) -> None:
        items, self._stack = self._stack, self._marks.pop()
        self._stack.append(tuple(items))

    def _op_tuple1(self, _: Any) -> None:
        self._last_as_tuple(1)

    def _op_tuple2(self, _: Any) -> None:
        self._last_as_tuple(2)

    def _op_tuple3(self, _: Any) -> None:
        self._last_as_tuple(3)

    def _last_as_tuple(self, size: int) -> None:
        if len(self._stack) < size:
            raise IndexError("pop from an empty stack")
        self._stack[-size:] = [tuple(self._stack[-size:])]

    def _op_list(self, _: Any) -> None:
        items = self._items()  # which also brings the stack below the mark back
        self._stack.append(items)

    def _op_append(self, _: Any) -> None:
        item = self._plain(self._stack.pop())
        self._top(list).append(item)

    def _op_appends(self, _: Any) -> None:
        items = self._items()
        self._top(list).extend(items)

    def _op_dict(self, _: Any) -> None:
        items = self._items()
        made: dict[Any, Any] = {}
        _fill(made, items)
        self._stack.append(made)

    def _op_setitem(self, _: Any) -> None:
        value, key = self._plain(self._stack.pop()), self._plain(self._stack.pop())
        _fill(self._top(dict), [key, value])

    def _op_setitems(self, _: Any) -> None:
        items = self._items()
        _fill(self._top(dict), items)

    def _op_additems(self, _: Any) -> None:
        items = self._items()
        self._top(set).update(checked_keys(items))

    def _op_frozenset(self, _: Any) -> None:
        items = self._items()
        self._stack.append(frozenset(checked_keys(items)))

    def _top(self, kind: type) -> Any:
        top = self._stack[-1]
        if type(top) not in (kind, OrderedDict) or not isinstance(top, kind):
            raise Damaged(f"items are put into a {type(top).__name__}")
        return top

    def _op_pop(self, _: Any) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._stack = self._marks.pop()

    def _op_pop_mark(self, _: Any) -> None:
        self._stack = self._marks.pop()

    def _op_dup(self, _: Any) -> None:
        self._stack.append(self._stack[-1])

    # Names and what they make

    def _op_global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._name(f"{module}.{name}")

    def _op_stack_global(self, _: Any) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if not (isinstance(name, str) and isinstance(module, str)):
            raise Refused(
                f"a name that is no text ({type(module).__name__}, {type(name).__name__})"
            )
        self._name(f"{module}.{name}")

    def _name(self, name: str) -> None:
        if name not in self._constructors:
            raise Refused(name)
        self._stack.append(Named(name))

    def _op_inst(self, argument: str) -> None:
        items = self._items()
        self._op_global(argument)
        self._stack.append(self._made(self._stack.pop(), tuple(items)))

    def _op_obj(self, _: Any) -> None:
        items, self._stack = self._stack, self._marks.pop()
        self._stack.append(self._made(items[0], tuple(items[1:])))

    def _op_reduce(self, _: Any) -> None:
        arguments, named = self._stack.pop(), self._stack.pop()
        self._stack.append(self._made(named, arguments))

    def _op_newobj(self, _: Any) -> None:
        self._op_reduce(None)

    def _op_newobj_ex(self, _: Any) -> None:
        keywords, arguments, named = (self._stack.pop() for _ in range(3))
        if keywords:
            raise Refused(f"keyword arguments for {getattr(named, 'name', named)!r}")
        self._stack.append(self._made(named, arguments))

    def _made(self, named: Any, arguments: Any) -> Any:
        if not isinstance(named, Named) or not isinstance(arguments, tuple):
            raise Refused(f"a call of a {type(named).__name__}")
        make = self._constructors[named.name].make
        if make is None:
            raise Refused(f"a call of {named.name}")
        try:
            return make(*arguments)
        except (ValueError, TypeError) as error:
            raise Damaged(f"{named.name} has unusable arguments: {error}") from error

    def _op_build(self, _: Any) -> None:
        state, made = self._stack.pop(), self._stack[-1]
        self._build(made, state)

    def _op_binpersid(self, _: Any) -> None:
        if self._persistent is None:
            raise Refused("a persistent id, which only torch.save's files have")
        self._stack.append(self._persistent(self._stack.pop()))

    def _plain(self, value: Any) -> Any:
        """A value as the caller gets it; a bare name only where it stands for one."""
        if not isinstance(value, Named):
            return value
        found = self._constructors[value.name].value
        if found is None:
            raise Refused(f"the bare name {value.name}")
        return found


def checked_keys(items: Iterable[Any]) -> list[Any]:
    """The items, once all may be keys.

    Raises:
        Refused: one may not.
    """
    keys = list(items)
    for key in keys:
        if type(key) is not bool and type(key) not in _KEYS:
            raise Refused(f"a {type(key).__name__} as a key")
    return keys


def _fill(target: dict[Any, Any], items: list[Any]) -> None:
    if len(items) % 2:
        raise Damaged("a key has no value")
    target.update(zip(checked_keys(items[::2]), items[1::2], strict=True))
