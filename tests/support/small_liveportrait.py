"""LivePortrait's networks with few channels, and what is rendered with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.motion import LIVEPORTRAIT_21, Motion
from joyvasa_lib.portrait.liveportrait.appearance_extractor import AppearanceFeatureExtractor
from joyvasa_lib.portrait.liveportrait.generator import SpadeGenerator
from joyvasa_lib.portrait.liveportrait.motion_extractor import MotionExtractor
from joyvasa_lib.portrait.liveportrait.networks import LivePortraitNetworks
from joyvasa_lib.portrait.liveportrait.stitching import RetargetingNetwork, StitchingNetwork
from joyvasa_lib.portrait.liveportrait.warping import WarpingNetwork


def crop_of(full_image: NDArray[np.uint8]) -> FaceCrop:
    """An image that is a crop already, with 203 landmarks somewhere on it."""
    rng = np.random.default_rng(0)
    points = rng.uniform(0.2, 0.8, (203, 3)).astype(np.float32) * len(full_image)
    face = Face(
        np.array([0, 0, len(full_image), len(full_image)], np.float32),
        points,
        1.0,
        "liveportrait203",
    )
    return FaceCrop(full_image, full_image, np.eye(3), face)


def small_networks() -> LivePortraitNetworks:
    """The published structure with few channels, a small volume and random weights.

    F and M see 64 pixels; the volume is 8 deep with sides of 16, and frames have 128 pixels.
    """
    torch.manual_seed(0)
    networks = LivePortraitNetworks(
        appearance_extractor=AppearanceFeatureExtractor((4, 4, 8), 4, 8, 1, image_side=64),
        motion_extractor=MotionExtractor((1, 1, 1, 1), (4, 8, 8, 8)),
        warping=WarpingNetwork(21, 4, 8, 2, (2, 3, 4), 8),
        generator=SpadeGenerator(8, 8, 1, (8, 4), 4, 2),
        stitching=StitchingNetwork((126, 8, 65)),
        lip_retargeting=RetargetingNetwork((65, 8, 63)),
        eye_retargeting=RetargetingNetwork((66, 8, 63)),
    )
    for part in fields(networks):
        network: nn.Module = getattr(networks, part.name)
        network.eval().requires_grad_(False)
    return networks


def turning(frames: int, reference: str = "absolute") -> Motion:
    """A head that turns while its keypoints wander."""
    rng = np.random.default_rng(3)
    steps = np.linspace(0.0, 1.0, frames)[:, None]
    return Motion(
        expression=0.02 * rng.standard_normal((frames, 21, 3)),
        rotation=steps * [5.0, -20.0, 4.0] + [1.0, 2.0, 3.0],
        translation=steps * [0.1, -0.05, 0.0],
        scale=1.1 + 0.2 * steps,
        fps=25.0,
        space=LIVEPORTRAIT_21,
        reference=reference,
    )


def frames_of(batches: Iterator[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    return np.concatenate(list(batches))
