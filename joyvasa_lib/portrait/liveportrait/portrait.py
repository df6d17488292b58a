"""A portrait of the official preset, and where a motion puts its keypoints.

Axis legend: ``t`` frames, ``k`` the 21 keypoints.
"""

from __future__ import annotations

from dataclasses import dataclass

from joyvasa_lib.motion import Motion
from joyvasa_lib.motion.driving.keypoints import Subject, drive_keypoints
from joyvasa_lib.motion.driving.options import DrivingOptions
from joyvasa_lib.motion.driving.source_keypoints import SourceKeypoints
from joyvasa_lib.motion.space import Floats
from joyvasa_lib.portrait.liveportrait.fast.warping import WarpSource
from joyvasa_lib.portrait.liveportrait.networks import LivePortraitNetworks
from joyvasa_lib.portrait.model import Portrait


@dataclass(frozen=True, eq=False)
class LivePortraitPortrait(Portrait):
    """A portrait of the official preset.

    Attributes:
        source: canonical keypoints, expression and pose of the image.
        warp: appearance features and what else W needs of the image.
        lip_ratio: how far the image's lips are open; None for landmarks without lips.
        eye_ratio: [2] the same for the eyes.
    """

    source: SourceKeypoints
    warp: WarpSource
    lip_ratio: float | None
    eye_ratio: Floats | None


def drive_portrait(
    portrait: LivePortraitPortrait,
    motion: Motion,
    networks: LivePortraitNetworks,
    driving: DrivingOptions | None = None,
    *,
    subject: Subject = "human",
    reference: Motion | None = None,
) -> Floats:
    """Where the portrait's keypoints go under a motion, [t, k, 3] float32.

    Args:
        portrait: what is driven.
        motion: of LivePortrait's keypoints.
        networks: those for stitching and retargeting are used.
        driving: how the motion is combined with the portrait's own keypoints.
        subject: ``"human"`` or ``"animal"``.
        reference: one frame that an absolute motion is relative to, its first if None; a motion
            relative to the source needs none.

    Raises:
        MotionError: the motion is of another space.
        OptionError: an option that only blendshapes have.
    """
    return drive_keypoints(
        portrait.source,
        motion,
        driving,
        subject=subject,
        first=first_frame(motion, reference),
        stitch=networks.stitch,
        lip_retarget=networks.retarget_lips,
        lip_ratio=portrait.lip_ratio,
    )


def first_frame(motion: Motion, reference: Motion | None) -> Motion | None:
    """The frame that a motion is relative to; None for its own first one."""
    if motion.reference == "source":
        return Motion.neutral(1, space=motion.space)
    return reference
