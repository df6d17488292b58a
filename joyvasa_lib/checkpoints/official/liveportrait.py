"""LivePortrait's published tensors, by their published names, into our networks.

A published file holds a state dict; this module says for every tensor of ours which of theirs it
is, folds spectral norm, and accepts nothing missing, unexpected or of another shape. It knows
tensors, not files.

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

from joyvasa_lib.errors import CheckpointError
from joyvasa_lib.portrait.liveportrait.appearance_extractor import AppearanceFeatureExtractor
from joyvasa_lib.portrait.liveportrait.generator import SpadeGenerator
from joyvasa_lib.portrait.liveportrait.motion_extractor import MotionExtractor
from joyvasa_lib.portrait.liveportrait.stitching import RetargetingNetwork, StitchingNetwork
from joyvasa_lib.portrait.liveportrait.warping import WarpingNetwork

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


@dataclass(frozen=True, eq=False)
class KeypointNetworks:
    """The three networks of the stitching file.

    Attributes:
        stitching: published as ``retarget_shoulder``.
        lips: published as ``retarget_mouth``.
        eyes: published as ``retarget_eye``.
    """

    stitching: StitchingNetwork
    lips: RetargetingNetwork
    eyes: RetargetingNetwork


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


def appearance_extractor(state: Mapping[str, Any]) -> AppearanceFeatureExtractor:
    """F of the state dict of ``appearance_feature_extractor.pth``.

    Raises:
        CheckpointError: names every tensor that is missing, unexpected or of another shape.
    """
    with torch.device("meta"):
        network = AppearanceFeatureExtractor()
    return APPEARANCE.fill(network, state)


def motion_extractor(state: Mapping[str, Any]) -> MotionExtractor:
    """M of the state dict of ``motion_extractor.pth``.

    Raises:
        CheckpointError: names every tensor that is missing, unexpected or of another shape.
    """
    with torch.device("meta"):
        network = MotionExtractor()
    return MOTION.fill(network, state)


def warping_network(state: Mapping[str, Any]) -> WarpingNetwork:
    """W of the state dict of ``warping_module.pth``.

    Raises:
        CheckpointError: names every tensor that is missing, unexpected or of another shape.
    """
    with torch.device("meta"):
        network = WarpingNetwork()
    return WARPING.fill(network, state)


def spade_generator(state: Mapping[str, Any]) -> SpadeGenerator:
    """G of the state dict of ``spade_generator.pth``, with spectral norm folded.

    The upscaling of the last layer is read from its name: ``conv_img.0`` has 12 channels for a
    pixel shuffle by 2, as published; ``conv_img`` has 3 and paints the image directly.

    Raises:
        CheckpointError: names every tensor that is missing, unexpected or of another shape.
    """
    keys = set(without_counters(state, GENERATOR.name))
    shuffled = "conv_img.weight" not in keys
    with torch.device("meta"):
        network = SpadeGenerator(image_upscale=2 if shuffled else 1)
    return (GENERATOR if shuffled else GENERATOR_WITHOUT_SHUFFLE).fill(network, state)


def keypoint_networks(state: Mapping[str, Any]) -> KeypointNetworks:
    """Stitching and retargeting of ``stitching_retargeting_module.pth``, or of a flattened copy.

    Whatever else the file holds is ignored, as the published one holds more.

    Raises:
        CheckpointError: names every tensor that is missing, unexpected or of another shape.
    """
    parts = {name: _keypoint_state(state, official) for name, official in KEYPOINT_NETWORKS.items()}
    if not any(parts.values()):
        raise CheckpointError(
            f"These are not LivePortrait's {STITCHING.name}: none of "
            f"{', '.join(KEYPOINT_NETWORKS.values())} is there{_looks_like(state)}; "
            "give the file as published"
        )
    with torch.device("meta"):
        networks = {
            "stitching": StitchingNetwork(),
            "lips": RetargetingNetwork(),
            "eyes": RetargetingNetwork((66, 256, 256, 128, 128, 64, 63)),
        }
    expected: Shapes = {}
    found: dict[str, Any] = {}
    for name, official in KEYPOINT_NETWORKS.items():
        shapes = STITCHING.shapes(networks[name])
        expected.update({f"{official}.{key}": shape for key, shape in shapes.items()})
        found.update({f"{official}.{key}": value for key, value in parts[name].items()})
    check_tensors(STITCHING.name, expected, found)
    filled = {name: STITCHING.fill(networks[name], parts[name]) for name in KEYPOINT_NETWORKS}
    return KeypointNetworks(**filled)


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
    other = _looks_like(found, name)
    if other and not set(expected) & set(found):
        raise CheckpointError(
            f"These weights are not LivePortrait's {name}{other}; give the file as published"
        )
    faults = [f"{key} is missing" for key in expected if key not in found]
    faults += [f"{key} is unexpected" for key in found if key not in expected]
    for key, shape in expected.items():
        value = found.get(key)
        if key not in found:
            continue
        if not isinstance(value, Tensor) or not value.is_floating_point():
            kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
            faults.append(f"{key} is {kind} where a tensor of floats is due")
        elif tuple(value.shape) != shape:
            faults.append(f"{key} has shape {tuple(value.shape)} where {shape} is due")
        elif not bool(torch.isfinite(value).all()):
            faults.append(f"{key} holds numbers that are not finite")
    if faults:
        raise CheckpointError(
            f"These weights are not LivePortrait's {name}: {'; '.join(faults)}"
            f"{_looks_like(found, name)}; give the file as published"
        )


def _looks_like(found: Mapping[str, Any], name: str = "") -> str:
    kind = recognise(found)
    return f"; they look like those of {kind}" if kind is not None and kind != name else ""


def _keypoint_state(state: Mapping[str, Any], official: str) -> dict[str, Any]:
    """One of the three networks' tensors from either form of the file."""
    entries = without_counters(state, STITCHING.name)
    nested = entries.get(official)
    if isinstance(nested, Mapping):
        return without_counters(nested, STITCHING.name)
    prefix = re.compile(rf"{official}(_module)?\.(module\.)?")
    return {prefix.sub("", key): value for key, value in entries.items() if prefix.match(key)}
