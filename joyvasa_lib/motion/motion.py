"""``Motion``: the one latent that speech generation makes and portrait rendering consumes.

Whatever is done to a performance is a method of it, ``Motion -> Motion``; the work is done in
:mod:`~joyvasa_lib.motion.operations`, which know the data beneath.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.checks import checked_float
from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion.data import ARRAYS, MotionData
from joyvasa_lib.motion.editing import MotionEdit, checked_edit
from joyvasa_lib.motion.io import load_motion, save_motion
from joyvasa_lib.motion.operations.gains import Gains, apply_gains
from joyvasa_lib.motion.operations.joining import concatenate
from joyvasa_lib.motion.operations.limits import limit_motion
from joyvasa_lib.motion.operations.retiming import retime
from joyvasa_lib.motion.operations.smoothing import smooth_motion
from joyvasa_lib.motion.plot import plot_motion
from joyvasa_lib.motion.space import MotionSpace

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Motion(MotionData):
    """Expression and head pose over time. Immutable: every method returns a new motion.

    Attributes:
        expression: [t, k, 3] deformation of the canonical keypoints, in their units.
        rotation: [t, 3] pitch, yaw, roll in degrees.
        translation: [t, 3] shift of the head.
        scale: [t, 1] size of the head.
        fps: frames a second.
        space: what the keypoints are.
        reference: ``"source"``: pose relative to the source image's own (rotation 0, translation 0,
            scale 1 is the source image), as generated motion is; ``"absolute"``: pose as extracted
            from images.

    Raises:
        MotionError: an array has the wrong shape or a non-finite number, ``fps`` is not a positive
            number, or ``reference`` is unknown.
    """

    @classmethod
    def load(cls, path: str | Path, *, space: MotionSpace | None = None) -> Motion:
        """Reads a motion that :meth:`save` wrote.

        Args:
            path: a safetensors motion file.
            space: the file's space, where it is not a known one (see ``register_space``).

        Raises:
            MotionError: no such file, not a motion file, damaged, or of another space.
        """
        return load_motion(path, cls, space=space)

    def save(self, path: str | Path) -> Path:
        """Writes a safetensors motion file, whole or not at all; returns its path.

        Raises:
            OutputError: the file cannot be written.
        """
        return save_motion(self, path)

    def allclose(self, other: MotionData, *, rtol: float = 1e-5, atol: float = 1e-5) -> bool:
        """Whether both are of one kind and length and all numbers agree within tolerance."""
        return (
            self._same_kind(other)
            and len(self) == len(other)
            and all(
                np.allclose(getattr(self, name), getattr(other, name), rtol=rtol, atol=atol)
                for name in ARRAYS
            )
        )

    def between(self, start_s: float = 0.0, end_s: float | None = None) -> Motion:
        """The frames from one time to another, each rounded to the nearest frame.

        Args:
            start_s: seconds from the start.
            end_s: seconds from the start, or None for the end; times beyond it mean the end.

        Raises:
            MotionError: a negative time, or an end before the start.
        """
        start_s = checked_float("start_s", start_s, least=0.0, error=MotionError)
        end = self.duration
        if end_s is not None:
            endless = isinstance(end_s, float) and end_s == math.inf
            end = end_s if endless else checked_float("end_s", end_s, error=MotionError)
        if end_s is not None and not start_s <= end:
            raise MotionError(f"The end, {end_s} s, does not lie after the start, {start_s} s")
        return self[round(start_s * self.fps) : round(min(end, self.duration) * self.fps)]

    @staticmethod
    def concatenate(motions: Iterable[Motion], *, crossfade: int = 0) -> Motion:
        """One motion after another.

        Args:
            motions: at least one, all of the same space, frame rate and reference.
            crossfade: frames of overlap at each joint, blended with a raised cosine; each joint
                shortens the result by as many frames.

        Raises:
            MotionError: nothing to join, different kinds, or a part shorter than its crossfades.
        """
        try:
            parts = list(motions)
        except TypeError as error:
            raise MotionError(f"Give the motions to join, not {motions!r}") from error
        return concatenate(parts, crossfade=crossfade)

    def retime(
        self,
        *,
        fps: float | None = None,
        n_frames: int | None = None,
        interpolation: Literal["cubic", "linear"] = "cubic",
    ) -> Motion:
        """The same performance at another frame rate or of another length.

        Args:
            fps: another frame rate at the same speed, ``round(duration * fps)`` frames.
            n_frames: exactly so many frames, at ``fps`` or else at the present rate: the
                performance is stretched or compressed to fit.
            interpolation: ``"cubic"`` or ``"linear"``.

        Raises:
            MotionError: neither is given, a value is not positive, or the motion is empty.
        """
        return retime(self, fps=fps, n_frames=n_frames, interpolation=interpolation)

    def with_gains(
        self, *, head: float = 1.0, blink: float = 1.0, mouth: float = 1.0, brows: float = 1.0
    ) -> Motion:
        """The motion with parts of it made larger or smaller.

        See :mod:`~joyvasa_lib.motion.operations.gains`.

        Raises:
            MotionError: a gain is negative or not finite.
        """
        return apply_gains(self, Gains(head=head, blink=blink, mouth=mouth, brows=brows))

    def edit(self, edit: MotionEdit[Motion], **options: Any) -> Motion:
        """The motion with an emotion: ``motion.edit(Emotion.happiness(0.7))``.

        Args:
            edit: an ``Emotion``, an ``EmotionTimeline`` or an ``EmotionEditor``.
            **options: ``strength``, ``protect_speech``, ``upper``, ``lower``, ``liveliness`` and
                others: see :class:`~joyvasa_lib.emotion.editor.EmotionEditor`.

        Returns:
            A new motion; with strength 0 or a neutral emotion exactly the same numbers.

        Raises:
            OptionError: what is given cannot edit, or an option is unknown or out of range.
            MotionError: the emotion cannot be expressed in the motion's space.
        """
        return checked_edit(edit).edit_motion(self, **options)

    def limit(self) -> Motion:
        """The motion within what images can show: :mod:`~joyvasa_lib.motion.operations.limits`."""
        return limit_motion(self)

    def smooth(
        self,
        method: str = "one-euro",
        *,
        parts: Sequence[str] = ("expression", "pose"),
        **options: Any,
    ) -> Motion:
        """The motion with less jitter; see :mod:`~joyvasa_lib.motion.operations.smoothing`.

        Raises:
            MotionError: unknown method, part or option.
        """
        return smooth_motion(self, method, parts=parts, **options)

    def plot(self, waveform: NDArray[np.float32] | None = None, **options: Any) -> Figure:
        """A figure of the curves; see :func:`joyvasa_lib.motion.plot.plot_motion`.

        Raises:
            MissingDependencyError: matplotlib is not installed.
        """
        return plot_motion(self, waveform, **options)
