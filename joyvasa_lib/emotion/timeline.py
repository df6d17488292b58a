"""``EmotionTimeline``: an emotion at every moment, from keyframes with easing.

Axis legend: ``t`` frames, ``n`` components of an emotion.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joyvasa_lib.emotion.emotion import Emotion, checked_number
from joyvasa_lib.errors import OptionError

if TYPE_CHECKING:
    from joyvasa_lib.motion import Motion

Curve = NDArray[np.float64]

SHORTEST_CHANGE = 0.1
"""Seconds between different keyframes at least; a blink, which is fastest, closes in 0.08."""

EASINGS = ("smooth", "linear", "ease-in", "ease-out")
"""How a segment is walked: with rest at both ends, evenly, with rest at its start, at its end."""


def ease(progress: Curve, easing: str) -> Curve:
    """Progress in [0, 1] after easing: monotone, 0 at 0 and 1 at 1."""
    if easing == "smooth":
        return np.asarray(progress**2 * (3.0 - 2.0 * progress))
    if easing == "ease-in":
        return np.asarray(progress**2)
    if easing == "ease-out":
        return np.asarray(1.0 - (1.0 - progress) ** 2)
    return progress


@dataclass(frozen=True)
class Keyframe:
    """An emotion at a time.

    Attributes:
        time: seconds from the start of the motion; below zero is before it.
        emotion: an emotion or its text. A keyframe holds what a face can show: components beyond
            [-1, 1] are limited.
        easing: how the face comes here from the keyframe before, of :data:`EASINGS`.

    Raises:
        OptionError: the time is not finite, the text unreadable, or the easing unknown.
    """

    time: float
    emotion: Emotion
    easing: str = "smooth"

    def __post_init__(self) -> None:
        object.__setattr__(self, "time", checked_number(self.time, "The time of a keyframe"))
        emotion = self.emotion
        if isinstance(emotion, str):
            emotion = Emotion.parse(emotion)
        if not isinstance(emotion, Emotion):
            raise OptionError(
                f"The emotion of a keyframe is an Emotion or text such as 'fear:0.5', not "
                f"{self.emotion!r}"
            )
        object.__setattr__(self, "emotion", emotion.saturated())
        if self.easing not in EASINGS:
            raise OptionError(
                f"The easing of a keyframe is one of {', '.join(EASINGS)}, not {self.easing!r}"
            )


@dataclass(frozen=True)
class EmotionTimeline:
    """An emotion at every moment: keyframes, and the way from each to the next.

    Before the first keyframe and after the last its emotion holds. The emotion is a continuous
    function of time, so pieces of a motion fit seamlessly wherever they are cut.

    Attributes:
        keyframes: at least one, in order of time, different ones at least 0.1 s apart; also
            accepted are ``(time, emotion)`` and ``(time, emotion, easing)``.

    Raises:
        OptionError: there is none, time runs backwards or stands still, or two are too close.
    """

    keyframes: tuple[Keyframe, ...]

    def __post_init__(self) -> None:
        try:
            frames = tuple(
                one if isinstance(one, Keyframe) else Keyframe(*one) for one in self.keyframes
            )
        except TypeError as error:
            raise OptionError(
                "A timeline is made of keyframes (time, emotion) or (time, emotion, easing); "
                f"{error}"
            ) from error
        if not frames:
            raise OptionError("A timeline needs at least one keyframe")
        for before, after in pairwise(frames):
            if after.time <= before.time:
                raise OptionError(
                    f"The timeline runs backwards: a keyframe at {after.time:g} s follows one at "
                    f"{before.time:g} s; put them in order of time"
                )
            close = after.time - before.time < SHORTEST_CHANGE - 1e-9
            if close and after.emotion != before.emotion:
                raise OptionError(
                    f"The keyframes at {before.time:g} s and {after.time:g} s are too close: a "
                    f"face needs {SHORTEST_CHANGE:g} s to change"
                )
        object.__setattr__(self, "keyframes", frames)

    # Making one

    @classmethod
    def constant(cls, emotion: Emotion | str) -> EmotionTimeline:
        """The same emotion all the time.

        Raises:
            OptionError: the text is unreadable.
        """
        return cls((Keyframe(0.0, emotion),))  # type: ignore[arg-type]

    @classmethod
    def from_words(
        cls,
        words: Iterable[tuple[str, float, float]],
        emotions: Mapping[str, Emotion | str],
        *,
        otherwise: Emotion | str = "neutral",
        onset: float = 0.3,
        offset: float = 0.5,
    ) -> EmotionTimeline:
        """A timeline from word times: the face is there when the word begins.

        Args:
            words: word, start and end in seconds, in order, as a recogniser or aligner gives them.
            emotions: emotion of a word; capitals and punctuation do not matter.
            otherwise: the emotion of all other words.
            onset: seconds before a word in which the face changes.
            offset: seconds after it in which it goes back.

        Raises:
            OptionError: times that run backwards, or an unknown emotion.
        """
        from joyvasa_lib.emotion.keyframes import word_keyframes

        return cls(tuple(word_keyframes(words, emotions, otherwise, onset, offset)))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> EmotionTimeline:
        """Reads a YAML or JSON file; see ``docs/how-to/emotion.md`` for its form.

        Raises:
            MediaError: there is no such file.
            OptionError: the file does not hold a timeline.
        """
        from joyvasa_lib.emotion.timeline_file import load_timeline

        return load_timeline(path)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes a file that :meth:`load` reads: JSON if it is named .json, else YAML.

        Raises:
            OutputError: the file cannot be written.
        """
        from joyvasa_lib.emotion.timeline_file import save_timeline

        return save_timeline(self, path)

    # Looking at it

    def __len__(self) -> int:
        return len(self.keyframes)

    @property
    def is_neutral(self) -> bool:
        """Whether it is neutral at all times."""
        return all(one.emotion.is_neutral for one in self.keyframes)

    def at(self, time: float) -> Emotion:
        """The emotion at a time in seconds."""
        return Emotion(self.sample([checked_number(time, "A time")])[0])

    def sample(self, times: ArrayLike) -> Curve:
        """Emotion vectors [t, n] at times [t] in seconds."""
        moments = np.asarray(times, dtype=np.float64)
        vectors = np.stack([one.emotion.vector for one in self.keyframes])
        if len(self) == 1:
            return np.repeat(vectors, len(moments), axis=0)
        keys = np.array([one.time for one in self.keyframes])
        after = np.clip(np.searchsorted(keys, moments, side="right"), 1, len(keys) - 1)
        before = after - 1
        progress = np.clip((moments - keys[before]) / (keys[after] - keys[before]), 0.0, 1.0)
        for easing in EASINGS:
            chosen = np.array([one.easing == easing for one in self.keyframes])[after]
            progress[chosen] = ease(progress[chosen], easing)
        share = progress[:, None]
        return np.asarray((1.0 - share) * vectors[before] + share * vectors[after])

    # Changing it

    def shifted(self, seconds: float) -> EmotionTimeline:
        """The timeline later by so many seconds, or earlier if below zero.

        ``motion[75:]`` at 25 frames a second goes with ``timeline.shifted(-3.0)``.

        Raises:
            OptionError: not a finite number.
        """
        by = checked_number(seconds, "A shift")
        return EmotionTimeline(tuple(replace(one, time=one.time + by) for one in self.keyframes))

    def __add__(self, other: Emotion) -> EmotionTimeline:
        """The timeline with an emotion added to every keyframe."""
        if not isinstance(other, Emotion):
            return NotImplemented
        return EmotionTimeline(
            tuple(replace(one, emotion=one.emotion + other) for one in self.keyframes)
        )

    __radd__ = __add__

    def __mul__(self, factor: float) -> EmotionTimeline:
        """The timeline with every keyframe's emotion times a factor."""
        return EmotionTimeline(
            tuple(replace(one, emotion=one.emotion * factor) for one in self.keyframes)
        )

    __rmul__ = __mul__

    # What a motion asks of whatever edits it

    def edit_motion(self, motion: Motion, **options: Any) -> Motion:
        """The motion with these emotions; see :class:`~joyvasa_lib.emotion.editor.EmotionEditor`.

        Raises:
            OptionError: unknown option, or a value out of range.
            MotionError: nothing is known about the motion's space.
        """
        from joyvasa_lib.emotion.editor import make_editor

        return make_editor(self, **options)(motion)

    def edit_pieces(self, pieces: Iterable[Motion], **options: Any) -> Iterator[Motion]:
        """Consecutive pieces of one motion with these emotions; see :meth:`edit_motion`."""
        from joyvasa_lib.emotion.editor import make_editor

        return make_editor(self, **options).edit_pieces(pieces)


def frame_times(first: int, count: int, fps: float) -> Curve:
    """[t] seconds of the middles of consecutive frames, the first of which has a number."""
    return np.asarray((np.arange(first, first + count) + 0.5) / fps)
