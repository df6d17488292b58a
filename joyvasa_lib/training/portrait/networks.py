"""What stage-one training starts from: the networks of a checkpoint, or new ones of any size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from joyvasa_lib.checkpoints.folder import IN_A_RUN, CheckpointIndex, read_index
from joyvasa_lib.errors import CheckpointError, OptionError
from joyvasa_lib.motion import LIVEPORTRAIT_21
from joyvasa_lib.motion.driving.options import DrivingOptions
from joyvasa_lib.motion.keypoints import transform_keypoints
from joyvasa_lib.portrait.liveportrait.appearance_extractor import AppearanceFeatureExtractor
from joyvasa_lib.portrait.liveportrait.driving_file import DrivingFile
from joyvasa_lib.portrait.liveportrait.generator import SpadeGenerator
from joyvasa_lib.portrait.liveportrait.motion_extractor import ExtractedMotion, MotionExtractor
from joyvasa_lib.portrait.liveportrait.networks import LivePortraitNetworks
from joyvasa_lib.portrait.liveportrait.stitching import RetargetingNetwork, StitchingNetwork
from joyvasa_lib.portrait.liveportrait.warping import WarpingNetwork
from joyvasa_lib.recipes import Count, Whole, recipe, take_section

KEYPOINTS = LIVEPORTRAIT_21.keypoint_count
SIDES_OF_M = 32
"""The motion extractor halves its image five times."""


@recipe("network")
@dataclass(frozen=True)
class NetworkSizes:
    """Sizes of new networks; the defaults are those of LivePortrait.

    Attributes:
        image_side: of the images that F and M see, pixels.
        appearance_widths: channels of F at full, half, quarter ... resolution.
        volume_channels: of the feature volume.
        volume_depth: of the feature volume.
        appearance_blocks: residual blocks on the volume.
        motion_depths: blocks of each stage of M.
        motion_widths: channels of each stage of M.
        compressed_channels: of the volume in which W judges candidate motions.
        hourglass_widths: of W, large to small.
        feature_channels: what W hands to G.
        generator_width: channels of G's middle blocks.
        middle_blocks: how many.
        up_widths: channels of G after each doubling.
        condition_width: of the branches that condition G.
        image_upscale: factor of G's last pixel shuffle.

    Raises:
        OptionError: the sizes do not fit each other.
    """

    image_side: Count = 256
    appearance_widths: tuple[Count, ...] = (64, 128, 256)
    volume_channels: Count = 32
    volume_depth: Count = 16
    appearance_blocks: Whole = 6
    motion_depths: tuple[Count, ...] = (3, 3, 9, 3)
    motion_widths: tuple[Count, ...] = (96, 192, 384, 768)
    compressed_channels: Count = 4
    hourglass_widths: tuple[Count, ...] = (32, 64, 128, 256, 512, 1024)
    feature_channels: Count = 256
    generator_width: Count = 512
    middle_blocks: Whole = 6
    up_widths: tuple[Count, ...] = (256, 64)
    condition_width: Count = 128
    image_upscale: Count = 2

    def __post_init__(self) -> None:
        """Checks the sizes."""
        if self.image_side < SIDES_OF_M or self.image_side % SIDES_OF_M:
            raise OptionError(
                f"network.image_side must be a multiple of {SIDES_OF_M}, not {self.image_side}"
            )
        if len(self.motion_depths) != len(self.motion_widths) or len(self.motion_depths) > 4:
            raise OptionError(
                "network.motion_depths and network.motion_widths must be as many, 4 at most; got "
                f"{len(self.motion_depths)} and {len(self.motion_widths)}"
            )
        volume = self.image_side // 2 ** (len(self.appearance_widths) - 1)
        halvings = 2 ** (len(self.hourglass_widths) - 1)
        if volume % halvings:
            raise OptionError(
                f"network.hourglass_widths halves the volume of side {volume} "
                f"{len(self.hourglass_widths) - 1} times; give fewer widths or a larger image_side"
            )

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> NetworkSizes:
        """The sizes that a recipe gives.

        Raises:
            OptionError: an unknown name, a value of another type, or sizes that do not fit.
        """
        return take_section({"network": dict(values)}, cls, "network")

    def build(self) -> LivePortraitNetworks:
        """Networks with random weights, whose keypoints are spread over the face.

        Stitching and retargeting start as networks that change nothing.
        """
        networks = LivePortraitNetworks(
            AppearanceFeatureExtractor(
                self.appearance_widths, self.volume_channels, self.volume_depth,
                self.appearance_blocks, self.image_side,
            ),
            MotionExtractor(self.motion_depths, self.motion_widths, KEYPOINTS),
            WarpingNetwork(
                KEYPOINTS, self.volume_channels, self.volume_depth, self.compressed_channels,
                self.hourglass_widths, self.feature_channels,
            ),
            SpadeGenerator(
                self.feature_channels, self.generator_width, self.middle_blocks, self.up_widths,
                self.condition_width, self.image_upscale,
            ),
            StitchingNetwork(),
            RetargetingNetwork(),
            RetargetingNetwork((66, 256, 256, 128, 128, 64, 63)),
        )  # fmt: skip
        spread_keypoints(networks.motion_extractor)
        for network in (networks.stitching, networks.lip_retargeting, networks.eye_retargeting):
            silence(network)
        return networks


@dataclass(frozen=True)
class InitialPortrait:
    """Networks at the first step.

    Attributes:
        networks: all seven.
        driving: how motion drives portraits by default, which goes with them.
        checkpoint: folder whose stage two goes with the result, if there is one.
        subject: whom it animates.
        loaded: whether the weights are a checkpoint's.
        words: all this in words, for the model card.
    """

    networks: LivePortraitNetworks
    driving: DrivingOptions = field(default_factory=DrivingOptions)
    checkpoint: Path | None = None
    subject: str = "human"
    loaded: bool = False
    words: str = "random weights"


def prepare_networks(initial: str, sizes: Mapping[str, Any]) -> InitialPortrait:
    """Loads or makes what training starts from.

    Args:
        initial: folder of a checkpoint of preset liveportrait (``joyvasa convert`` writes one), of
            a run, or of the networks alone; "" for nothing.
        sizes: fields of :class:`NetworkSizes`, where it starts from nothing.

    Raises:
        OptionError: both are given, or sizes do not fit.
        CheckpointError: the folder is missing, of another preset, or does not load.
    """
    if not initial:
        return InitialPortrait(NetworkSizes.of(sizes).build())
    if sizes:
        raise OptionError(
            "Give network or initial: weights that are loaded bring their own network"
        )
    folder = Path(initial).expanduser()
    if not folder.is_dir():
        raise CheckpointError(f"There is no checkpoint folder {folder}; check portrait.initial")
    root = next((p for p in (folder, *(folder / n for n in IN_A_RUN)) if _has_networks(p)), None)
    if root is None:
        raise CheckpointError(
            f"{folder} holds no networks of preset liveportrait; convert the published files: "
            "joyvasa convert FILES FOLDER --portrait-only"
        )
    bare = not (root / "portrait").is_dir()
    place = root if bare else root / "portrait"
    driving = DrivingFile.load(place)
    alone = CheckpointIndex("liveportrait", driving.subject, speech=False)
    index = alone if bare else read_index(root)
    return InitialPortrait(
        LivePortraitNetworks.load(place),
        driving.options,
        root if index.speech else None,
        index.subject,
        True,
        f"the weights of `{folder.name}`",
    )


def _has_networks(folder: Path) -> bool:
    return any((p / "motion_extractor" / "config.json").is_file() for p in
               (folder, folder / "portrait"))  # fmt: skip


@torch.no_grad()
def spread_keypoints(network: MotionExtractor) -> None:
    """Starts M with keypoints all over the face, of its size, at rest: nothing to move falls apart.

    With the usual random start all keypoints lie on one point of a head of size 0, where no
    gradient tells them apart.
    """
    for head in (network.fc_kp, network.fc_exp, network.fc_scale, network.fc_t):
        head.weight.mul_(0.1)
        head.bias.zero_()
    for head in (network.fc_pitch, network.fc_yaw, network.fc_roll):
        head.bias.zero_()
    count = network.fc_kp.bias.numel() // 3
    places = torch.rand(count, 3) - 0.5
    places[:, 2] = 0.33 + 0.4 * places[:, 2]
    network.fc_kp.bias.copy_(places.flatten())
    network.fc_scale.bias.fill_(1.0)


@torch.no_grad()
def silence(network: StitchingNetwork | RetargetingNetwork) -> None:
    """Lets a perceptron start with offsets of 0."""
    last: nn.Module = network.mlp[-1]
    assert isinstance(last, nn.Linear)
    last.weight.zero_()
    last.bias.zero_()


def posed(found: ExtractedMotion, canonical: Tensor) -> Tensor:
    """[b, k, 3] canonical keypoints under the motion that M found, ``s (x_c R + d) + t``.

    LivePortrait (arXiv 2407.03168), section 3.2, scalable motion transformation.

    Args:
        found: what M says of b images.
        canonical: [b, k, 3] the keypoints of the source.
    """
    return transform_keypoints(
        canonical, found.expression, found.rotation, found.translation, found.scale
    )
