"""Sizes, recipes and images small enough to train LivePortrait's networks within seconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray

from joyvasa_lib.checkpoints.folder import WEIGHTS
from joyvasa_lib.datasets.heads.frames import (
    HeadFramesConfig,
    RenderedFrames,
)
from joyvasa_lib.datasets.prepared.clips import Clip, Images, write_shard
from joyvasa_lib.datasets.prepared.index import ClipInfo, PreparedIndex, ShardInfo
from joyvasa_lib.datasets.prepared.shards import encode_images
from joyvasa_lib.datasets.prepared.statistics import Moments
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.portrait.liveportrait.networks import LivePortraitNetworks
from joyvasa_lib.training.portrait.data.frame_source import (
    Split,
)
from joyvasa_lib.training.portrait.networks import NetworkSizes

SIDE = 64
SIZES: dict[str, Any] = {
    "image_side": SIDE, "appearance_widths": [8, 8, 16], "volume_channels": 4, "volume_depth": 2,
    "appearance_blocks": 1, "motion_depths": [1, 1, 1, 1], "motion_widths": [8, 16, 24, 32],
    "compressed_channels": 1, "hourglass_widths": [4, 8, 8], "feature_channels": 16,
    "generator_width": 16, "middle_blocks": 1, "up_widths": [16, 8], "condition_width": 8,
    "image_upscale": 1,
}  # fmt: skip
LOOP = {
    "threads": 1, "steps": 2, "warmup_steps": 1, "validate_every": 2, "checkpoint_minutes": 60.0,
    "log_every": 1, "ema_decay": 0.5, "learning_rate": 1e-3,
}  # fmt: skip
HEADS = HeadFramesConfig(heads=2, valid_heads=1, frames=3, size=SIDE, heads_per_shard=1)


def write_recipe(path: Path, data: str | Path, **options: Any) -> Path:
    """A recipe; options of the loop are told by their names."""
    loop_names = {*LOOP, "gradient_accumulation", "stop_after_minutes", "mixed_precision",
                  "validate_at_start", "seed"}  # fmt: skip
    portrait = {
        "preset": "liveportrait", "data": str(data), "network": SIZES, "critic_width": 4,
        "batch_size": 2, "validation_pairs": 2, "statistics_batches": 2, "preview_every": 0,
    }  # fmt: skip
    portrait |= {name: value for name, value in options.items() if name not in loop_names}
    portrait = {name: value for name, value in portrait.items() if value is not None}
    loop = {**LOOP, **{name: value for name, value in options.items() if name in loop_names}}
    path.write_text(yaml.safe_dump({"portrait": portrait, "loop": loop}))
    return path


def face_of(landmarks: NDArray[np.float32]) -> Face:
    box = np.concatenate([landmarks[:, :2].min(0), landmarks[:, :2].max(0)])
    return Face(box, landmarks, 1.0, "mediapipe468")


def small(seed: int = 0) -> LivePortraitNetworks:
    torch.manual_seed(seed)
    return NetworkSizes.of(SIZES).build()


def write_prepared_heads(
    folder: Path, heads: dict[Split, Sequence[RenderedFrames]], crop: int
) -> Path:
    """A prepared set, as ``joyvasa prepare --crop`` writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    shards = []
    for split, found in heads.items():
        clips = []
        for number, one in enumerate(found):
            name = f"{split}{number}"
            count = len(one.images)
            info = ClipInfo(name, f"{name}.mp4", name, 0.0, count, 200.0, 1.0)
            data, ends = encode_images(list(one.images))
            crops = Images(data, ends, one.landmarks) if crop else None
            clips.append(
                Clip(
                    info, np.zeros(640 * count, np.int16), np.zeros((count, 59), np.float32), crops
                )
            )
        file = f"{split}-00000.safetensors"
        size = write_shard(folder / file, clips, 59)
        frames = sum(clip.info.frames for clip in clips)
        shards.append(ShardInfo(file, split, len(clips), frames, size))
    moments = Moments.of(np.zeros((1, 59), np.float32))
    PreparedIndex(
        "compact-1", "units", "source", 59, crop, "person", {}, tuple(shards), moments
    ).save(folder)
    return folder


def weights_of(folder: Path) -> dict[str, bytes]:
    """The files of all networks."""
    return {path.parent.name: path.read_bytes() for path in folder.rglob(WEIGHTS)}
