"""The denoiser's weights on disk: diffusers' layout, 16 and 8 bits allowed, strict loading."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from joyvasa_lib.errors import CheckpointError
from joyvasa_lib.speech.diffusion.denoiser import MotionDenoiser
from joyvasa_lib.speech.encoders.int8 import pack, unpack

WEIGHTS = "diffusion_pytorch_model.safetensors"


def save_denoiser(denoiser: MotionDenoiser, folder: Path, dtype: torch.dtype) -> None:
    """Writes ``config.json`` and the weights as ``dtype``.

    ``from_pretrained`` of diffusers reads them too, but for ``torch.int8``, which is
    :mod:`~joyvasa_lib.speech.encoders.int8`'s.
    """
    denoiser.save_config(folder)
    state = denoiser.state_dict()
    weights = (
        pack(state)
        if dtype == torch.int8
        else {key: value.to(dtype).contiguous() for key, value in state.items()}
    )
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})


def load_denoiser(folder: Path) -> MotionDenoiser:
    """Returns the denoiser of a folder, in float32.

    Raises:
        CheckpointError: a file is missing, or keys or shapes differ; the message names them.
    """
    try:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        public = {key: value for key, value in config.items() if not key.startswith("_")}
        denoiser = MotionDenoiser(**public)
        denoiser.load_state_dict(unpack(load_file(folder / WEIGHTS)))
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"The denoiser in {folder} does not load: {error}") from error
    return denoiser.float().eval()
