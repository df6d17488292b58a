"""The seven networks of the official preset together, and their folder.

A folder holds one subfolder for each network, with diffusers' ``config.json`` and safetensors, and
``driving.json`` with the options of how motion meets the portrait.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import nn

from joyvasa_lib.checkpoints.folder import CONFIG, holds_only
from joyvasa_lib.checkpoints.modules import load_module, save_module
from joyvasa_lib.errors import CheckpointError, MotionError
from joyvasa_lib.motion.driving.keypoints import OfficialDriving
from joyvasa_lib.portrait.liveportrait.appearance_extractor import AppearanceFeatureExtractor
from joyvasa_lib.portrait.liveportrait.generator import SpadeGenerator
from joyvasa_lib.portrait.liveportrait.motion_extractor import MotionExtractor
from joyvasa_lib.portrait.liveportrait.stitching import RetargetingNetwork, StitchingNetwork
from joyvasa_lib.portrait.liveportrait.warping import WarpingNetwork

DRIVING = "driving.json"


@dataclass(frozen=True, eq=False)
class LivePortraitNetworks:
    """The networks of stage one; each is saved in a subfolder of the same name.

    Attributes:
        appearance_extractor: F, an image's feature volume.
        motion_extractor: M, keypoints, expression and pose of a face.
        warping: W, the volume moved to driving keypoints.
        generator: G, the image painted from it.
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
        """Side of the images that G paints."""
        halvings = len(self.appearance_extractor.config.widths) - 1
        config = self.generator.config
        volume_side = self.image_side // 2**halvings
        return int(volume_side * 2 ** len(config.up_widths) * config.image_upscale)

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


def _load(kind: type[nn.Module], folder: Path) -> Any:
    """One network; made empty, it keeps the file's memory instead of copying it."""

    def build(**config: Any) -> nn.Module:
        with torch.device("meta"):
            return kind(**config)

    return load_module(build, folder).requires_grad_(False)


def save_driving(options: OfficialDriving, folder: Path) -> None:
    """Writes the driving options beside the networks."""
    values = {
        key: sorted(value) if isinstance(value, frozenset) else value
        for key, value in asdict(options).items()
    }
    (folder / DRIVING).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def load_driving(folder: Path) -> OfficialDriving:
    """Reads the driving options; the defaults where there is no such file.

    Raises:
        CheckpointError: the file holds something else.
    """
    path = folder / DRIVING
    if not path.exists():
        return OfficialDriving()
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        lists = {key: frozenset(value) for key, value in values.items() if isinstance(value, list)}
        return OfficialDriving(**{**values, **lists})
    except (OSError, ValueError, TypeError, AttributeError, MotionError) as error:
        raise CheckpointError(f"{path} holds no driving options ({error})") from error


def is_saved(folder: Path) -> bool:
    """Whether a folder holds these networks and nothing else."""
    networks = [part.name for part in fields(LivePortraitNetworks)]
    return holds_only(folder, (*networks, DRIVING), f"motion_extractor/{CONFIG}")
