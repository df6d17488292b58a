"""Weights at a quarter of their size: matrices as 8-bit integers with one scale a row.

Symmetric round-to-nearest, scale of a row = its largest magnitude / 127 in half precision. Packing
what was unpacked gives the same bytes again.

Axis legend: ``o`` rows (output channels), ``...`` the axes of one row.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

SCALE = "_scale"
"""Suffix of the key that holds the row scales of an int8 tensor."""


def pack(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns int8 tensors [o, ...] with scales float16 [o], and everything else as float16."""
    packed: dict[str, Tensor] = {}
    for key, value in weights.items():
        if value.ndim < 2 or not value.is_floating_point():
            packed[key] = value.half() if value.is_floating_point() else value
            continue
        rows = value.float().flatten(1)
        scale = (rows.abs().amax(dim=1) / 127.0).clamp(min=1e-7).half()
        whole = (rows / scale.float()[:, None]).round().clamp(-127, 127)
        packed[key] = whole.to(torch.int8).view(value.shape)
        packed[key + SCALE] = scale
    return {key: value.contiguous() for key, value in packed.items()}


def unpack(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns the float32 tensors of packed ones; scales that belong to nothing are left in."""
    weights: dict[str, Tensor] = {}
    for key, value in stored.items():
        if value.dtype == torch.int8 and key + SCALE in stored:
            rows = value.float().flatten(1) * stored[key + SCALE].float()[:, None]
            weights[key] = rows.view(value.shape)
        elif stored.get(key.removesuffix(SCALE), value).dtype != torch.int8:
            weights[key] = value.float() if value.is_floating_point() else value
    return weights
