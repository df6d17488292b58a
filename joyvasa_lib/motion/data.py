"""The arrays of a motion, checked, and what they say: the data under ``Motion``.

Knows no operation; operations take this type or a subclass and return the kind they were given.

Axis legend: ``t`` frames, ``k`` keypoints, ``u`` blendshapes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from joyvasa_lib.checks import checked_choice, checked_int
from joyvasa_lib.errors import MotionError
from joyvasa_lib.media.audio import SAMPLE_RATE
from joyvasa_lib.motion.arguments import MOST_FRAMES, checked_fps, checked_space
from joyvasa_lib.motion.arrays import numbers
from joyvasa_lib.motion.space import Floats, MotionSpace, get_space

if TYPE_CHECKING:
    from typing_extensions import Self

Reference = Literal["source", "absolute"]

FPS = 25.0
"""Frames a second of generated motion: JoyVASA's rate."""
SAMPLES_PER_FRAME = round(SAMPLE_RATE / FPS)
"""Samples of speech that one frame of motion lasts."""

ARRAYS = ("expression", "rotation", "translation", "scale")
"""The arrays of a motion, in the order of its constructor."""


@dataclass(frozen=True, eq=False)
class MotionData:
    """Expression and head pose over time. Immutable: its arrays are read-only copies.

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

    expression: Floats
    rotation: Floats
    translation: Floats
    scale: Floats
    fps: float
    space: MotionSpace
    reference: Reference = "source"

    def __post_init__(self) -> None:
        checked_space(self.space)
        checked_choice("reference", self.reference, ("source", "absolute"), error=MotionError)
        object.__setattr__(self, "fps", checked_fps(self.fps))
        arrays = {name: numbers(name, getattr(self, name)) for name in ARRAYS}
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

    @classmethod
    def neutral(cls, n_frames: int, *, space: MotionSpace | None = None, fps: float = FPS) -> Self:
        """A motion in which nothing moves: the source's own pose and no deformation.

        Args:
            n_frames: number of frames.
            space: the motion space; the compact one if None.
            fps: frames a second.

        Raises:
            MotionError: ``n_frames`` is no number of frames, or ``space`` or ``fps`` is none.
        """
        kind = get_space() if space is None else checked_space(space)
        count = checked_int("n_frames", n_frames, least=0, most=MOST_FRAMES, error=MotionError)
        return cls.build(np.zeros((count, kind.keypoint_count, 3)), space=kind, fps=fps)

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
    ) -> Self:
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
        expression = numbers("expression", expression)
        n_frames = len(expression) if expression.ndim else 0

        def given(values: ArrayLike | None, name: str, width: int, fill: float) -> Floats:
            return numbers(name, np.full((n_frames, width), fill) if values is None else values)

        return cls(
            expression=expression,
            rotation=given(rotation, "rotation", 3, 0.0),
            translation=given(translation, "translation", 3, 0.0),
            scale=given(scale, "scale", 1, 1.0),
            fps=fps,
            space=space,
            reference=reference,
        )

    @classmethod
    def from_blendshapes(
        cls,
        activations: ArrayLike,
        *,
        space: MotionSpace | None = None,
        rotation: ArrayLike | None = None,
        translation: ArrayLike | None = None,
        scale: ArrayLike | None = None,
        fps: float = FPS,
        reference: Reference = "source",
    ) -> Self:
        """A motion from blendshape activations [t, u]; the pose as in :meth:`build`.

        Raises:
            MotionError: as for the class, or the space has no blendshapes.
        """
        space = space or get_space()
        values = numbers("activations", activations)
        if values.ndim != 2:
            raise MotionError(
                f"Activations must have shape [frames, blendshapes], not {values.shape}"
            )
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
    ) -> Self:
        """The inverse of :attr:`vector`, for [t, 3k + 7].

        Raises:
            MotionError: as for the class, or the width is not that of the space.
        """
        values = numbers("vector", vector)
        if values.ndim != 2 or values.shape[1] != space.vector_size:
            raise MotionError(
                f"A motion vector of space {space.name!r} has shape [frames, {space.vector_size}], "
                f"not {values.shape}"
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

    def __len__(self) -> int:
        return len(self.expression)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({len(self)} frames, {self.duration:.2f} s at {self.fps:g} fps, "
            f"space={self.space.name!r}, reference={self.reference!r})"
        )

    def __eq__(self, other: object) -> bool:
        """Whether everything, to the last bit, is the same."""
        if not isinstance(other, MotionData):
            return NotImplemented
        return self._same_kind(other) and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in ARRAYS
        )

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        # Rebuilding through the constructor keeps the arrays of a copied motion read-only.
        fields = (*(getattr(self, name) for name in ARRAYS), self.fps, self.space, self.reference)
        return type(self), fields

    def __getitem__(self, key: int | slice) -> Self:
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

    def with_blendshapes(self, activations: ArrayLike) -> Self:
        """The motion with other blendshape activations [t, u].

        The part of the expression that blendshapes cannot express stays; activations that do not
        change leave every number as it is.

        Raises:
            MotionError: wrong shape, or the space has no blendshapes.
        """
        values = numbers("activations", activations)
        old = self.blendshapes
        if values.shape != old.shape:
            raise MotionError(
                f"Activations of this motion have shape {old.shape}, not {values.shape}"
            )
        change = self.space.from_blendshapes(values - old)
        return replace(self, expression=self.expression + change)

    def _same_kind(self, other: MotionData) -> bool:
        if not isinstance(other, MotionData):
            raise MotionError(f"A motion is compared with a motion, not with {other!r}")
        return (self.space, self.fps, self.reference) == (other.space, other.fps, other.reference)


MotionT = TypeVar("MotionT", bound=MotionData)
"""The kind of motion that an operation was given, and returns."""
