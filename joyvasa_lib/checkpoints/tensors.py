"""Safetensors files read whole, as torch tensors or NumPy arrays."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from joyvasa_lib.budgets import budgets
from joyvasa_lib.checkpoints.file_kind import file_kind
from joyvasa_lib.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

ALIGNMENT = 64
"""Bytes to which torch's CPU allocator aligns memory."""


_NUMPY_TYPES = {
    *("BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64", "F16", "F32", "F64", "C64"),
}


def open_tensors(path: str | os.PathLike[str], framework: Literal["pt", "numpy"]) -> Any:
    """An open safetensors file, as ``safe_open`` gives, once its header is known to be short.

    Args:
        path: the file.
        framework: ``"pt"`` for torch tensors, ``"numpy"`` for arrays.

    Raises:
        OSError: the file cannot be read.
        SafetensorError: it is damaged, its header is above the budget, or it has tensors of a type
            that NumPy lacks where arrays are asked for.
    """
    from safetensors import SafetensorError, safe_open

    most = budgets().safetensors_header
    with Path(path).open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if length > most:
        raise SafetensorError(
            f"its header has {length} bytes, more than the {most} allowed (safetensors_header)"
        )
    opened = safe_open(path, framework=framework)
    if framework == "numpy":
        for name in opened.keys():  # noqa: SIM118 - not a dict
            kind = opened.get_slice(name).get_dtype()
            if kind not in _NUMPY_TYPES:
                raise SafetensorError(
                    f"its tensor {name!r} is of type {kind}, which NumPy lacks; save it as F32"
                )
    return opened


def read_tensors(
    path: Path, framework: Literal["pt", "numpy"] = "pt"
) -> tuple[dict[str, Any], dict[str, str]]:
    """Returns every tensor of a safetensors file by name, and the file's metadata.

    Args:
        path: the file.
        framework: ``"pt"`` for torch tensors, ``"numpy"`` for arrays.

    Raises:
        CheckpointError: the file is missing, damaged or of another kind.
    """
    from safetensors import SafetensorError

    try:
        with open_tensors(path, framework) as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(
            f"{path} does not load ({_reason(path, error)}); save or download it again"
        ) from error
    if framework == "pt":
        tensors = {name: _aligned(tensor) for name, tensor in tensors.items()}
    return tensors, metadata


def _aligned(tensor: Tensor) -> Tensor:
    """The tensor where torch itself would have put it.

    A file's tensors begin at any multiple of 8 bytes. Kernels add in another order there, so that
    a saved network would give numbers that differ in the last bit from those of the network itself.
    """
    return tensor.clone() if tensor.data_ptr() % ALIGNMENT else tensor


def _reason(path: Path, error: Exception) -> str:
    """What is wrong with a file: that it is a web page, say, or else what safetensors says."""
    try:
        file_kind(path)
    except CheckpointError as told:
        return str(told).removeprefix(f"{path} ")
    return str(error)
