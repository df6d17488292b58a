"""The driving rules of JoyVASA's published code, number for number, for comparisons.

What that code does is not always what its options say: with the relative flag off, motion is still
relative; place and size move in every region, and the region of the eyes does nothing; a
retargeting flag stops all motion; the closing of parted lips is added to a mouth that is absolute
already; the motion multiplier is the square root of a ratio of volumes, which is no length, and
counts an open mouth as size.
:func:`~joyvasa_lib.motion.driving.keypoints.drive_keypoints` does what the options say.

Axis legend: ``t`` frames, ``k`` the 21 keypoints.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from joyvasa_lib.errors import MotionError, OptionError
from joyvasa_lib.motion.driving.keypoints import Retarget, Stitch, as_floats, hull_volume
from joyvasa_lib.motion.driving.options import ALL_REGIONS, KEYPOINT_OPTIONS, DrivingOptions
from joyvasa_lib.motion.driving.source_keypoints import GROUPS, SourceKeypoints
from joyvasa_lib.motion.keypoints import rotation_matrix
from joyvasa_lib.motion.motion import Motion
from joyvasa_lib.motion.space import Floats

REGIONS = {
    "all": ALL_REGIONS,
    "exp": ALL_REGIONS - {"head"},
    "pose": frozenset({"head"}),
    "lip": frozenset({"mouth"}),
    "eyes": frozenset({"eyes"}),
}
"""The published names of regions, with this library's."""


@dataclass(frozen=True)
class PublishedOptions:
    """The options of the published code, under their own names without ``flag_`` and the like.

    Attributes:
        relative_motion: whether the expression-friendly step and the closing of lips are done.
        animation_region: what is driven, a name of :data:`REGIONS`.
        driving_option: ``"pose-friendly"`` or ``"expression-friendly"``.
        driving_multiplier: factor on the motion.
        stitching: whether neck and shoulders are kept in place.
        normalize_lip: whether parted lips of the source are closed.
        lip_threshold: lip ratio from which lips count as parted.
        retargeting: whether one of the retargeting flags is on.
        animal: whether the source is one.
    """

    relative_motion: bool = True
    animation_region: str = "all"
    driving_option: str = "pose-friendly"
    driving_multiplier: float = 1.0
    stitching: bool = True
    normalize_lip: bool = True
    lip_threshold: float = 0.03
    retargeting: bool = False
    animal: bool = False


def published_options(driving: DrivingOptions, *, animal: bool = False) -> PublishedOptions:
    """The published code's options for those of this library.

    Args:
        driving: absolute head and expression are the relative flag turned off.
        animal: whether the source is one.

    Raises:
        OptionError: the published code has no option for what is asked.
    """
    driving.require(KEYPOINT_OPTIONS, "keypoints")
    region = next((name for name, parts in REGIONS.items() if parts == driving.regions), None)
    if region is None:
        known = ", ".join(str(sorted(parts)) for parts in REGIONS.values())
        raise OptionError(
            f"compat='joyvasa' drives the regions {known}, not {sorted(driving.regions)}"
        )
    if driving.head != driving.expression:
        raise OptionError(
            "compat='joyvasa' has one mode for head and expression, not "
            f"head={driving.head!r} with expression={driving.expression!r}"
        )
    if driving.mouth not in (None, "relative" if animal else "absolute"):
        raise OptionError(
            f"compat='joyvasa' decides on the mouth itself; leave mouth={driving.mouth!r} out"
        )
    return PublishedOptions(
        relative_motion=driving.head == "relative",
        animation_region=region,
        driving_option=driving.driving_option,
        driving_multiplier=driving.multiplier,
        stitching=driving.stitching,
        normalize_lip=driving.close_lips,
        lip_threshold=driving.lip_threshold,
        animal=animal,
    )


def drive_as_joyvasa(
    source: SourceKeypoints,
    driving: Motion,
    options: PublishedOptions,
    *,
    first: Motion | None = None,
    stitch: Stitch | None = None,
    lip_retarget: Retarget | None = None,
    lip_ratio: float | None = None,
) -> Floats:
    """Where the published code puts the source's keypoints.

    Args:
        source: the portrait's keypoints.
        driving: [t] motion of LivePortrait's keypoints.
        options: the published code's.
        first: the first frame of the whole motion, of which ``driving`` may be a piece; its own
            by default.
        stitch: the stitching network, where stitching is on.
        lip_retarget: the lip network, where lips are closed.
        lip_ratio: how far the source's lips are open; unknown lips are not closed.

    Returns:
        [t, k, 3] float32.

    Raises:
        MotionError: the lip network is missing where it is needed.
    """
    if len(driving) == 0:
        return np.zeros((0, *source.keypoints.shape), np.float32)
    start = driving[:1] if first is None else first
    x_s = source.posed
    x = _posed(source, driving, start, options)
    expression_friendly = options.driving_option == "expression-friendly"
    if options.animal or (options.relative_motion and expression_friendly):
        x_first = _posed(source, start, start, options)[0]
        x = x_s + np.float32(published_multiplier(x_s, x_first)) * (x - x_first)
    closing: Floats | None = None
    if not options.animal and options.retargeting:
        if options.relative_motion:
            x = np.broadcast_to(x_s, x.shape)
    elif not options.animal and options.relative_motion and options.normalize_lip:
        closing = _closing(x_s, options, lip_retarget, lip_ratio)
    if options.stitching and stitch is not None:
        x = as_floats(stitch(x_s, np.ascontiguousarray(x)))
    if closing is not None:
        x = x + closing
    return np.asarray(x_s + np.float32(options.driving_multiplier) * (x - x_s), dtype=np.float32)


def published_multiplier(source: Floats, driving: Floats) -> float:
    """The published motion multiplier: ``sqrt(V(source) / V(driving))``, V the hull's volume.

    Args:
        source: [k, 3] posed keypoints of the source.
        driving: [k, 3] posed keypoints of the driving motion's first frame.

    Raises:
        MotionError: the points lie in one plane.
    """
    return float((hull_volume(source) / hull_volume(driving)) ** (1 / 2))


def _closing(
    x_s: Floats, options: PublishedOptions, lip_retarget: Retarget | None, lip_ratio: float | None
) -> Floats | None:
    """[1, k, 3] offsets that close parted lips; None for lips that are closed or unknown."""
    if lip_ratio is None:
        return None
    if lip_retarget is None:
        raise MotionError("Closing parted lips needs the lip network; give lip_retarget=...")
    if lip_ratio < options.lip_threshold:
        return None
    offsets = as_floats(lip_retarget(x_s, np.array([[lip_ratio, 0.0]], np.float32)))
    return offsets.reshape(-1, *x_s.shape)


def _posed(
    source: SourceKeypoints, driving: Motion, start: Motion, options: PublishedOptions
) -> Floats:
    """Keypoints before anything is added: a change of every part that the region has."""
    region = "all" if options.animal else options.animation_region
    turn = rotation_matrix(source.rotation)[None]
    if region in ("all", "pose"):
        turn = rotation_matrix(driving.rotation) @ rotation_matrix(start.rotation[0]).T @ turn
    change = driving.expression - start.expression
    expression = np.broadcast_to(source.expression, driving.expression.shape).copy()
    mouth = list(GROUPS["mouth"])
    if region in ("all", "exp"):
        expression += change
        if not options.animal:
            expression[:, mouth] = driving.expression[:, mouth]
    elif region == "lip":
        expression[:, mouth] += change[:, mouth]
    scale = source.scale if options.animal else source.scale * (driving.scale / start.scale)
    shift = source.translation + driving.translation - start.translation
    return source.pose(turn, expression, scale, shift)
