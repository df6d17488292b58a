"""Limits: motion kept within what one image of a head can show, without visible stops.

Axis legend: ``t`` frames, ``u`` blendshapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion.data import MotionT
from joyvasa_lib.motion.space import Floats, MotionSpace

LOOK_DOWN_CLOSES_LID = 0.3
"""Share of a blink in looking down: projection of eyeLookDown on eyeBlink in the compact basis."""


HIGHEST = 1.1
"""Highest activation of most blendshapes."""
BEYOND_FULL: Mapping[str, float] = MappingProxyType(
    {
        "browInnerUp": 1.45,
        "browDownLeft": 1.3,
        "browDownRight": 1.3,
        "mouthFrownLeft": 1.8,
        "mouthFrownRight": 1.8,
        "mouthStretchLeft": 2.2,
        "mouthStretchRight": 2.2,
        "mouthUpperUpLeft": 1.9,
        "mouthUpperUpRight": 1.9,
        "noseSneerLeft": 1.8,
        "noseSneerRight": 1.8,
    }
)
"""Highest activations of blendshapes that strong expressions need more of; the mesh stays sound."""


def highest_activations(space: MotionSpace) -> Floats:
    """[u] highest activation of each blendshape of a space."""
    return np.array([BEYOND_FULL.get(name, HIGHEST) for name in space.blendshape_names], np.float32)


@dataclass(frozen=True)
class Limits:
    """How far a motion may go.

    Attributes:
        yaw: degrees; beyond 12 the uncovered side of hair and background smears.
        pitch: degrees.
        roll: degrees.
        blendshapes: highest activation; those of :data:`BEYOND_FULL` in proportion.
        knee: share of a limit up to which nothing changes, in [0, 1).

    Raises:
        MotionError: a limit that is not positive, or a knee outside [0, 1).
    """

    yaw: float = 12.0
    pitch: float = 8.0
    roll: float = 15.0
    blendshapes: float = HIGHEST
    knee: float = 0.7

    def __post_init__(self) -> None:
        for name in (f.name for f in fields(self) if f.name != "knee"):
            value = getattr(self, name)
            if not value > 0:  # infinity is a limit, too
                raise MotionError(f"The {name} limit must be positive, not {value}")
        if not 0.0 <= self.knee < 1.0:
            raise MotionError(f"knee must lie in [0, 1), not {self.knee}")


def soft_limit(
    values: ArrayLike, limit: float | Floats, *, knee: float | Floats = 0.7
) -> NDArray[np.float32]:
    """Values that approach ``limit`` without reaching it.

    Identity up to ``knee * limit``, then a tanh that continues it with the same slope: monotone,
    odd, continuously differentiable.

    Args:
        values: any shape.
        limit: positive bound on the magnitude, one or one for each value of the last axis;
            infinity leaves all as it is.
        knee: share of the limit where bending begins, likewise.
    """
    x = np.asarray(values, dtype=np.float32)
    if np.isinf(limit).all():
        return x
    start = knee * limit
    room = limit - start
    excess = (np.abs(x) - start) / room
    bent = np.sign(x) * (start + room * np.tanh(excess))
    return np.where(excess > 0.0, bent, x).astype(np.float32)


def reconcile_blendshapes(activations: ArrayLike, space: MotionSpace) -> Floats:
    """Activations that a face can show together.

    * ``mouthClose`` brings lips together over an open jaw: at most ``jawOpen``.
    * A closing eyelid overrides a widened eye, and does not close twice when looking down.

    Args:
        activations: [..., u]; where none conflict they are returned as they are.
        space: names the blendshapes; rules whose blendshapes it lacks are skipped.
    """
    u = np.array(activations, dtype=np.float32)
    names = space.blendshape_names

    def has(*wanted: str) -> list[int] | None:
        return [names.index(w) for w in wanted] if all(w in names for w in wanted) else None

    if found := has("mouthClose", "jawOpen"):
        close, jaw = found
        u[..., close] = np.minimum(u[..., close], np.maximum(u[..., jaw], 0.0))
    for side in ("Left", "Right"):
        if found := has(f"eyeBlink{side}", f"eyeWide{side}"):
            blink, wide = found
            u[..., wide] *= 1.0 - np.clip(u[..., blink], 0.0, 1.0)
        if found := has(f"eyeBlink{side}", f"eyeLookDown{side}"):
            blink, down = found
            room = 1.0 - LOOK_DOWN_CLOSES_LID * np.clip(u[..., down], 0.0, 1.0)
            u[..., blink] = np.minimum(u[..., blink], room)
    return u


def clip_blendshapes(activations: ArrayLike, *, highest: float | Floats = HIGHEST) -> Floats:
    """Activations [..., u] in [0, highest]; above 1, or a knee nearer to it, they bend softly.

    Args:
        activations: [..., u].
        highest: one for all, or [u].
    """
    u = np.maximum(np.asarray(activations, dtype=np.float32), 0.0)
    knee = np.minimum(np.maximum(1.0, 0.8 * np.asarray(highest)) / highest, 0.95)
    return soft_limit(u, highest, knee=np.asarray(knee, np.float32))


def limit_motion(motion: MotionT, limits: Limits | None = None) -> MotionT:
    """The motion within limits; what lies within them keeps exactly its numbers.

    Angles are limited as they stand: relative to the source's own pose where the motion's
    reference is ``"source"``, from frontal where it is ``"absolute"``. Blendshapes are limited
    where the space has them.
    """
    limits = limits or Limits()
    rotation = np.stack(
        [
            soft_limit(motion.rotation[:, axis], bound, knee=limits.knee)
            for axis, bound in enumerate((limits.pitch, limits.yaw, limits.roll))
        ],
        axis=1,
    )
    motion = replace(motion, rotation=rotation)
    if not motion.space.has_blendshapes:
        return motion
    activations = motion.blendshapes
    highest = highest_activations(motion.space) * np.float32(limits.blendshapes / HIGHEST)
    limited = clip_blendshapes(activations, highest=highest)
    # Activations a hair below zero are rounding of the projection, not motion.
    limited = np.where(np.abs(limited - activations) < 1e-4, activations, limited)
    return motion.with_blendshapes(limited)
