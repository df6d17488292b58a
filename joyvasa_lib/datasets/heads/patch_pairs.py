"""Training pairs for the compact preset's generator: what the warp makes, and what is true.

One head gives a source image and several driven frames. The compact preset itself runs, on a fit
with the errors of fits to real images, and the truth is rendered on the vertices that the preset
drives. So guides and truth agree to the pixel, while the image's pixels are found with the error of
the fit.

Axis legend: ``b`` frames, ``v`` vertices, ``n`` patches, ``p`` side of a patch, ``g`` guides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tqdm import tqdm

from joyvasa_lib.datasets.heads.drawing.appearance import random_appearance
from joyvasa_lib.datasets.heads.drawing.renderer import HeadRenderer
from joyvasa_lib.datasets.heads.drawing.styles import degrade, random_style
from joyvasa_lib.datasets.heads.drawing.texture import SkinMap
from joyvasa_lib.datasets.heads.shape import (
    random_blendshapes,
    random_shape,
    random_source_blendshapes,
    smooth_noise,
    swell,
)
from joyvasa_lib.documents import DocumentError, read_yaml
from joyvasa_lib.errors import OptionError
from joyvasa_lib.media.files import atomic_path
from joyvasa_lib.media.image import save_image
from joyvasa_lib.motion import BLENDSHAPES
from joyvasa_lib.motion.driving.blendshapes import compose_blendshapes
from joyvasa_lib.motion.driving.pose import Pose, compose_pose
from joyvasa_lib.motion.keypoints import rotation_angles, rotation_matrix
from joyvasa_lib.portrait.compact.model import CompactPortraitModel
from joyvasa_lib.portrait.compact.portrait import CompactPortrait
from joyvasa_lib.portrait.compact.refine.patches import KINDS, OPEN_PIXELS, PatchCutter
from joyvasa_lib.rig.fitting import HeadFit
from joyvasa_lib.rig.head_rig import bundled_rig
from joyvasa_lib.rig.regions import EYEBALLS, LIP_MIDDLES, MOUTH_CORNERS

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

_HELD_OUT = 10_000_000
"""First seed of held-out heads."""


@dataclass(frozen=True)
class PortraitPairsConfig:
    """What a set of pairs is made of.

    Attributes:
        size: side of the images in pixels.
        frames: driven frames of one head.
        heads_per_shard: heads in one file.
        shards: files of training heads.
        valid_shards: files of held-out heads.
        fit_noise: largest root-mean-square error of the fitted vertices, pixels.
        unit_noise: standard deviation of the error of fitted blendshapes.
        turn: standard deviation of pitch, yaw, roll between image and frame, degrees.
        seed: seed of the first head.
    """

    size: int = 256
    frames: int = 8
    heads_per_shard: int = 25
    shards: int = 60
    valid_shards: int = 3
    fit_noise: float = 1.8
    unit_noise: float = 0.05
    turn: tuple[float, float, float] = (3.0, 4.5, 2.5)
    seed: int = 0


@dataclass(frozen=True, eq=False)
class HeadPairs:
    """A rendered head, driven.

    Attributes:
        portrait: the image, fitted with errors.
        blendshapes: [b, 52] blendshapes of the frames.
        pose: absolute pose of the frames.
        vertices: [b, v, 3] driven vertices.
        truth: [b, s, s, 3] rendered frames.
    """

    portrait: CompactPortrait
    blendshapes: Floats
    pose: Pose
    vertices: Floats
    truth: Bytes


class PairMaker:
    """Makes pairs from seeds."""

    def __init__(self, config: PortraitPairsConfig) -> None:
        """Loads the rig and the preset without a generator."""
        self.config = config
        self.model = CompactPortraitModel(bundled_rig())
        self.rig = self.model.rig
        self.cutter = PatchCutter(self.rig)
        self._skin = SkinMap(self.rig)
        self._eyelids = [BLENDSHAPES.index(f"eyeBlink{side}") for side in ("Left", "Right")]

    def head(self, seed: int) -> HeadPairs:
        """Renders the head of one seed: an image and ``config.frames`` driven frames."""
        config, rig = self.config, self.rig
        random = np.random.default_rng((config.seed, seed))
        appearance = random_appearance(rig, self._skin, random)
        style = random_style(random)
        renderer = HeadRenderer(rig, appearance, config.size)
        neutral = random_shape(rig, random)
        own_blendshapes = random_source_blendshapes(random)
        scale = float(random.uniform(0.118, 0.172)) * config.size
        rotation = rotation_matrix(random.normal(0.0, [6.0, 9.0, 5.0])).astype(np.float32)
        shift = np.array([0.5, 0.54, 0.0]) * config.size + random.normal(0, 4, 3) * [1, 1, 0]

        expressed = neutral + np.tensordot(own_blendshapes, rig.blendshapes, 1)
        true_vertices = (scale * (expressed @ rotation) + shift).astype(np.float32)
        misfit = self._misfit(random, scale)
        source_image = degrade(style(renderer.render(misfit(true_vertices)).image), random)

        portrait = self._portrait(
            random, source_image, true_vertices, own_blendshapes, rotation, scale, shift
        )
        blendshapes = np.stack([random_blendshapes(random) for _ in range(config.frames)])
        blendshapes = compose_blendshapes(
            portrait.fit.blendshapes, blendshapes, space=self.model.space
        )
        turn = np.clip(random.normal(0.0, config.turn, (config.frames, 3)), -14, 14)
        driving = Pose(turn, np.zeros((config.frames, 3)), np.ones((config.frames, 1)))
        fit = portrait.fit
        source = Pose(rotation_angles(fit.rotation), fit.translation, np.array([fit.scale]))
        pose = compose_pose(source, driving, pivot=rig.pivot)
        vertices = self.model.driver.vertices(portrait, blendshapes, pose)
        truth = np.stack([style(renderer.render(misfit(v)).image) for v in vertices])
        return HeadPairs(portrait, blendshapes, pose, vertices, truth)

    def _misfit(self, random: np.random.Generator, scale: float) -> Callable[[Floats], Floats]:
        """A map of vertices that changes the size of eyes and lips, as fits misjudge them."""
        rig = self.rig
        eyes = [rig.part_vertices(name) for name in EYEBALLS]
        lips = rig.landmark_vertex[[*MOUTH_CORNERS, *LIP_MIDDLES]]
        own = random.uniform(0.92, 1.3) if random.random() < 0.35 else 1.0
        eye = own * random.normal(1.0, 0.03), own * random.normal(1.0, 0.03)
        lip = random.normal(1.0, 0.05), random.normal(1.0, 0.05)

        def apply(vertices: Floats) -> Floats:
            for part in eyes:
                vertices = swell(vertices, part, eye, 0.4 * scale)
            return swell(vertices, lips, lip, 0.5 * scale)

        return apply

    def _portrait(
        self,
        random: np.random.Generator,
        source_image: Bytes,
        vertices: Floats,
        blendshapes: Floats,
        rotation: Floats,
        scale: float,
        shift: NDArray[np.float64],
    ) -> CompactPortrait:
        """The portrait that the preset encodes from the image, with a fit that has errors."""
        rig, config = self.rig, self.config
        error = smooth_noise(rig, random, random.uniform(0.0, config.fit_noise), waves=6)
        seen = vertices + error
        guessed = blendshapes + (blendshapes > 0) * random.normal(
            0.0, config.unit_noise, len(blendshapes)
        )
        guessed[[i for i in self._eyelids if blendshapes[i] < 0.05]] = 0.0
        fitted: Floats = np.clip(guessed, 0.0, 1.0).astype(np.float32)
        canonical = ((seen - shift) / scale) @ rotation.T
        fit = HeadFit(
            identity=np.zeros(len(rig.identity), np.float32),
            blendshapes=fitted,
            rotation=rotation,
            scale=scale,
            translation=np.asarray(shift, np.float32),
            shape=np.asarray(canonical - np.tensordot(fitted, rig.blendshapes, 1), np.float32),
            parting=np.zeros_like(rig.mean),
            residual=0.0,
        )
        return self.model.portrait_of(fit, source_image)

    def patches(self, pairs: HeadPairs) -> dict[str, NDArray[np.generic]]:
        """Patches of a head as stored, keyed ``mouth/...`` and ``eye/...``.

        Returns:
            ``images`` uint8 [n, p, p, 9] (composite, source, truth), ``guides`` int8
            [n, p, p, g], ``gate`` uint8 [n, p, p]; frames whose gate is shut are left out.
        """
        portrait = pairs.portrait
        appearance = portrait.appearance
        frames = self.model.composite(portrait, pairs.blendshapes, pairs.pose, pairs.vertices)
        found: dict[str, list[NDArray[np.generic]]] = {}
        for kind in KINDS:
            affine = self.cutter.affine(pairs.vertices, kind)
            guides, gate = self.cutter.guides(
                pairs.vertices, affine, appearance, kind, 0.25 * portrait.fit.scale
            )
            own = self.cutter.affine(appearance.vertices[None], kind)
            source = self.cutter.cut(appearance.image[None], own, kind)
            composite = self.cutter.cut(frames, affine, kind)
            truth = self.cutter.cut(pairs.truth, affine, kind)
            images = np.concatenate([composite, np.broadcast_to(source, truth.shape), truth], -1)
            keep = gate.reshape(len(gate), -1).sum(1) > OPEN_PIXELS
            name = kind.partition("_")[0]
            found.setdefault(f"{name}/images", []).append(_bytes(images[keep]))
            stored = np.round(np.clip(guides[keep], -1, 1) * 127).astype(np.int8)
            found.setdefault(f"{name}/guides", []).append(stored)
            found.setdefault(f"{name}/gate", []).append(_bytes(gate[keep]))
        return {name: np.concatenate(parts) for name, parts in found.items()}


def _bytes(values: Floats) -> Bytes:
    return np.asarray(np.clip(values, 0, 1) * 255 + 0.5, dtype=np.uint8)


def read_pairs_config(path: Path) -> PortraitPairsConfig:
    """Reads the section ``heads`` of a YAML recipe.

    Raises:
        OptionError: the file cannot be read or has a key that the recipe does not know.
    """
    try:
        values = read_yaml(path).get("heads", {})
    except (OSError, AttributeError, DocumentError) as error:
        raise OptionError(f"{path} is not a readable YAML recipe: {error}") from error
    known = {f.name for f in fields(PortraitPairsConfig)}
    if unknown := sorted(set(values) - known):
        raise OptionError(f"Unknown keys {unknown} in {path}; known are {sorted(known)}.")
    return PortraitPairsConfig(**values)


def write_portrait_pairs(
    folder: Path, config: PortraitPairsConfig | None = None, progress: bool = False
) -> list[Path]:
    """Writes all shards of a set of pairs.

    Args:
        folder: destination; existing shards are kept.
        config: sizes, noise and seed.
        progress: whether to show a bar.

    Returns:
        The shards' paths.
    """
    config = config or PortraitPairsConfig()
    maker = PairMaker(config)
    shards = [("valid", i) for i in range(config.valid_shards)]
    shards += [("train", i) for i in range(config.shards)]
    bar = tqdm(shards, unit="shard", disable=not progress)
    return [write_shard(folder, maker, split, index) for split, index in bar]


def write_shard(folder: Path, maker: PairMaker, split: str, index: int) -> Path:
    """Writes one shard unless it exists; held-out heads have seeds that no training head has."""
    path = folder / f"{split}_{index:04d}.safetensors"
    if path.exists():
        return path
    count = maker.config.heads_per_shard
    first = index * count + (0 if split == "train" else _HELD_OUT)
    heads = [maker.patches(maker.head(first + i)) for i in range(count)]
    tensors = {
        name: np.ascontiguousarray(np.concatenate([head[name] for head in heads]))
        for name in heads[0]
    }
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        save_file(tensors, temporary)
    return path


def preview_heads(path: Path, config: PortraitPairsConfig, count: int) -> Path:
    """Draws a sheet of heads, one row each: image, then driven frames; returns its path."""
    maker = PairMaker(config)
    rows = []
    for seed in range(count):
        pairs = maker.head(seed)
        rows.append(np.concatenate([pairs.portrait.appearance.image, *pairs.truth[:6]], 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    return save_image(path, np.concatenate(rows))
