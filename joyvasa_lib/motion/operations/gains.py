"""Gains: parts of a performance made larger or smaller.

Axis legend: ``t`` frames, ``k`` keypoints, ``u`` blendshapes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np

from joyvasa_lib.checks import checked_choice, checked_float
from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion.data import MotionT
from joyvasa_lib.motion.space import Floats

BLINK_BLENDSHAPES = ("eyeBlinkLeft", "eyeBlinkRight")
CEILING = 1.1
"""Highest activation that the compact preset can show; a gain stops there."""


@dataclass(frozen=True)
class Gains:
    """Factors on parts of a motion; 1 leaves a part exactly as it is, 0 removes it.

    Attributes:
        head: factor on rotation, translation and log-scale, about ``head_centre``.
        blink: factor on the closing of the eyelids.
        mouth: factor on mouth, jaw and tongue.
        brows: factor on the brows.
        head_centre: ``"mean"`` keeps the motion's mean pose; ``"rest"`` keeps the source's own
            pose (rotation and translation 0, scale 1), which leaves no seams in a motion that is
            generated in pieces.

    Raises:
        MotionError: a factor is negative or not finite, or ``head_centre`` is unknown.
    """

    head: float = 1.0
    blink: float = 1.0
    mouth: float = 1.0
    brows: float = 1.0
    head_centre: Literal["mean", "rest"] = "mean"

    def __post_init__(self) -> None:
        checked_choice("head_centre", self.head_centre, ("mean", "rest"), error=MotionError)
        for name in (f.name for f in fields(self) if f.name != "head_centre"):
            value = getattr(self, name)
            checked_float(f"The {name} gain", value, least=0.0, error=MotionError)


def apply_gains(motion: MotionT, gains: Gains) -> MotionT:
    """The motion with its parts scaled.

    In a space with blendshapes the factors act on activations, which stop at their ceiling (1 for
    blinks, 1.1 for others). In a space without, they act on the keypoint groups' deviation from
    their median over the motion, which is the face at rest.

    Returns:
        A new motion; parts with factor 1 keep exactly their numbers.
    """
    if len(motion) == 0:
        return motion
    if gains.head != 1.0:
        motion = _gain_head(motion, gains)
    if (gains.blink, gains.mouth, gains.brows) == (1.0, 1.0, 1.0):
        return motion
    by_name = motion.space.has_blendshapes
    return _gain_blendshapes(motion, gains) if by_name else _gain_groups(motion, gains)


def _about(values: Floats, gain: float, centre: Floats | float) -> Floats:
    return np.asarray(centre + gain * (values - centre), dtype=np.float32)


def _gain_head(motion: MotionT, gains: Gains) -> MotionT:
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


def _gain_blendshapes(motion: MotionT, gains: Gains) -> MotionT:
    space, activations = motion.space, motion.blendshapes
    factor = np.ones(activations.shape[1], dtype=np.float32)
    ceiling = np.full(activations.shape[1], CEILING, dtype=np.float32)
    blink = space.blendshape_indices(BLINK_BLENDSHAPES)
    factor[blink], ceiling[blink] = gains.blink, 1.0
    factor[space.region_blendshapes("mouth")] = gains.mouth
    factor[space.region_blendshapes("brows")] = gains.brows
    scaled = activations * factor
    # What was above the ceiling already may stay there, but does not grow.
    scaled = np.where(factor > 1.0, np.minimum(scaled, np.maximum(activations, ceiling)), scaled)
    return motion.with_blendshapes(scaled)


def _gain_groups(motion: MotionT, gains: Gains) -> MotionT:
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
