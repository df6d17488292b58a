"""The head of a video, of a motion file or of a motion, for another motion to have."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from joyvasa_lib.errors import OptionError
from joyvasa_lib.face.landmarks.detector import FaceDetector
from joyvasa_lib.motion import Motion
from joyvasa_lib.motion.driving.head import head_change
from joyvasa_lib.motion.templates import load_motion_file
from joyvasa_lib.portrait.model import PortraitModel
from joyvasa_lib.portrait.video_motion import open_frames, watch

QUICKEST = 3.0
"""Hertz at which poses read from images are halved. Nods have 2 to 3; what is quicker is mostly
noise of landmarks, above all where the actor's jaw moves, and would be seen with other lips."""


def read_head(
    source: Motion | str | os.PathLike[str],
    model: PortraitModel,
    *,
    detector: FaceDetector | None = None,
    tell: Callable[[str], None] | None = None,
) -> Motion:
    """What a head does, as changes from its first frame.

    Poses as extracted from images are smoothed, without delay; those relative to a source stay.

    Args:
        source: a motion; a motion file of this library or a LivePortrait template; or a video, of
            whose largest face the head is followed.
        model: decides the motion's space.
        detector: finds faces; the bundled one by default.
        tell: called with one sentence where the video shows other people.

    Returns:
        Motion relative to a source, without expression.

    Raises:
        OptionError: the source is nothing of the kind.
        MotionError: the motion is of a space that the model does not render, or has no frames.
        CheckpointError: a template cannot be read safely.
        MediaError: the video cannot be read.
        NoFaceError: the face is seen in less than half of the frames.
    """
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        motion = load_motion_file(path)
        if motion is None:
            with open_frames(path) as (frames, fps):
                motion = watch(model, frames, fps, detector=detector, tell=tell)
    elif isinstance(source, Motion):
        motion = source
    else:
        raise OptionError(
            f"head_from must be a motion, or the path of a motion file or a video, not {source!r}"
        )
    model.check_space(motion.space)
    if motion.reference == "absolute" and motion.fps > 2.0 * QUICKEST:
        motion = motion.smooth("whittaker", parts=("pose",), cutoff=QUICKEST)
    return head_change(motion, pivot=model.pivot)
