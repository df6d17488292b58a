"""LivePortrait's 21 keypoints of a source portrait: canonical, and with its expression and pose.

Axis legend: ``t`` frames, ``k`` the 21 keypoints.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion.arrays import read_only
from joyvasa_lib.motion.keypoints import rotation_matrix
from joyvasa_lib.motion.space import LIVEPORTRAIT_21, Floats

K = LIVEPORTRAIT_21.keypoint_count
GROUPS: dict[str, tuple[int, ...]] = dict(LIVEPORTRAIT_21.keypoint_groups)
GROUPS["cheeks"] = tuple(sorted(set(range(K)) - {i for group in GROUPS.values() for i in group}))
"""Keypoints by region; ``cheeks`` are those between brows, eyes and mouth and at the outline."""


@dataclass(frozen=True, eq=False)
class SourceKeypoints:
    """Canonical keypoints of a source portrait with its own expression and pose.

    Attributes:
        keypoints: [k, 3] canonical keypoints.
        expression: [k, 3] deformation, in units of the keypoints.
        rotation: [3] pitch, yaw, roll in degrees.
        translation: [3]; its z is not used.
        scale: [1] size.

    Raises:
        MotionError: wrong shapes, or numbers that are not finite.
    """

    keypoints: Floats
    expression: Floats
    rotation: Floats
    translation: Floats
    scale: Floats

    def __post_init__(self) -> None:
        shapes = {"keypoints": (K, 3), "expression": (K, 3), "rotation": (3,)}
        for name, shape in {**shapes, "translation": (3,), "scale": (1,)}.items():
            values = read_only(getattr(self, name))
            if values.shape != shape or not np.isfinite(values).all():
                raise MotionError(
                    f"{name} of a source portrait must be finite numbers of shape {shape}, not of "
                    f"{values.shape}"
                )
            object.__setattr__(self, name, values)

    @property
    def posed(self) -> Floats:
        """[k, 3] keypoints as the source has them: ``scale (kp R + exp) + (tx, ty, 0)``."""
        turn = rotation_matrix(self.rotation)
        return self.pose(turn[None], self.expression[None], self.scale, self.translation[None])[0]

    def pose(self, turn: Floats, expression: Floats, scale: Floats, translation: Floats) -> Floats:
        """[t, k, 3] canonical keypoints under other rotations, deformations, sizes and places.

        Args:
            turn: [t or 1, 3, 3] row-vector rotation matrices.
            expression: [t or 1, k, 3] deformations.
            scale: [t or 1, 1] or [1] sizes.
            translation: [t or 1, 3] places; z is not used.
        """
        flat = translation * np.array([1.0, 1.0, 0.0], np.float32)
        size = scale.reshape(-1, 1, 1)
        return np.asarray(
            size * (self.keypoints @ turn + expression) + flat[:, None], dtype=np.float32
        )
