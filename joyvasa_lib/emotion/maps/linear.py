"""From action units to expression: what a motion space makes of a face's muscles.

Axis legend: ``...`` any leading axes (frames), ``n`` action-unit components, ``k`` keypoints,
``u`` blendshapes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from joyvasa_lib.emotion.action_units import COMPONENTS, FACE_COMPONENTS, arkit_matrix
from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion.arrays import read_only
from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.motion.space import (
    COMPACT_SPACE_NAME,
    LIVEPORTRAIT_21,
    Floats,
    MotionSpace,
)


@runtime_checkable
class UnitToExpression(Protocol):
    """What the editor needs: expression deformation for action-unit activations.

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
        """What is added to the expression; exactly zero where all activations are.

        Frames are independent of each other.

        Args:
            activations: [..., n] in [-1, 1]; below zero takes a unit away.
            expression: [..., k, 3] what the face does otherwise, or None for a face at rest.
            keypoints: [k, 3] canonical keypoints of the person, or None for the mean person.

        Returns:
            [..., k, 3] float32.
        """
        ...


class LinearUnitMap:
    """A basis: the deformation is the sum of the units' own, each times its activation."""

    def __init__(self, space: MotionSpace, units: tuple[str, ...], basis: ArrayLike) -> None:
        """Takes a basis.

        Args:
            space: the motion space.
            units: names of the components.
            basis: [n, k, 3] deformation of each at full activation.

        Raises:
            MotionError: shapes or names do not fit, or the basis is not finite.
        """
        self._basis = read_only(basis)
        if unknown := sorted(set(units) - set(FACE_COMPONENTS)):
            raise MotionError(f"{unknown[0]!r} is not a component of the emotion space's face")
        wanted = (len(units), space.keypoint_count, 3)
        if self._basis.shape != wanted or len(set(units)) != len(units):
            raise MotionError(
                f"A basis of {len(units)} different units in space {space.name!r} has shape "
                f"{wanted}; got {self._basis.shape}"
            )
        if not np.isfinite(self._basis).all():
            raise MotionError("A basis of action units holds a number that is not finite")
        self._flat = self._basis.reshape(len(units), -1).astype(np.float64)
        self.space = space
        self.units = tuple(units)

    def deformation(
        self,
        activations: Floats,
        expression: Floats | None = None,
        keypoints: Floats | None = None,
    ) -> Floats:
        """Deformation [..., k, 3] of activations [..., n]; expression and keypoints do not matter.

        Raises:
            MotionError: the last axis is not n.
        """
        values = np.asarray(activations, dtype=np.float32)
        if values.shape[-1:] != (len(self.units),):
            raise MotionError(
                f"This map has {len(self.units)} action units; got activations of shape "
                f"{values.shape}"
            )
        # In 64 bits the result does not depend on how many frames come at once.
        flat = values.astype(np.float64) @ self._flat
        return flat.reshape(*values.shape[:-1], *self._basis.shape[1:]).astype(np.float32)


def arkit_unit_map(space: MotionSpace) -> LinearUnitMap:
    """The linear map of a space whose blendshapes are among ARKit's.

    It understands the components all of whose ARKit units the space has.

    Raises:
        MotionError: the space has no blendshapes.
    """
    if not space.has_blendshapes:
        raise MotionError(
            f"Motion space {space.name!r} has no blendshapes from which a basis of action units "
            "could be made; fit one from motions with known action units"
        )
    has = np.isin(BLENDSHAPES, space.blendshape_names)
    table = arkit_matrix()
    units = tuple(
        name
        for name, row in zip(COMPONENTS, table, strict=True)
        if name in FACE_COMPONENTS and has[row != 0.0].all()
    )
    rows = table[[COMPONENTS.index(name) for name in units]]
    activations = np.zeros((len(units), len(space.blendshape_names)))
    for column in np.flatnonzero(has):
        activations[:, space.blendshape_index(BLENDSHAPES[column])] = rows[:, column]
    return LinearUnitMap(space, units, space.from_blendshapes(activations))


def linear_map(space: MotionSpace) -> LinearUnitMap:
    """The linear map of a space: published slider directions for LivePortrait's 21 keypoints.

    For other spaces it is :func:`arkit_unit_map`.

    Raises:
        MotionError: nothing is known about the space.
    """
    if space == LIVEPORTRAIT_21:
        from joyvasa_lib.emotion.maps.liveportrait_directions import liveportrait_unit_map

        return liveportrait_unit_map()
    return arkit_unit_map(space)


@lru_cache(maxsize=8)
def default_map(space: MotionSpace) -> UnitToExpression:
    """The map that the editor uses for a space where it is given no other.

    For the compact space it is that of the bundled checkpoint, for others the linear one.

    Raises:
        MotionError: nothing is known about the space.
        CheckpointError: the bundled map is damaged.
    """
    if space.name == COMPACT_SPACE_NAME:
        from joyvasa_lib.emotion.maps.learned import bundled_map

        return bundled_map()
    return linear_map(space)
