"""All measures of one performance: a motion with its audio, or a finished video.

Axis legend: ``t`` frames.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.checks import checked_path
from joyvasa_lib.errors import JoyVASAError, MediaError
from joyvasa_lib.evaluation.consistency import ConsistencyScores, ConsistencyTracker
from joyvasa_lib.evaluation.curves import loudness
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
COMPARED_FPS = 5.0
"""Frames per second whose pixels are compared; all frames are tracked."""
_JSON_KEYS = {
    "consistency": "picture",
    "audio_seconds": "sound_seconds",
    "audio_lag_ms": "sound_lag_ms",
}
"""Keys of results in JSON that are not the attribute's name; they stay as programs know them."""


@dataclass(frozen=True)
class LengthScores:
    """Lengths of video and audio.

    Attributes:
        frames: number of frames.
        fps: frames per second.
        seconds: duration of the frames.
        audio_seconds: duration of the audio; None without audio.
        difference_ms: duration of the audio minus that of the frames, milliseconds.
        lost_frames: share of frames in which no face was found.
    """

    frames: int
    fps: float
    seconds: float
    audio_seconds: float | None
    difference_ms: float | None
    lost_frames: float


@dataclass(frozen=True)
class Evaluation:
    """The measures of one performance; the classes of its parts document each number.

    Attributes:
        name: of the file, or as the caller gave it.
        length: durations of frames and audio.
        mouth: lips compared with speech.
        blinks: rate and duration.
        head: ranges, speed and jitter.
        consistency: identity and background; None for a motion.
    """

    name: str
    length: LengthScores
    mouth: MouthScores
    blinks: BlinkScores
    head: HeadScores
    consistency: ConsistencyScores | None = None

    def to_dict(self) -> dict[str, Any]:
        """Nested dictionaries of plain numbers, ready for JSON."""
        return asdict(self, dict_factory=_json_object)


def evaluate_motion(
    motion: Motion,
    speech: SpeechSource | None = None,
    segments: SegmentSource | None = None,
    *,
    sample_rate: int | None = None,
    name: str = "motion",
) -> Evaluation:
    """Measures a motion without rendering it.

    Args:
        motion: of a space with blendshapes.
        speech: the speech it was generated for.
        segments: phones with their times: a file or rows.
        sample_rate: samples per second, if ``speech`` is an array.
        name: name of the result.

    Raises:
        MotionError: the space has no blendshapes.
        MediaError: the speech or the segments cannot be used.
    """
    heard = None if speech is None else load_speech(speech, sample_rate)
    timed = None if segments is None else load_segments(segments)
    return _score(name, track_motion(motion), heard, timed)


def evaluate_video(
    video: str | os.PathLike[str],
    speech: SpeechSource | None = None,
    segments: SegmentSource | None = None,
    *,
    portrait: NDArray[np.uint8] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Measures what a video shows.

    Args:
        video: the file.
        speech: its audio in better quality; the video's own by default.
        segments: phones with their times: a file or rows.
        portrait: [h, w, 3] uint8 RGB image that the face is compared with; by default the first
            frame.
        progress: called with the number of frames done after each.

    Raises:
        MediaError: the video, the speech or the segments cannot be used.
        NoFaceError: no face in any frame, or in the portrait.
    """
    path = check_readable(video, "video")
    reader = read_video(path)
    timed = None if segments is None else load_segments(segments)
    own = own_audio(path)
    heard = own if speech is None else load_speech(speech)
    consistency = _consistency_tracker(portrait)
    every = max(1, round(reader.fps / COMPARED_FPS))

    tracker = FaceTracker(reader.fps)
    for index, (frame, face) in enumerate(follow_face(reader)):
        tracker.see(frame, face)
        if index % every == 0:
            consistency.see(frame, face)
        if progress is not None:
            progress(index + 1)
    track = tracker.track()
    result = _score(path.name, track, heard, timed)
    length = _length(track, own)  # of the file's own audio, not of ``speech``
    return replace(result, length=length, consistency=consistency.scores(track))


def evaluate_folder(
    folder: str | os.PathLike[str],
    segments: str | os.PathLike[str] | None = None,
    on_error: Callable[[Path, JoyVASAError], None] | None = None,
) -> Iterator[Evaluation]:
    """Measures the videos of a folder in order of name.

    Args:
        folder: a folder with videos.
        segments: a folder with ``NAME.TextGrid`` or ``NAME.csv``; that of the videos by default.
        on_error: called for a video that cannot be measured; without it the error is raised.

    Raises:
        MediaError: no such folder, no video in it, or a video cannot be measured.
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
    """The videos of a folder in order of name.

    Raises:
        MediaError: no such folder, or no video in it.
    """
    root = checked_path("A folder of videos", folder, error=MediaError).expanduser()
    if not root.is_dir():
        raise MediaError(f"There is no folder {root}; check the name")
    found = sorted(path for path in root.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES)
    if not found:
        raise MediaError(f"{root} holds no videos ({', '.join(VIDEO_SUFFIXES)})")
    return found


def find_segments(video: Path, folder: str | os.PathLike[str] | None = None) -> Path | None:
    """The segments file with a video's name, in the video's folder or another; None if absent."""
    root = video.parent if folder is None else Path(folder).expanduser()
    places = (root / (video.stem + suffix) for suffix in SEGMENT_SUFFIXES)
    return next((place for place in places if place.is_file()), None)


def own_audio(path: Path) -> Speech | None:
    """The sound of a video; None where it has none, or none but silence."""
    if not probe(path).has_audio:
        return None
    try:
        return load_speech(path)
    except MediaError:  # silent or very short audio is not speech
        return None


def _consistency_tracker(portrait: NDArray[np.uint8] | None) -> ConsistencyTracker:
    if portrait is None:
        return ConsistencyTracker()
    from joyvasa_lib.face.landmarks.detector import select_face
    from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector

    return ConsistencyTracker(portrait, select_face(MediaPipeFaceDetector().detect(portrait)))


def _score(
    name: str,
    track: FaceTrack,
    speech: Speech | None,
    segments: Iterable[Segment] | None,
) -> Evaluation:
    levels = None if speech is None else loudness(speech.blocks(), len(track), track.fps)
    return Evaluation(
        name=name,
        length=_length(track, speech),
        mouth=mouth_scores(track, tuple(segments or ()), levels),
        blinks=blink_scores(track),
        head=head_scores(track),
    )


def _length(track: FaceTrack, speech: Speech | None) -> LengthScores:
    seconds = len(track) / track.fps
    heard = None if speech is None else speech.duration
    difference = None if heard is None else 1000.0 * (heard - seconds)
    return LengthScores(len(track), track.fps, seconds, heard, difference, track.lost)


def _json_object(items: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {_JSON_KEYS.get(key, key): value for key, value in items}
