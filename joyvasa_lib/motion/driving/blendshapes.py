"""How a driving motion is put on a source: blendshapes and head pose, as pure functions.

Axis legend: ``t`` frames, ``u`` blendshapes, ``...`` any leading axes that broadcast.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion.blendshapes import REGIONS
from joyvasa_lib.motion.keypoints import rotation_angles, rotation_matrix
from joyvasa_lib.motion.operations.gains import BLINK_BLENDSHAPES
from joyvasa_lib.motion.operations.limits import clip_blendshapes, reconcile_blendshapes
from joyvasa_lib.motion.space import Floats, MotionSpace, get_space

if TYPE_CHECKING:
    from joyvasa_lib.motion.motion import Motion

Mode = Literal["absolute", "relative"]

SMILE_BLENDSHAPES = ("mouthSmileLeft", "mouthSmileRight")
_FADES_BY = 3.0
"""One over the strength of a mouth's change from which on its own expression may be gone."""
_LIKE, _UNLIKE = 0.75, 0.25
"""Cosine of own and added expression from which on the own one stays, and below which it goes."""
_PRESSING = ("mouthPressLeft", "mouthPressRight", "mouthRollUpper", "mouthRollLower")
ALL_REGIONS = frozenset({*REGIONS, "head"})


@dataclass(frozen=True)
class DrivingOptions:
    """How each part of the driving motion meets the source's own.

    ``"absolute"`` replaces what the source has; ``"relative"`` adds to it.

    Attributes:
        head: head pose. Generated motion is relative by nature.
        expression: brows, cheeks and eyes except the blink, which always is the stronger of
            source's and driving's.
        mouth: mouth, jaw and tongue. Absolute, because a smile that stays under speech keeps the
            lips from ever closing.
        keep_smile: share of the source's own smile that an absolute mouth keeps, in [0, 1].
        regions: what is driven, of ``"brows"``, ``"eyes"``, ``"cheeks"``, ``"mouth"``, ``"head"``;
            the rest stays as the source has it.

    Raises:
        MotionError: unknown mode or region, or ``keep_smile`` outside [0, 1].
    """

    head: Mode = "relative"
    expression: Mode = "relative"
    mouth: Mode = "absolute"
    keep_smile: float = 0.15
    regions: frozenset[str] = ALL_REGIONS

    def __post_init__(self) -> None:
        for name in ("head", "expression", "mouth"):
            if getattr(self, name) not in ("absolute", "relative"):
                raise MotionError(
                    f"{name} must be 'absolute' or 'relative', not {getattr(self, name)!r}"
                )
        if not 0.0 <= self.keep_smile <= 1.0:
            raise MotionError(f"keep_smile must lie in [0, 1], not {self.keep_smile}")
        regions = frozenset([self.regions] if isinstance(self.regions, str) else self.regions)
        if unknown := sorted(regions - ALL_REGIONS):
            raise MotionError(
                f"Unknown region {unknown[0]!r}; it is one of {', '.join(sorted(ALL_REGIONS))}"
            )
        object.__setattr__(self, "regions", regions)


def compose_blendshapes(
    source_blendshapes: ArrayLike,
    driving_blendshapes: ArrayLike,
    options: DrivingOptions | None = None,
    *,
    space: MotionSpace | None = None,
    highest: float = 1.1,
) -> Floats:
    """Blendshape activations of the source under a driving motion.

    Args:
        source_blendshapes: [u] activations the portrait has.
        driving_blendshapes: [t, u] activations of the driving motion.
        options: how they meet.
        space: names the units; the compact space if None.
        highest: where activations end; above 1 they bend towards it softly.

    Returns:
        [t, u] in [0, highest], with conflicts resolved as in
        :func:`~joyvasa_lib.motion.operations.limits.reconcile_blendshapes`.

    Raises:
        MotionError: shapes do not fit each other or the space.
    """
    options = options or DrivingOptions()
    space = space or get_space()
    source = np.maximum(np.asarray(source_blendshapes, dtype=np.float32), 0.0)
    driving = np.asarray(driving_blendshapes, dtype=np.float32)
    n_blendshapes = len(space.blendshape_names)
    if source.shape != (n_blendshapes,) or driving.ndim != 2 or driving.shape[1] != n_blendshapes:
        raise MotionError(
            f"Space {space.name!r} needs source units [{n_blendshapes}] and driving units "
            f"[frames, {n_blendshapes}]; got {source.shape} and {driving.shape}"
        )
    base = source.copy()  # what of the source stays under the driving motion
    mouth = space.region_blendshapes("mouth")
    if options.expression == "absolute":
        base[:] = 0.0
        base[mouth] = source[mouth]
    if options.mouth == "absolute":
        base[mouth] = 0.0
        smile = space.blendshape_indices(SMILE_BLENDSHAPES)
        base[smile] = options.keep_smile * source[smile]
    units = base + driving
    blink = space.blendshape_indices(BLINK_BLENDSHAPES)
    units[:, blink] = np.minimum(np.maximum(source[blink], driving[:, blink]), 1.0)
    for region in REGIONS.keys() - options.regions:
        index = space.region_blendshapes(region)
        units[:, index] = source[index]
    return clip_blendshapes(reconcile_blendshapes(units, space), highest=highest)


def giving_way(own: Floats, change: Floats, space: MotionSpace) -> float:
    """Share in [0, 1] of an image's own mouth that is gone under a change of its blendshapes [u].

    Nothing without a change of the mouth or under one that is much like it, all under a strong one
    that is not: a frown is not drawn over a smile, and lips that press do not show teeth.
    """
    mouth = space.region_blendshapes("mouth")
    assert space.blendshape_basis is not None
    basis = space.blendshape_basis[mouth].reshape(len(mouth), -1)
    before, added = np.maximum(own[mouth], 0.0) @ basis, change[mouth] @ basis
    length = float(np.linalg.norm(before) * np.linalg.norm(added))
    likeness = float(before @ added) / length if length > 1e-6 else 1.0
    strength = min(1.0, _FADES_BY * float(np.abs(change[mouth]).max(initial=0.0)))
    unlike = min(max((_LIKE - likeness) / (_LIKE - _UNLIKE), 0.0), 1.0)
    pressed = float(change[space.blendshape_indices(_PRESSING)].max(initial=0.0))
    return max(strength * unlike, min(1.0, _FADES_BY * pressed))


def fading_mouth(own: Floats, change: Floats, space: MotionSpace) -> Floats:
    """[u] what an image's own mouth loses under a change of its blendshapes [u].

    The share of it that gives way; units stay as far as the change raises them.
    """
    mouth = space.region_blendshapes("mouth")
    fading = np.zeros(len(own), np.float32)
    fading[mouth] = giving_way(own, change, space) * np.maximum(own[mouth], 0.0)
    raised = np.maximum(change, 0.0) / np.maximum(own, 1e-6)
    return np.asarray(fading * np.maximum(1.0 - raised, 0.0), dtype=np.float32)


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
        options: ``head`` says how they meet; without the region ``"head"`` the source stays.
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
    if "head" not in options.regions:
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
    """Refuses what cannot be the rest of extracted motion.

    Raises:
        MotionError: the reference is not one absolute frame of the space.
    """
    if len(reference) == 1 and reference.reference == "absolute" and reference.space == space:
        return
    raise MotionError(
        f"The reference must be one absolute frame of space {space.name!r}, not {len(reference)} "
        f"of space {reference.space.name!r} relative to {reference.reference!r}"
    )
