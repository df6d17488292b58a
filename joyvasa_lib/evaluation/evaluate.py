"""Everything measured about one performance: a motion with its sound, or a finished video.

Axis legend: ``t`` frames.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.errors import JoyVASAError, MediaError
from joyvasa_lib.evaluation.curves import loudness
from joyvasa_lib.evaluation.image import ImageScores, ImageWatch
from joyvasa_lib.evaluation.scores import (
    BlinkScores,
    HeadScores,
    MouthScores,
    blink_scores,
    head_scores,
    mouth_scores,
)
from joyvasa_lib.evaluation.segments import Segment, SegmentSource, load_segments
from joyvasa_lib.evaluation.track import FaceTrack, FaceTracker, follow_face, track_motion
from joyvasa_lib.media.audio import Speech, SpeechSource, load_speech
from joyvasa_lib.media.files import check_readable
from joyvasa_lib.media.video import probe, read_video
from joyvasa_lib.motion import Motion

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".m4v")
SEGMENT_SUFFIXES = (".TextGrid", ".textgrid", ".csv", ".tsv")
LOOKS_A_SECOND = 5.0
"""Frames a second whose pixels are compared; all are tracked."""


@dataclass(frozen=True)
class LengthScores:
    """Lengths.

    Attributes:
        frames: number of frames.
        fps: frames a second.
        seconds: of the image.
        sound_seconds: of the sound; None without one.
        difference_ms: sound less image, milliseconds.
        lost_frames: share of frames in which no face was found.
    """

    frames: int
    fps: float
    seconds: float
    sound_seconds: float | None
    difference_ms: float | None
    lost_frames: float


@dataclass(frozen=True)
class Evaluation:
    """The numbers of one performance; see the classes of the parts for what each means.

    Attributes:
        name: of the file, or what the caller called it.
        length: frames and seconds.
        mouth: lips against sounds.
        blinks: rate and duration.
        head: ranges, speed and jitter.
        image: identity and background; None for a motion.
    """

    name: str
    length: LengthScores
    mouth: MouthScores
    blinks: BlinkScores
    head: HeadScores
    full_image: ImageScores | None = None

    def to_dict(self) -> dict[str, Any]:
        """Nested dictionaries of plain numbers, ready for JSON."""
        return asdict(self)


def evaluate_motion(
    motion: Motion,
    speech: SpeechSource | None = None,
    segments: SegmentSource | None = None,
    *,
    sample_rate: int | None = None,
    name: str = "motion",
) -> Evaluation:
    """Measures a motion, before any portrait wears it.

    Args:
        motion: of a space with blendshapes.
        speech: the sound that it was made for.
        segments: which sound is spoken when: file or rows.
        sample_rate: samples a second of an array of speech.
        name: what to call the result.

    Raises:
        MotionError: the space has no blendshapes.
        MediaError: the sound or the segments cannot be used.
    """
    sound = None if speech is None else load_speech(speech, sample_rate)
    timed = None if segments is None else load_segments(segments)
    return _score(name, track_motion(motion), sound, timed, None)


def evaluate_video(
    video: str | os.PathLike[str],
    speech: SpeechSource | None = None,
    segments: SegmentSource | None = None,
    *,
    portrait: NDArray[np.uint8] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Measures what can be seen and heard in a video.

    Args:
        video: the file.
        speech: its sound in better quality; the video's own by default.
        segments: which sound is spoken when: file or rows.
        portrait: [h, w, 3] RGB image that identity is compared with; the first frame by default.
        progress: called with the number of frames done after each.

    Raises:
        MediaError: the video, the sound or the segments cannot be used.
        NoFaceError: there is no face in any frame, or in the portrait.
    """
    path = check_readable(video, "video")
    reader = read_video(path)
    timed = None if segments is None else load_segments(segments)
    own = _own_sound(path)
    sound = own if speech is None else load_speech(speech)
    watch = _watch(portrait)
    every = max(1, round(reader.fps / LOOKS_A_SECOND))

    tracker = FaceTracker(reader.fps)
    for index, (frame, face) in enumerate(follow_face(reader)):
        tracker.see(frame, face)
        if index % every == 0:
            watch.see(frame, face)
        if progress is not None:
            progress(index + 1)
    track = tracker.track()
    result = _score(path.name, track, sound, timed, watch.scores(track))
    length = _length(track, own)  # the sound in the file counts, not the one to compare with
    return Evaluation(**{**vars(result), "length": length})


def evaluate_folder(
    folder: str | os.PathLike[str],
    segments: str | os.PathLike[str] | None = None,
    on_error: Callable[[Path, JoyVASAError], None] | None = None,
) -> Iterator[Evaluation]:
    """Measures every video of a folder, in order of name.

    Args:
        folder: where the videos are.
        segments: a folder of ``NAME.TextGrid`` or ``NAME.csv``; the videos' own by default.
        on_error: called with a video that cannot be measured; without it, that is an error.

    Raises:
        MediaError: there is no such folder, or no video in it, or a video cannot be measured.
        NoFaceError: a video shows no face.
    """
    for path in list_videos(folder):
        try:
            yield evaluate_video(path, segments=find_segments(path, segments))
        except JoyVASAError as error:
            if on_error is None:
                raise
            on_error(path, error)


def list_videos(folder: str | os.PathLike[str]) -> list[Path]:
    """The videos of a folder, in order of name.

    Raises:
        MediaError: there is no such folder, or no video in it.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise MediaError(f"There is no folder {root}; check the name")
    found = sorted(path for path in root.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES)
    if not found:
        raise MediaError(f"{root} holds no videos ({', '.join(VIDEO_SUFFIXES)})")
    return found


def find_segments(video: Path, folder: str | os.PathLike[str] | None = None) -> Path | None:
    """The segments of a video, named like it, in its own folder or another; None if absent."""
    root = video.parent if folder is None else Path(folder).expanduser()
    places = (root / (video.stem + suffix) for suffix in SEGMENT_SUFFIXES)
    return next((place for place in places if place.is_file()), None)


def _own_sound(path: Path) -> Speech | None:
    if not probe(path).has_audio:
        return None
    try:
        return load_speech(path)
    except MediaError:  # a silent or a very short track is no speech
        return None


def _watch(portrait: NDArray[np.uint8] | None) -> ImageWatch:
    if portrait is None:
        return ImageWatch()
    from joyvasa_lib.face.landmarks.detector import select_face
    from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector

    return ImageWatch(portrait, select_face(MediaPipeFaceDetector().detect(portrait)))


def _score(
    name: str,
    track: FaceTrack,
    sound: Speech | None,
    segments: Iterable[Segment] | None,
    full_image: ImageScores | None,
) -> Evaluation:
    levels = None if sound is None else loudness(sound.blocks(), len(track), track.fps)
    return Evaluation(
        name=name,
        length=_length(track, sound),
        mouth=mouth_scores(track, tuple(segments or ()), levels),
        blinks=blink_scores(track),
        head=head_scores(track),
        full_image=full_image,
    )


def _length(track: FaceTrack, sound: Speech | None) -> LengthScores:
    seconds = len(track) / track.fps
    heard = None if sound is None else sound.duration
    difference = None if heard is None else 1000.0 * (heard - seconds)
    return LengthScores(len(track), track.fps, seconds, heard, difference, track.lost)
