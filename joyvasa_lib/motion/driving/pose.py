"""How a driving head pose is put on a source's.

Axis legend: ``t`` frames, ``...`` any leading axes that broadcast.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion.driving.options import DrivingOptions
from joyvasa_lib.motion.keypoints import rotation_angles, rotation_matrix
from joyvasa_lib.motion.motion import Motion
from joyvasa_lib.motion.space import MotionSpace


@dataclass(frozen=True, eq=False)
class Pose:
    """Head pose ``x = scale * (kp @ R) + translation``; leading axes broadcast.

    Attributes:
        rotation: [..., 3] pitch, yaw, roll in degrees.
        translation: [..., 3] in units of the result (pixels of the crop, for a fitted head).
        scale: [..., 1] result units per canonical unit.

    Raises:
        MotionError: wrong last axes or non-finite numbers.
    """

    rotation: NDArray[np.floating]
    translation: NDArray[np.floating]
    scale: NDArray[np.floating]

    def __post_init__(self) -> None:
        for name, size in (("rotation", 3), ("translation", 3), ("scale", 1)):
            values = np.asarray(getattr(self, name), dtype=np.float64)
            if values.ndim == 0 or values.shape[-1] != size or not np.isfinite(values).all():
                raise MotionError(
                    f"{name} of a pose must be finite with a last axis of {size}; "
                    f"got shape {values.shape}"
                )
            object.__setattr__(self, name, values)


def compose_pose(
    source: Pose,
    driving: Pose,
    options: DrivingOptions | None = None,
    *,
    pivot: ArrayLike = (0.0, 0.0, 0.0),
    translation_unit: float | None = None,
) -> Pose:
    """The source's pose under a driving pose.

    Relative: ``R = R_driving R_source`` (row vectors: the driving turns about the head's own axes,
    as in the official rule), ``scale = scale_source * scale_driving``. Absolute: the driving
    rotation replaces the source's; size is still relative to the source's. The pivot stays where
    the source has it, apart from the driving translation; size changes about the head's origin.

    Args:
        source: [3], [3], [1] the portrait's pose.
        driving: [..., 3], [..., 3], [..., 1] pose of the driving motion.
        options: ``head`` says how they are combined; without the region ``"head"``
            the source's pose stays.
        pivot: [3] canonical point about which the head turns, the neck joint for a rig.
        translation_unit: result units per unit of driving translation; None takes the source's
            scale, which is right where driving translation is in canonical units.

    Returns:
        Pose with the driving's leading axes, float64.

    Raises:
        MotionError: ``translation_unit`` is not finite.
    """
    options = options or DrivingOptions()
    if translation_unit is not None and not math.isfinite(translation_unit):
        raise MotionError(f"translation_unit must be a finite number, not {translation_unit}")
    if not options.drives("head"):
        driving = Pose(0.0 * driving.rotation, 0.0 * driving.translation, driving.scale**0)
        options = replace(options, head="relative")
    centre = np.asarray(pivot, dtype=np.float64)
    own = rotation_matrix(source.rotation)
    turn = rotation_matrix(driving.rotation)
    if options.head == "relative":
        turn = turn @ own
    scale = source.scale * driving.scale
    unit = source.scale if translation_unit is None else translation_unit
    pivot_shift = scale * (centre @ own - centre @ turn)
    return Pose(
        rotation=rotation_angles(turn),
        translation=source.translation + unit * driving.translation + pivot_shift,
        scale=scale,
    )


def relative_motion(
    motion: Motion, *, pivot: ArrayLike = (0.0, 0.0, 0.0), reference: Motion | None = None
) -> Motion:
    """Extracted motion as changes of the head from a reference, so that it drives any portrait.

    The inverse of :func:`compose_pose`: on a source posed as the reference it gives back the
    motion's own poses. Expression is left alone.

    Args:
        motion: of any reference; one relative to a source is returned as it is. Its translation
            is in units of each frame's own scale.
        pivot: [3] canonical point about which the head turns.
        reference: the one frame that counts as rest, absolute like the motion; its own first frame
            if None. A motion that is handed on in pieces has one reference for all of them.

    Returns:
        Motion with ``reference="source"``.

    Raises:
        MotionError: the reference is not one absolute frame of the motion's space.
    """
    if motion.reference == "source" or len(motion) == 0:
        return replace(motion, reference="source")
    rest = motion[:1] if reference is None else reference
    check_reference(rest, motion.space)
    centre = np.asarray(pivot, dtype=np.float64)
    turn = rotation_matrix(motion.rotation.astype(np.float64))
    rest_turn = rotation_matrix(rest.rotation.astype(np.float64))[0]
    scale = motion.scale / np.maximum(rest.scale, 1e-9)
    pivot_shift = scale * (centre @ rest_turn - centre @ turn)
    return replace(
        motion,
        rotation=rotation_angles(turn @ rest_turn.T).astype(np.float32),
        translation=(scale * motion.translation - rest.translation - pivot_shift).astype(
            np.float32
        ),
        scale=scale.astype(np.float32),
        reference="source",
    )


def check_reference(reference: Motion, space: MotionSpace) -> None:
    """Refuses what cannot be the reference of extracted motion.

    Raises:
        MotionError: the reference is not one absolute frame of the space.
    """
    if len(reference) == 1 and reference.reference == "absolute" and reference.space == space:
        return
    raise MotionError(
        f"The reference must be one absolute frame of space {space.name!r}, not {len(reference)} "
        f"of space {reference.space.name!r} relative to {reference.reference!r}"
    )
