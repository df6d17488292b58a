"""Keyframes from word times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from joyvasa_lib.emotion.emotion import Emotion, checked_number
from joyvasa_lib.emotion.timeline import SHORTEST_CHANGE, Keyframe
from joyvasa_lib.errors import OptionError

_Plateau = tuple[float, float, Emotion]
"""Start and end in seconds of a stretch with one emotion."""


def word_keyframes(
    words: Iterable[tuple[str, float, float]],
    emotions: Mapping[str, Emotion | str],
    otherwise: Emotion | str,
    onset: float,
    offset: float,
) -> Iterator[Keyframe]:
    """Keyframes that hold a word's emotion from its start to its end.

    See :meth:`~joyvasa_lib.emotion.timeline.EmotionTimeline.from_words`.

    Yields:
        Keyframes in order of time. Between words that leave no time to go back, the face goes
        straight from one emotion to the next.

    Raises:
        OptionError: times that run backwards, a word of ``emotions`` without text, an unknown
            emotion, or an onset or offset shorter than a face needs.
    """
    for name, seconds in (("onset", onset), ("offset", offset)):
        if checked_number(seconds, f"The {name}") < SHORTEST_CHANGE:
            raise OptionError(f"The {name} must be at least {SHORTEST_CHANGE:g} s, not {seconds}")
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
            # No time to go back: stay until the change to the next must begin.
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
    words: Iterable[tuple[str, float, float]], wanted: Mapping[str, Emotion], gap: float
) -> list[_Plateau]:
    """Stretches of one emotion; words of the same emotion with a short gap between are one."""
    plateaus: list[_Plateau] = []
    latest = float("-inf")
    for word, start, end in words:
        begin = checked_number(start, f"The start of {word!r}")
        stop = checked_number(end, f"The end of {word!r}")
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
            continue  # two emotions within the time of one change: the first one stays
        else:
            plateaus.append((begin, stop, emotion))
    return plateaus


def _plain(word: str) -> str:
    plain = "".join(letter for letter in str(word).casefold() if letter.isalnum())
    if not plain:
        return str(word).casefold()
    return plain


def _emotion(emotion: Emotion | str) -> Emotion:
    return emotion if isinstance(emotion, Emotion) else Emotion.parse(emotion)
