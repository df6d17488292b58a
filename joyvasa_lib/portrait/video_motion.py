"""The motion of one person in a video, as a portrait model sees it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.errors import MediaError, MotionError, NoFaceError, OptionError
from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.face.landmarks.detector import Face, FaceDetector
from joyvasa_lib.face.shots import SAME_PERSON, face_sample, likeness, split_shots
from joyvasa_lib.face.tracking import SteadyCrop, follow_person
from joyvasa_lib.media.video import read_video
from joyvasa_lib.motion import Motion
from joyvasa_lib.motion.arguments import checked_fps
from joyvasa_lib.motion.driving.joined import ShotMotion, join_shots
from joyvasa_lib.portrait.model import PortraitModel

SEEN = 0.5
"""Least share of frames in which the face must be seen."""
_SAMPLED = 5
"""Every which frame of a face is kept small, to tell people apart."""
_TOLD = 5
"""Most parts of a video that a warning names."""


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
    tell: Callable[[str], None] | None = None,
) -> Motion:
    """Follows one person through a video and extracts their motion.

    Frames are read once, and none is kept. A video that is cut is followed shot by shot. Where the
    person is not seen, motion is interpolated linearly between the frames before and after.

    Args:
        model: decides the motion's space.
        frames: [h, w, 3] uint8 RGB.
        fps: frames a second.
        face: ``"largest"``: the largest face of the first frame with faces, and of all people whom
            the shots show the one who is seen longest. Or the rank by size, from 0, in the first
            frame with a face.
        detector: finds faces; the bundled one by default.
        progress: called with the number of frames done after each. What it raises, such as
            :class:`~joyvasa_lib.errors.Cancelled`, ends the work.
        tell: called with one sentence where the video shows other people instead.

    Returns:
        One frame for each of the video's, ``reference="absolute"``.

    Raises:
        NoFaceError: a face is seen in less than half of the frames, or the first frame with
            faces has not the one that was asked for.
        OptionError: ``face`` is neither ``"largest"`` nor a rank.
    """
    count = 0
    people: list[_Person] = []
    for shot in split_shots(frames):
        known = people[0].samples if people else None
        which = "largest" if people else face
        seen: list[int] = []
        samples: list[NDArray[np.float32]] = []
        done = False

        def crops(
            followed: Iterator[tuple[NDArray[np.uint8], Face | None]],
            seen: list[int],
            samples: list[NDArray[np.float32]],
        ) -> Iterator[FaceCrop]:
            nonlocal count, done
            steady = SteadyCrop()
            for frame, found in followed:
                count += 1
                if found is not None:
                    if len(seen) % _SAMPLED == 0:
                        samples.append(face_sample(frame, found))
                    seen.append(count - 1)
                    yield steady(frame, found)
                if progress is not None:
                    progress(count)
            done = True

        followed = follow_person(shot, fps, which=which, detector=detector, known=known)
        try:
            motion = model.extract_motion(crops(followed, seen, samples), fps)
        except NoFaceError:
            if seen or not done:  # otherwise there was no crop at all
                raise
            continue
        _assign(people, ShotMotion(motion, seen), np.stack(samples))
    if not people or sum(len(person) for person in people) < SEEN * count:
        told = sum(len(person) for person in people)
        raise NoFaceError(
            f"The face is seen in {told} of {count} frames of the driving video; give one "
            "that shows it"
        )
    driver = max(people, key=len) if face == "largest" else people[0]
    others = [shot for person in people if person is not driver for shot in person.shots]
    if others and tell is not None:
        tell(_of_others(others, fps))
    return join_shots(driver.shots, count)


@dataclass(eq=False)
class _Person:
    """What is known of one person of a video.

    Attributes:
        shots: in which they are seen.
        samples: [e, n] of their face.
    """

    shots: list[ShotMotion]
    samples: NDArray[np.float32]

    def __len__(self) -> int:
        return sum(len(shot.seen) for shot in self.shots)


def _assign(people: list[_Person], shot: ShotMotion, samples: NDArray[np.float32]) -> None:
    """Adds a shot to the person it shows, or as a new person's."""
    likest = max(people, key=lambda one: likeness(one.samples, samples), default=None)
    if likest is None or likeness(likest.samples, samples) < SAME_PERSON:
        people.append(_Person([shot], samples))
        return
    likest.shots.append(shot)
    likest.samples = np.concatenate([likest.samples, samples])


def _of_others(shots: list[ShotMotion], fps: float) -> str:
    """Which seconds of a video show other people."""
    spans = sorted((shot.seen[0] / fps, (shot.seen[-1] + 1) / fps) for shot in shots)
    told = ", ".join(f"{start:.1f} to {end:.1f} s" for start, end in spans[:_TOLD])
    more = f" and {len(spans) - _TOLD} more times" if len(spans) > _TOLD else ""
    return (
        f"The driving video shows another person at {told}{more}: only the one who is seen longest "
        "drives, and in between the motion is interpolated"
    )
