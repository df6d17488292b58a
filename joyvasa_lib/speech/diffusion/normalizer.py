"""Motion and the numbers the denoiser works on.

The denoiser sees channels of mean 0 and spread 1, or of range 0 to 1:
``value = channel * scale + offset``. With the layout ``"units"`` (compact preset) a frame is 52
blendshapes, scale, translation and rotation; with ``"expression"`` (JoyVASA) it is the expression
deformation in place of the units. Channels beyond these, if a checkpoint has some, are generated
and dropped.

Axis legend: ``t`` frames, ``c`` model channels, ``k`` keypoints, ``u`` blendshapes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.errors import CheckpointError, MotionError
from joyvasa_lib.motion.data import Reference
from joyvasa_lib.motion.motion import Motion
from joyvasa_lib.motion.space import MotionSpace, get_space

Floats = NDArray[np.float32]
FILE_NAME = "normalizer.json"
REFERENCES = ("source", "absolute")
SMALLEST_SCALE = 0.02
"""Spread below which a channel counts as constant: noise there must not be blown up."""


@dataclass(frozen=True)
class MotionNormalizer:
    """Affine map between :class:`Motion` and model channels.

    Attributes:
        offset: float32 [c], value of a channel at 0.
        scale: float32 [c], value of one unit of a channel.
        layout: "units" or "expression".
        space_name: motion space of the motions.
        fps: frames per second.
        reference: what the head's pose is relative to: the ``"source"`` portrait, or nothing
            (``"absolute"``, as extracted from images).
    """

    offset: Floats
    scale: Floats
    layout: str = "units"
    space_name: str = "compact-1"
    fps: float = 25.0
    reference: Reference = "source"

    @property
    def space(self) -> MotionSpace:
        """The motion space."""
        return get_space(self.space_name)

    @property
    def channels(self) -> int:
        """Number of model channels c."""
        return len(self.offset)

    @property
    def pose(self) -> slice:
        """Where a frame's scale, translation and rotation are among its values."""
        space = self.space
        size = len(space.blendshape_names) if self.layout == "units" else 3 * space.keypoint_count
        return slice(size, size + 7)

    @classmethod
    def fit(
        cls, values: Floats, space_name: str = "compact-1", fps: float = 25.0
    ) -> MotionNormalizer:
        """Returns the normalizer of training frames.

        Args:
            values: [t, 59]: blendshapes, scale, translation, rotation in degrees.
            space_name: motion space that they will drive.
            fps: their rate.
        """
        spread = np.maximum(values.std(axis=0), SMALLEST_SCALE)
        return cls(values.mean(axis=0).astype(np.float32), spread.astype(np.float32), "units",
                   space_name, fps)  # fmt: skip

    def normalize(self, values: Floats) -> Floats:
        """Returns channels [..., c] of values [..., c] in their own units."""
        # A published template may have a constant channel; the reference adds 1e-9 to its spread.
        return ((values - self.offset) / np.maximum(self.scale, 1e-9)).astype(np.float32)

    def denormalize(self, channels: Floats) -> Floats:
        """Returns values [..., c] of channels [..., c]."""
        return (channels * self.scale + self.offset).astype(np.float32)

    def to_model(self, motion: Motion) -> Floats:
        """Returns the channels [t, c] of a motion.

        Raises:
            MotionError: the motion is of another space or reference, or the model has channels a
                motion has not.
        """
        if motion.space != self.space:
            raise MotionError(
                f"This normalizer is for space {self.space_name!r}; got {motion.space.name!r}."
            )
        if motion.reference != self.reference:
            raise MotionError(
                f"This normalizer is for poses of reference {self.reference!r}; got "
                f"{motion.reference!r}."
            )
        face = (
            motion.blendshapes
            if self.layout == "units"
            else motion.expression.reshape(len(motion), -1)
        )
        values = np.concatenate([face, motion.scale, motion.translation, motion.rotation], axis=1)
        if values.shape[1] != self.channels:
            raise MotionError(
                f"The model has {self.channels} channels, a motion {values.shape[1]}."
            )
        return self.normalize(values)

    def to_motion(self, values: Floats) -> Motion:
        """Returns the motion of denormalised values [t, c]."""
        size = self.pose.start
        pose = values[:, self.pose]
        parts: dict[str, Any] = {
            "scale": pose[:, :1],
            "translation": pose[:, 1:4],
            "rotation": pose[:, 4:7],
            "space": self.space,
            "fps": self.fps,
            "reference": self.reference,
        }
        if self.layout == "units":
            return Motion.from_blendshapes(values[:, :size], **parts)
        expression = values[:, :size].reshape(len(values), -1, 3)
        return Motion(expression=expression, **parts)

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes ``normalizer.json``."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        about = {
            "layout": self.layout,
            "space": self.space_name,
            "fps": self.fps,
            "reference": self.reference,
            "offset": _decimals(self.offset),
            "scale": _decimals(self.scale),
        }
        (Path(folder) / FILE_NAME).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> MotionNormalizer:
        """Reads ``normalizer.json``.

        Raises:
            CheckpointError: the file is missing or incomplete.
        """
        path = Path(folder) / FILE_NAME
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
            offset, scale = (np.asarray(about[key], np.float32) for key in ("offset", "scale"))
            reference = about.get("reference", "source")
            normalizer = cls(
                offset, scale, about["layout"], about["space"], float(about["fps"]), reference
            )
        except (OSError, ValueError, KeyError) as error:
            raise CheckpointError(f"No usable motion normalizer at {path}: {error!r}.") from error
        known = normalizer.layout in ("units", "expression") and reference in REFERENCES
        if not known or len(offset) != len(scale):
            raise CheckpointError(f"The motion normalizer at {path} is inconsistent.")
        return normalizer


def _decimals(values: Floats) -> list[float]:
    """The shortest decimals that read back as the same float32 numbers."""
    return [float(str(value)) for value in values.astype(np.float32)]
