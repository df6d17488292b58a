"""Speech features of a whole recording, computed as generation computes them.

Axis legend: ``n`` samples at 16 kHz, ``t`` frames at 25 Hz, ``a`` width of the features.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from joyvasa_lib.checkpoints.tensors import open_tensors
from joyvasa_lib.media.audio import SAMPLE_RATE
from joyvasa_lib.speech.encoders.audio_encoder import AudioEncoder, FeatureStream

OPEN_FILES = 512
"""Kept files that stay open."""
BLOCK = 10 * SAMPLE_RATE
"""Samples given to the encoder's stream at once."""
_NO_CONTENT = ("_name_or_path", "transformers_version", "dtype", "torch_dtype")
"""Entries of an encoder's configuration that say where it came from, not what it computes."""


@torch.inference_mode()
def encode(
    encoder: AudioEncoder,
    waveform: NDArray[np.float32],
    frames: int,
    window: int = 100,
    look_ahead: int = 25,
) -> NDArray[np.float16]:
    """Returns the features [t, a] of a waveform [n].

    Args:
        encoder: the speech network.
        waveform: 16 kHz mono.
        frames: t; the last features are repeated where the waveform is shorter.
        window: frames that are encoded at once.
        look_ahead: frames of audio after them that they are encoded with.
    """
    stream = FeatureStream(encoder, window, look_ahead=look_ahead)
    parts = [
        features
        for start in range(0, len(waveform), BLOCK)
        for features in stream.push(waveform[start : start + BLOCK])
    ]
    parts += stream.finish()
    features = torch.cat(parts).float().cpu().numpy().astype(np.float16)
    if len(features) < frames:
        features = np.pad(features, ((0, frames - len(features)), (0, 0)), mode="edge")
    return features[:frames]


@lru_cache(maxsize=OPEN_FILES)
def opened(path: Path) -> Any:
    """Returns a file of kept features, open for slices; the last ones stay open."""
    return open_tensors(path, "numpy")


def fingerprint_of(*arrays: NDArray[Any] | None) -> str:
    """Returns a short hash of arrays: their types, shapes and values."""
    found = hashlib.sha256()
    for values in arrays:
        if values is not None:
            found.update(f"{values.dtype}{values.shape}".encode())
            found.update(np.ascontiguousarray(values).view(np.uint8).data)
    return found.hexdigest()[:16]


def fingerprint(encoder: AudioEncoder) -> str:
    """Returns a short hash of the encoder: its configuration and its weights."""
    found = hashlib.sha256()
    config: Any = encoder.network.config
    named = {name: value for name, value in config.to_dict().items() if name not in _NO_CONTENT}
    found.update(json.dumps(named, sort_keys=True, default=str).encode())
    for name, value in sorted(encoder.state_dict().items()):
        found.update(name.encode())
        found.update(value.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()[:16]
