"""Rendered heads as clips of images, for networks that learn from two images of one face.

Each head is one random person under one light, in several expressions and poses. Landmarks and pose
are exact.

Axis legend: ``t`` frames of a head, ``m`` = 468 mesh points, ``v`` vertices, ``s`` side.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.heads.drawing.appearance import random_appearance
from joyvasa_lib.datasets.heads.drawing.renderer import HeadRenderer
from joyvasa_lib.datasets.heads.drawing.styles import random_style
from joyvasa_lib.datasets.heads.drawing.texture import SkinMap
from joyvasa_lib.datasets.heads.shape import random_blendshapes, random_shape
from joyvasa_lib.datasets.prepared.shards import encode_images, save_tensors
from joyvasa_lib.documents import read_object
from joyvasa_lib.errors import OptionError, OutputError
from joyvasa_lib.media.files import write_text
from joyvasa_lib.motion.keypoints import rotation_matrix
from joyvasa_lib.rig.head_rig import bundled_rig

FORMAT = "joyvasa-heads"
INDEX = "heads.json"
_HELD_OUT = 10_000_000
"""First seed of held-out heads."""


@dataclass(frozen=True)
class HeadFramesConfig:
    """What a set of rendered heads is made of.

    Attributes:
        heads: training heads.
        valid_heads: held-out heads, with seeds of their own.
        frames: images of each head.
        size: side of the images in pixels.
        turn: standard deviation of pitch, yaw and roll, degrees.
        heads_per_shard: heads in one file.
        seed: of the whole set.

    Raises:
        OptionError: a number is too small to learn from.
    """

    heads: int = 100
    valid_heads: int = 8
    frames: int = 12
    size: int = 256
    turn: tuple[float, float, float] = (6.0, 10.0, 5.0)
    heads_per_shard: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        """Checks the numbers."""
        least = {"heads": 1, "valid_heads": 1, "frames": 2, "size": 64, "heads_per_shard": 1}
        for name, value in least.items():
            if getattr(self, name) < value:
                raise OptionError(f"{name} must be at least {value}, not {getattr(self, name)}")


@dataclass(frozen=True, eq=False)
class RenderedFrames:
    """One head.

    Attributes:
        images: uint8 [t, s, s, 3] RGB.
        landmarks: float32 [t, m, 3] in pixels.
        rotation: float32 [t, 3] pitch, yaw, roll in degrees.
    """

    images: NDArray[np.uint8]
    landmarks: NDArray[np.float32]
    rotation: NDArray[np.float32]


class HeadFrameMaker:
    """Renders heads from seeds."""

    def __init__(self, config: HeadFramesConfig) -> None:
        """Loads the rig."""
        self.config, self.rig = config, bundled_rig()
        self._skin = SkinMap(self.rig)

    def head(self, seed: int) -> RenderedFrames:
        """The head of one seed."""
        config, rig = self.config, self.rig
        random = np.random.default_rng((config.seed, seed))
        renderer = HeadRenderer(rig, random_appearance(rig, self._skin, random), config.size)
        style, neutral = random_style(random), random_shape(rig, random)
        scale = float(random.uniform(0.125, 0.16)) * config.size
        centre = np.array([0.5, 0.54, 0.0]) * config.size
        turns = np.clip(random.normal(0.0, config.turn, (config.frames, 3)), -30.0, 30.0)
        images, landmarks = [], []
        for turn in turns:
            expressed = neutral + np.tensordot(random_blendshapes(random), rig.blendshapes, 1)
            shift = centre + random.normal(0.0, 0.012, 3) * [config.size, config.size, 0.0]
            matrix = rotation_matrix(turn)
            vertices = np.asarray(scale * (expressed @ matrix) + shift, np.float32)
            images.append(style(renderer.render(vertices).image))
            landmarks.append(vertices[rig.landmark_vertex])
        return RenderedFrames(np.stack(images), np.stack(landmarks), turns.astype(np.float32))


def write_head_frames(
    folder: str | Path,
    config: HeadFramesConfig | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Writes a set of heads; shards that are there already are kept.

    Args:
        folder: of the set, made if missing.
        config: how many, how large, how turned.
        progress: called with heads done and heads in all, after each shard.

    Returns:
        The shards' paths.

    Raises:
        OptionError: the set was begun with other options.
        OutputError: it cannot be written.
    """
    path, config = Path(folder), config or HeadFramesConfig()
    _begin(path, config)
    maker, paths, done = HeadFrameMaker(config), [], 0
    total = config.heads + config.valid_heads
    splits = (("train", config.heads, 0), ("valid", config.valid_heads, _HELD_OUT))
    for split, count, first in splits:
        for start in range(0, count, config.heads_per_shard):
            seeds = range(first + start, first + min(start + config.heads_per_shard, count))
            shard = path / f"{split}-{start // config.heads_per_shard:05d}.safetensors"
            if not shard.exists():
                _write_shard(shard, maker, seeds)
            paths.append(shard)
            done += len(seeds)
            if progress is not None:
                progress(done, total)
    return paths


def _begin(folder: Path, config: HeadFramesConfig) -> None:
    about = {"format": FORMAT, **json.loads(json.dumps(asdict(config)))}
    index = folder / INDEX
    try:
        folder.mkdir(parents=True, exist_ok=True)
        before = read_object(index) if index.exists() else about
    except (OSError, ValueError) as error:
        raise OutputError(f"Cannot use the folder {folder} ({error}); choose another") from error
    changed = [name for name in about if before.get(name) != about[name]]
    if changed:
        told = ", ".join(f"{n} {before.get(n)!r} -> {about[n]!r}" for n in changed)
        raise OptionError(f"{folder} was begun with other options: {told}; choose another folder")
    write_text(index, json.dumps(about, indent=1) + "\n")


def _write_shard(path: Path, maker: HeadFrameMaker, seeds: range) -> None:
    tensors: dict[str, NDArray[Any]] = {}
    for seed in seeds:
        head, name = maker.head(seed), f"head-{seed:08d}"
        data, ends = encode_images(list(head.images))
        tensors |= {
            f"{name}/pictures": data,
            f"{name}/picture_ends": ends,
            f"{name}/landmarks": head.landmarks,
            f"{name}/rotation": head.rotation,
        }
    heads = [f"head-{seed:08d}" for seed in seeds]
    save_tensors(path, tensors, {"format": FORMAT, "heads": heads, "frames": maker.config.frames})
