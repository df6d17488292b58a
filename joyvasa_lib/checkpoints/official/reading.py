"""Published files read: state dicts, JoyVASA's arguments, configurations; errors name the file.

Nothing in a file is run (:mod:`~joyvasa_lib.checkpoints.unpickle`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from joyvasa_lib.checkpoints.file_kind import SAFETENSORS, file_kind
from joyvasa_lib.checkpoints.official.files import TITLES
from joyvasa_lib.checkpoints.tensors import read_tensors
from joyvasa_lib.checkpoints.unpickle import read_checkpoint
from joyvasa_lib.documents import read_object
from joyvasa_lib.errors import CheckpointError

T = TypeVar("T")

WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Names under which training scripts keep the state dict."""
PREFIXES = ("_orig_mod.", "module.", "model.")
"""What ``torch.compile``, data parallelism and wrapping classes put before every name."""


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
    return unwrapped(content)


def unwrapped(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """A state dict without what training scripts and ``torch.compile`` put around it.

    That is a dictionary with the state dict beside an optimiser's state, and a common beginning of
    all names.
    """
    for name in WRAPPERS:
        inner = state.get(name)
        if isinstance(inner, Mapping) and inner:
            return unwrapped(inner)
    for prefix in PREFIXES:
        if state and all(isinstance(key, str) and key.startswith(prefix) for key in state):
            return unwrapped({key.removeprefix(prefix): value for key, value in state.items()})
    return state


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
    if not isinstance(args, Mapping):
        args = vars(args) if args else {}
    return unwrapped(content["model"]), args


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
        return read_object(path)
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
