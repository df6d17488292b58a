"""How people look while they speak: 23 rows of a video or a motion, beside those of real people."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.errors import JoyVASAError, MediaError, MotionError, NoFaceError
from joyvasa_lib.evaluation.behaviour.rows import ROWS, Row, speech_amplitude
from joyvasa_lib.evaluation.behaviour.theval import THEVAL_MEASURES, THEvalScores, THEvalTracker
from joyvasa_lib.evaluation.behaviour.track import (
    RATE,
    BehaviourTrack,
    BehaviourTracker,
    behaviour_track,
)
from joyvasa_lib.evaluation.curves import loudness
from joyvasa_lib.evaluation.evaluate import own_audio
from joyvasa_lib.face.landmarks.detector import Face, face_rank
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.face.tracking import follow_person
from joyvasa_lib.media.audio import Speech, SpeechSource, load_speech
from joyvasa_lib.media.files import check_readable
from joyvasa_lib.media.video import read_video
from joyvasa_lib.motion import Motion

_log = logging.getLogger(__name__)

SHORTEST = 2.0
"""Seconds of the shortest recording that is measured."""
SEEN = 0.5
"""Least share of frames in which the face must be seen."""
_SLOW = 20.0
"""Frames a second below which fast motion is missed."""
_MISSED = 0.02
"""Share of frames without a face from which on it is told."""

Basis = Literal["image", "rig", "activation", "pose"]


@dataclass(frozen=True)
class MeasuredRow:
    """One row of behaviour of one recording.

    Attributes:
        row: what is measured, with its range for people.
        value: the number; None where it was not measured.
        basis: ``"image"``: read from frames as the real people were. Of a motion: ``"rig"``,
            lengths on the mean head of the rig, and ``"pose"``, the motion's angles, which are
            compared with people; ``"activation"``: activations of blendshapes. A score is what a
            network thinks it sees, an activation is what a rig is told: they are not the same
            number, so that activations are not compared.
    """

    row: Row
    value: float | None
    basis: Basis = "image"

    @property
    def place(self) -> Literal["below", "inside", "above"] | None:
        """Where the value lies to the range of people; None where it is not compared."""
        if self.value is None or self.basis == "activation":
            return None
        if self.value < self.row.real.low:
            return "below"
        return "above" if self.value > self.row.real.high else "inside"


@dataclass(frozen=True)
class Behaviour:
    """How one recording looks beside people who speak.

    Attributes:
        name: of the file, or as the caller gave it.
        frames: number of frames.
        fps: frames a second.
        lost_frames: share of frames in which no face was found.
        rows: all 23 in the order of :data:`~joyvasa_lib.evaluation.behaviour.rows.ROWS`.
        theval: five measures of THEval; None for a motion.
        warnings: what makes the numbers doubtful, one sentence each; they are logged, too.
    """

    name: str
    frames: int
    fps: float
    lost_frames: float
    rows: tuple[MeasuredRow, ...]
    theval: THEvalScores | None = None
    warnings: tuple[str, ...] = ()

    def __getitem__(self, key: str) -> float | None:
        """The value of a row by its key, such as ``"jaw_open_sd"``."""
        return next(one.value for one in self.rows if one.row.key == key)

    @property
    def inside(self) -> tuple[MeasuredRow, ...]:
        """The rows within the 10th to 90th percentile of people."""
        return tuple(one for one in self.rows if one.place == "inside")

    @property
    def outside(self) -> tuple[MeasuredRow, ...]:
        """The rows below or above it."""
        return tuple(one for one in self.rows if one.place in ("below", "above"))

    def to_dict(self) -> dict[str, Any]:
        """Nested dictionaries of plain values, ready for JSON."""
        rows = {
            one.row.key: {
                "value": one.value,
                "place": one.place,
                "basis": one.basis,
                **asdict(one.row.real),
            }
            for one in self.rows
        }
        return {
            "name": self.name,
            "frames": self.frames,
            "fps": self.fps,
            "lost_frames": self.lost_frames,
            "rows": rows,
            "inside": len(self.inside),
            "outside": [one.row.key for one in self.outside],
            "not_measured": [one.row.key for one in self.rows if one.value is None],
            "theval": None if self.theval is None else _theval_dict(self.theval),
            "warnings": list(self.warnings),
        }


def behaviour_of_video(
    video: str | os.PathLike[str],
    audio: SpeechSource | None = None,
    *,
    face: str | int = "largest",
    progress: Callable[[int], None] | None = None,
) -> Behaviour:
    """Measures how a person in a video looks while speaking.

    Frames are read one by one and not kept. Without sound the rows that need it are not measured.

    Args:
        video: the file, at least 2 s long.
        audio: its sound, where the video has none or a worse one; its own by default.
        face: ``"largest"``, or the rank by size from 0, in the first frame with a face.
        progress: called with the number of frames done after each.

    Raises:
        MediaError: the video or the audio cannot be used, or is shorter than 2 s.
        NoFaceError: the face is seen in less than half of the frames, or the first frame with
            faces has not the one that was asked for.
        OptionError: ``face`` is neither ``"largest"`` nor a rank.
    """
    face_rank(face)
    path = check_readable(video, "video")
    reader = read_video(path)
    speech = own_audio(path) if audio is None else load_speech(audio)
    tracker, theval = BehaviourTracker(reader.fps), THEvalTracker(reader.fps)
    others = 0
    for count, (frame, found, several) in enumerate(_one_person(reader, reader.fps, face), 1):
        others = max(others, several)
        tracker.see(found)
        theval.see(found, frame.shape)
        if progress is not None:
            progress(count)
    track = tracker.track()
    _check_length(track, path.name, MediaError)
    if track.lost > 1.0 - SEEN:
        raise NoFaceError(
            f"The face is seen in {round(len(track) * (1.0 - track.lost))} of {len(track)} frames "
            f"of {path.name}; give a video that shows it"
        )
    return Behaviour(
        name=path.name,
        frames=len(track),
        fps=track.fps,
        lost_frames=track.lost,
        rows=_measured(track, speech),
        theval=theval.scores(track.rotation, speech),
        warnings=_told(track, speech, others),
    )


def behaviour_of_motion(
    motion: Motion,
    audio: SpeechSource | None = None,
    *,
    sample_rate: int | None = None,
    name: str = "motion",
) -> Behaviour:
    """Measures a motion by itself, as far as that can be done without an image.

    Lengths are those of the rig's mean head, angles the motion's own; rows that are scores in a
    video are deviations of activations here, and not compared with people
    (:attr:`MeasuredRow.basis`). Of a space without blendshapes only the head's rows are measured.

    Args:
        motion: of any space, at least 2 s long.
        audio: the speech; without it the row of loudness is not measured.
        sample_rate: samples a second, if ``audio`` is an array.
        name: name of the result.

    Raises:
        MotionError: the motion is shorter than 2 s.
        MediaError: the audio cannot be used.
    """
    speech = None if audio is None else load_speech(audio, sample_rate)
    track = behaviour_track(motion)
    _check_length(track, name, MotionError)
    basis: dict[str, Basis] = {
        row.key: "activation" if row.part == "score" else "pose" if row.part == "head" else "rig"
        for row in ROWS
    }
    return Behaviour(
        name=name,
        frames=len(track),
        fps=track.fps,
        lost_frames=0.0,
        rows=_measured(track, speech, basis),
        warnings=_told(track, speech),
    )


def _measured(
    track: BehaviourTrack, speech: Speech | None, basis: dict[str, Basis] | None = None
) -> tuple[MeasuredRow, ...]:
    even = track.at_rate()
    amplitude = None
    if speech is not None:
        amplitude = speech_amplitude(loudness(speech.blocks(), len(even), RATE))
    rows = []
    for row in ROWS:
        value = row.measure(even, amplitude)
        known = value if np.isfinite(value) else None
        rows.append(MeasuredRow(row, known, basis[row.key] if basis else "image"))
    return tuple(rows)


def _one_person(
    frames: Any, fps: float, which: str | int
) -> Iterator[tuple[NDArray[np.uint8], Face | None, int]]:
    """Each frame with the person's face, and how many faces the first frame with one shows."""
    detector = MediaPipeFaceDetector()
    several = 0
    for frame, face in follow_person(frames, fps, which=which, detector=detector):
        if face is not None and several == 0:
            several = len(detector.detect(frame))
        yield frame, face, several


def _check_length(track: BehaviourTrack, name: str, error: type[JoyVASAError]) -> None:
    if track.seconds < SHORTEST - 0.5 / track.fps:
        raise error(
            f"{name} lasts {track.seconds:.2f} s; behaviour is measured over at least "
            f"{SHORTEST:g} s, give a longer one"
        )


def _told(track: BehaviourTrack, speech: Speech | None, faces: int = 1) -> tuple[str, ...]:
    told = []
    if faces > 1:
        told.append(
            f"The first frame with a face shows {faces}; one person was followed, the largest "
            "unless another was asked for with face"
        )
    if track.lost > _MISSED:
        told.append(
            f"The face is not seen in {100.0 * track.lost:.0f} % of the frames; they were left out"
        )
    if track.fps < _SLOW:
        told.append(
            f"There are only {track.fps:g} frames a second: rows above 4 Hz and the head's speed "
            "are too low"
        )
    if speech is None:
        told.append("There is no sound: what needs it was not measured")
    elif abs(speech.duration - track.seconds) > 1.0:
        told.append(
            f"The sound lasts {speech.duration:.1f} s and the frames {track.seconds:.1f} s: "
            "loudness may not belong to these frames"
        )
    for one in told:
        _log.warning("%s", one)
    return tuple(told)


def _theval_dict(scores: THEvalScores) -> dict[str, Any]:
    return {
        name: {"value": getattr(scores, name), "closeness": scores.closeness(name)}
        for name in THEVAL_MEASURES
    }
