"""Keyframes from word times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from joyvasa_lib.checks import checked_float
from joyvasa_lib.emotion.keyframes.curve import SHORTEST_CHANGE, Keyframe
from joyvasa_lib.emotion.notation import parse_emotion
from joyvasa_lib.emotion.vector import EmotionVector
from joyvasa_lib.errors import OptionError

_Plateau = tuple[float, float, EmotionVector]
"""Start and end in seconds of an interval with constant emotion, and the emotion."""


def word_keyframes(
    words: Iterable[tuple[str, float, float]],
    emotions: Mapping[str, EmotionVector | str],
    otherwise: EmotionVector | str,
    onset: float,
    offset: float,
) -> Iterator[Keyframe]:
    """Keyframes that hold a word's emotion from its start to its end.

    See :meth:`~joyvasa_lib.emotion.timeline.EmotionTimeline.from_words`.

    Yields:
        Keyframes in order of time. Where the pause between two words is too short for the way to
        ``otherwise`` and back, one emotion changes directly into the next.

    Raises:
        OptionError: times out of order, an unknown emotion, or an onset or offset shorter than
            :data:`~joyvasa_lib.emotion.keyframes.curve.SHORTEST_CHANGE`.
    """
    for name, seconds in (("onset", onset), ("offset", offset)):
        checked_float(name, seconds, least=SHORTEST_CHANGE)
    rest = _emotion(otherwise)
    wanted = {_plain(word): _emotion(emotion) for word, emotion in emotions.items()}
    plateaus = _plateaus(words, wanted, onset + offset)
    if not plateaus:
        yield Keyframe(0.0, rest)
        return
    yield Keyframe(plateaus[0][0] - onset, rest)
    for number, (start, end, emotion) in enumerate(plateaus):
        following = plateaus[number + 1][0] if number + 1 < len(plateaus) else None
        yield Keyframe(start, emotion)
        if following is not None and following - end < onset + offset:
            # Too little time for the way back: hold until the change to the next must begin.
            leave = min(end, following - SHORTEST_CHANGE)
            if leave > start:
                yield Keyframe(leave, emotion)
            continue
        if end > start:
            yield Keyframe(end, emotion)
        yield Keyframe(end + offset, rest)
        if following is not None and following - onset > end + offset:
            yield Keyframe(following - onset, rest)


def _plateaus(
    words: Iterable[tuple[str, float, float]], wanted: Mapping[str, EmotionVector], gap: float
) -> list[_Plateau]:
    """Intervals of constant emotion; one for equal emotions less than ``gap`` seconds apart."""
    plateaus: list[_Plateau] = []
    latest = float("-inf")
    for word, start, end in words:
        begin = checked_float(f"The start of {word!r}", start)
        stop = checked_float(f"The end of {word!r}", end)
        if not latest <= begin <= stop:
            raise OptionError(
                f"The word {word!r} goes from {begin:g} to {stop:g} s after one that began at "
                f"{latest:g} s; words must be in order and end after they start"
            )
        latest = begin
        emotion = wanted.get(_plain(word))
        if emotion is None:
            continue
        if plateaus and plateaus[-1][2] == emotion and begin - plateaus[-1][1] < gap:
            plateaus[-1] = (plateaus[-1][0], max(plateaus[-1][1], stop), emotion)
        elif plateaus and begin - plateaus[-1][0] < SHORTEST_CHANGE:
            continue  # too soon after the last change: the first emotion is kept
        else:
            plateaus.append((begin, stop, emotion))
    return plateaus


def _plain(word: str) -> str:
    folded = str(word).casefold()
    return "".join(letter for letter in folded if letter.isalnum()) or folded


def _emotion(emotion: EmotionVector | str) -> EmotionVector:
    return emotion if isinstance(emotion, EmotionVector) else parse_emotion(emotion)
