"""What :meth:`Motion.edit` takes: anything that knows how to change a motion.

The motion room does not know emotions; emotions know motions. A motion therefore asks what it is
given to edit it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol, TypeVar, runtime_checkable

from joyvasa_lib.errors import OptionError
from joyvasa_lib.motion.data import MotionData

EditedT = TypeVar("EditedT", bound=MotionData)


@runtime_checkable
class MotionEdit(Protocol[EditedT]):
    """A change of motions, such as an emotion, a timeline of emotions, or an editor of either."""

    def edit_motion(self, motion: EditedT, **options: Any) -> EditedT:
        """The changed motion."""
        ...

    def edit_pieces(self, pieces: Iterable[EditedT], **options: Any) -> Iterator[EditedT]:
        """Consecutive pieces of one motion, changed; in bounded memory, with the same numbers."""
        ...


def checked_edit(edit: Any) -> MotionEdit[Any]:
    """What was given, if it can edit motions.

    Raises:
        OptionError: it cannot.
    """
    if isinstance(edit, MotionEdit):
        return edit
    raise OptionError(
        "A motion is edited by an Emotion, an EmotionTimeline or an EmotionEditor of joyvasa_lib, "
        f"for example Emotion.parse('happiness:0.7'), not by {edit!r}"
    )
