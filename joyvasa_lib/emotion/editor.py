"""``EmotionEditor``: adds an emotion to a motion and keeps its speech.

The map of the motion space (:mod:`~joyvasa_lib.emotion.maps`) turns the emotion's vector in each
frame into expression deformation, which is added to the motion's own; head units are added to the
head pose. A frame depends on a bounded neighbourhood, so a performance is edited in pieces.

Axis legend: ``t`` frames, ``n`` components of an emotion, ``k`` keypoints.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

import numpy as np

from joyvasa_lib.checks import checked_choice, checked_float, checked_int
from joyvasa_lib.emotion.action_units import COMPONENTS, UNIT_OF
from joyvasa_lib.emotion.curve import Curve, EmotionCurve
from joyvasa_lib.emotion.editing.liveliness import Liveliness
from joyvasa_lib.emotion.editing.speech_guard import guard_of
from joyvasa_lib.emotion.editing.stream import EditStream
from joyvasa_lib.emotion.maps.choose import default_map
from joyvasa_lib.emotion.maps.unit_map import UnitToExpression
from joyvasa_lib.emotion.notation import parse_emotion
from joyvasa_lib.emotion.unit_effects import arkit_matrix
from joyvasa_lib.errors import MotionError, OptionError
from joyvasa_lib.motion import BLENDSHAPES, REGIONS, Motion, MotionSpace
from joyvasa_lib.motion.space import Floats

if TYPE_CHECKING:
    from typing_extensions import Unpack

LOWER_REGIONS = ("mouth", "jaw")
"""Regions of the lower face, which speech moves too; the others are the upper face."""
HIGHEST_GAIN = 2.0
"""Largest strength and gain; components are limited to [-1, 1] after them."""
SPEAKING_LIVELINESS = 0.5
"""Liveliness of an emotion in a video, where none is asked for."""
_LOWER = np.array([UNIT_OF[name].region in LOWER_REGIONS for name in COMPONENTS])
_MOVES_MOUTH = arkit_matrix()[:, [BLENDSHAPES.index(name) for name in REGIONS["mouth"]]].any(axis=1)
_HEAD = np.array([UNIT_OF[name].region == "head" for name in COMPONENTS])


class EditorKwargs(TypedDict, total=False):
    """Keyword arguments of every call that makes an editor: see :class:`EmotionEditor`."""

    strength: float
    protect_speech: bool
    upper: float
    lower: float
    liveliness: float
    seed: int
    mapping: UnitToExpression | None
    keypoints: Floats | None


@dataclass(frozen=True, eq=False)
class EmotionEditor:
    """Adds an emotion to motions: ``EmotionEditor("happiness:0.7")(motion)``.

    With strength 0 or a neutral emotion it returns the motion unchanged.

    Attributes:
        emotion: an emotion or a timeline; text such as ``"happiness:0.7"`` is read.
        strength: factor on the emotion, 0 to 2; components are limited to [-1, 1] after it.
        protect_speech: whether the mouth keeps its speech: lips that close still close and vowels
            keep their opening, see :mod:`~joyvasa_lib.emotion.editing.speech_guard`. A face that
            does not speak shows the whole emotion only without it.
        upper: gain on brows, eyes, cheeks and nose, 0 to 2.
        lower: gain on mouth and jaw, 0 to 2.
        liveliness: amount of natural variation, 0 to 1: the expression wavers, and blinks and
            small head movements that fit the emotion are added. 0 holds the expression.
        seed: of the liveliness; the same seed gives the same motion.
        mapping: from action units to the motion's space; the space's own by default.
        keypoints: [k, 3] canonical keypoints of the person, for maps that use them.

    Raises:
        OptionError: a value out of range, or text that is not an emotion.
    """

    emotion: EmotionCurve | str
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
            object.__setattr__(self, "emotion", parse_emotion(self.emotion))
        if not isinstance(self.emotion, EmotionCurve):
            raise OptionError(
                "An editor needs an Emotion, an EmotionTimeline or text such as 'happiness:0.7', "
                f"not {self.emotion!r}"
            )
        for name in ("strength", "upper", "lower"):
            checked_float(name, getattr(self, name), least=0.0, most=HIGHEST_GAIN)
        checked_float("liveliness", self.liveliness, least=0.0, most=1.0)
        checked_int("seed", self.seed, least=0)
        checked_choice("protect_speech", self.protect_speech, (True, False))
        if self.mapping is not None and not isinstance(self.mapping, UnitToExpression):
            raise OptionError(f"mapping must be a map of action units, not {self.mapping!r}")
        if self.keypoints is not None:
            object.__setattr__(self, "keypoints", _checked_keypoints(self.keypoints))

    def __call__(self, motion: Motion) -> Motion:
        """The motion with the emotion; the first frame begins at time 0 of a timeline.

        Raises:
            MotionError: there is no map for the motion's space, or it has none of the units.
        """
        if self.changes_nothing or len(motion) == 0:
            return motion
        pieces = list(self.edit_pieces([motion]))
        return pieces[0] if len(pieces) == 1 else Motion.concatenate(pieces)

    def edit_motion(self, motion: Motion, **options: Any) -> Motion:
        """The motion with the emotion, with some options of this editor replaced.

        Raises:
            OptionError: unknown option, or a value out of range.
            MotionError: as for a call.
        """
        return make_editor(self, **options)(motion)

    def edit_pieces(self, pieces: Iterable[Motion], **options: Any) -> Iterator[Motion]:
        """Consecutive pieces of one motion with the emotion, in bounded memory.

        The result is that of editing the whole motion, though it may be cut elsewhere. Where
        speech is protected, frames are delayed by
        :func:`~joyvasa_lib.emotion.editing.speech_guard.reach`.

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
    def curve(self) -> EmotionCurve:
        """The emotion as a function of time."""
        assert not isinstance(self.emotion, str)
        return self.emotion

    @property
    def changes_nothing(self) -> bool:
        """Whether every motion is returned unchanged."""
        return self.curve.is_neutral or self.strength == 0.0

    def vectors(self, times: Curve) -> Curve:
        """Emotion vectors [t, n] at times [t] in seconds, with strength and gains, in [-1, 1]."""
        gain = self.strength * np.where(_LOWER, self.lower, np.where(_HEAD, 1.0, self.upper))
        values = np.clip(gain * self.curve.sample(times), -1.0, 1.0)
        return np.broadcast_to(values, (len(times), values.shape[1]))

    def stream(self, space: MotionSpace) -> EditStream:
        """A stream that edits one motion of a space piece by piece.

        Raises:
            MotionError: there is no map for the space, the map has none of the emotion's units, or
                the editor's own map is for another space.
        """
        mapping = self.map_for(space)
        columns = np.array([COMPONENTS.index(name) for name in mapping.units])
        used = self.curve.used
        face = used & ~_HEAD
        if face.any() and not face[columns].any():
            wanted = ", ".join(np.array(COMPONENTS)[face])
            raise MotionError(
                f"The map of motion space {space.name!r} has none of the units of this emotion "
                f"({wanted}); it has {', '.join(mapping.units)}"
            )
        mouth = (used & _MOVES_MOUTH)[columns].any()
        guard = guard_of(space) if self.protect_speech and mouth else None
        lively = Liveliness(self.seed, self.liveliness, self.vectors) if self.liveliness else None
        return EditStream(self.vectors, mapping, guard, lively, self.keypoints)

    def map_for(self, space: MotionSpace) -> UnitToExpression:
        """The map from action units to a space's expression.

        Raises:
            MotionError: there is no map for the space, or the editor's own is for another.
        """
        if self.mapping is None:
            return default_map(space)
        if self.mapping.space != space:
            raise MotionError(
                f"The editor's map is of motion space {self.mapping.space.name!r}; the motion is "
                f"of {space.name!r}"
            )
        return self.mapping


def _checked_keypoints(values: Any) -> Floats:
    try:
        keypoints = np.asarray(values, np.float32)
    except (TypeError, ValueError, OverflowError) as error:
        raise OptionError(f"keypoints must be numbers [k, 3], not {values!r}") from error
    if keypoints.ndim != 2 or keypoints.shape[1] != 3 or not np.isfinite(keypoints).all():
        raise OptionError(f"keypoints must be finite numbers [k, 3], not of {keypoints.shape}")
    return keypoints


EmotionSource: TypeAlias = EmotionCurve | EmotionEditor | str
"""An emotion, a timeline, an editor, or the text of an emotion."""


def make_editor(emotion: EmotionSource, **options: Unpack[EditorKwargs]) -> EmotionEditor:
    """An editor of any emotion source, with options.

    Raises:
        OptionError: unknown option, a value out of range, or not an emotion source.
    """
    known = [name for name in EmotionEditor.__dataclass_fields__ if name != "emotion"]
    if unknown := sorted(set(options) - set(known)):
        raise OptionError(
            f"Editing an emotion has no option {unknown[0]!r}; it has {', '.join(known)}"
        )
    if isinstance(emotion, EmotionEditor):
        return replace(emotion, **options) if options else emotion
    return EmotionEditor(emotion, **options)


class EditsMotion(EmotionCurve):
    """An emotion curve that :meth:`Motion.edit` takes as it is."""

    __slots__ = ()

    def edit_motion(self, motion: Motion, **options: Any) -> Motion:
        """The motion with this emotion.

        Args:
            motion: any motion of a space with a map.
            **options: of :class:`~joyvasa_lib.emotion.editor.EmotionEditor`.

        Raises:
            OptionError: unknown option, or a value out of range.
            MotionError: there is no map for the motion's space, or it has none of the units.
        """
        return make_editor(self, **options)(motion)

    def edit_pieces(self, pieces: Iterable[Motion], **options: Any) -> Iterator[Motion]:
        """Consecutive pieces of one motion with this emotion; see :meth:`edit_motion`."""
        return make_editor(self, **options).edit_pieces(pieces)
