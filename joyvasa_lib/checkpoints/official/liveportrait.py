"""Names and shapes of LivePortrait's published tensors, and how they lie in our networks.

A published file holds a state dict; this module says for every tensor of ours which of theirs it
is, folds spectral norm, and accepts nothing missing, unexpected or of another shape. It knows
names and tensors, neither files nor networks;
:mod:`joyvasa_lib.portrait.liveportrait.published` builds those.

| published file | network | names that differ (ours: theirs) |
|---|---|---|
| ``appearance_feature_extractor`` | F | ``resblocks.0``: ``resblocks_3d.3dr0`` |
| ``motion_extractor`` | M | everything is under ``detector.`` |
| ``warping_module`` | W | none |
| ``spade_generator`` | G | ``middle.0``: ``G_middle_0``; ``up.0``: ``up_0``;
``mlp_shared``: ``mlp_shared.0``; ``conv_img``: ``conv_img.0`` if it is shuffled;
``conv_0.weight``: ``conv_0.weight_orig`` over its spectral norm |
| ``stitching_retargeting_module`` | three | one dictionary each, see :data:`KEYPOINT_NETWORKS` |
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from joyvasa_lib.checkpoints.modules import tensor_faults
from joyvasa_lib.errors import CheckpointError

NetworkT = TypeVar("NetworkT", bound=nn.Module)
Shapes = dict[str, tuple[int, ...]]

COUNTER = "num_batches_tracked"
"""Batch norm's count of training steps, the only kind of tensor that is ignored."""

SPECTRAL = re.compile(r"\.(conv_0|conv_1|conv_s)\.weight$")
"""Our weights of G that are published with spectral norm."""

KEYPOINT_NETWORKS = {
    "stitching": "retarget_shoulder",
    "lips": "retarget_mouth",
    "eyes": "retarget_eye",
}
"""Names in the stitching file: those of its dictionaries, or, where a community conversion has
flattened it, ``retarget_shoulder_module.`` and so on before every key."""

SIGNS = {
    "appearance_feature_extractor": "resblocks_3d.",
    "motion_extractor": "detector.",
    "warping_module": "dense_motion_network.",
    "spade_generator": "G_middle_",
    "stitching_retargeting_module": "retarget_",
    "motion_generator": "denoising_net.",
}
"""How keys of each published file begin that no other file has."""


@dataclass(frozen=True)
class Layout:
    """How one published state dict lies in one of our networks.

    Attributes:
        name: the published file, without its ending.
        renames: pattern and replacement, from our key to the published one, all applied.
        spectral: our keys that are published with spectral norm, or None.
    """

    name: str
    renames: tuple[tuple[str, str], ...] = ()
    spectral: re.Pattern[str] | None = None

    def official(self, key: str) -> str:
        """The published name of one of our keys; of a spectral weight without its ending."""
        for pattern, replacement in self.renames:
            key = re.sub(pattern, replacement, key)
        return key

    def shapes(self, network: nn.Module) -> Shapes:
        """Published name and shape of everything the network needs."""
        found: Shapes = {}
        for key, value in network.state_dict().items():
            if key.endswith(COUNTER):
                continue
            name, shape = self.official(key), tuple(value.shape)
            if self.spectral is not None and self.spectral.search(key):
                found[f"{name}_orig"] = shape
                found[f"{name}_u"] = shape[:1]
                found[f"{name}_v"] = (int(value[0].numel()),)
            else:
                found[name] = shape
        return found

    def fill(self, network: NetworkT, state: Mapping[str, Any]) -> NetworkT:
        """The network with the published tensors, as float32, in evaluation mode.

        Args:
            network: may be on the meta device.
            state: published names and tensors; checked strictly.

        Raises:
            CheckpointError: names every tensor that is missing, unexpected or of another shape.
        """
        state = without_counters(state, self.name)
        check_tensors(self.name, self.shapes(network), state)
        weights: dict[str, Tensor] = {}
        for key, value in network.state_dict().items():
            name = self.official(key)
            if key.endswith(COUNTER):
                weights[key] = torch.zeros(value.shape, dtype=value.dtype)
            elif self.spectral is not None and self.spectral.search(key):
                parts = [state[f"{name}_{part}"] for part in ("orig", "u", "v")]
                weights[key] = fold_spectral_norm(*parts)
                if not bool(torch.isfinite(weights[key]).all()):
                    raise CheckpointError(
                        f"The spectral norm of {name} in these {self.name} weights is 0; give the "
                        "file as published"
                    )
            else:
                weights[key] = state[name].detach().to(torch.float32).clone()
        network.load_state_dict(weights, assign=True)
        return network.eval().requires_grad_(False)


APPEARANCE = Layout(
    "appearance_feature_extractor", ((r"^resblocks\.(\d+)\.", r"resblocks_3d.3dr\1."),)
)
MOTION = Layout("motion_extractor", ((r"^", "detector."),))
WARPING = Layout("warping_module")
GENERATOR = Layout(
    "spade_generator",
    (
        (r"^middle\.(\d+)\.", r"G_middle_\1."),
        (r"^up\.(\d+)\.", r"up_\1."),
        (r"\.mlp_shared\.", ".mlp_shared.0."),
        (r"^conv_img\.", "conv_img.0."),
    ),
    SPECTRAL,
)
GENERATOR_WITHOUT_SHUFFLE = Layout("spade_generator", GENERATOR.renames[:-1], SPECTRAL)
STITCHING = Layout("stitching_retargeting_module")


def fold_spectral_norm(weight: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """``W / sigma`` with ``sigma = u^T W v`` for the stored vectors (arXiv 1802.05957, eq. 7).

    Args:
        weight: [out, ...] the raw weight.
        u: [out] left vector.
        v: [in * kernel] right vector.
    """
    raw = weight.detach().double()
    sigma = u.double() @ raw.flatten(1) @ v.double()
    return (raw / sigma).float()


def recognise(keys: Iterable[str]) -> str | None:
    """Which of the published files has such keys, or None."""
    names = [key.removeprefix("module.") for key in keys]
    for name, sign in SIGNS.items():
        if any(key.startswith(sign) for key in names):
            return name
    return None


def without_counters(state: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The state dict without ``module.`` before its keys and without batch norm's counters.

    Raises:
        CheckpointError: it is not a dictionary.
    """
    if not isinstance(state, Mapping):
        raise CheckpointError(
            f"LivePortrait's {name} is a dictionary of tensors, not {type(state).__name__}; "
            "give the file as published"
        )
    kept = {str(key).removeprefix("module."): value for key, value in state.items()}
    return {key: value for key, value in kept.items() if not key.endswith(COUNTER)}


def check_tensors(name: str, expected: Shapes, found: Mapping[str, Any]) -> None:
    """Compares a state dict with what a network needs.

    Args:
        name: the published file, for the message.
        expected: name and shape of every tensor.
        found: the state dict.

    Raises:
        CheckpointError: names every tensor that is missing, unexpected, of another kind or shape,
            or not finite; of a file with none of them it says whose it is.
    """
    other = looks_like(found, name)
    if other and not set(expected) & set(found):
        raise CheckpointError(
            f"These weights are not LivePortrait's {name}{other}; give the file as published"
        )
    faults = tensor_faults(expected, found)
    if faults:
        raise CheckpointError(
            f"These weights are not LivePortrait's {name}: {'; '.join(faults)}"
            f"{looks_like(found, name)}; give the file as published"
        )


def looks_like(found: Mapping[str, Any], name: str = "") -> str:
    """Half a sentence about which other published file a state dict is of; "" for none."""
    kind = recognise(found)
    return f"; they look like those of {kind}" if kind is not None and kind != name else ""


def keypoint_state(state: Mapping[str, Any], official: str) -> dict[str, Any]:
    """Tensors of one network of the stitching file, from either form of the file.

    Args:
        state: content of the file.
        official: published name of the network.
    """
    entries = without_counters(state, STITCHING.name)
    nested = entries.get(official)
    if isinstance(nested, Mapping):
        return without_counters(nested, STITCHING.name)
    prefix = re.compile(rf"{official}(_module)?\.(module\.)?")
    return {prefix.sub("", key): value for key, value in entries.items() if prefix.match(key)}
