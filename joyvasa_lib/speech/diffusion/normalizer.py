"""Normalisation: between motion and the channels of the denoiser.

Channels have mean 0 and spread 1, or the range 0 to 1: ``value = channel * scale + offset``. With
the layout ``"units"`` (compact preset) a frame is 52 blendshapes, scale, translation and rotation;
with ``"expression"`` (JoyVASA) it is the expression deformation in place of the blendshapes. If a
checkpoint has channels beyond these, they are generated and dropped.

Axis legend: ``t`` frames, ``c`` model channels, ``k`` keypoints, ``u`` blendshapes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.documents import read_object
from joyvasa_lib.errors import CheckpointError, MotionError
from joyvasa_lib.motion.data import FPS, Reference
from joyvasa_lib.motion.motion import Motion
from joyvasa_lib.motion.space import MotionSpace, get_space

Floats = NDArray[np.float32]
FILE_NAME = "normalizer.json"
REFERENCES = ("source", "absolute")
_ANGLES = ("pitch", "yaw", "roll")
SMALLEST_SCALE = 0.02
"""Least spread of a channel, so that noise in an almost constant one is not amplified."""


@dataclass(frozen=True)
class MotionNormalizer:
    """Affine map between :class:`Motion` and model channels.

    Attributes:
        offset: float32 [c], value of a channel at 0.
        scale: float32 [c], change of the value for a change of the channel by 1.
        layout: ``"units"``, blendshapes, or ``"expression"``; the name is that of the files.
        space_name: motion space of the motions.
        fps: frames per second.
        reference: what the head's pose is relative to: the ``"source"`` portrait, or nothing
            (``"absolute"``, as extracted from images).
    """

    offset: Floats
    scale: Floats
    layout: str = "units"
    space_name: str = "compact-1"
    fps: float = FPS
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
        """Position of scale, translation and rotation among the values of a frame."""
        space = self.space
        size = len(space.blendshape_names) if self.layout == "units" else 3 * space.keypoint_count
        return slice(size, size + 7)

    @classmethod
    def fit(
        cls, values: Floats, space_name: str = "compact-1", fps: float = FPS
    ) -> MotionNormalizer:
        """Returns the normalizer of training frames.

        Args:
            values: [t, 59]: blendshapes, scale, translation, rotation in degrees.
            space_name: motion space of the frames.
            fps: frames a second.
        """
        spread = np.maximum(values.std(axis=0), SMALLEST_SCALE)
        return cls(values.mean(axis=0).astype(np.float32), spread.astype(np.float32), "units",
                   space_name, fps)  # fmt: skip

    def amplified(self, factors: Mapping[str, float]) -> MotionNormalizer:
        """The same with more or less of some values: a model then makes that much of them.

        Args:
            factors: by name: blendshapes, ``"pitch"``, ``"yaw"`` and ``"roll"``.

        Raises:
            MotionError: the layout has no names, one is unknown, or a factor is not positive.
        """
        names = self.space.blendshape_names if self.layout == "units" else ()
        place = {name: index for index, name in enumerate(names)}
        place |= {name: self.pose.start + 4 + axis for axis, name in enumerate(_ANGLES) if names}
        offset, scale = self.offset.copy(), self.scale.copy()
        for name, factor in factors.items():
            if name not in place:
                raise MotionError(
                    f"{name!r} is no value of this layout, which has {len(place)} names"
                )
            if not 0.0 < factor < math.inf:
                raise MotionError(f"The factor of {name} must be positive, not {factor}")
            offset[place[name]] *= factor
            scale[place[name]] *= factor
        return replace(self, offset=offset, scale=scale)

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
            MotionError: the motion is of another space or reference, or the model has channels
                that a motion lacks.
        """
        if motion.space != self.space:
            raise MotionError(
                f"This normalizer is for space {self.space_name!r}, not {motion.space.name!r}"
            )
        if motion.reference != self.reference:
            raise MotionError(
                f"This normalizer is for poses of reference {self.reference!r}, not "
                f"{motion.reference!r}"
            )
        face = (
            motion.blendshapes
            if self.layout == "units"
            else motion.expression.reshape(len(motion), -1)
        )
        values = np.concatenate([face, motion.scale, motion.translation, motion.rotation], axis=1)
        if values.shape[1] != self.channels:
            raise MotionError(
                f"The model has {self.channels} channels, the motion {values.shape[1]}"
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
            about = read_object(path)
            offset, scale = (np.asarray(about[key], np.float32) for key in ("offset", "scale"))
            reference = about.get("reference", "source")
            normalizer = cls(
                offset, scale, about["layout"], about["space"], float(about["fps"]), reference
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"No usable motion normalizer at {path}: {error!r}.") from error
        known = normalizer.layout in ("units", "expression") and reference in REFERENCES
        if not known or offset.ndim != 1 or offset.shape != scale.shape:
            raise CheckpointError(f"The motion normalizer at {path} is inconsistent.")
        return normalizer


def _decimals(values: Floats) -> list[float]:
    """The shortest decimals that read back as the same float32 numbers."""
    return [float(str(value)) for value in values.astype(np.float32)]
