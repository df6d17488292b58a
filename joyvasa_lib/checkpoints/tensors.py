"""Safetensors files read whole, as torch tensors or NumPy arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

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
            f"{path} does not load ({error}); save or download it again"
        ) from error
