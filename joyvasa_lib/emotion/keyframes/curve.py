"""Keyframes of emotions, and the curve that interpolates them.

Axis legend: ``t`` frames, ``n`` components of an emotion.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joyvasa_lib.checks import checked_choice, checked_float
from joyvasa_lib.emotion.curve import Curve, EmotionCurve
from joyvasa_lib.emotion.notation import parse_emotion
from joyvasa_lib.emotion.vector import EmotionVector
from joyvasa_lib.errors import OptionError

SHORTEST_CHANGE = 0.1
"""Least seconds between different keyframes; closing the eyelids in a blink takes 0.08."""

EASINGS = ("smooth", "linear", "ease-in", "ease-out")
"""Speed between two keyframes: zero at both ends, constant, zero at the start, zero at the end."""


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
        time: seconds from the start of the motion; negative times lie before it.
        emotion: an emotion or its text. Components are limited to [-1, 1], what a face can show.
        easing: the course from the previous keyframe to this one, of :data:`EASINGS`.

    Raises:
        OptionError: the time is not finite, the text unreadable, or the easing unknown.
    """

    time: float
    emotion: EmotionVector
    easing: str = "smooth"

    def __post_init__(self) -> None:
        object.__setattr__(self, "time", checked_float("The time of a keyframe", self.time))
        emotion = self.emotion
        if isinstance(emotion, str):
            emotion = parse_emotion(emotion)
        if not isinstance(emotion, EmotionVector):
            raise OptionError(
                f"The emotion of a keyframe is an Emotion or text such as 'fear:0.5', not "
                f"{self.emotion!r}"
            )
        object.__setattr__(self, "emotion", emotion.saturated())
        checked_choice("The easing of a keyframe", self.easing, EASINGS)


@dataclass(frozen=True)
class KeyframeCurve(EmotionCurve):
    """Emotions interpolated between keyframes; the first and the last hold outside of them.

    The emotion is a continuous function of time, so it does not matter where a motion is cut into
    pieces.

    Attributes:
        keyframes: at least one, in order of time, different ones at least 0.1 s apart; also
            accepted are ``(time, emotion)`` and ``(time, emotion, easing)``.

    Raises:
        OptionError: there is none, their times do not increase, or two are too close.
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

    def __len__(self) -> int:
        """Number of keyframes."""
        return len(self.keyframes)

    @property
    def is_neutral(self) -> bool:
        """Whether it is neutral at all times."""
        return all(one.emotion.is_neutral for one in self.keyframes)

    @property
    def used(self) -> NDArray[np.bool_]:
        """Which components [n] differ from zero in any keyframe."""
        return np.any([one.emotion.used for one in self.keyframes], axis=0)

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
