"""What a body does that does not speak: breath, postures, sway, brows and smiles, and their sizes.

Axis legend: ``t`` frames; a pose [6] is pitch, yaw and roll in degrees, and a shift x, y, z.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.motion.living.curves import Change, Changes, Doubles, Waves
from joyvasa_lib.motion.living.eyes import EYE_BLENDSHAPES
from joyvasa_lib.motion.motion import Motion
from joyvasa_lib.motion.space import MotionSpace

BREATHS = (12.0 / 60.0, 16.0 / 60.0)
"""Hertz, range of people at rest."""
BREATH_PITCH, BREATH_LIFT = 0.25, 0.005
"""Degrees by which a breath tilts the head back, rig units by which it lifts it."""
POSTURE = np.array([0.9, 1.4, 1.1, 0.008, 0.004, 0.004])
"""Standard deviation of pitch, yaw, roll and shift of postures."""
HELD, MOVING = (1.5, 4.0), (1.2, 2.6)
SWAY = np.array([0.18, 0.22, 0.15, 0.002, 0.002, 0.002])
SWAY_HERTZ = (0.08, 0.45)
ATTENTIVE = 0.6
"""Factor on the postures of a listener."""
LEANING = np.array([0.7, 0.0, 0.0, 0.0, 0.003, -0.01])
"""Pose of a listener: a little forward and towards the viewer."""
KEYPOINT_UNIT = 0.17
"""Units of LivePortrait's translation for a rig unit; eye corners lie 1.75 rig units apart."""

FACE = (
    "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "mouthSmileLeft", "mouthSmileRight",
    "cheekSquintLeft", "cheekSquintRight",
)  # fmt: skip
BROW_RAISE = np.array([1.0, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0])
SMILE = np.array([0.0, 0.0, 0.0, 1.0, 1.0, 0.25, 0.25])
BROWS = (9.0, 0.06, 0.2)
"""Raised brows: mean seconds between two, least and largest activation."""
SMILES, SMILES_LISTENING = (14.0, 0.06, 0.16), (8.0, 0.1, 0.25)
"""Smiles of somebody who idles, and of a listener."""


def breathing(times: Doubles, hertz: float, drift: Waves) -> Doubles:
    """[t, 6] the head rises and tilts back while a breath is taken.

    Args:
        times: [t] seconds.
        hertz: breaths a second.
        drift: what breaths differ by, one curve.
    """
    phase = 2.0 * np.pi * hertz * times + drift(times)[:, 0]
    full = 0.5 - 0.5 * np.cos(phase + 0.4 * np.sin(phase))  # taken faster than let go
    pose = np.zeros((len(times), 6))
    pose[:, 0], pose[:, 4] = -BREATH_PITCH * full, -BREATH_LIFT * full
    return pose


def now_and_then(
    rng: np.random.Generator,
    direction: Doubles,
    how: tuple[float, float, float],
    stay: tuple[float, float],
) -> Changes:
    """Changes of the face in one direction, at random times.

    Args:
        rng: of every choice.
        direction: [7] of the blendshapes.
        how: mean seconds between two, least and largest activation.
        stay: shortest and longest seconds that one stays.
    """
    mean, least, most = how

    def following(after: float) -> Change:
        start = after + 1.0 + float(rng.gamma(2.0, (mean - 1.0) / 2.0))
        rise, fall = float(rng.uniform(0.3, 0.6)), float(rng.uniform(0.5, 1.1))
        uneven = rng.uniform(0.85, 1.0, len(direction))
        size = float(rng.uniform(least, most)) * direction * uneven
        return Change(start, rise, float(rng.uniform(*stay)), fall, size)

    return Changes(len(direction), following)


def living_motion(
    pose: Doubles, eyes: Doubles, face: Doubles, space: MotionSpace, fps: float
) -> Motion:
    """The motion of poses [t, 6], of eyes [t, 10] and of :data:`FACE` [t, 7].

    Without blendshapes only the head moves.
    """
    rotation: NDArray[np.float32] = pose[:, :3].astype(np.float32)
    if not space.has_blendshapes:
        still = np.zeros((len(pose), space.keypoint_count, 3), np.float32)
        shift = KEYPOINT_UNIT * pose[:, 3:]
        return Motion.build(still, space=space, rotation=rotation, translation=shift, fps=fps)
    activations = np.zeros((len(pose), len(space.blendshape_names)), np.float32)
    for names, values in ((EYE_BLENDSHAPES, eyes), (FACE, face)):
        for name, column in zip(names, values.T, strict=True):
            if name in space.blendshape_names:
                activations[:, space.blendshape_index(name)] = column
    return Motion.from_blendshapes(
        activations, space=space, rotation=rotation, translation=pose[:, 3:], fps=fps
    )
