"""The driving rules of JoyVASA's published code, number for number, for comparisons.

What that code does is not always what its options say: with the relative flag off, motion is still
relative; place and size move in every region, and the region of the eyes does nothing; a
retargeting flag stops all motion; the closing of parted lips is added to a mouth that is absolute
already; the motion multiplier is the square root of a ratio of volumes.
:func:`~joyvasa_lib.motion.driving.keypoints.drive_keypoints` does what the options say.

Axis legend: ``t`` frames, ``k`` the 21 keypoints.
"""

from __future__ import annotations

import numpy as np

from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion.driving.keypoints import (
    GROUPS,
    OfficialDriving,
    Retarget,
    SourceKeypoints,
    Stitch,
    as_floats,
    motion_multiplier,
)
from joyvasa_lib.motion.keypoints import rotation_matrix
from joyvasa_lib.motion.motion import Motion
from joyvasa_lib.motion.space import Floats


def drive_as_joyvasa(
    source: SourceKeypoints,
    driving: Motion,
    start: Motion,
    options: OfficialDriving,
    stitch: Stitch | None,
    lip_retarget: Retarget | None,
    lip_ratio: float | None,
) -> Floats:
    """Where the published code puts the source's keypoints.

    Args:
        source: the portrait's keypoints.
        driving: [t] motion with absolute pose.
        start: the first frame of the whole performance.
        options: with ``compat="joyvasa"``.
        stitch: the stitching network, where stitching is on.
        lip_retarget: the lip network, where lips are closed.
        lip_ratio: how far the source's lips are open.

    Returns:
        [t, k, 3] float32.

    Raises:
        MotionError: the lip network is missing where it is needed.
    """
    human = options.subject == "human"
    x_s = source.posed
    x = _posed(source, driving, start, options)
    relative = options.mode == "relative"
    if not human or (relative and options.driving_option == "expression-friendly"):
        x_first = _posed(source, start, start, options)[0]
        factor = motion_multiplier(x_s, x_first, power=1 / 2, without_mouth=False)
        x = x_s + np.float32(factor) * (x - x_first)
    closing: Floats | None = None
    if human and options.retarget:
        if relative:
            x = np.broadcast_to(x_s, x.shape)
    elif human and relative and options.close_lips and lip_ratio is not None:
        if lip_retarget is None:
            raise MotionError("Closing parted lips needs the lip network; give lip_retarget=...")
        if lip_ratio >= options.lip_threshold:
            closing = as_floats(lip_retarget(x_s, np.array([[lip_ratio, 0.0]], np.float32)))
    if options.stitching and stitch is not None:
        x = as_floats(stitch(x_s, np.ascontiguousarray(x)))
    if closing is not None:
        x = x + closing.reshape(-1, *x_s.shape)
    return np.asarray(x_s + np.float32(options.multiplier) * (x - x_s), dtype=np.float32)


def _posed(
    source: SourceKeypoints, driving: Motion, start: Motion, options: OfficialDriving
) -> Floats:
    """Keypoints before anything is added: a change of every part that the region has."""
    human = options.subject == "human"
    region = options.regions if human else "all"
    turn = rotation_matrix(source.rotation)[None]
    if region in ("all", "pose"):
        turn = rotation_matrix(driving.rotation) @ rotation_matrix(start.rotation[0]).T @ turn
    change = driving.expression - start.expression
    expression = np.broadcast_to(source.expression, driving.expression.shape).copy()
    mouth = list(GROUPS["mouth"])
    if region in ("all", "exp"):
        expression += change
        if human:
            expression[:, mouth] = driving.expression[:, mouth]
    elif region == "lip":
        expression[:, mouth] += change[:, mouth]
    scale = source.scale * (driving.scale / start.scale) if human else source.scale
    shift = source.translation + driving.translation - start.translation
    return source.pose(turn, expression, scale, shift)
