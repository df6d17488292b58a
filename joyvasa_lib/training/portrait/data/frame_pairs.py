"""Batches for stage one: two images of one clip each, with landmarks and pose.

Axis legend: ``b`` batch, ``s`` side, ``m`` = 468 mesh points.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from joyvasa_lib.face.crop_geometry import FaceSquare, apply_matrix, face_square
from joyvasa_lib.face.ratios import eye_open_ratio, lip_open_ratio
from joyvasa_lib.face.sampling import sample
from joyvasa_lib.motion.keypoints import rotation_angles, rotation_matrix
from joyvasa_lib.training.portrait.data.face_regions import in_crop_units
from joyvasa_lib.training.portrait.data.frame_source import MESH, Frame, FrameSource, Split

_HELD_OUT_SEED = 5


@dataclass(frozen=True, eq=False)
class PairBatch:
    """Pairs of images.

    Attributes:
        source: [b, 3, s, s] in [0, 1].
        driving: [b, 3, s, s] of the same clip.
        source_marks: [b, m, 2] mesh points in the crop's units.
        driving_marks: [b, m, 2].
        source_rotation: [b, 3] pitch, yaw, roll in degrees.
        driving_rotation: [b, 3].
        source_openings: [b, 3] how far left eye, right eye and lips are open.
        driving_openings: [b, 3].
    """

    source: Tensor
    driving: Tensor
    source_marks: Tensor
    driving_marks: Tensor
    source_rotation: Tensor
    driving_rotation: Tensor
    source_openings: Tensor
    driving_openings: Tensor

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.source)

    def to(self, device: torch.device) -> PairBatch:
        """Returns the batch on a device."""
        parts = (getattr(self, part.name) for part in fields(self))
        return PairBatch(*(part.to(device, non_blocking=True) for part in parts))

    def pinned(self) -> PairBatch:
        """Returns the batch in memory from which a GPU can copy while it computes."""
        return PairBatch(*(getattr(self, part.name).pin_memory() for part in fields(self)))


class PairSampler:
    """Random pairs; batch ``i`` depends on the seed, ``i`` and the process alone.

    Images are read when a batch is made, so memory holds one batch whatever the data's size.
    """

    def __init__(
        self,
        source: FrameSource,
        batch_size: int,
        side: int,
        seed: int,
        colours: float = 0.0,
        framing: str = "upright",
    ) -> None:
        """Prepares to draw.

        Args:
            source: the clips.
            batch_size: pairs in a batch.
            side: of the images; others are resized.
            seed: of the draws.
            colours: by how much gain, tint and saturation are varied, for both images of a pair
                alike; 0 for not at all.
            framing: ``"upright"``: both images are cut as a portrait is, by the source's face, so
                that networks see in training what they will see; ``"whole"``: as they are.
        """
        self.source, self.batch_size, self.side = source, batch_size, side
        self.seed, self.colours, self.framing = seed, colours, framing

    def __call__(self, index: int, process: int = 0) -> PairBatch:
        """Returns training batch ``index``."""
        random = np.random.default_rng((self.seed, index, process))
        batch = self._draw("train", self.batch_size, random)
        return recolour(batch, random, self.colours) if self.colours else batch

    def held_out(self, count: int) -> Iterator[PairBatch]:
        """Yields ``count`` held-out pairs, the same ones every time, batch by batch."""
        random = np.random.default_rng(_HELD_OUT_SEED)
        for start in range(0, count, self.batch_size):
            yield self._draw("valid", min(self.batch_size, count - start), random)

    def _draw(self, split: Split, count: int, random: np.random.Generator) -> PairBatch:
        clips = [clip for clip in self.source.clips(split) if clip.frames > 1]
        lengths = np.array([clip.frames for clip in clips], np.float64)
        rows = []
        for which in random.choice(len(clips), count, p=lengths / lengths.sum()):
            first, second = random.choice(clips[which].frames, 2, replace=False)
            pair = [self.source.frame(clips[which].name, int(i)) for i in (first, second)]
            if self.framing == "upright":
                square = face_square(pair[0].landmarks, MESH)
                pair = [reframed(frame, square, self.side) for frame in pair]
            shown = (self._parts(frame) for frame in pair)
            rows.append([part for both in zip(*shown, strict=True) for part in both])
        parts = (torch.from_numpy(np.stack(part)) for part in zip(*rows, strict=True))
        return PairBatch(*parts)

    def _parts(self, frame: Frame) -> tuple[NDArray[np.float32], ...]:
        image, side = frame.image, len(frame.image)
        marks = in_crop_units(frame.landmarks, side)
        if side != self.side:
            method = cv2.INTER_AREA if side > self.side else cv2.INTER_CUBIC
            image = np.asarray(cv2.resize(image, (self.side,) * 2, interpolation=method))
        pixels = np.ascontiguousarray(image.transpose(2, 0, 1), np.float32) / np.float32(255.0)
        openings = [eye_open_ratio(frame.landmarks), lip_open_ratio(frame.landmarks)]
        return pixels, marks, frame.rotation, np.concatenate(openings).astype(np.float32)


def reframed(frame: Frame, square: FaceSquare, side: int) -> Frame:
    """What an image shows in a square, with landmarks and pose as seen there.

    Args:
        frame: the image.
        square: in its pixels, turned or not.
        side: of the new image.
    """
    matrix = square.matrix(side)
    turn = np.eye(3)
    turn[:2, :2] = matrix[:2, :2] * (square.side / side)
    flat = apply_matrix(matrix, frame.landmarks[:, :2])
    depth = frame.landmarks[:, 2:] * (side / square.side)
    # Row vectors: the head's own turn first, then the image's.
    rotation = rotation_angles(rotation_matrix(frame.rotation.astype(np.float64)) @ turn.T)
    return Frame(
        sample(frame.image, matrix, side),
        np.concatenate([flat, depth], 1).astype(np.float32),
        np.asarray(rotation, np.float32),
    )


def recolour(batch: PairBatch, random: np.random.Generator, amount: float) -> PairBatch:
    """Another gain, tint, brightness and saturation for each pair, the same for both images."""
    n = len(batch)
    saturation = 1.0 + amount * random.uniform(-1.0, 0.5, (n, 1, 1, 1))
    gain = 1.0 + amount * (random.uniform(-0.5, 0.5, (n, 1, 1, 1)) + random.uniform(
        -0.2, 0.2, (n, 3, 1, 1)))  # fmt: skip
    shift = amount * random.uniform(-0.2, 0.2, (n, 1, 1, 1))
    factors = [torch.from_numpy(x.astype(np.float32)) for x in (saturation, gain, shift)]

    def change(images: Tensor) -> Tensor:
        grey = images.mean(1, keepdim=True)
        coloured = grey + factors[0] * (images - grey)
        return (coloured * factors[1] + factors[2]).clamp(0.0, 1.0)

    parts = {part.name: getattr(batch, part.name) for part in fields(batch)}
    parts |= {name: change(parts[name]) for name in ("source", "driving")}
    return PairBatch(**parts)
