"""The motion of one person in a video, as a portrait model sees it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.errors import MediaError, MotionError, NoFaceError, OptionError
from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.face.landmarks.detector import FaceDetector
from joyvasa_lib.face.tracking import SteadyCrop, follow_person
from joyvasa_lib.media.video import read_video
from joyvasa_lib.motion import Motion
from joyvasa_lib.motion.arguments import checked_fps
from joyvasa_lib.motion.driving.extracted import fill_gaps
from joyvasa_lib.portrait.model import PortraitModel

SEEN = 0.5
"""Least share of frames in which the face must be seen."""


@contextmanager
def open_frames(
    video: str | os.PathLike[str] | Iterable[NDArray[np.uint8]], fps: float | None = None
) -> Iterator[tuple[Iterable[NDArray[np.uint8]], float]]:
    """Frames [h, w, 3] uint8 RGB and their rate; a file is closed when the block ends.

    Args:
        video: a video file, or frames.
        fps: frames a second, for frames; a file has its own.

    Raises:
        MediaError: the video cannot be read; while frames are read, that one is of another shape
            or type.
        MotionError: frames come without a rate, or with one that is not a positive number.
        OptionError: the video is neither.
    """
    if isinstance(video, str | os.PathLike):
        reader = read_video(video)
        with closing(iter(reader)) as frames:
            yield frames, reader.fps
        return
    if not isinstance(video, Iterable):
        raise OptionError(
            f"A video must be a file or an iterable of frames, not {type(video).__name__}"
        )
    if fps is None:
        raise MotionError("Frames have no rate of their own; give fps=...")
    yield map(_checked_frame, video), checked_fps(fps)


def _checked_frame(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if isinstance(frame, np.ndarray) and frame.dtype == np.uint8 and frame.shape[2:] == (3,):
        return frame
    shown = (
        f"{frame.dtype} {frame.shape}" if isinstance(frame, np.ndarray) else type(frame).__name__
    )
    raise MediaError(f"A frame must be an array [h, w, 3] of uint8, not {shown}")


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

    Frames are read once, and none is kept. Where the face is not seen, motion is interpolated
    linearly between the frames before and after.

    Args:
        model: decides the motion's space.
        frames: [h, w, 3] uint8 RGB.
        fps: frames a second.
        face: ``"largest"``, or the rank by size from 0, in the first frame with a face.
        detector: finds faces; the bundled one by default.
        progress: called with the number of frames done after each. What it raises, such as
            :class:`~joyvasa_lib.errors.Cancelled`, ends the work.

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
