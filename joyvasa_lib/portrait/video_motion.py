"""The motion of one person in a video, as a portrait model sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.errors import NoFaceError
from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.face.landmarks.detector import FaceDetector
from joyvasa_lib.face.tracking import SteadyCrop, follow_person
from joyvasa_lib.motion import Motion
from joyvasa_lib.motion.driving.extracted import fill_gaps
from joyvasa_lib.portrait.model import PortraitModel

SEEN = 0.5
"""Least share of frames in which the face must be seen."""


def watch(
    model: PortraitModel,
    frames: Iterable[NDArray[np.uint8]],
    fps: float,
    *,
    face: str | int = "largest",
    detector: FaceDetector | None = None,
    progress: Callable[[int], None] | None = None,
) -> Motion:
    """Follows one person through a video and extracts their motion.

    Frames are read once and let go as they come. Where the face is not seen, motion goes in a
    straight line from where it was lost to where it is found again.

    Args:
        model: decides the motion's space.
        frames: [h, w, 3] uint8 RGB.
        fps: frames a second.
        face: ``"largest"`` or the rank by size, in the first frame with a face.
        detector: finds faces; the bundled one by default.
        progress: called with the number of frames done after each.

    Returns:
        One frame for each of the video's, ``reference="absolute"``.

    Raises:
        NoFaceError: the face is seen in less than half of the frames, or the first frame with
            faces has not the one that was asked for.
        OptionError: ``face`` is neither ``"largest"`` nor a rank.
    """
    seen: list[int] = []
    count = 0
    ended = False

    def crops() -> Iterator[FaceCrop]:
        nonlocal count, ended
        steady = SteadyCrop()
        for frame, found in follow_person(frames, fps, which=face, detector=detector):
            count += 1
            if found is not None:
                seen.append(count - 1)
                yield steady(frame, found)
            if progress is not None:
                progress(count)
        ended = True

    motion: Motion | None = None
    try:
        motion = model.extract_motion(crops(), fps)
    except NoFaceError:
        if seen or not ended:  # otherwise there was no crop at all
            raise
    if motion is None or len(seen) < SEEN * count:
        raise NoFaceError(
            f"The face is seen in {len(seen)} of {count} frames of the driving video; give one "
            "that shows it"
        )
    return fill_gaps(motion, seen, count)
