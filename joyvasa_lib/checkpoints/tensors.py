"""Safetensors files read whole, as torch tensors or NumPy arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from joyvasa_lib.checkpoints.file_kind import file_kind
from joyvasa_lib.errors import CheckpointError


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
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework=framework) as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118 - no mapping
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(
            f"{path} does not load ({_reason(path, error)}); save or download it again"
        ) from error


def _reason(path: Path, error: Exception) -> str:
    """What is wrong with a file: that it is a web page, say, or else what safetensors says."""
    try:
        file_kind(path)
    except CheckpointError as told:
        return str(told).removeprefix(f"{path} ")
    return str(error)
