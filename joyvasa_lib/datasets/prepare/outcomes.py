"""What became of every stretch of every video, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any


class Reason(str, Enum):
    """Why a stretch is in the set or is not."""

    KEPT = "kept"
    # Whole files and folders
    UNREADABLE = "unreadable"
    NO_IMAGE = "no image"
    NO_SOUND = "no sound"
    SLOW_IMAGE = "slow image"
    DUPLICATE = "duplicate"
    DAMAGED = "damaged"
    FAILED = "failed"
    # Stretches of a video
    NO_FACE = "no face"
    FACE_LOST = "face lost"
    CUT = "cut"
    OTHER_PERSON = "other person"
    TURNED_AWAY = "turned away"
    TOO_SHORT = "too short"
    TOO_SMALL = "too small"
    BLURRED = "blurred"
    NO_SPEECH = "no speech"
    OUT_OF_STEP = "out of step"

    @property
    def meaning(self) -> str:
        """One line for people."""
        return _MEANING[self]


_MEANING = {
    Reason.KEPT: "in the set",
    Reason.UNREADABLE: "the file or folder cannot be opened, or is no video",
    Reason.NO_IMAGE: "an audio file, or no moving image",
    Reason.NO_SOUND: "no audio track",
    Reason.SLOW_IMAGE: "too few frames a second to show lips closing",
    Reason.DUPLICATE: "the same content as another file",
    Reason.DAMAGED: "decoding fails here",
    Reason.FAILED: "an error that should not happen; please report it",
    Reason.NO_FACE: "no face was found",
    Reason.FACE_LOST: "a face was seen for less than the shortest clip before it was lost",
    Reason.CUT: "less than the shortest clip between two cuts",
    Reason.OTHER_PERSON: "less than the shortest clip before the face became another's",
    Reason.TURNED_AWAY: "the face is turned too far from the camera",
    Reason.TOO_SHORT: "the rest of a recording, less than the shortest clip",
    Reason.TOO_SMALL: "the face has too few pixels",
    Reason.BLURRED: "the face shows no detail",
    Reason.NO_SPEECH: "there is hardly any voice",
    Reason.OUT_OF_STEP: "lips and audio do not match in time",
}


@dataclass(frozen=True)
class Outcome:
    """What became of a stretch.

    Attributes:
        video: name of the file or folder, relative to the folder of videos.
        start: seconds from the beginning of the video.
        stop: seconds.
        reason: why.
        detail: the number that decided, or the error.
        clip: name of the clip that it became.
        segment: name of the segment of a video in which it was decided.
    """

    video: str
    start: float
    stop: float
    reason: Reason
    detail: str = ""
    clip: str = ""
    segment: str = ""

    @property
    def seconds(self) -> float:
        """Length."""
        return self.stop - self.start

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        about = asdict(self)
        about["piece"] = about.pop("segment")  # the file's name for it
        about |= {name: round(about[name], 3) for name in ("start", "stop")}
        return {**about, "reason": self.reason.value}

    @classmethod
    def from_dict(cls, about: Mapping[str, Any]) -> Outcome:
        """The inverse of :meth:`to_dict`.

        Raises:
            ValueError: the reason is unknown.
            TypeError: a part is missing or unknown.
        """
        known = {**about, "reason": Reason(about.get("reason"))}
        segment = known.pop("piece", "")
        return cls(**known, segment=segment)


@dataclass(frozen=True)
class Tally:
    """How much of one reason there is.

    Attributes:
        count: stretches.
        seconds: of all of them.
    """

    count: int
    seconds: float


def tally(outcomes: Iterable[Outcome]) -> dict[Reason, Tally]:
    """Count and seconds of each reason that occurs, in the order of :class:`Reason`."""
    found: dict[Reason, Tally] = {}
    for outcome in outcomes:
        before = found.get(outcome.reason, Tally(0, 0.0))
        found[outcome.reason] = Tally(before.count + 1, before.seconds + outcome.seconds)
    return {reason: found[reason] for reason in Reason if reason in found}
