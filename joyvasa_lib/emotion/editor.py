"""``EmotionEditor``: motion and emotion in, motion out; speech stays what it was.

The emotion's vector in each frame becomes expression deformation by the motion space's own map
(:mod:`~joyvasa_lib.emotion.maps.linear`) and is added to what the face does; head units are added
to the pose. Frames depend on a bounded neighbourhood only, so a performance is edited in pieces.

Axis legend: ``t`` frames, ``n`` components of an emotion, ``k`` keypoints.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.emotion.action_units import COMPONENTS, UNIT_OF, arkit_matrix
from joyvasa_lib.emotion.edit_stream import EditStream
from joyvasa_lib.emotion.emotion import Emotion, checked_number
from joyvasa_lib.emotion.liveliness import Liveliness
from joyvasa_lib.emotion.maps.linear import UnitToExpression, default_map
from joyvasa_lib.emotion.speech_guard import guard_of
from joyvasa_lib.emotion.timeline import EmotionTimeline
from joyvasa_lib.errors import MotionError, OptionError
from joyvasa_lib.motion import BLENDSHAPES, REGIONS, Motion, MotionSpace
from joyvasa_lib.motion.space import Floats

Curve = NDArray[np.float64]

LOWER_REGIONS = ("mouth", "jaw")
"""Regions of the lower face, which speech shares; the others are the upper face."""
HIGHEST_GAIN = 2.0
_LOWER = np.array([UNIT_OF[name].region in LOWER_REGIONS for name in COMPONENTS])
_MOVES_MOUTH = arkit_matrix()[:, [BLENDSHAPES.index(name) for name in REGIONS["mouth"]]].any(axis=1)
_HEAD = np.array([UNIT_OF[name].region == "head" for name in COMPONENTS])


@dataclass(frozen=True, eq=False)
class EmotionEditor:
    """Adds an emotion to motions: ``EmotionEditor("happiness:0.7")(motion)``.

    With strength 0 or a neutral emotion it returns the very same motion.

    Attributes:
        emotion: an emotion, its text, or a timeline.
        strength: factor on the emotion, 0 to 2; components are limited to [-1, 1] after it.
        protect_speech: whether the mouth keeps what speech needs: closures stay closures and
            vowels keep their aperture, see :mod:`~joyvasa_lib.emotion.speech_guard`. A face that
            does not speak shows all of an emotion only without it.
        upper: gain on brows, eyes, cheeks and nose, 0 to 2.
        lower: gain on mouth and jaw, 0 to 2.
        liveliness: 0 holds the expression still; up to 1 it wavers as a living face does, with
            blinks and small head movements that fit the emotion.
        seed: of the liveliness; the same seed gives the same motion.
        mapping: from action units to the motion's space; the space's own by default.
        keypoints: [k, 3] canonical keypoints of the person, for maps that look at them.

    Raises:
        OptionError: a value out of range, or text that is not an emotion.
    """

    emotion: Emotion | EmotionTimeline | str
    strength: float = 1.0
    protect_speech: bool = True
    upper: float = 1.0
    lower: float = 1.0
    liveliness: float = 0.0
    seed: int = 0
    mapping: UnitToExpression | None = None
    keypoints: Floats | None = None

    def __post_init__(self) -> None:
        if isinstance(self.emotion, str):
            object.__setattr__(self, "emotion", Emotion.parse(self.emotion))
        if not isinstance(self.emotion, Emotion | EmotionTimeline):
            raise OptionError(
                "An editor needs an Emotion, an EmotionTimeline or text such as 'happiness:0.7', "
                f"not {self.emotion!r}"
            )
        for name, highest in (
            ("strength", HIGHEST_GAIN),
            ("upper", HIGHEST_GAIN),
            ("lower", HIGHEST_GAIN),
            ("liveliness", 1.0),
        ):
            value = checked_number(getattr(self, name), f"{name} of an emotion editor")
            if not 0.0 <= value <= highest:
                raise OptionError(f"{name} must lie between 0 and {highest:g}, not {value:g}")
        if not isinstance(self.seed, int) or self.seed < 0:
            raise OptionError(f"The seed must be a whole number from 0, not {self.seed!r}")

    def __call__(self, motion: Motion) -> Motion:
        """The motion with the emotion; frame 0 is at time 0 of a timeline.

        Raises:
            MotionError: nothing is known about the motion's space, or it has none of the units.
        """
        if self.changes_nothing or len(motion) == 0:
            return motion
        pieces = list(self.edit_pieces([motion]))
        return pieces[0] if len(pieces) == 1 else Motion.concatenate(pieces)

    def edit_motion(self, motion: Motion, **options: Any) -> Motion:
        """The same as a call, with other options where given.

        Raises:
            OptionError: unknown option, or a value out of range.
            MotionError: as for a call.
        """
        return make_editor(self, **options)(motion)

    def edit_pieces(self, pieces: Iterable[Motion], **options: Any) -> Iterator[Motion]:
        """Consecutive pieces of one motion with the emotion, in bounded memory.

        The numbers are those of editing the whole; pieces may come out cut elsewhere. Where the
        mouth is protected, frames come :func:`~joyvasa_lib.emotion.speech_guard.reach` later.

        Raises:
            MotionError: as for a call, when the first piece is read.
        """
        editor = make_editor(self, **options)
        if editor.changes_nothing:
            yield from pieces
            return
        stream: EditStream | None = None
        for piece in pieces:
            stream = stream or editor.stream(piece.space)
            yield from stream.push(piece)
        if stream is not None:
            yield from stream.finish()

    @property
    def changes_nothing(self) -> bool:
        """Whether every motion comes back as it is."""
        assert not isinstance(self.emotion, str)
        return self.emotion.is_neutral or self.strength == 0.0

    def vectors(self, times: Curve) -> Curve:
        """Emotion vectors [t, n] at times [t] in seconds, with strength and gains, in [-1, 1]."""
        gain = self.strength * np.where(_LOWER, self.lower, np.where(_HEAD, 1.0, self.upper))
        if isinstance(self.emotion, EmotionTimeline):
            return np.clip(gain * self.emotion.sample(times), -1.0, 1.0)
        assert isinstance(self.emotion, Emotion)
        vector = np.clip(gain * self.emotion.vector, -1.0, 1.0)
        return np.broadcast_to(vector, (len(times), len(vector)))

    @cached_property
    def uses(self) -> NDArray[np.bool_]:
        """[n] which components are ever not zero."""
        if isinstance(self.emotion, EmotionTimeline):
            frames = self.emotion.keyframes
            return np.any([one.emotion.vector != 0.0 for one in frames], axis=0)
        assert isinstance(self.emotion, Emotion)
        return self.emotion.vector != 0.0

    def stream(self, space: MotionSpace) -> EditStream:
        """What edits a motion of a space that comes in pieces.

        Raises:
            MotionError: nothing is known about the space, it has none of the emotion's units, or
                the editor's map is of another.
        """
        mapping = self.map_for(space)
        columns = np.array([COMPONENTS.index(name) for name in mapping.units])
        face = self.uses & ~_HEAD
        if face.any() and not face[columns].any():
            wanted = ", ".join(np.array(COMPONENTS)[face])
            raise MotionError(
                f"The map of motion space {space.name!r} has none of the units of this emotion "
                f"({wanted}); it has {', '.join(mapping.units)}"
            )
        mouth = (self.uses & _MOVES_MOUTH)[columns].any()
        guard = guard_of(space) if self.protect_speech and mouth else None
        lively = Liveliness(self.seed, self.liveliness, self.vectors) if self.liveliness else None
        return EditStream(self.vectors, mapping, guard, lively, self.keypoints)

    def map_for(self, space: MotionSpace) -> UnitToExpression:
        """The map from action units to a space's expression.

        Raises:
            MotionError: nothing is known about the space, or the editor's map is of another.
        """
        if self.mapping is None:
            return default_map(space)
        if self.mapping.space != space:
            raise MotionError(
                f"The editor's map is of motion space {self.mapping.space.name!r}; the motion is "
                f"of {space.name!r}"
            )
        return self.mapping


EmotionSource: TypeAlias = Emotion | EmotionTimeline | EmotionEditor | str
"""What says which emotion: the text of one too."""


def make_editor(emotion: EmotionSource, **options: Any) -> EmotionEditor:
    """An editor of anything that says which emotion, with options.

    Raises:
        OptionError: unknown option, a value out of range, or nothing of the kind.
    """
    known = [name for name in EmotionEditor.__dataclass_fields__ if name != "emotion"]
    if unknown := sorted(set(options) - set(known)):
        raise OptionError(
            f"Editing an emotion has no option {unknown[0]!r}; it has {', '.join(known)}"
        )
    if isinstance(emotion, EmotionEditor):
        return replace(emotion, **options) if options else emotion
    return EmotionEditor(emotion, **options)
