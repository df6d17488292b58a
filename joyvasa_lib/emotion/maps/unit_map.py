"""``UnitToExpression``: what the editor needs of a map from action units to expression.

Axis legend: ``...`` any leading axes (frames), ``n`` action-unit components, ``k`` keypoints.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

import numpy as np

from joyvasa_lib.emotion.action_units import FACE_COMPONENTS
from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion.space import Floats, MotionSpace


@runtime_checkable
class UnitToExpression(Protocol):
    """A map from action-unit activations to expression deformation.

    Attributes:
        space: the motion space of the deformations.
        units: [n] names of the components it understands, of
            :data:`~joyvasa_lib.emotion.action_units.FACE_COMPONENTS`, in the order of its inputs.
    """

    @property
    def space(self) -> MotionSpace:
        """The motion space of the deformations."""
        ...

    @property
    def units(self) -> tuple[str, ...]:
        """Names of the components it understands, in the order of its inputs."""
        ...

    def deformation(
        self,
        activations: Floats,
        expression: Floats | None = None,
        keypoints: Floats | None = None,
    ) -> Floats:
        """The deformation to add to the expression; exactly zero where all activations are zero.

        Frames are independent of each other.

        Args:
            activations: [..., n] in [-1, 1]; negative values reduce what the face shows.
            expression: [..., k, 3] the expression without the units; None for a face at rest.
            keypoints: [k, 3] canonical keypoints of the person; None for the mean person.

        Returns:
            [..., k, 3] float32.
        """
        ...


def checked_activations(activations: Floats, units: tuple[str, ...]) -> Floats:
    """Activations [..., n] of a map's units as float32.

    Raises:
        MotionError: the last axis is not n.
    """
    values = np.asarray(activations, dtype=np.float32)
    if values.shape[-1:] != (len(units),):
        raise MotionError(
            f"This map has {len(units)} action units; got activations of shape {values.shape}"
        )
    return values


def unknown_unit(units: Iterable[str]) -> str | None:
    """A name that is not a component of the face, the first in alphabetical order, or None."""
    return next(iter(sorted(set(units) - set(FACE_COMPONENTS))), None)
