"""Linear maps from action units to expression.

Axis legend: ``...`` any leading axes (frames), ``n`` action-unit components, ``k`` keypoints,
``u`` blendshapes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from joyvasa_lib.emotion.action_units import COMPONENTS, FACE_COMPONENTS
from joyvasa_lib.emotion.maps.unit_map import checked_activations, unknown_unit
from joyvasa_lib.emotion.unit_effects import arkit_matrix
from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion.arrays import read_only
from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.motion.space import Floats, MotionSpace


class LinearUnitMap:
    """A basis: the deformation is the sum of the units' deformations times their activations."""

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
        if (unknown := unknown_unit(units)) is not None:
            raise MotionError(f"{unknown!r} is not an action-unit component of the face")
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
        """Deformation [..., k, 3] of activations [..., n]; expression and keypoints are ignored.

        Raises:
            MotionError: the last axis is not n.
        """
        values = checked_activations(activations, self.units)
        # In float64 the rounded result does not depend on how many frames are given at once.
        flat = values.astype(np.float64) @ self._flat
        return flat.reshape(*values.shape[:-1], *self._basis.shape[1:]).astype(np.float32)


def arkit_unit_map(space: MotionSpace) -> LinearUnitMap:
    """The linear map of a space whose blendshapes are among ARKit's.

    It understands the components whose blendshapes the space has all.

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
