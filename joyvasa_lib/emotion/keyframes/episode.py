"""Keyframes of one expression that comes, stays and goes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import numpy as np

from joyvasa_lib.checks import checked_float
from joyvasa_lib.emotion.keyframes.curve import SHORTEST_CHANGE, Keyframe
from joyvasa_lib.emotion.notation import parse_emotion
from joyvasa_lib.emotion.prototypes import BASIC, NEUTRAL, likeness
from joyvasa_lib.emotion.vector import EmotionVector

COURSES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "happiness": (0.7, 1.1),
        "sadness": (1.2, 1.6),
        "surprise": (0.25, 0.7),
        "fear": (0.3, 0.8),
        "anger": (0.5, 0.9),
        "disgust": (0.45, 0.8),
        "contempt": (0.6, 0.9),
    }
)
"""Seconds in which each basic emotion comes and goes: onset and offset. A spontaneous smile rises
in half a second to a second (Schmidt, Ambadar, Cohn & Reed 2006, Journal of Nonverbal Behavior 30)
and takes longer to go; a startled face is there in a quarter of a second (Ekman, Friesen & Simons
1985, Journal of Personality and Social Psychology 49). The others lie between, chosen by eye."""


def course_of(emotion: EmotionVector) -> tuple[float, float]:
    """Onset and offset of an emotion in seconds: a mean over those it is like."""
    table = np.array([COURSES[name] for name in BASIC])
    shares = likeness(emotion.vector[None])[0]
    onset, offset = shares @ table if shares.any() else table.mean(axis=0)
    return float(onset), float(offset)


def episode_keyframes(
    emotion: EmotionVector | str,
    at: float,
    apex: float,
    onset: float | None,
    offset: float | None,
) -> Iterator[Keyframe]:
    """Keyframes of one expression; see :meth:`EmotionTimeline.episode`.

    Raises:
        OptionError: not an emotion, or a time out of range.
    """
    start = checked_float("at", at)
    stays = checked_float("apex", apex, least=0.0)
    shown = parse_emotion(emotion) if isinstance(emotion, str) else emotion
    peak = Keyframe(start, shown).emotion  # what is not an emotion is refused there
    rise, fall = course_of(peak)
    if onset is not None:
        rise = checked_float("onset", onset, least=SHORTEST_CHANGE)
    if offset is not None:
        fall = checked_float("offset", offset, least=SHORTEST_CHANGE)
    rest = NEUTRAL.emotion
    yield Keyframe(start, rest)
    yield Keyframe(start + rise, peak)
    if stays > 0.0:
        yield Keyframe(start + rise + stays, peak)
    yield Keyframe(start + rise + stays + fall, rest)
