"""What :meth:`Motion.edit` takes: anything that knows how to change a motion.

The motion room does not know emotions; an emotion knows motions. So the motion asks what it is
given to edit it, and both rooms stay where they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from joyvasa_lib.errors import OptionError

if TYPE_CHECKING:
    from joyvasa_lib.motion.motion import Motion


@runtime_checkable
class MotionEdit(Protocol):
    """A change of motions, such as an emotion, a timeline of emotions, or an editor of either."""

    def edit_motion(self, motion: Motion, **options: Any) -> Motion:
        """The changed motion."""
        ...

    def edit_pieces(self, pieces: Iterable[Motion], **options: Any) -> Iterator[Motion]:
        """Consecutive pieces of one motion, changed; in bounded memory, with the same numbers."""
        ...


def checked_edit(edit: Any) -> MotionEdit:
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
