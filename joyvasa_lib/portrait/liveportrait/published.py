"""LivePortrait's published files become the networks of this library.

Every tensor must be there, of the right shape, and nothing else;
:mod:`joyvasa_lib.checkpoints.official.liveportrait` knows their names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from joyvasa_lib.checkpoints.file_kind import file_kind
from joyvasa_lib.checkpoints.official.files import OfficialFiles
from joyvasa_lib.checkpoints.official.liveportrait import (
    APPEARANCE,
    GENERATOR,
    GENERATOR_WITHOUT_SHUFFLE,
    KEYPOINT_NETWORKS,
    MOTION,
    STITCHING,
    WARPING,
    Shapes,
    check_tensors,
    keypoint_state,
    looks_like,
    without_counters,
)
from joyvasa_lib.checkpoints.official.reading import of_file, read_state
from joyvasa_lib.errors import CheckpointError
from joyvasa_lib.portrait.liveportrait.appearance_extractor import AppearanceFeatureExtractor
from joyvasa_lib.portrait.liveportrait.generator import SpadeGenerator
from joyvasa_lib.portrait.liveportrait.motion_extractor import MotionExtractor
from joyvasa_lib.portrait.liveportrait.networks import LivePortraitNetworks
from joyvasa_lib.portrait.liveportrait.stitching import RetargetingNetwork, StitchingNetwork
from joyvasa_lib.portrait.liveportrait.warping import WarpingNetwork


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


def load_portrait_networks(files: OfficialFiles) -> LivePortraitNetworks:
    """The seven networks of the published files, on the CPU in float32.

    Raises:
        CheckpointError: names the file, and every tensor of it that is missing, unexpected or of
            another shape.
    """
    builders: dict[str, Callable[[Mapping[str, Any]], Any]] = {
        APPEARANCE.name: appearance_extractor,
        MOTION.name: motion_extractor,
        WARPING.name: warping_network,
        GENERATOR.name: spade_generator,
        STITCHING.name: keypoint_networks,
    }
    for path in files.portrait.values():
        file_kind(path)  # what is no checkpoint at all is refused before anything large is read
    built = {
        name: of_file(path, name, partial(builders[name], read_state(path)))
        for name, path in files.portrait.items()
    }
    return LivePortraitNetworks(
        appearance_extractor=built[APPEARANCE.name],
        motion_extractor=built[MOTION.name],
        warping=built[WARPING.name],
        generator=built[GENERATOR.name],
        stitching=built[STITCHING.name].stitching,
        lip_retargeting=built[STITCHING.name].lips,
        eye_retargeting=built[STITCHING.name].eyes,
    )


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
    parts = {name: keypoint_state(state, official) for name, official in KEYPOINT_NETWORKS.items()}
    if not any(parts.values()):
        raise CheckpointError(
            f"These are not LivePortrait's {STITCHING.name}: none of "
            f"{', '.join(KEYPOINT_NETWORKS.values())} is there{looks_like(state)}; "
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
