"""Parts of a performance made larger or smaller.

Axis legend: ``t`` frames, ``k`` keypoints, ``u`` blendshapes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np

from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion.motion import Motion
from joyvasa_lib.motion.space import Floats

BLINK_BLENDSHAPES = ("eyeBlinkLeft", "eyeBlinkRight")
UNIT_CEILING = 1.1
"""Highest activation the compact rig can show; a gain stops there."""


@dataclass(frozen=True)
class Gains:
    """Factors on parts of a motion; 1 leaves a part exactly as it is, 0 takes it away.

    Attributes:
        head: factor on rotation, translation and log-scale, about ``head_centre``.
        blink: factor on the closing of the lids.
        mouth: factor on mouth, jaw and tongue.
        brows: factor on the brows.
        head_centre: ``"mean"`` keeps the motion's mean pose; ``"rest"`` turns about the source's
            own pose (0, 0, 1), which for a motion generated in chunks has no seams.

    Raises:
        MotionError: a factor is negative or not finite, or ``head_centre`` is unknown.
    """

    head: float = 1.0
    blink: float = 1.0
    mouth: float = 1.0
    brows: float = 1.0
    head_centre: Literal["mean", "rest"] = "mean"

    def __post_init__(self) -> None:
        if self.head_centre not in ("mean", "rest"):
            raise MotionError(f"head_centre must be 'mean' or 'rest', not {self.head_centre!r}")
        for name in (f.name for f in fields(self) if f.name != "head_centre"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise MotionError(f"The {name} gain must be a number from 0 upwards, not {value}")


def apply_gains(motion: Motion, gains: Gains) -> Motion:
    """The motion with its parts scaled.

    In a space with blendshapes the factors act on activations, which stop at their ceiling (1 for
    blinks, 1.1 for others). In a space without, they act on the keypoint groups' deviation from
    their median over the motion, which is the face at rest.

    Returns:
        A new motion; parts with factor 1 keep their very numbers.
    """
    if len(motion) == 0:
        return motion
    if gains.head != 1.0:
        motion = _gain_head(motion, gains)
    if (gains.blink, gains.mouth, gains.brows) == (1.0, 1.0, 1.0):
        return motion
    return (
        _gain_units(motion, gains) if motion.space.has_blendshapes else _gain_groups(motion, gains)
    )


def _about(values: Floats, gain: float, centre: Floats | float) -> Floats:
    return np.asarray(centre + gain * (values - centre), dtype=np.float32)


def _gain_head(motion: Motion, gains: Gains) -> Motion:
    from_mean = gains.head_centre == "mean"

    def scaled(values: Floats, rest: float = 0.0) -> Floats:
        centre = values.mean(axis=0, dtype=np.float64).astype(np.float32) if from_mean else rest
        return _about(values, gains.head, centre)

    # A size is a ratio, so its logarithm is scaled; networks may yet give sizes below zero.
    positive = bool((motion.scale > 0).all())
    scale = np.exp(scaled(np.log(motion.scale))) if positive else scaled(motion.scale, rest=1.0)
    return replace(
        motion,
        rotation=scaled(motion.rotation),
        translation=scaled(motion.translation),
        scale=scale,
    )


def _gain_units(motion: Motion, gains: Gains) -> Motion:
    space, units = motion.space, motion.blendshapes
    factor = np.ones(units.shape[1], dtype=np.float32)
    ceiling = np.full(units.shape[1], UNIT_CEILING, dtype=np.float32)
    blink = space.blendshape_indices(BLINK_BLENDSHAPES)
    factor[blink], ceiling[blink] = gains.blink, 1.0
    factor[space.region_blendshapes("mouth")] = gains.mouth
    factor[space.region_blendshapes("brows")] = gains.brows
    scaled = units * factor
    # What was above the ceiling already may stay there, but does not grow.
    scaled = np.where(factor > 1.0, np.minimum(scaled, np.maximum(units, ceiling)), scaled)
    return motion.with_blendshapes(scaled)


def _gain_groups(motion: Motion, gains: Gains) -> Motion:
    groups = motion.space.keypoint_groups
    expression = motion.expression.copy()
    for group, gain in (("eyes", gains.blink), ("mouth", gains.mouth), ("brows", gains.brows)):
        if gain == 1.0:
            continue
        if group not in groups:
            raise MotionError(
                f"Motion space {motion.space.name!r} has neither blendshapes nor a keypoint group "
                f"{group!r}, so a gain cannot be applied there"
            )
        index = list(groups[group])
        part = expression[:, index]
        expression[:, index] = _about(part, gain, np.median(part, axis=0))
    return replace(motion, expression=expression)
