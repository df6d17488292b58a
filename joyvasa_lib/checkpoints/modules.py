"""The one strict loader, and the saver, of a network's folder: ``config.json`` and safetensors.

Weights are float32, 16-bit floats, or int8 with one scale a row
(:mod:`~joyvasa_lib.checkpoints.int8`); whatever they are stored as, a network is loaded in float32
on the CPU. Every tensor must be there, of the right shape and finite, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors.torch import save_file
from torch import Tensor, nn

from joyvasa_lib.checkpoints.build_limits import check_buildable
from joyvasa_lib.checkpoints.folder import CONFIG, WEIGHTS
from joyvasa_lib.checkpoints.int8 import pack, unpack
from joyvasa_lib.checkpoints.tensors import read_tensors
from joyvasa_lib.documents import read_object
from joyvasa_lib.errors import CheckpointError, OptionError

NetworkT = TypeVar("NetworkT", bound=nn.Module)
NETWORK_FAULTS = (
    *(TypeError, ValueError, RuntimeError, LookupError, AttributeError),
    *(ArithmeticError, MemoryError, StrictDataclassError),
)
"""What networks raise for configurations that are not theirs."""
Shapes = Mapping[str, tuple[int, ...]]


def load_module(
    build: Callable[..., NetworkT], folder: str | Path, *, weights: str = WEIGHTS
) -> NetworkT:
    """The network of a folder, in float32 and evaluation mode.

    Args:
        build: makes the network of the configuration's values, given by name. A network on the meta
            device takes over the tensors of the file instead of copying them.
        folder: where ``config.json`` and the weights lie.
        weights: name of the weights' file.

    Raises:
        CheckpointError: a file is missing or damaged, or tensors are missing, unexpected, of
            another shape or not finite; the message names the file and every such tensor.
    """
    folder = Path(folder)
    config = read_config(folder)
    stored, _ = read_tensors(folder / weights)
    try:
        check_buildable(build, config, len(stored), sum(t.numel() for t in stored.values()))
        network = build(**config)
    except NETWORK_FAULTS as error:
        raise CheckpointError(
            f"{folder / CONFIG} does not load ({error}); save or download it again"
        ) from error
    fill_module(network, unpack(stored), str(folder / weights))
    return network.eval()


def build_module(build: Callable[..., NetworkT], fields: Mapping[str, Any], where: str) -> NetworkT:
    """A new network of a recipe's fields.

    Args:
        build: makes the network of the fields, given by name.
        fields: as the recipe has them.
        where: the recipe's name for them, for the message.

    Raises:
        OptionError: they do not describe such a network.
    """
    try:
        return build(**fields)
    except NETWORK_FAULTS as error:
        raise OptionError(
            f"{where} does not describe a network that can be built: {error}"
        ) from error


def read_config(folder: Path) -> dict[str, Any]:
    """The values of a folder's ``config.json``; lists become tuples, private keys are left out.

    Raises:
        CheckpointError: the file is missing or not a JSON object.
    """
    path = folder / CONFIG
    try:
        config = read_object(path)
        return {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in config.items()
            if not key.startswith("_")
        }
    except (OSError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"{path} does not load ({error}); save or download it again"
        ) from error


def fill_module(network: nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    """Loads tensors into a network, all of them or none.

    Args:
        network: on the meta device it takes over the tensors, which are not copied.
        tensors: by the network's own names.
        where: what they were read from, for the message.

    Raises:
        CheckpointError: tensors do not fit; each is named.
    """
    own = network.state_dict()
    faults = tensor_faults(
        {name: tuple(value.shape) for name, value in own.items()},
        tensors,
        {name for name, value in own.items() if not value.is_floating_point()},
    )
    if faults:
        raise CheckpointError(
            f"{where} does not load: {'; '.join(faults)}. It is damaged, or of another network "
            f"than this {type(network).__name__}; save or download it again"
        )
    empty = any(value.is_meta for value in own.values())
    network.load_state_dict(tensors, assign=empty)


def tensor_faults(
    expected: Shapes, found: Mapping[str, Any], integers: Collection[str] = ()
) -> list[str]:
    """What keeps a state dict from being a network's; empty if nothing does.

    Args:
        expected: shape of every tensor by name.
        found: the state dict.
        integers: names of tensors that hold no floats.

    Returns:
        For each kind of fault half a sentence: how many, and the tensors.
    """
    faults: dict[str, list[str]] = {
        "missing": [name for name in expected if name not in found],
        "unexpected": [name for name in found if name not in expected],
    }
    strange, other, infinite = [], [], []
    for name, shape in expected.items():
        value = found.get(name)
        if not isinstance(value, Tensor) or value.is_floating_point() == (name in integers):
            kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
            strange += [f"{name} ({kind})"] if name in found else []
        elif tuple(value.shape) != tuple(shape):
            other.append(f"{name} {tuple(value.shape)} instead of {tuple(shape)}")
        elif not is_finite(value):
            infinite.append(name)
    faults |= {"of another kind": strange, "of another shape": other, "not finite": infinite}
    return [f"{len(names)} {kind}: {', '.join(names)}" for kind, names in faults.items() if names]


def is_finite(value: Tensor) -> bool:
    """Whether a tensor holds no NaN and no infinity."""
    return not value.is_floating_point() or bool(torch.isfinite(value).all())


def check_finite(network: nn.Module, where: str) -> None:
    """Refuses a network with weights that are not finite.

    Raises:
        CheckpointError: the tensors are named.
    """
    if wrong := [name for name, value in network.state_dict().items() if not is_finite(value)]:
        raise CheckpointError(
            f"{where} does not load: {', '.join(wrong)} hold numbers that are not finite; save or "
            "download it again"
        )


def save_module(
    network: nn.Module,
    folder: str | Path,
    dtype: torch.dtype = torch.float32,
    *,
    weights: str = WEIGHTS,
) -> None:
    """Writes ``config.json`` and the weights.

    Args:
        network: a ``ConfigMixin`` of diffusers, or one with a configuration of transformers.
        folder: made if missing.
        dtype: of the floats in the file; ``torch.int8`` stores matrices as
            :mod:`~joyvasa_lib.checkpoints.int8` says.
        weights: name of the weights' file.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    described: Any = network
    if hasattr(network, "save_config"):
        described.save_config(folder)
    else:
        described.config.save_pretrained(folder)
    state = network.state_dict()
    stored = (
        pack(state)
        if dtype == torch.int8
        else {
            name: (value.to(dtype) if value.is_floating_point() else value).contiguous()
            for name, value in state.items()
        }
    )
    save_file(stored, folder / weights, metadata={"format": "pt"})
