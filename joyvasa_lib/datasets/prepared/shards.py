"""Safetensors files with a JSON object in their header, and JPEG images as bytes in a tensor.

Axis legend: ``s`` side of an image, ``t`` frames.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.checkpoints.tensors import open_tensors
from joyvasa_lib.documents import parse_json
from joyvasa_lib.errors import MediaError, OutputError
from joyvasa_lib.media.files import atomic_path

_HEADER = "joyvasa"
"""The one metadata key: with several their order, and so the bytes of the file, would vary."""
_OPEN_FILES = 32
JPEG_QUALITY = 92


def save_tensors(path: Path, tensors: Mapping[str, NDArray[Any]], about: Mapping[str, Any]) -> int:
    """Writes tensors and a JSON object, whole or not at all, also if the power fails.

    Returns:
        Size of the file in bytes.

    Raises:
        OutputError: it cannot be written, for example because the disk is full.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    header = {_HEADER: json.dumps(about, ensure_ascii=False, separators=(",", ":"))}
    try:
        with atomic_path(path, durable=True) as temporary:
            mode = temporary.stat().st_mode & 0o777
            save_file(dict(tensors), temporary, metadata=header)
            temporary.chmod(mode)  # as of any other file; safetensors lets its owner alone read it
            size = temporary.stat().st_size
    except (OSError, SafetensorError) as error:
        raise OutputError(
            f"Cannot write {path} ({error}); free some space or choose another folder, and run "
            "again: what is finished is kept"
        ) from error
    return size


def read_about(path: Path) -> dict[str, Any]:
    """The JSON object in a file's header.

    Raises:
        MediaError: the file is missing, damaged or not of this kind.
    """
    from safetensors import SafetensorError

    try:
        with open_tensors(path, "numpy") as file:
            about: dict[str, Any] = parse_json((file.metadata() or {})[_HEADER])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise MediaError(f"{path} is not a readable shard: {error!r}; prepare it again") from error
    return about


@lru_cache(maxsize=_OPEN_FILES)
def opened(path: Path) -> Any:
    """An open shard; its pages are read from disk when a tensor is, and kept by the system only.

    Raises:
        MediaError: it cannot be opened.
    """
    from safetensors import SafetensorError

    try:
        return open_tensors(path, "numpy")
    except (OSError, SafetensorError) as error:
        raise MediaError(f"{path} is not a readable shard: {error}; prepare it again") from error


def encode_images(
    images: Sequence[NDArray[np.uint8]],
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """JPEG files [bytes] of images [s, s, 3] RGB, end to end, and where each ends [t]."""
    parts = [encode_image(image) for image in images]
    ends = np.cumsum([len(part) for part in parts], dtype=np.int64)
    return (np.concatenate(parts) if parts else np.zeros(0, np.uint8)), ends


def encode_image(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The bytes of a JPEG file of an image [s, s, 3] RGB."""
    import cv2

    # Without halved colour: lips and skin differ in little else.
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    return np.asarray(data, np.uint8).reshape(-1)


def decode_image(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image [s, s, 3] RGB of the bytes of a JPEG file.

    Raises:
        MediaError: they are none.
    """
    import cv2

    image = cv2.imdecode(np.ascontiguousarray(data), cv2.IMREAD_COLOR)
    if image is None:
        raise MediaError(f"{len(data)} bytes of a shard are no image; prepare the set again")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
