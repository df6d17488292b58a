"""Motion files: safetensors with four arrays and metadata.

| tensor | shape, float32 |
|---|---|
| expression | [t, k, 3] |
| rotation | [t, 3] degrees |
| translation | [t, 3] |
| scale | [t, 1] |

Metadata: ``format`` = ``joyvasa-motion``, ``version``, ``space``, ``fps``, ``reference``.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np

from joyvasa_lib.checkpoints.tensors import open_tensors
from joyvasa_lib.checks import checked_path
from joyvasa_lib.errors import MotionError, OutputError
from joyvasa_lib.media.files import atomic_path
from joyvasa_lib.motion.data import ARRAYS, MotionData, MotionT, Reference
from joyvasa_lib.motion.space import MotionSpace, get_space

FORMAT = "joyvasa-motion"
VERSION = 1


def save_motion(motion: MotionData, path: str | Path) -> Path:
    """Writes a motion file, whole or not at all; returns its path.

    Raises:
        OutputError: the file cannot be written.
    """
    from safetensors.numpy import save_file

    path = checked_path("A motion file", path, error=OutputError)
    tensors = {name: np.ascontiguousarray(getattr(motion, name)) for name in ARRAYS}
    metadata = {
        "format": FORMAT,
        "version": str(VERSION),
        "space": motion.space.name,
        "fps": repr(motion.fps),
        "reference": motion.reference,
    }
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)
    return path


def load_motion(
    path: str | Path, kind: type[MotionT], *, space: MotionSpace | None = None
) -> MotionT:
    """Reads a motion file.

    Args:
        path: the file.
        kind: what is made of it.
        space: the file's space, where it is not a known one.

    Raises:
        MotionError: no such file, not a motion file, damaged, of a newer version or another space.
    """
    from safetensors import SafetensorError

    path = checked_path("A motion file", path, error=MotionError)
    if not path.is_file():
        raise MotionError(f"There is no motion file {path}")
    try:
        with open_tensors(path, "numpy") as file:
            metadata = file.metadata() or {}
            names = set(file.keys())
            arrays = {name: file.get_tensor(name) for name in ARRAYS if name in names}
    except (OSError, SafetensorError) as error:
        raise MotionError(f"{path} is not a readable safetensors motion file: {error}") from error
    missing = [name for name in ARRAYS if name not in arrays]
    if metadata.get("format") != FORMAT or missing:
        raise MotionError(
            f"{path} is a safetensors file but not a motion of this library"
            + (f" (it has no {', '.join(missing)})" if missing else "")
        )
    if not metadata.get("version", "").isdigit() or int(metadata["version"]) > VERSION:
        raise MotionError(
            f"{path} has motion format version {metadata.get('version')!r}; this library reads up "
            f"to {VERSION}: upgrade joyvasa-lib"
        )
    stored = metadata.get("space", "")
    if space is not None and space.name != stored:
        raise MotionError(f"{path} holds a motion of space {stored!r}, not of {space.name!r}")
    try:
        return kind(
            **arrays,
            fps=float(metadata.get("fps", "nan")),
            space=space or get_space(stored),
            reference=cast("Reference", metadata.get("reference", "")),
        )
    except ValueError as error:  # MotionError among them
        raise MotionError(f"{path}: {error}") from error
