"""LivePortrait's networks with the parity material's weights, built once for all tests."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from fixtures.fill import det_array, fill_state_dict, load_manifest
from numpy.typing import NDArray
from torch import Tensor

import places
from joyvasa_lib.portrait.liveportrait import published
from joyvasa_lib.portrait.liveportrait.appearance_extractor import AppearanceFeatureExtractor
from joyvasa_lib.portrait.liveportrait.generator import SpadeGenerator
from joyvasa_lib.portrait.liveportrait.motion_extractor import MotionExtractor
from joyvasa_lib.portrait.liveportrait.warping import WarpingNetwork

FIXTURES = places.FIXTURES


@cache
def parity(name: str) -> Any:
    """Inputs and outputs of the reference."""
    return np.load(FIXTURES / "parity" / f"{name}.npz")


def manifest(name: str) -> Any:
    """Names, shapes and kinds of a published file."""
    return load_manifest(FIXTURES / "manifests" / f"{name}.json")


@cache
def official_state(name: str, part: str | None = None) -> dict[str, Tensor]:
    """The published state dict with the parity material's weights."""
    listed = manifest(name)
    filled = fill_state_dict(listed if part is None else listed[part])
    return {key: torch.from_numpy(np.asarray(value)) for key, value in filled.items()}


def stitching_state() -> dict[str, dict[str, Tensor]]:
    """The stitching file: a dictionary of state dicts."""
    name = "stitching_retargeting_module"
    return {part: official_state(name, part) for part in manifest(name)}


@cache
def appearance_extractor() -> AppearanceFeatureExtractor:
    return published.appearance_extractor(official_state("appearance_feature_extractor"))


@cache
def motion_extractor() -> MotionExtractor:
    return published.motion_extractor(official_state("motion_extractor"))


@cache
def warping_network() -> WarpingNetwork:
    return published.warping_network(official_state("warping_module"))


@cache
def spade_generator() -> SpadeGenerator:
    return published.spade_generator(official_state("spade_generator"))


@cache
def keypoint_networks() -> published.KeypointNetworks:
    return published.keypoint_networks(stitching_state())


def parity_image() -> Tensor:
    """[1, 3, 256, 256] the parity material's image in [0, 1]."""
    pixels = parity("appearance_feature_extractor")["full/image_uint8"]
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255.0


def official_volume(size: str) -> Tensor:
    """The appearance volume that W was given: ``"small"`` with sides of 32, ``"full"`` of 64."""
    side = {"small": 32, "full": 64}[size]
    return torch.from_numpy(det_array(f"W/feature_3d/{size}", (1, 32, 16, side, side), 1.5))


def assert_close(actual: Tensor | NDArray[np.float32], expected: Any, tolerance: float) -> None:
    """Largest absolute difference at most ``tolerance``; shapes must agree."""
    actual = actual.detach().numpy() if isinstance(actual, Tensor) else actual
    assert actual.shape == np.shape(expected)
    np.testing.assert_allclose(actual, expected, rtol=0.0, atol=tolerance)
