"""What a checkpoint's pickle may name, and what each name makes.

Tensors and their storages, NumPy arrays, ``argparse.Namespace``, ``OrderedDict``, and paths, which
become pure ones that cannot touch a disk. Nothing else; see
:mod:`~joyvasa_lib.checkpoints.data_unpickler`.
"""

from __future__ import annotations

import argparse
import math
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.checkpoints.data_unpickler import Name, checked_keys
from joyvasa_lib.checkpoints.pickle_budget import Refused, short_repr

if TYPE_CHECKING:
    import torch

_NUMBERS = re.compile(r"[biufc](1|2|4|8|16)|[?]")
"""NumPy's numbers: no objects, no texts, no records."""
_MOST_AXES = 32


def data_names() -> dict[str, Any]:
    """What pickles of NumPy arrays, of NumPy 1 and 2, and of plain Python data may name."""
    return _names({**_numpy_makers(), **_python_makers()})


def torch_names() -> dict[str, Any]:
    """What files that ``torch.save`` wrote may name beside that."""
    import torch

    dtypes = ("float16", "bfloat16", "float32", "float64", "int64", "int32", "bool")
    makers: dict[str, Callable[..., Any] | None] = {
        "torch._utils._rebuild_tensor": _tensor,
        "torch._utils._rebuild_tensor_v2": _tensor,
        "torch._utils._rebuild_parameter": _parameter,
        "torch.Size": lambda sizes=(): tuple(_sizes(sizes)),
        "torch.device": _device,
        **dict.fromkeys(storage_types()),
    }
    return {**_names(makers), **{f"torch.{name}": getattr(torch, name) for name in dtypes}}


def _names(makers: Mapping[str, Callable[..., Any] | None]) -> dict[str, Any]:
    return {name: Name(name, make) for name, make in makers.items()}


def _numpy_makers() -> dict[str, Callable[..., Any] | None]:
    makers: dict[str, Callable[..., Any] | None] = {
        "numpy.ndarray": None,
        "numpy.dtype": _dtype,
        "_codecs.encode": _encode,
    }
    for core in ("numpy.core", "numpy._core"):
        makers[f"{core}.multiarray._reconstruct"] = _empty_array
        makers[f"{core}.multiarray.scalar"] = _scalar
        makers[f"{core}.numeric._frombuffer"] = _from_buffer
    return makers


def _python_makers() -> dict[str, Callable[..., Any] | None]:
    makers: dict[str, Callable[..., Any] | None] = {
        "collections.OrderedDict": _ordered,
        "argparse.Namespace": _namespace,
        "copyreg._reconstructor": _reconstruct,
        "copy_reg._reconstructor": _reconstruct,
    }
    for builtins in ("builtins", "__builtin__"):
        makers[f"{builtins}.object"] = None
        makers[f"{builtins}.set"] = lambda items=(): set(_list(items))
        makers[f"{builtins}.frozenset"] = lambda items=(): frozenset(_list(items))
        makers[f"{builtins}.bytes"] = _bytes
        makers[f"{builtins}.bytearray"] = _bytes
        makers[f"{builtins}.complex"] = _complex
    for module in ("pathlib", "pathlib._local"):
        for system, path in (("Posix", PurePosixPath), ("Windows", PureWindowsPath)):
            makers[f"{module}.{system}Path"] = _path_of(path)
            makers[f"{module}.Pure{system}Path"] = _path_of(path)
    return makers


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


def _is_named(value: Any, name: str) -> bool:
    return isinstance(value, Name) and value.name == name


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
    if not _is_named(kind, "argparse.Namespace") or state is not None:
        raise Refused(f"an object of {short_repr(kind)} by copyreg._reconstructor")
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
        raise Refused(f"text encoded by {short_repr(encoding)}")
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
        raise Refused(f"arrays of NumPy type {short_repr(name)}")
    return np.dtype(name, copy=True)  # a copy, because its byte order is set in place


def _set_byte_order(made: np.dtype[Any], state: tuple[Any, ...]) -> None:
    order = state[1] if len(state) >= 5 else None
    order = order.decode("ascii", "replace") if isinstance(order, bytes) else order
    if order not in ("<", ">", "=", "|") or any(part is not None for part in state[2:5]):
        raise Refused(f"a NumPy type with the state {short_repr(state[:5])}")
    made.__setstate__((3, order, None, None, None, -1, -1, 0))  # type: ignore[attr-defined]


def _empty_array(kind: Any, *arguments: Any) -> NDArray[Any]:
    if not _is_named(kind, "numpy.ndarray"):
        raise Refused(f"an array of {short_repr(kind)}")
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
        raise Refused(f"an array in the order {short_repr(order)}")
    return _array(shape, dtype, data).reshape(shape, order=order).copy(order=order)


def _sizes(shape: Any) -> list[int]:
    sizes = list(shape) if type(shape) in (tuple, list) else None
    if sizes is None or len(sizes) > _MOST_AXES or any(type(size) is not int for size in sizes):
        raise Refused(f"a shape that is no tuple of numbers ({type(shape).__name__})")
    if any(not 0 <= size < 2**63 for size in sizes):
        raise Refused(f"the shape {short_repr(tuple(sizes))}")
    return sizes


# Torch


def _device(*parts: Any) -> str:
    if any(type(part) not in (str, int) for part in parts):
        raise Refused("a device of parts that are neither text nor a number")
    return ":".join(map(str, parts))


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *more: Any) -> torch.Tensor:
    """A view of a storage that lies within it and is no larger than it.

    A view with stride 0 would make terabytes of a few bytes as soon as somebody copies it.
    """
    import torch

    if not isinstance(storage, torch.Tensor) or storage.ndim != 1:
        raise Refused(f"a tensor of a {type(storage).__name__}")
    sizes, strides = _sizes(size), _sizes(stride)
    if type(offset) is not int or offset < 0 or len(sizes) != len(strides):
        raise Refused(
            f"a tensor with offset {short_repr(offset)}, shape {sizes} and strides {strides}"
        )
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
