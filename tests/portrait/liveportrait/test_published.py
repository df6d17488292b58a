"""LivePortrait's published tensors find their place in our networks, or an error names them all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from joyvasa_lib.checkpoints.official import liveportrait as keys
from joyvasa_lib.errors import CheckpointError
from joyvasa_lib.portrait.liveportrait import published
from joyvasa_lib.portrait.liveportrait.appearance_extractor import AppearanceFeatureExtractor
from joyvasa_lib.portrait.liveportrait.generator import SpadeGenerator
from joyvasa_lib.portrait.liveportrait.motion_extractor import MotionExtractor
from joyvasa_lib.portrait.liveportrait.warping import WarpingNetwork
from liveportrait_official import assert_close, manifest, official_state, stitching_state

pytestmark = pytest.mark.slow

State = dict[str, Any]

BASE: dict[str, tuple[keys.Layout, type[nn.Module], Callable[[State], nn.Module]]] = {
    "appearance_feature_extractor": (
        keys.APPEARANCE,
        AppearanceFeatureExtractor,
        published.appearance_extractor,
    ),
    "motion_extractor": (keys.MOTION, MotionExtractor, published.motion_extractor),
    "warping_module": (keys.WARPING, WarpingNetwork, published.warping_network),
    "spade_generator": (keys.GENERATOR, SpadeGenerator, published.spade_generator),
}


def appearance() -> State:
    """The smallest published state dict, to be damaged."""
    return dict(official_state("appearance_feature_extractor"))


def empty_state(name: str) -> State:
    """A state dict of the published names and shapes, without meaningful numbers."""
    kinds = {"float32": torch.float32, "int64": torch.int64}
    return {key: torch.zeros(shape, dtype=kinds[kind]) for key, shape, kind in manifest(name)}


@pytest.mark.parametrize("name", BASE)
def test_our_networks_need_exactly_the_published_tensors(name: str) -> None:
    layout, network, _ = BASE[name]
    published = {
        key: tuple(shape) for key, shape, _ in manifest(name) if not key.endswith(keys.COUNTER)
    }
    with torch.device("meta"):
        needed = layout.shapes(network())
    assert needed == published


@pytest.mark.parametrize("name", BASE)
def test_a_prefix_of_data_parallel_training_is_removed(name: str) -> None:
    state = {f"module.{key}": value for key, value in empty_state(name).items()}
    if name == "spade_generator":  # whose weights are divided by a norm
        state = {f"module.{key}": value + 1.0 for key, value in empty_state(name).items()}
    BASE[name][2](state)


def test_a_loaded_network_is_in_evaluation_mode_and_has_its_own_float32_copy() -> None:
    state = {
        key: value.half() if value.is_floating_point() else value
        for key, value in appearance().items()
    }
    network = published.appearance_extractor(state)
    assert not network.training
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    assert not any(p.requires_grad for p in network.parameters())
    expected = state["second.weight"].float()
    state["second.weight"].zero_()
    torch.testing.assert_close(network.second.weight, expected)


def test_every_fault_is_named_at_once() -> None:
    state = appearance()
    del state["first.conv.weight"], state["resblocks_3d.3dr5.norm2.running_var"]
    state["second.weight"] = torch.zeros(512, 128, 1, 1)
    state["second.bias"] = torch.zeros(512, dtype=torch.int64)
    state["first.norm.bias"] = "bias"
    state["third.weight"] = torch.zeros(1)
    state["resblocks_3d.3dr0.conv1.bias"] = torch.full((32,), torch.nan)
    with pytest.raises(CheckpointError) as caught:
        published.appearance_extractor(state)
    for fault in (
        "appearance_feature_extractor",
        "2 missing: first.conv.weight, resblocks_3d.3dr5.norm2.running_var",
        "1 unexpected: third.weight",
        "1 of another shape: second.weight (512, 128, 1, 1) instead of (512, 256, 1, 1)",
        "2 of another kind: first.norm.bias (str), second.bias (torch.int64)",
        "1 not finite: resblocks_3d.3dr0.conv1.bias",
    ):
        assert fault in str(caught.value)


def test_only_batch_norm_s_counters_may_be_missing_or_there() -> None:
    state = {key: value for key, value in appearance().items() if not key.endswith(keys.COUNTER)}
    network = published.appearance_extractor(state)
    assert int(network.first.norm.num_batches_tracked) == 0
    state["first.norm.num_batches"] = torch.zeros(())
    with pytest.raises(CheckpointError, match=r"1 unexpected: first\.norm\.num_batches"):
        published.appearance_extractor(state)


@pytest.mark.parametrize("given", sorted({*BASE, "stitching_retargeting_module"}))
def test_swapped_files_are_recognised(given: str) -> None:
    state = stitching_state() if given not in BASE else empty_state(given)
    readers = {**{name: entry[2] for name, entry in BASE.items()}}
    readers["stitching_retargeting_module"] = published.keypoint_networks  # type: ignore[assignment]
    for name in readers.keys() - {given}:
        with pytest.raises(CheckpointError, match=f"look like those of {given}") as caught:
            readers[name](state)
        assert f"LivePortrait's {name}" in str(caught.value)


@pytest.mark.parametrize("state", [[], torch.zeros(3), None])
def test_what_is_no_dictionary_is_refused(state: Any) -> None:
    for read in (
        published.appearance_extractor,
        published.spade_generator,
        published.keypoint_networks,
    ):
        with pytest.raises(CheckpointError, match="is a dictionary of tensors, not"):
            read(state)


def test_folding_spectral_norm_is_what_torch_does_in_evaluation() -> None:
    state = official_state("spade_generator")
    ours = keys.fold_spectral_norm(
        *(state[f"up_1.conv_1.weight_{part}"] for part in ("orig", "u", "v"))
    )
    theirs = torch.nn.utils.spectral_norm(nn.Conv2d(64, 64, 3)).eval()
    own = theirs.state_dict()
    for part in ("orig", "u", "v"):
        own[f"weight_{part}"] = state[f"up_1.conv_1.weight_{part}"]
    theirs.load_state_dict(own)
    theirs(torch.zeros(1, 64, 3, 3))
    torch.testing.assert_close(ours, theirs.weight.detach())


def test_a_spectral_norm_of_nothing_is_refused_instead_of_dividing_by_it() -> None:
    with pytest.raises(
        CheckpointError, match=r"G_middle_0\.conv_0\.weight in these spade_gen.* is 0"
    ):
        published.spade_generator(empty_state("spade_generator"))


def test_a_generator_without_pixel_shuffle_is_recognised_by_its_last_layer() -> None:
    state = {key: value + 1.0 for key, value in empty_state("spade_generator").items()}
    del state["conv_img.0.weight"], state["conv_img.0.bias"]
    state["conv_img.weight"], state["conv_img.bias"] = torch.ones(3, 64, 3, 3), torch.ones(3)
    network = published.spade_generator(state)
    assert network.config.image_upscale == 1
    assert network.conv_img.out_channels == 3


# The stitching file


def outputs(networks: published.KeypointNetworks) -> list[Tensor]:
    torch.manual_seed(0)
    source, driving = torch.randn(2, 3, 21, 3)
    return [
        networks.stitching(source, driving),
        networks.lips(source, torch.rand(3, 2)),
        networks.eyes(source, torch.rand(3, 3)),
    ]


@pytest.mark.parametrize("prefix", ["{}_module.", "{}.", "module.{}_module."])
def test_a_flattened_stitching_file_is_the_same_three_networks(prefix: str) -> None:
    nested = stitching_state()
    flat = {
        prefix.format(part) + key: value
        for part, state in nested.items()
        for key, value in state.items()
    }
    expected = outputs(published.keypoint_networks(nested))
    for ours, theirs in zip(outputs(published.keypoint_networks(flat)), expected, strict=True):
        assert_close(ours, theirs.numpy(), 0.0)


def test_other_entries_of_the_stitching_file_are_ignored_and_module_is_removed() -> None:
    nested: State = {
        part: {f"module.{key}": value for key, value in state.items()}
        for part, state in stitching_state().items()
    }
    nested["optimizer"] = {"step": 3}
    nested["epoch"] = 12
    assert outputs(published.keypoint_networks(nested))[0].shape == (3, 21, 3)


def test_faults_in_the_stitching_file_are_named_with_their_network() -> None:
    nested: State = {part: dict(state) for part, state in stitching_state().items()}
    del nested["retarget_eye"], nested["retarget_mouth"]["mlp.2.bias"]
    nested["retarget_shoulder"]["mlp.8.bias"] = torch.zeros(1)
    with pytest.raises(CheckpointError) as caught:
        published.keypoint_networks(nested)
    for fault in (
        "13 missing: retarget_mouth.mlp.2.bias, retarget_eye.mlp.",
        "retarget_eye.mlp.10.weight, ",
        "1 unexpected: retarget_shoulder.mlp.8.bias",
    ):
        assert fault in str(caught.value)
