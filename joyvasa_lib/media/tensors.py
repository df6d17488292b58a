"""Torch tensors as input, without importing torch for those who have none."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy.typing as npt

if TYPE_CHECKING:
    import torch


def is_tensor(value: object) -> TypeGuard[torch.Tensor]:
    """Whether a value is a torch tensor; where torch was never imported, it cannot be one."""
    torch_module = sys.modules.get("torch")
    return torch_module is not None and isinstance(value, torch_module.Tensor)


def to_numpy(tensor: torch.Tensor) -> npt.NDArray[Any]:
    """The numbers on the CPU; every kind of float, bfloat16 too, becomes float32."""
    tensor = tensor.detach().cpu()
    array: npt.NDArray[Any] = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    return array
