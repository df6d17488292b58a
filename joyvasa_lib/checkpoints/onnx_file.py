"""ONNX networks that users bring: nothing in them may name another file.

A tensor of an ONNX file can say that its numbers lie in another file, by any path, or at an address
in memory; onnxruntime reads them when it opens the network. The file is searched for that first, in
the encoding that every ONNX file has (https://protobuf.dev/programming-guides/encoding; field
numbers from onnx.proto of ONNX 1.19).
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from joyvasa_lib.errors import CheckpointError

_PARTS = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
"""For each kind of message, the fields that hold others in which a tensor may be."""
_OPERATOR = 4
"""Field of a node: its operator's name."""
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
"""Fields of a tensor: where else its numbers lie, and whether they do."""


def check_onnx(path: Path) -> None:
    """Refuses a network that would make onnxruntime open other files.

    Raises:
        CheckpointError: it would, or it is damaged or no ONNX network.
    """
    try:
        if not path.stat().st_size:
            return  # onnxruntime says that it is no network
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            named = _names_a_file(data)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error}); check it") from error
    except ValueError as error:
        raise CheckpointError(
            f"{path} cannot be read as an ONNX network ({error}); copy it again"
        ) from error
    if named:
        raise CheckpointError(
            f"{path} keeps numbers in other files, which are not opened; save it as one file: "
            "onnx.save(onnx.load(path), path)"
        )


def _names_a_file(data: mmap.mmap) -> bool:
    left = [("model", 0, len(data))]
    while left:
        kind, start, end = left.pop()
        for field, begin, stop in _fields(data, start, end):
            if kind == "tensor" and field == _EXTERNAL_DATA:
                return True
            if kind == "tensor" and field == _DATA_LOCATION and _number(data, begin, stop)[0]:
                return True
            if kind == "node" and field == _OPERATOR and data[begin:stop] == b"EPContext":
                return True  # a network compiled for one processor, in a file of its own
            if field in _PARTS[kind]:
                left.append((_PARTS[kind][field], begin, stop))
    return False


def _fields(data: mmap.mmap, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, start and end of each field of a message.

    Raises:
        ValueError: it is no such message.
    """
    while at < end:
        tag, at = _number(data, at, end)
        kind, begin = tag & 7, at
        if kind == 0:
            _, at = _number(data, at, end)
        elif kind == 2:
            length, begin = _number(data, at, end)
            at = begin + length
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise ValueError(f"a field of kind {kind}")
        if at > end:
            raise ValueError("it ends early")
        yield tag >> 3, begin, at


def _number(data: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    """A whole number, seven bits a byte, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            raise ValueError("it ends early")
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("a number without end")
