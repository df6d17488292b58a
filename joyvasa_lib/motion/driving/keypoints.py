"""How a motion of LivePortrait's 21 keypoints is put on a source portrait, as pure functions.

A portrait has canonical keypoints, and an expression and pose of its own; a motion changes them,
relative to its first frame or absolutely; the result is where the keypoints go. Rules and index
sets are those of LivePortrait (arXiv 2407.03168, sections 3.2 and 3.3, and its published code) and
JoyVASA (arXiv 2411.09209).

Axis legend: ``t`` frames, ``k`` the 21 keypoints.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from joyvasa_lib.checks import checked_choice
from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion.driving.options import KEYPOINT_OPTIONS, DrivingOptions
from joyvasa_lib.motion.driving.source_keypoints import GROUPS, K, SourceKeypoints
from joyvasa_lib.motion.keypoints import rotation_matrix
from joyvasa_lib.motion.motion import Motion
from joyvasa_lib.motion.space import LIVEPORTRAIT_21, Floats

Subject = Literal["human", "animal"]
SUBJECTS = ("human", "animal")
Stitch = Callable[[Floats, Floats], Any]
"""``stitch(x_s [k, 3], x [t, k, 3])``: the stitched keypoints [t, k, 3]."""
Retarget = Callable[[Floats, Floats], Any]
"""``retarget(x_s [k, 3], condition [t, 2 or 3])``: offsets [t, k, 3]; see ``face.ratios``."""

_ABSOLUTE: dict[int, tuple[int, ...]] = {
    **{point: (0, 1, 2) for point in (1, 2, 6, *range(11, 21))},
    **{3: (1,), 4: (1,), 5: (2,), 8: (2,), 9: (1, 2)},
}
"""Components of the deformation that are expression; the others are the person's features.

All of the mouth's keypoints are among them.
"""


def drive_keypoints(
    source: SourceKeypoints,
    driving: Motion,
    options: DrivingOptions | None = None,
    *,
    subject: Subject = "human",
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
            change of the source already, relative to the motion in which nothing moves.
        options: how they are combined.
        subject: ``"animal"`` keeps the source's size, has a relative mouth unless the options say
            otherwise, and lips that are not closed.
        first: one frame that an absolute motion is relative to, where ``driving`` is a later piece
            of a longer motion; its own first frame by default.
        stitch: the stitching network; needed where the options ask for stitching.
        lip_retarget: the lip network; needed to close parted lips and to retarget the mouth.
        lip_ratio: how far the source's lips are open (``lip_open_ratio``); unknown lips are not
            closed.
        lip_target: [t] or one wanted lip ratio: the mouth is opened and closed through the lip
            network instead of by the motion.
        eye_retarget: the eye network; needed to retarget the eyes.
        eye_ratio: [2] how far the source's eyes are open (``eye_open_ratio``).
        eye_target: [t] or one wanted eye ratio: the same for the eyes.

    Returns:
        [t, k, 3] float32.

    Raises:
        MotionError: the motion is of another space, ``first`` is not one frame, or a network or
            ratio is missing.
        OptionError: an option that only blendshapes have, or another subject.
    """
    options = options or DrivingOptions()
    options.require(KEYPOINT_OPTIONS, "keypoints")
    checked_choice("subject", subject, SUBJECTS)
    start = _first_frame(driving, first)
    if options.stitching and stitch is None:
        raise MotionError(
            "Stitching needs the stitching network; give stitch=... or stitching=False"
        )
    if len(driving) == 0:
        return np.zeros((0, K, 3), np.float32)
    rules = _Rules(
        options,
        human=subject == "human",
        retargeted=frozenset(
            region
            for region, target in (("mouth", lip_target), ("eyes", eye_target))
            if target is not None
        ),
    )
    x_s = source.posed
    x = rules.posed(source, driving, start)
    if options.driving_option == "expression-friendly":
        x_first = rules.posed(source, start, start)[0]
        x = x_s + np.float32(motion_multiplier(x_s, x_first)) * (x - x_first)
    if options.multiplier != 1.0:
        x = x_s + np.float32(options.multiplier) * (x - x_s)
    if lip_target is not None:
        x = x + _offsets("lip", lip_retarget, x_s, lip_ratio, lip_target, len(x))
    elif lip_ratio is not None and rules.closes_lips(lip_ratio):
        x = x + _offsets("lip", lip_retarget, x_s, lip_ratio, 0.0, 1)
    if eye_target is not None:
        x = x + _offsets("eye", eye_retarget, x_s, eye_ratio, eye_target, len(x))
    return x if stitch is None or not options.stitching else as_floats(stitch(x_s, x))


def _first_frame(driving: Motion, first: Motion | None) -> Motion:
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


@dataclass(frozen=True)
class _Rules:
    """The options for one kind of subject.

    Attributes:
        options: how motion and source are combined.
        human: whether the subject is a person.
        retargeted: regions that a network moves instead of the motion.
    """

    options: DrivingOptions
    human: bool
    retargeted: frozenset[str]

    @property
    def absolute_mouth(self) -> bool:
        if self.options.mouth is not None or self.options.driving_option == "expression-friendly":
            return self.options.mouth == "absolute"
        return self.human

    def closes_lips(self, lip_ratio: float) -> bool:
        """Whether parted lips of the source are closed."""
        return (
            self.options.close_lips
            and self.human
            and self.options.drives("mouth")
            and not self.absolute_mouth
            and float(lip_ratio) >= self.options.lip_threshold
        )

    def posed(self, source: SourceKeypoints, driving: Motion, start: Motion) -> Floats:
        """[t, k, 3] the source's keypoints under the motion, before anything is added."""
        own_turn, turn = rotation_matrix(source.rotation), rotation_matrix(driving.rotation)
        scale, shift = driving.scale, driving.translation
        if not self.options.drives("head"):
            turn, scale, shift = own_turn[None], source.scale, source.translation[None]
        elif self.options.head == "absolute" and driving.reference == "absolute":
            scale = source.scale
        else:
            turn = turn @ rotation_matrix(start.rotation[0]).T @ own_turn
            shift = source.translation + shift - start.translation
            grown = scale / start.scale if self.human else np.float32(1.0)
            scale = source.scale * grown
        return source.pose(turn, self._expression(source, driving, start), scale, shift)

    def _expression(self, source: SourceKeypoints, driving: Motion, start: Motion) -> Floats:
        own = np.broadcast_to(source.expression, driving.expression.shape)
        changed = own + (driving.expression - start.expression)
        if self.options.expression == "absolute":
            driven = own.copy()
            for point, components in _ABSOLUTE.items():
                driven[:, point, components] = driving.expression[:, point, components]
        else:
            driven = changed
        mouth = list(GROUPS["mouth"])
        driven[:, mouth] = (driving.expression if self.absolute_mouth else changed)[:, mouth]
        for region, points in GROUPS.items():
            if region in self.retargeted or not self.options.drives(region):
                driven[:, list(points)] = source.expression[list(points)]
        return driven


def _offsets(
    name: str,
    network: Retarget | None,
    x_s: Floats,
    own: ArrayLike | None,
    target: ArrayLike | None,
    n_frames: int,
) -> Floats:
    """[t, k, 3] what a retargeting network adds for the source's ratios and the target."""
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


def hull_volume(points: ArrayLike) -> float:
    """Volume of the convex hull of points [n, 3].

    Raises:
        MotionError: the points lie in one plane.
    """
    from scipy.spatial import ConvexHull, QhullError

    try:
        return float(ConvexHull(np.asarray(points, np.float64)).volume)
    except QhullError as error:
        raise MotionError(
            "The keypoints lie in one plane, so the driving motion's size is unknown; use "
            "driving_option='pose-friendly'"
        ) from error


def motion_multiplier(source: ArrayLike, driving: ArrayLike) -> float:
    """How much larger the source's keypoints are spread than the driving ones: a length ratio.

    ``(V(source) / V(driving)) ** (1 / 3)`` with V the volume of the convex hull of all keypoints
    but the mouth's, so that an open mouth in the first frame does not count as size.

    Args:
        source: [k, 3] posed keypoints of the source.
        driving: [k, 3] posed keypoints of the driving motion's first frame.

    Raises:
        MotionError: the points lie in one plane.
    """
    kept = [i for i in range(K) if i not in GROUPS["mouth"]]
    own, other = (np.asarray(points, np.float64)[kept] for points in (source, driving))
    return float((hull_volume(own) / hull_volume(other)) ** (1 / 3))
