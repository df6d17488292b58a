"""How a motion of LivePortrait's 21 keypoints is put on a source portrait, as pure functions.

A portrait has canonical keypoints, and an expression and pose of its own; a motion changes them,
counted from its first frame or outright; the result is where the keypoints go. Rules and index
sets are those of LivePortrait (arXiv 2407.03168, sections 3.2 and 3.3, and its published code) and
JoyVASA (arXiv 2411.09209). Where JoyVASA's published code does something else than it says, the
default here does what it says; ``compat="joyvasa"`` gives that code's numbers
(:mod:`~joyvasa_lib.compat.joyvasa.driving`).

Axis legend: ``t`` frames, ``k`` the 21 keypoints.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion.arrays import read_only
from joyvasa_lib.motion.keypoints import rotation_matrix
from joyvasa_lib.motion.space import LIVEPORTRAIT_21, Floats

if TYPE_CHECKING:
    from joyvasa_lib.motion.motion import Motion

K = LIVEPORTRAIT_21.keypoint_count
GROUPS: dict[str, tuple[int, ...]] = dict(LIVEPORTRAIT_21.keypoint_groups)
GROUPS["cheeks"] = tuple(sorted(set(range(K)) - {i for group in GROUPS.values() for i in group}))
"""Keypoints by region; ``cheeks`` are those between brows, eyes and mouth and at the outline."""
REGIONS = (*sorted(GROUPS), "head")
JOYVASA_REGIONS = ("all", "exp", "pose", "lip", "eyes")

_ABSOLUTE: dict[int, tuple[int, ...]] = {
    **{point: (0, 1, 2) for point in (1, 2, 6, *range(11, 21))},
    **{3: (1,), 4: (1,), 5: (2,), 8: (2,), 9: (1, 2)},
}
"""Components of the deformation that say what the face does; the others say whose face it is."""

Stitch = Callable[[Floats, Floats], Any]
"""``stitch(x_s [k, 3], x [t, k, 3])``: the stitched keypoints [t, k, 3]."""
Retarget = Callable[[Floats, Floats], Any]
"""``retarget(x_s [k, 3], condition [t, 2 or 3])``: offsets [t, k, 3]; see ``face.ratios``."""


@dataclass(frozen=True)
class OfficialDriving:
    """How the driving motion meets the source.

    Attributes:
        mode: ``"relative"`` adds the driving motion's changes since its first frame to what the
            source has; ``"absolute"`` gives the source the driving person's pose, place and
            expression outright, and leaves only its size.
        mouth: the same for the mouth in relative mode. ``"absolute"`` is the default for people:
            a source with parted lips could never close them otherwise. Animals' mouths are
            relative, because the lips of a person's motion do not fit them.
        driving_option: ``"pose-friendly"``, or ``"expression-friendly"``: all changes since the
            first frame, the mouth's too, are put on the source in its own size.
        regions: what is driven: ``"all"``, or some of ``"brows"``, ``"eyes"``, ``"cheeks"``,
            ``"mouth"``, ``"head"`` (rotation, place and size); the rest stays as the source has it.
        multiplier: factor on the motion; above 1 exaggerates. Corrections are not multiplied.
        stitching: whether shoulders and neck are kept in their place.
        close_lips: whether parted lips of the source are closed before a relative mouth is added.
        lip_threshold: lip ratio from which the source's lips count as parted.
        retarget: ``"mouth"``, ``"eyes"`` or both: opened and closed by given ratios through the
            retargeting networks instead of by the motion.
        subject: ``"human"`` or ``"animal"``; an animal keeps its size.
        compat: ``"joyvasa"`` for the numbers of the published code: ``mode="absolute"`` is then
            its relative flag turned off, ``regions`` one of "all", "exp", "pose", "lip", "eyes",
            ``retarget`` its retargeting flags; ``mouth`` is not used.

    Raises:
        MotionError: a value that is not allowed; the message lists what is.
    """

    mode: Literal["relative", "absolute"] = "relative"
    mouth: Literal["relative", "absolute"] | None = None
    driving_option: Literal["pose-friendly", "expression-friendly"] = "pose-friendly"
    regions: str | frozenset[str] = "all"
    multiplier: float = 1.0
    stitching: bool = True
    close_lips: bool = True
    lip_threshold: float = 0.03
    retarget: frozenset[str] = frozenset()
    subject: Literal["human", "animal"] = "human"
    compat: Literal["joyvasa"] | None = None

    def __post_init__(self) -> None:
        for name, allowed in (
            ("mode", ("relative", "absolute")),
            ("mouth", (None, "relative", "absolute")),
            ("driving_option", ("pose-friendly", "expression-friendly")),
            ("subject", ("human", "animal")),
            ("compat", (None, "joyvasa")),
        ):
            if getattr(self, name) not in allowed:
                raise MotionError(
                    f"{name} of a driving is one of {', '.join(map(repr, allowed))}, "
                    f"not {getattr(self, name)!r}"
                )
        for name, least in (("multiplier", 0.0), ("lip_threshold", 0.0)):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= least):
                raise MotionError(
                    f"{name} must be a number from 0 upwards, not {getattr(self, name)}"
                )
        object.__setattr__(self, "retarget", _names("retarget", self.retarget, ("eyes", "mouth")))
        if self.compat == "joyvasa":
            if self.regions not in JOYVASA_REGIONS:
                raise MotionError(
                    f"JoyVASA's own regions are {', '.join(JOYVASA_REGIONS)}, not {self.regions!r}"
                )
        elif self.regions != "all":
            object.__setattr__(self, "regions", _names("regions", self.regions, REGIONS))

    def drives(self, region: str) -> bool:
        """Whether a region is driven."""
        return self.regions == "all" or region in self.regions

    @property
    def absolute_mouth(self) -> bool:
        """Whether the mouth is the driving motion's outright."""
        if self.mode == "absolute" or self.driving_option == "expression-friendly":
            return self.mode == "absolute"
        default = "absolute" if self.subject == "human" else "relative"
        return (self.mouth or default) == "absolute"


def _names(what: str, given: Any, allowed: tuple[str, ...]) -> frozenset[str]:
    names = frozenset([given] if isinstance(given, str) else given)
    if unknown := sorted(names - set(allowed)):
        raise MotionError(f"{what} of a driving names {unknown[0]!r}; known: {', '.join(allowed)}")
    return names


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
        """[k, 3] keypoints where the source has them: ``scale (kp R + exp) + (tx, ty, 0)``."""
        turn = rotation_matrix(self.rotation)
        return self.pose(turn[None], self.expression[None], self.scale, self.translation[None])[0]

    def pose(self, turn: Floats, expression: Floats, scale: Floats, translation: Floats) -> Floats:
        """[t, k, 3] keypoints under rotations [t, 3, 3], deformations, sizes and places.

        Args:
            turn: [t or 1, 3, 3] row-vector rotation matrices.
            expression: [t or 1, k, 3].
            scale: [t or 1, 1] or [1].
            translation: [t or 1, 3].
        """
        flat = translation * np.array([1.0, 1.0, 0.0], np.float32)
        size = scale.reshape(-1, 1, 1)
        return np.asarray(
            size * (self.keypoints @ turn + expression) + flat[:, None], dtype=np.float32
        )


def motion_multiplier(
    source: ArrayLike, driving: ArrayLike, *, power: float = 1 / 3, without_mouth: bool = True
) -> float:
    """How much larger the source's keypoints are spread than the driving ones: a length ratio.

    ``(V(source) / V(driving)) ** power`` with V the volume of the convex hull. JoyVASA's code takes
    the square root of the ratio, which is no length, over all points, which lets the mouth of the
    first frame decide; ``power=1/2, without_mouth=False`` is that.

    Args:
        source: [k, 3] posed keypoints of the source.
        driving: [k, 3] posed keypoints of the driving motion's first frame.
        power: 1/3 for a ratio of lengths.
        without_mouth: whether the mouth's keypoints are left out.

    Raises:
        MotionError: the points lie in one plane, so that they have no volume.
    """
    from scipy.spatial import ConvexHull, QhullError

    kept = [i for i in range(K) if not (without_mouth and i in GROUPS["mouth"])]
    try:
        volumes = [
            float(ConvexHull(np.asarray(points, np.float64)[kept]).volume)
            for points in (source, driving)
        ]
    except QhullError as error:
        raise MotionError(
            "The keypoints lie in one plane, so the driving motion's size is unknown; use "
            "driving_option='pose-friendly'"
        ) from error
    return float((volumes[0] / volumes[1]) ** power)


def drive_keypoints(
    source: SourceKeypoints,
    driving: Motion,
    options: OfficialDriving | None = None,
    *,
    first: Motion | None = None,
    stitch: Stitch | None = None,
    lip_retarget: Retarget | None = None,
    lip_ratio: float | None = None,
    lip_target: ArrayLike | None = None,
    eye_retarget: Retarget | None = None,
    eye_ratio: ArrayLike | None = None,
    eye_target: ArrayLike | None = None,
) -> Floats:
    """Where the source's keypoints go under a driving motion.

    ``x_i = s_i (kp R_i + exp_i) + t_i``. Relative: ``R_i = R_d,i R_d,0^T R_s``,
    ``exp_i = exp_s + exp_d,i - exp_d,0``, ``s_i = s_s s_d,i / s_d,0``, ``t_i = t_s + t_d,i -
    t_d,0``. Then, in this order: the expression-friendly step, the multiplier, the offsets of the
    retargeting networks, stitching.

    Args:
        source: the portrait's keypoints.
        driving: motion of the space ``liveportrait-21``; with ``reference="source"`` it is a
            change of the source already, from the motion in which nothing moves.
        options: how they meet.
        first: one frame that changes of an absolute motion count from, where ``driving`` is a
            later piece of a performance; its own first frame by default.
        stitch: the stitching network; needed where the options ask for stitching.
        lip_retarget: the lip network; needed to close parted lips and to retarget the mouth.
        lip_ratio: how far the source's lips are open (``lip_open_ratio``); unknown lips are not
            closed.
        lip_target: [t] or one wanted lip ratio, for ``retarget`` with "mouth".
        eye_retarget: the eye network; needed to retarget the eyes.
        eye_ratio: [2] how far the source's eyes are open (``eye_open_ratio``).
        eye_target: [t] or one wanted eye ratio, for ``retarget`` with "eyes".

    Returns:
        [t, k, 3] float32.

    Raises:
        MotionError: the motion is of another space, ``first`` is not one frame, or a network or
            ratio is missing that the options need.
    """
    options = options or OfficialDriving()
    start = _first_frame(driving, first)
    if options.stitching and stitch is None:
        raise MotionError(
            "Stitching needs the stitching network; give stitch=... or stitching=False"
        )
    if len(driving) == 0:
        return np.zeros((0, K, 3), np.float32)
    if options.compat == "joyvasa":
        from joyvasa_lib.compat.joyvasa.driving import drive_as_joyvasa

        return drive_as_joyvasa(source, driving, start, options, stitch, lip_retarget, lip_ratio)
    x_s = source.posed
    x = _posed(source, driving, start, options)
    if options.driving_option == "expression-friendly" and options.mode == "relative":
        x_first = _posed(source, start, start, options)[0]
        x = x_s + np.float32(motion_multiplier(x_s, x_first)) * (x - x_first)
    if options.multiplier != 1.0:
        x = x_s + np.float32(options.multiplier) * (x - x_s)
    if "mouth" in options.retarget:
        x = x + _offsets("lip", lip_retarget, x_s, lip_ratio, lip_target, len(x))
    elif _closes_lips(options, lip_ratio):
        x = x + _offsets("lip", lip_retarget, x_s, lip_ratio, 0.0, 1)
    if "eyes" in options.retarget:
        x = x + _offsets("eye", eye_retarget, x_s, eye_ratio, eye_target, len(x))
    return x if stitch is None or not options.stitching else as_floats(stitch(x_s, x))


def _first_frame(driving: Motion, first: Motion | None) -> Motion:
    from joyvasa_lib.motion.motion import Motion

    start = driving[:1] if first is None else first
    for motion in (driving, start):
        if motion.space != LIVEPORTRAIT_21:
            raise MotionError(
                f"These rules drive the keypoints of {LIVEPORTRAIT_21.name!r}, not of "
                f"{motion.space.name!r}"
            )
    if len(start) != 1 and len(driving):
        raise MotionError(f"first must be a motion of one frame, not of {len(start)}")
    return start if driving.reference == "absolute" else Motion.neutral(1, space=driving.space)


def _posed(
    source: SourceKeypoints, driving: Motion, start: Motion, options: OfficialDriving
) -> Floats:
    own_turn, turn = rotation_matrix(source.rotation), rotation_matrix(driving.rotation)
    scale, shift = driving.scale, driving.translation
    if not options.drives("head"):
        turn, scale, shift = own_turn[None], source.scale, source.translation[None]
    elif options.mode == "absolute" and driving.reference == "absolute":
        scale = source.scale
    else:
        turn = turn @ rotation_matrix(start.rotation[0]).T @ own_turn
        shift = source.translation + shift - start.translation
        grown = scale / start.scale if options.subject == "human" else np.float32(1.0)
        scale = source.scale * grown
    expression = _expression(source, driving, start, options)
    return source.pose(turn, expression, scale, shift)


def _expression(
    source: SourceKeypoints, driving: Motion, start: Motion, options: OfficialDriving
) -> Floats:
    own = np.broadcast_to(source.expression, driving.expression.shape)
    if options.mode == "absolute":
        driven = own.copy()
        for point, components in _ABSOLUTE.items():
            driven[:, point, components] = driving.expression[:, point, components]
    else:
        driven = own + (driving.expression - start.expression)
        if options.absolute_mouth:
            mouth = list(GROUPS["mouth"])
            driven[:, mouth] = driving.expression[:, mouth]
    for region, points in GROUPS.items():
        if region in options.retarget or not options.drives(region):
            driven[:, list(points)] = source.expression[list(points)]
    return driven


def _closes_lips(options: OfficialDriving, lip_ratio: float | None) -> bool:
    return (
        options.close_lips
        and options.subject == "human"
        and options.drives("mouth")
        and not options.absolute_mouth
        and lip_ratio is not None
        and float(lip_ratio) >= options.lip_threshold
    )


def _offsets(
    name: str,
    network: Retarget | None,
    x_s: Floats,
    own: ArrayLike | None,
    target: ArrayLike | None,
    n_frames: int,
) -> Floats:
    """[t, k, 3] what a retargeting network adds for the source's ratios and the wanted one."""
    if network is None or own is None or target is None:
        given = {"retarget": network, "ratio": own, "target": target}
        missing = [f"{name}_{what}" for what, value in given.items() if value is None]
        raise MotionError(f"Opening by the {name} network needs {' and '.join(missing)}")
    ratios = np.asarray(own, np.float32).reshape(1, -1).repeat(n_frames, axis=0)
    wanted = np.asarray(target, np.float32).reshape(-1)
    if len(wanted) not in (1, n_frames):
        raise MotionError(f"{name}_target has {len(wanted)} ratios for {n_frames} frames")
    column = np.broadcast_to(wanted[:, None], (n_frames, 1))
    condition = np.concatenate([ratios, column], axis=1)
    return as_floats(network(x_s, condition)).reshape(-1, K, 3)


def as_floats(values: Any) -> Floats:
    """A float32 array of an array or a tensor."""
    detach = getattr(values, "detach", None)
    return np.asarray(values if detach is None else detach().cpu().float().numpy(), np.float32)
