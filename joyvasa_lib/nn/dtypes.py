"""Which kind of number a device computes fastest with."""

from __future__ import annotations

import torch


def fast_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the device multiplies it faster than float32, else float32.

    A processor without such instructions emulates them: convolutions take several times as long.
    """
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    half = capabilities.get("amx_bf16") or capabilities.get("avx512_bf16")
    return torch.bfloat16 if device.type == "cpu" and half else torch.float32
