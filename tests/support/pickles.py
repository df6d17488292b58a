"""Checkpoint files and pickles, sound and malicious, for tests of the reader."""

from __future__ import annotations

import argparse
import pathlib
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from joyvasa_lib.checkpoints.unpickle import read_checkpoint


def read_bytes(tmp_path: Path, data: bytes) -> Any:
    """What the reader makes of a file of these bytes."""
    path = tmp_path / "file.pkl"
    path.write_bytes(data)
    return read_checkpoint(path)


def saved(tmp_path: Path, value: Any, **options: Any) -> Any:
    """What the reader makes of a value that ``torch.save`` wrote."""
    path = tmp_path / "file.pt"
    torch.save(value, path, **options)
    return read_checkpoint(path)


def same(a: Any, b: Any) -> bool:
    """Whether two values are equal, with the types of their arrays and tensors."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, np.ndarray | np.generic):
        return a.dtype == b.dtype and a.shape == b.shape and bool((a == b).all())
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def motion_checkpoint() -> dict[str, Any]:
    """What JoyVASA's generator file holds, in small."""
    args = argparse.Namespace(
        exp_name="x", n_motions=100, fps=25.0, use_indicator=True, pad_mode="zero",
        audio_model="hubert_zh_ori", iter=None, data_root=pathlib.PosixPath("/data/set/train"),
    )  # fmt: skip
    weights = OrderedDict(
        weight=torch.randn(3, 4),
        shared=torch.arange(6.0)[2:5],
        half=torch.randn(2, 2).half(),
        brain=torch.randn(5).bfloat16(),
        steps=torch.tensor(7),
        mask=torch.tensor([[True, False]]),
        turned=torch.randn(3, 5).T,
        empty=torch.zeros(0, 3),
    )
    return {"args": args, "model": weights, "iter": 20000}


def opcodes(*parts: bytes) -> bytes:
    """A pickle of protocol 4 with these opcodes."""
    return b"\x80\x04" + b"".join(parts) + b"."


def text(value: str) -> bytes:
    """The opcode that pushes a short text."""
    return b"\x8c" + bytes([len(value)]) + value.encode()
