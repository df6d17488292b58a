"""``EmotionTimeline``: an emotion at every moment, from keyframes, words or a file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from joyvasa_lib.checks import checked_float
from joyvasa_lib.emotion.editor import EditsMotion
from joyvasa_lib.emotion.emotion import Emotion
from joyvasa_lib.emotion.keyframes.curve import Keyframe, KeyframeCurve
from joyvasa_lib.emotion.keyframes.episode import episode_keyframes
from joyvasa_lib.emotion.keyframes.files import load_keyframes, save_keyframes
from joyvasa_lib.emotion.keyframes.words import word_keyframes

if TYPE_CHECKING:
    from joyvasa_lib.media.image import ImageSource


@dataclass(frozen=True)
class EmotionTimeline(EditsMotion, KeyframeCurve):
    """An emotion at every moment: keyframes, interpolated with easing.

    The emotion of the first keyframe holds before it, that of the last one after it. The emotion
    is a continuous function of time, so it does not matter where a motion is cut into pieces.

    Attributes:
        keyframes: at least one, in order of time, different ones at least 0.1 s apart; also
            accepted are ``(time, emotion)`` and ``(time, emotion, easing)``.

    Raises:
        OptionError: there is none, their times do not increase, or two are too close.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        frames = tuple(replace(one, emotion=Emotion(one.emotion.vector)) for one in self.keyframes)
        object.__setattr__(self, "keyframes", frames)

    @classmethod
    def constant(cls, emotion: Emotion | str) -> EmotionTimeline:
        """The same emotion at all times.

        Raises:
            OptionError: the text is not an emotion.
        """
        return cls((Keyframe(0.0, emotion),))  # type: ignore[arg-type]

    @classmethod
    def episode(
        cls,
        emotion: Emotion | str,
        at: float = 0.0,
        *,
        apex: float = 1.5,
        onset: float | None = None,
        offset: float | None = None,
    ) -> EmotionTimeline:
        """One expression that comes, stays and goes.

        Args:
            emotion: what is shown at the apex.
            at: seconds at which it starts.
            apex: seconds for which it stays.
            onset: seconds in which it comes; None for as long as people take for this emotion, from
                a quarter of a second for surprise to more than one for sadness.
            offset: seconds in which it goes; None for as long as people take.

        Raises:
            OptionError: not an emotion, or a time out of range.
        """
        return cls(tuple(episode_keyframes(emotion, at, apex, onset, offset)))

    @classmethod
    def from_words(
        cls,
        words: Iterable[tuple[str, float, float]],
        emotions: Mapping[str, Emotion | str],
        *,
        otherwise: Emotion | str = "neutral",
        onset: float = 0.6,
        offset: float = 0.9,
    ) -> EmotionTimeline:
        """A timeline from word times: a word's emotion is reached when the word begins.

        Args:
            words: word, start and end in seconds, in order, as a recogniser or aligner gives them.
            emotions: the emotion of each word; capitals and punctuation do not matter.
            otherwise: the emotion of all other words.
            onset: seconds before a word over which its emotion appears.
            offset: seconds after a word over which its emotion disappears.

        Raises:
            OptionError: times out of order, an unknown emotion, or an onset or offset below 0.1 s.
        """
        return cls(tuple(word_keyframes(words, emotions, otherwise, onset, offset)))

    @classmethod
    def from_video(
        cls,
        path: str | os.PathLike[str],
        *,
        neutral: ImageSource | None = None,
        face: str | int = "largest",
    ) -> EmotionTimeline:
        """Reads the expressions of one person in a video; see :meth:`Emotion.from_image`.

        Six readings a second are smoothed over a quarter of a second; quick blinks are lost. There
        are keyframes only where something changes. Of somebody who speaks, the lips' movements are
        read, too.

        Args:
            path: a video file; its frames are read one after the other, and none is kept.
            neutral: an image of the same person at rest. Without one, the lowest tenth of each
                blendshape's score in the video counts as rest: a smile that never ends is not seen.
            face: ``"largest"`` or the rank by size, in the first frame with a face.

        Raises:
            MediaError: the video or the image cannot be read.
            NoFaceError: a face is seen in less than half of the video, or not the one asked for.
            OptionError: ``face`` is neither ``"largest"`` nor a rank.
        """
        from joyvasa_lib.emotion.reading.video import read_video_keyframes

        return cls(tuple(read_video_keyframes(path, neutral, face)))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> EmotionTimeline:
        """Reads a YAML or JSON file; see ``docs/how-to/emotion.md`` for its form.

        Raises:
            MediaError: there is no such file.
            OptionError: the file does not hold a timeline.
        """
        return cls(load_keyframes(path).keyframes)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes a file that :meth:`load` reads: JSON if its name ends with .json, else YAML.

        Raises:
            OutputError: the file cannot be written.
        """
        return save_keyframes(self, path)

    def at(self, time: float) -> Emotion:
        """The emotion at a time in seconds.

        Raises:
            OptionError: the time is not a finite number.
        """
        return Emotion(self.sample([checked_float("A time", time)])[0])

    def shifted(self, seconds: float) -> EmotionTimeline:
        """The timeline later by a number of seconds, earlier if it is negative.

        ``motion[75:]`` at 25 frames per second goes with ``timeline.shifted(-3.0)``.

        Raises:
            OptionError: not a finite number.
        """
        by = checked_float("A shift", seconds)
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
