"""What a checkpoint's pickle may name, and what each name makes.

Tensors and their storages, NumPy arrays, ``argparse.Namespace``, ``OrderedDict``, and paths, which
become inert stand-ins. Nothing else; see :mod:`~joyvasa_lib.checkpoints.pickle_machine`.
"""

from __future__ import annotations

import argparse
import math
import re
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.checkpoints.pickle_machine import Constructor, Named, Refused, checked_keys

if TYPE_CHECKING:
    import torch

_NUMBERS = re.compile(r"[biufc](1|2|4|8|16)|[?]")
"""NumPy's numbers: no objects, no texts, no records."""
_MOST_AXES = 32


def numpy_constructors() -> dict[str, Constructor]:
    """Names in pickles of NumPy arrays, of NumPy 1 and 2."""
    table = {
        "numpy.ndarray": Constructor(),
        "numpy.dtype": Constructor(_dtype),
        "_codecs.encode": Constructor(_encode),
    }
    for core in ("numpy.core", "numpy._core"):
        table[f"{core}.multiarray._reconstruct"] = Constructor(_empty_array)
        table[f"{core}.multiarray.scalar"] = Constructor(_scalar)
        table[f"{core}.numeric._frombuffer"] = Constructor(_from_buffer)
    return table


def python_constructors() -> dict[str, Constructor]:
    """Names of plain Python data."""
    table = {
        "collections.OrderedDict": Constructor(_ordered),
        "argparse.Namespace": Constructor(_namespace),
        "copyreg._reconstructor": Constructor(_reconstruct),
        "copy_reg._reconstructor": Constructor(_reconstruct),
    }
    for builtins in ("builtins", "__builtin__"):
        table[f"{builtins}.object"] = Constructor()
        table[f"{builtins}.set"] = Constructor(lambda items=(): set(_list(items)))
        table[f"{builtins}.frozenset"] = Constructor(lambda items=(): frozenset(_list(items)))
        table[f"{builtins}.bytes"] = Constructor(_bytes)
        table[f"{builtins}.bytearray"] = Constructor(_bytes)
        table[f"{builtins}.complex"] = Constructor(_complex)
    for module in ("pathlib", "pathlib._local"):
        for system, path in (("Posix", PurePosixPath), ("Windows", PureWindowsPath)):
            table[f"{module}.{system}Path"] = Constructor(_path_of(path))
            table[f"{module}.Pure{system}Path"] = Constructor(_path_of(path))
    return table


def torch_constructors() -> dict[str, Constructor]:
    """Names in files that ``torch.save`` wrote, beside storages."""
    import torch

    table = {
        "torch._utils._rebuild_tensor": Constructor(_tensor),
        "torch._utils._rebuild_tensor_v2": Constructor(_tensor),
        "torch._utils._rebuild_parameter": Constructor(_parameter),
        "torch.Size": Constructor(lambda sizes=(): tuple(_sizes(sizes))),
        "torch.device": Constructor(lambda *parts: ":".join(str(part) for part in parts)),
    }
    table.update({name: Constructor() for name in storage_types()})
    for name in ("float16", "bfloat16", "float32", "float64", "int64", "int32", "bool"):
        table[f"torch.{name}"] = Constructor(value=getattr(torch, name))
    return table


def storage_types() -> dict[str, torch.dtype]:
    """The number type of each kind of storage, by dotted name."""
    import torch

    kinds = {
        "Double": torch.float64,
        "Float": torch.float32,
        "Half": torch.float16,
        "BFloat16": torch.bfloat16,
        "Long": torch.int64,
        "Int": torch.int32,
        "Short": torch.int16,
        "Char": torch.int8,
        "Byte": torch.uint8,
        "Bool": torch.bool,
        "ComplexFloat": torch.complex64,
        "ComplexDouble": torch.complex128,
    }
    return {f"torch.{name}Storage": dtype for name, dtype in kinds.items()}


def build(made: Any, state: Any) -> None:
    """Gives an object its state, in place.

    Raises:
        Refused: this kind of object has none, or the state is not of its kind.
    """
    if isinstance(made, np.ndarray) and isinstance(state, tuple):
        _fill_array(made, state)
    elif isinstance(made, np.dtype) and isinstance(state, tuple):
        _set_byte_order(made, state)
    elif isinstance(made, argparse.Namespace) and type(state) is dict:
        if any(type(key) is not str for key in state):
            raise Refused("a Namespace with names that are no text")
        vars(made).update(state)
    elif isinstance(made, OrderedDict) and type(state) is dict:
        pass  # a state dict's `_metadata`: versions of modules that this library does not have
    else:
        raise Refused(f"a state for a {type(made).__name__}")


# Python


def _list(items: Any) -> list[Any]:
    if type(items) not in (list, tuple):
        raise Refused(f"a set of a {type(items).__name__}")
    return checked_keys(items)


def _ordered(pairs: Iterable[Any] = ()) -> OrderedDict[Any, Any]:
    if type(pairs) not in (list, tuple) or any(len(pair) != 2 for pair in pairs):
        raise Refused("an OrderedDict that is not made of pairs")
    keys = checked_keys(pair[0] for pair in pairs)
    return OrderedDict(zip(keys, (pair[1] for pair in pairs), strict=True))


def _namespace(*arguments: Any) -> argparse.Namespace:
    if arguments:
        raise Refused("arguments of argparse.Namespace")
    return argparse.Namespace()


def _reconstruct(kind: Any, base: Any, state: Any) -> Any:
    """How protocols 0 and 1 make an object of a plain class."""
    if kind != Named("argparse.Namespace") or state is not None:
        raise Refused(f"an object of {getattr(kind, 'name', kind)!r} by copyreg._reconstructor")
    return argparse.Namespace()


def _path_of(kind: type[PurePosixPath] | type[PureWindowsPath]) -> Any:
    def make(*parts: Any) -> PurePosixPath | PureWindowsPath:
        if any(type(part) is not str for part in parts):
            raise Refused("a path of parts that are no text")
        return kind(*parts)

    return make


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """How protocols below 3 hold bytes."""
    if type(text) is not str or encoding not in ("latin1", "latin-1"):
        raise Refused(f"text encoded by {encoding!r}")
    return text.encode("latin1")


def _bytes(data: Any = b"", *more: Any) -> bytes:
    if type(data) is not bytes or more:
        raise Refused("a bytearray that is not made of bytes")
    return data


def _complex(real: Any, imaginary: Any) -> complex:
    return complex(float(real), float(imaginary))


# NumPy


def _dtype(code: Any, *flags: Any) -> np.dtype[Any]:
    name = code.decode("ascii", "replace") if isinstance(code, bytes) else code
    if type(name) is not str or not _NUMBERS.fullmatch(name):
        raise Refused(f"arrays of NumPy type {name!r}")
    return np.dtype(name, copy=True)  # a copy, because its byte order is set in place


def _set_byte_order(made: np.dtype[Any], state: tuple[Any, ...]) -> None:
    order = state[1] if len(state) >= 5 else None
    order = order.decode("ascii", "replace") if isinstance(order, bytes) else order
    if order not in ("<", ">", "=", "|") or any(part is not None for part in state[2:5]):
        raise Refused(f"a NumPy type with the state {state[:5]!r}")
    made.__setstate__((3, order, None, None, None, -1, -1, 0))  # type: ignore[attr-defined]


def _empty_array(kind: Any, *arguments: Any) -> NDArray[Any]:
    if kind != Named("numpy.ndarray"):
        raise Refused(f"an array of {getattr(kind, 'name', kind)!r}")
    return np.empty(0, np.uint8)


def _fill_array(made: NDArray[Any], state: tuple[Any, ...]) -> None:
    _, shape, dtype, fortran, data = state if len(state) == 5 else (1, *state)
    if type(data) is str:  # bytes as Python 2 wrote them
        data = data.encode("latin1")
    _array(shape, dtype, data)  # checks that they fit each other
    set_state: Any = made.__setstate__
    set_state((1, tuple(_sizes(shape)), dtype, bool(fortran), bytes(data)))


def _array(shape: Any, dtype: Any, data: Any) -> NDArray[Any]:
    """A flat array of the bytes, once they are as many as the shape needs."""
    sizes = _sizes(shape)
    if not isinstance(dtype, np.dtype) or not isinstance(data, bytes | bytearray):
        raise Refused("an array whose numbers are no bytes")
    if len(data) != math.prod(sizes) * dtype.itemsize:
        raise Refused(
            f"an array of shape {tuple(sizes)} and type {dtype} with {len(data)} bytes of numbers"
        )
    return np.frombuffer(data, dtype)


def _scalar(dtype: Any, data: Any) -> Any:
    return _array((), dtype, data)[0]


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any, *more: Any) -> NDArray[Any]:
    if order not in ("C", "F"):
        raise Refused(f"an array in the order {order!r}")
    return _array(shape, dtype, data).reshape(shape, order=order).copy(order=order)


def _sizes(shape: Any) -> list[int]:
    sizes = list(shape) if type(shape) in (tuple, list) else None
    if sizes is None or len(sizes) > _MOST_AXES or any(type(size) is not int for size in sizes):
        raise Refused(f"a shape that is no tuple of numbers ({type(shape).__name__})")
    if any(size < 0 for size in sizes):
        raise Refused(f"the shape {tuple(sizes)}")
    return sizes


# Torch


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *more: Any) -> torch.Tensor:
    """A view of a storage that lies within it and is no larger than it.

    A view with stride 0 would make terabytes of a few bytes as soon as somebody copies it.
    """
    import torch

    if not isinstance(storage, torch.Tensor) or storage.ndim != 1:
        raise Refused(f"a tensor of a {type(storage).__name__}")
    sizes, strides = _sizes(size), _sizes(stride)
    if type(offset) is not int or offset < 0 or len(sizes) != len(strides):
        raise Refused(f"a tensor with offset {offset!r}, shape {sizes} and strides {strides}")
    count = math.prod(sizes)
    last = offset + sum((n - 1) * step for n, step in zip(sizes, strides, strict=True))
    if count and (last >= len(storage) or count > len(storage)):
        raise Refused(
            f"a tensor of shape {tuple(sizes)} and strides {tuple(strides)} in a storage of "
            f"{len(storage)} numbers"
        )
    if count == 0:
        return torch.empty(sizes, dtype=storage.dtype, device=storage.device)
    return torch.as_strided(storage, sizes, strides, offset)


def _parameter(data: Any, *more: Any) -> torch.Tensor:
    import torch

    if not isinstance(data, torch.Tensor):
        raise Refused(f"a parameter of a {type(data).__name__}")
    return data
