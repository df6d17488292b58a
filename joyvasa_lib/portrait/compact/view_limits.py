"""How far a head may move: what one image of it, cut around the face, can show.

Driving videos move heads across the frame and turn them to a profile; speech stays far below these
limits and keeps its numbers.

Axis legend: ``t`` frames.
"""

from __future__ import annotations

import logging

import numpy as np

from joyvasa_lib.motion.driving.pose import Pose
from joyvasa_lib.motion.operations.limits import soft_limit

_log = logging.getLogger(__name__)

TURN = (15.0, 20.0, 20.0)
"""Degrees of pitch, yaw and roll from the image's own pose; beyond them skin and hair would have to
be seen that the image does not show."""
SHIFT = 0.35
"""Rig units sideways, down and up: a fifth of the distance of the eye corners. The crop ends where
the head would."""
GROWTH = 0.2
"""Natural logarithm of the head's size against the image's."""
_TOLD = 0.02
"""Part of a limit from which on a change is told."""


def within_view(pose: Pose, *, turned: bool = True) -> Pose:
    """A change of pose as far as an image can show it; softly, with a line in the log.

    Args:
        pose: [t] rotation in degrees, translation in rig units and factor on the size, all
            relative to the image's own.
        turned: whether the rotation is relative, too; it is left as it is otherwise.
    """
    rotation = np.array(pose.rotation)
    if turned:
        for axis, limit in enumerate(TURN):
            rotation[..., axis] = soft_limit(pose.rotation[..., axis], limit)
    translation = np.array(pose.translation)
    translation[..., :2] = soft_limit(pose.translation[..., :2], SHIFT)
    size = np.exp(soft_limit(np.log(np.maximum(pose.scale, 1e-3)), GROWTH))
    limited = []
    if (np.abs(rotation - pose.rotation) > _TOLD * np.array(TURN)).any():
        limited.append("turns")
    if (np.abs(translation - pose.translation) > _TOLD * SHIFT).any():
        limited.append("moves")
    if (np.abs(size - pose.scale) > _TOLD * GROWTH).any():
        limited.append("changes its size")
    if limited:
        _log.warning(
            "The head %s more than one image can show: the motion is limited",
            " and ".join(limited),
        )
    return Pose(rotation, translation, size)
