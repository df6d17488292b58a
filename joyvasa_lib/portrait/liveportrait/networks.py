"""The seven networks of the official preset together, and their folder.

A folder holds one subfolder for each network, with diffusers' ``config.json`` and safetensors.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from joyvasa_lib.checkpoints.folder import CONFIG, holds_only
from joyvasa_lib.checkpoints.modules import load_module, save_module
from joyvasa_lib.portrait.liveportrait.appearance_extractor import AppearanceFeatureExtractor
from joyvasa_lib.portrait.liveportrait.driving_file import DRIVING
from joyvasa_lib.portrait.liveportrait.generator import SpadeGenerator
from joyvasa_lib.portrait.liveportrait.motion_extractor import MotionExtractor
from joyvasa_lib.portrait.liveportrait.stitching import RetargetingNetwork, StitchingNetwork
from joyvasa_lib.portrait.liveportrait.warping import WarpingNetwork

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class LivePortraitNetworks:
    """The networks of stage one; each is saved in a subfolder of the same name.

    Attributes:
        appearance_extractor: F, an image's feature volume.
        motion_extractor: M, keypoints, expression and pose of a face.
        warping: W, the volume moved to driving keypoints.
        generator: G, the image generated from it.
        stitching: keeps shoulders and neck in place.
        lip_retargeting: opens and closes lips.
        eye_retargeting: opens and closes eyes.
    """

    appearance_extractor: AppearanceFeatureExtractor
    motion_extractor: MotionExtractor
    warping: WarpingNetwork
    generator: SpadeGenerator
    stitching: StitchingNetwork
    lip_retargeting: RetargetingNetwork
    eye_retargeting: RetargetingNetwork

    @property
    def image_side(self) -> int:
        """Side of the images that F and M see."""
        return int(self.appearance_extractor.config.image_side)

    @property
    def size(self) -> int:
        """Side of the images that G generates."""
        halvings = len(self.appearance_extractor.config.widths) - 1
        config = self.generator.config
        volume_side = self.image_side // 2**halvings
        return int(volume_side * 2 ** len(config.up_widths) * config.image_upscale)

    @torch.inference_mode()
    def stitch(self, source: Floats, driving: Floats) -> Floats:
        """Driven keypoints [t, k, 3], neck and shoulders kept in place, for a source [k, 3]."""
        x_d = self._tensor(driving)
        x_s = self._tensor(source).expand_as(x_d)
        return to_array(self.stitching(x_s, x_d))

    @torch.inference_mode()
    def retarget_lips(self, source: Floats, ratios: Floats) -> Floats:
        """Offsets [t, k, 3] that open lips from their own ratio to a wanted one, for [t, 2]."""
        x_s = self._tensor(source).expand(len(ratios), -1, -1)
        return to_array(self.lip_retargeting(x_s, self._tensor(ratios)))

    @torch.inference_mode()
    def retarget_eyes(self, source: Floats, ratios: Floats) -> Floats:
        """Offsets [t, k, 3] that open eyes: left and right ratio and the wanted one, [t, 3]."""
        x_s = self._tensor(source).expand(len(ratios), -1, -1)
        return to_array(self.eye_retargeting(x_s, self._tensor(ratios)))

    def _tensor(self, values: Floats) -> Tensor:
        device = next(self.stitching.parameters()).device
        return torch.tensor(values, dtype=torch.float32, device=device)

    def to(self, device: torch.device) -> None:
        """Moves the networks but W and G, of which a renderer keeps copies of its own."""
        for network in (
            *(self.appearance_extractor, self.motion_extractor, self.stitching),
            *(self.lip_retargeting, self.eye_retargeting),
        ):
            network.to(device)

    def save(self, folder: Path, dtype: torch.dtype = torch.float32) -> None:
        """Writes every network into an existing folder."""
        for part in fields(self):
            save_module(getattr(self, part.name), folder / part.name, dtype)

    @classmethod
    def load(cls, folder: Path) -> LivePortraitNetworks:
        """Reads every network of a folder, in float32 and evaluation mode.

        Raises:
            CheckpointError: a file is missing or damaged, or its tensors do not fit its
                configuration; the message names the file and the tensors.
        """
        kinds = {
            "appearance_extractor": AppearanceFeatureExtractor,
            "motion_extractor": MotionExtractor,
            "warping": WarpingNetwork,
            "generator": SpadeGenerator,
            "stitching": StitchingNetwork,
            "lip_retargeting": RetargetingNetwork,
            "eye_retargeting": RetargetingNetwork,
        }
        return cls(**{name: _load(kind, folder / name) for name, kind in kinds.items()})


def to_array(values: Tensor) -> Floats:
    """A float32 array of a tensor's values."""
    return values.detach().float().cpu().numpy()


def _load(kind: type[nn.Module], folder: Path) -> Any:
    """One network; made empty, it keeps the file's memory instead of copying it."""

    def build(**config: Any) -> nn.Module:
        with torch.device("meta"):
            return kind(**config)

    return load_module(build, folder).requires_grad_(False)


def is_saved(folder: Path) -> bool:
    """Whether a folder holds these networks and nothing else."""
    networks = [part.name for part in fields(LivePortraitNetworks)]
    return holds_only(folder, (*networks, DRIVING), f"motion_extractor/{CONFIG}")
