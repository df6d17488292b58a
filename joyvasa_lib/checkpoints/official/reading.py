"""Published files read: state dicts, JoyVASA's arguments, configurations; errors name the file.

Nothing in a file is run (:mod:`~joyvasa_lib.checkpoints.unpickle`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from joyvasa_lib.checkpoints.file_kind import SAFETENSORS, file_kind
from joyvasa_lib.checkpoints.official.files import TITLES
from joyvasa_lib.checkpoints.tensors import read_tensors
from joyvasa_lib.checkpoints.unpickle import read_checkpoint
from joyvasa_lib.errors import CheckpointError

T = TypeVar("T")


def read_state(path: Path) -> Mapping[str, Any]:
    """The state dict in a file of ``torch.save`` or safetensors.

    Raises:
        CheckpointError: the file is missing, damaged, unsafe or holds something else.
    """
    if file_kind(path) == SAFETENSORS:
        return read_tensors(path)[0]
    content = read_checkpoint(path)
    if not isinstance(content, Mapping):
        raise CheckpointError(
            f"{path} holds a {type(content).__name__}, not a dictionary of tensors; give the file "
            "as published"
        )
    return content


def read_generator(path: Path) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Tensors and arguments of JoyVASA's motion generator.

    Raises:
        CheckpointError: the file is missing, damaged, unsafe or holds something else.
    """
    content = read_checkpoint(path)
    if not isinstance(content, Mapping) or not isinstance(content.get("model"), Mapping):
        found = list(content)[:3] if isinstance(content, Mapping) else type(content).__name__
        raise CheckpointError(
            f"{path} is not JoyVASA's motion generator, a dictionary with 'model' and 'args': it "
            f"holds {found}; give the file as published"
        )
    args = content.get("args")
    return content["model"], args if isinstance(args, Mapping) else vars(args) if args else {}


def read_template(path: Path) -> Mapping[str, Any]:
    """Arrays of JoyVASA's motion template.

    Raises:
        CheckpointError: the file is missing, damaged, unsafe or holds something else.
    """
    content = read_checkpoint(path)
    if not isinstance(content, Mapping):
        raise CheckpointError(
            f"{path} holds a {type(content).__name__}, not JoyVASA's motion statistics; "
            "give the file as published"
        )
    return content


def read_encoder_config(path: Path) -> dict[str, Any]:
    """The ``config.json`` of a published speech encoder.

    Raises:
        CheckpointError: the file cannot be read.
    """
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); download it again") from error


def of_file(path: Path, name: str, make: Callable[[], T]) -> T:
    """What is made of a published file; errors name the file.

    Args:
        path: the file.
        name: its published name without the ending.
        make: makes it.

    Raises:
        CheckpointError: as ``make`` does.
    """
    try:
        return make()
    except CheckpointError as error:
        if str(path) in str(error):
            raise
        raise CheckpointError(f"{path} ({TITLES[name]}): {error}") from error
