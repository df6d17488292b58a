"""``Motion``: the one latent that speech generation makes and portrait rendering consumes.

Axis legend: ``t`` frames, ``k`` keypoints, ``u`` blendshapes.
Everything one may want to do to a performance is a function ``Motion -> Motion``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion.space import Floats, MotionSpace, get_space, read_only

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from joyvasa_lib.motion.editing import MotionEdit

Reference = Literal["source", "absolute"]

FPS = 25.0
"""Frame rate of generated motion (the official one)."""

ARRAYS = ("expression", "rotation", "translation", "scale")
"""The arrays of a motion, in the order of its constructor."""


@dataclass(frozen=True, eq=False)
class Motion:
    """Expression and head pose over time. Immutable: its arrays are read-only copies.

    Attributes:
        expression: [t, k, 3] deformation of the canonical keypoints, in their units.
        rotation: [t, 3] pitch, yaw, roll in degrees.
        translation: [t, 3] shift of the head.
        scale: [t, 1] size of the head.
        fps: frames a second.
        space: what the keypoints are.
        reference: ``"source"``: pose relative to the source portrait's own (rotation 0,
            translation 0, scale 1 is the portrait as it is), as generated motion is;
            ``"absolute"``: pose as extracted from images.

    Raises:
        MotionError: an array has the wrong shape or a non-finite number, ``fps`` is not a positive
            number, or ``reference`` is unknown.
    """

    expression: Floats
    rotation: Floats
    translation: Floats
    scale: Floats
    fps: float
    space: MotionSpace
    reference: Reference = "source"

    def __post_init__(self) -> None:
        if not isinstance(self.space, MotionSpace):
            raise MotionError(f"space must be a MotionSpace, not {self.space!r}; see get_space()")
        if self.reference not in ("source", "absolute"):
            raise MotionError(f"reference must be 'source' or 'absolute', not {self.reference!r}")
        object.__setattr__(self, "fps", checked_fps(self.fps))
        arrays = {name: _numbers(name, getattr(self, name)) for name in ARRAYS}
        n_frames = len(arrays["expression"]) if arrays["expression"].ndim else 0
        shapes: dict[str, tuple[int, ...]] = {
            "expression": (n_frames, self.space.keypoint_count, 3),
            "rotation": (n_frames, 3),
            "translation": (n_frames, 3),
            "scale": (n_frames, 1),
        }
        for name, array in arrays.items():
            if array.shape != shapes[name]:
                raise MotionError(
                    f"{name} has shape {array.shape}; a motion of {n_frames} frames in space "
                    f"{self.space.name!r} needs {shapes[name]}"
                )
            bad = ~np.isfinite(array).all(axis=tuple(range(1, array.ndim)))
            if bad.any():
                raise MotionError(
                    f"{name} holds NaN or infinity in {int(bad.sum())} of {n_frames} frames, "
                    f"first in frame {int(bad.argmax())}"
                )
            object.__setattr__(self, name, array)

    # Making one

    @classmethod
    def neutral(
        cls, n_frames: int, *, space: MotionSpace | None = None, fps: float = FPS
    ) -> Motion:
        """A motion in which nothing moves: the source's own pose and no deformation.

        Args:
            n_frames: number of frames.
            space: the motion space; the compact one if None.
            fps: frames a second.
        """
        space = space or get_space()
        return cls.build(np.zeros((n_frames, space.keypoint_count, 3)), space=space, fps=fps)

    @classmethod
    def build(
        cls,
        expression: ArrayLike,
        *,
        space: MotionSpace,
        rotation: ArrayLike | None = None,
        translation: ArrayLike | None = None,
        scale: ArrayLike | None = None,
        fps: float = FPS,
        reference: Reference = "source",
    ) -> Motion:
        """A motion whose pose, where not given, is the source's own.

        Args:
            expression: [t, k, 3] deformation.
            space: the motion space.
            rotation: [t, 3] degrees, or None for zeros.
            translation: [t, 3], or None for zeros.
            scale: [t, 1], or None for ones.
            fps: frames a second.
            reference: what the pose is relative to.

        Raises:
            MotionError: as for the class.
        """
        expression = _numbers("expression", expression)
        n_frames = len(expression) if expression.ndim else 0
        return cls(
            expression=expression,
            rotation=_or_full(rotation, "rotation", (n_frames, 3), 0.0),
            translation=_or_full(translation, "translation", (n_frames, 3), 0.0),
            scale=_or_full(scale, "scale", (n_frames, 1), 1.0),
            fps=fps,
            space=space,
            reference=reference,
        )

    @classmethod
    def from_blendshapes(
        cls,
        units: ArrayLike,
        *,
        space: MotionSpace | None = None,
        rotation: ArrayLike | None = None,
        translation: ArrayLike | None = None,
        scale: ArrayLike | None = None,
        fps: float = FPS,
        reference: Reference = "source",
    ) -> Motion:
        """A motion from blendshape activations [t, u]; the pose as in :meth:`build`.

        Raises:
            MotionError: as for the class, or the space has no blendshapes.
        """
        space = space or get_space()
        values = _numbers("units", units)
        if values.ndim != 2:
            raise MotionError(f"Blendshapes must have shape [frames, units]; got {values.shape}")
        return cls.build(
            space.from_blendshapes(values),
            space=space,
            rotation=rotation,
            translation=translation,
            scale=scale,
            fps=fps,
            reference=reference,
        )

    @classmethod
    def from_vector(
        cls,
        vector: ArrayLike,
        *,
        space: MotionSpace,
        fps: float = FPS,
        reference: Reference = "source",
    ) -> Motion:
        """The inverse of :attr:`vector`, for [t, 3k + 7].

        Raises:
            MotionError: as for the class, or the width is not that of the space.
        """
        values = _numbers("vector", vector)
        if values.ndim != 2 or values.shape[1] != space.vector_size:
            raise MotionError(
                f"A motion vector of space {space.name!r} has shape [frames, {space.vector_size}]; "
                f"got {values.shape}"
            )
        k3 = 3 * space.keypoint_count
        return cls(
            expression=values[:, :k3].reshape(len(values), space.keypoint_count, 3),
            scale=values[:, k3 : k3 + 1],
            translation=values[:, k3 + 1 : k3 + 4],
            rotation=values[:, k3 + 4 :],
            fps=fps,
            space=space,
            reference=reference,
        )

    @classmethod
    def load(cls, path: str | Path, *, space: MotionSpace | None = None) -> Motion:
        """Reads a motion that :meth:`save` wrote.

        Args:
            path: a safetensors motion file.
            space: the file's space, where it is not a known one (see ``register_space``).

        Raises:
            MotionError: no such file, not a motion file, damaged, or of another space.
        """
        from joyvasa_lib.motion.io import load_motion

        return load_motion(path, space=space)

    # Looking at it

    def __len__(self) -> int:
        return len(self.expression)

    def __repr__(self) -> str:
        return (
            f"Motion({len(self)} frames, {self.duration:.2f} s at {self.fps:g} fps, "
            f"space={self.space.name!r}, reference={self.reference!r})"
        )

    def __eq__(self, other: object) -> bool:
        """Whether everything, to the last bit, is the same."""
        if not isinstance(other, Motion):
            return NotImplemented
        return self._same_kind(other) and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in ARRAYS
        )

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        # Rebuilding through the constructor keeps the arrays of a copied motion read-only.
        fields = (*(getattr(self, name) for name in ARRAYS), self.fps, self.space, self.reference)
        return Motion, fields

    def allclose(self, other: Motion, *, rtol: float = 1e-5, atol: float = 1e-5) -> bool:
        """Whether both are of one kind and length and all numbers agree within tolerance."""
        return (
            self._same_kind(other)
            and len(self) == len(other)
            and all(
                np.allclose(getattr(self, name), getattr(other, name), rtol=rtol, atol=atol)
                for name in ARRAYS
            )
        )

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self) / self.fps

    @property
    def vector(self) -> Floats:
        """[t, 3k + 7] in the official order: expression, scale, translation, pitch, yaw, roll."""
        flat = self.expression.reshape(len(self), 3 * self.space.keypoint_count)
        return np.concatenate([flat, self.scale, self.translation, self.rotation], axis=1)

    @property
    def blendshapes(self) -> Floats:
        """[t, u] blendshape activations, recovered by least squares.

        Raises:
            MotionError: the space has no blendshapes.
        """
        return self.space.to_blendshapes(self.expression)

    # Parts and joints

    def __getitem__(self, key: int | slice) -> Motion:
        """Frames ``motion[a:b]`` as a motion; ``motion[i]`` is one frame long."""
        if isinstance(key, slice):
            if key.step not in (None, 1):
                raise MotionError(
                    f"A motion cannot be sliced with step {key.step}; use retime(fps=...)"
                )
            frames = key
        else:
            index = range(len(self))[key]  # IndexError as any sequence
            frames = slice(index, index + 1)
        return replace(self, **{name: getattr(self, name)[frames] for name in ARRAYS})

    def between(self, start_s: float = 0.0, end_s: float | None = None) -> Motion:
        """The frames from one time to another, each rounded to the nearest frame.

        Args:
            start_s: seconds from the start.
            end_s: seconds from the start, or None for the end; times beyond it mean the end.

        Raises:
            MotionError: a negative time, or an end before the start.
        """
        end = self.duration if end_s is None else end_s
        if not 0.0 <= start_s < math.inf:
            raise MotionError(f"The start must be seconds from the beginning, not {start_s}")
        if end_s is not None and not start_s <= end_s:
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
        from joyvasa_lib.motion.operations.joining import concatenate

        return concatenate(list(motions), crossfade=crossfade)

    # Changing it

    def retime(
        self,
        *,
        fps: float | None = None,
        n_frames: int | None = None,
        interpolation: Literal["cubic", "linear"] = "cubic",
    ) -> Motion:
        """The same performance on another clock.

        Args:
            fps: another frame rate at the same speed, ``round(duration * fps)`` frames.
            n_frames: exactly so many frames, at ``fps`` or else at the present rate: the
                performance is stretched or squeezed to fit.
            interpolation: ``"cubic"`` or ``"linear"``.

        Raises:
            MotionError: neither is given, a value is not positive, or the motion is empty.
        """
        from joyvasa_lib.motion.operations.retiming import resample

        if fps is None and n_frames is None:
            raise MotionError("retime needs fps=..., n_frames=..., or both")
        rate = self.fps if fps is None else checked_fps(fps)
        if n_frames is None:
            count, step = round(self.duration * rate), self.fps / rate
        elif n_frames < 1:
            raise MotionError(f"n_frames must be at least 1, not {n_frames}")
        else:
            count, step = int(n_frames), len(self) / n_frames
        if count == len(self) and step == 1.0:
            return replace(self, fps=rate)
        curves = self.vector.astype(np.float64)
        curves[:, -3:] = np.unwrap(curves[:, -3:], period=360.0, axis=0)
        vector = resample(curves, count, step, interpolation=interpolation)
        return Motion.from_vector(vector, space=self.space, fps=rate, reference=self.reference)

    def with_blendshapes(self, units: ArrayLike) -> Motion:
        """The motion with other blendshape activations [t, u].

        What the units cannot express stays, and units that do not change leave every number as
        it is.

        Raises:
            MotionError: wrong shape, or the space has no blendshapes.
        """
        values = _numbers("units", units)
        old = self.blendshapes
        if values.shape != old.shape:
            raise MotionError(f"Units of this motion have shape {old.shape}; got {values.shape}")
        change = self.space.from_blendshapes(values - old)
        return replace(self, expression=self.expression + change)

    def with_gains(
        self, *, head: float = 1.0, blink: float = 1.0, mouth: float = 1.0, brows: float = 1.0
    ) -> Motion:
        """The motion with parts of it made larger or smaller.

        See :mod:`~joyvasa_lib.motion.operations.gains`.

        Raises:
            MotionError: a gain is negative or not finite.
        """
        from joyvasa_lib.motion.operations.gains import Gains, apply_gains

        return apply_gains(self, Gains(head=head, blink=blink, mouth=mouth, brows=brows))

    def edit(self, edit: MotionEdit, **options: Any) -> Motion:
        """The motion with an emotion: ``motion.edit(Emotion.happiness(0.7))``.

        Args:
            edit: an ``Emotion``, an ``EmotionTimeline`` or an ``EmotionEditor``.
            **options: ``strength``, ``protect_speech``, ``upper``, ``lower``, ``liveliness`` and
                others: see :class:`~joyvasa_lib.emotion.editor.EmotionEditor`.

        Returns:
            A new motion; with strength 0 or a neutral emotion the very same numbers.

        Raises:
            OptionError: what is given cannot edit, or an option is unknown or out of range.
            MotionError: the motion's space knows nothing of the emotion.
        """
        from joyvasa_lib.motion.editing import checked_edit

        return checked_edit(edit).edit_motion(self, **options)

    def limit(self) -> Motion:
        """The motion within what images can show: :mod:`~joyvasa_lib.motion.operations.limits`."""
        from joyvasa_lib.motion.operations.limits import limit_motion

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
        from joyvasa_lib.motion.operations.smoothing import smooth_motion

        return smooth_motion(self, method, parts=parts, **options)

    def save(self, path: str | Path) -> Path:
        """Writes a safetensors motion file, whole or not at all; returns its path.

        Raises:
            OutputError: the file cannot be written.
        """
        from joyvasa_lib.motion.io import save_motion

        return save_motion(self, path)

    def plot(self, waveform: NDArray[np.float32] | None = None, **options: Any) -> Figure:
        """A figure of the curves; see :func:`joyvasa_lib.motion.plot.plot_motion`.

        Raises:
            MissingDependencyError: matplotlib is not installed.
        """
        from joyvasa_lib.motion.plot import plot_motion

        return plot_motion(self, waveform, **options)

    def _same_kind(self, other: Motion) -> bool:
        return (self.space, self.fps, self.reference) == (other.space, other.fps, other.reference)


def checked_fps(fps: Any) -> float:
    """``fps`` as a float.

    Raises:
        MotionError: it is not a positive number.
    """
    try:
        value = float(fps)
    except (TypeError, ValueError):
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise MotionError(f"fps must be a positive number of frames a second, not {fps!r}")
    return value


def _numbers(name: str, values: ArrayLike) -> Floats:
    try:
        return read_only(values)
    except (TypeError, ValueError) as error:
        raise MotionError(f"{name} is not an array of numbers: {error}") from error


def _or_full(values: ArrayLike | None, name: str, shape: tuple[int, ...], fill: float) -> Floats:
    return read_only(np.full(shape, fill)) if values is None else _numbers(name, values)
