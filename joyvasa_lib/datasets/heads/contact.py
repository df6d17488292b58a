"""Eyelids and lips that touch and do not pass through each other.

The sum of blendshapes can push an eyelid past the other or the lower lip into the upper one.
Contact reduces activations and raises none: a head takes the admissible pose nearest to the sum
(Gauss's principle of least constraint), where distance is the mean square displacement of the
surface. Every blendshape at full activation is admissible, as it was modelled: nothing closes
further in a combination than under the one blendshape that closes it most.

Axis legend: ``n`` poses, ``u`` 52 blendshapes, ``c`` constraints, ``v`` vertices.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.motion.operations.limits import reconcile_blendshapes
from joyvasa_lib.motion.space import get_space
from joyvasa_lib.rig.head_rig import Floats, HeadRig
from joyvasa_lib.rig.regions import (
    LEFT_EYE,
    MIDDLE_INNER_LOWER_LIP,
    MIDDLE_INNER_UPPER_LIP,
    RIGHT_EYE,
)

Doubles = NDArray[np.float64]

_UPPER = LEFT_EYE.upper_middle + RIGHT_EYE.upper_middle + MIDDLE_INNER_UPPER_LIP
_LOWER = LEFT_EYE.lower_middle + RIGHT_EYE.lower_middle + MIDDLE_INNER_LOWER_LIP
"""Mesh points of eyelids and lips that may meet, in pairs."""
_SOFTNESS = 1e-3
"""Ridge of the surface metric, for blendshapes that hardly move the surface."""


class Contact:
    """The admissible poses of one head."""

    def __init__(self, rig: HeadRig, applied: Doubles) -> None:
        """Measures what each blendshape does to the gaps between eyelids and between lips.

        Args:
            rig: the person's rig.
            applied: [u, u] what is put on the rig for each blendshape (rows).
        """
        upper, lower = rig.landmark_vertex[list(_UPPER)], rig.landmark_vertex[list(_LOWER)]
        blendshapes = rig.blendshapes.astype(np.float64)
        self.gaps: Doubles = applied @ (blendshapes[:, lower, 1] - blendshapes[:, upper, 1])
        """[u, c] widening of each gap by each blendshape."""
        alone = reconcile_blendshapes(np.eye(len(blendshapes)), get_space()).astype(np.float64)
        self.limits: Doubles = (alone @ self.gaps).min(0)
        """[c] how far each gap may close."""
        moved = np.einsum(
            "ij,jvx,v->ivx", applied, blendshapes, np.sqrt(_vertex_areas(rig)), optimize=True
        )
        effort = np.square(moved).sum((1, 2))
        self.effort: Doubles = effort + _SOFTNESS * effort.mean()
        """[u] mean square displacement of the surface at full activation."""

    def overlap(self, blendshapes: Floats | Doubles) -> Doubles:
        """How far eyelids or lips overlap [n], rig units; 0 for admissible poses."""
        return np.asarray(np.maximum(self.limits - blendshapes @ self.gaps, 0.0).max(-1))

    def resolve(self, blendshapes: Floats, sweeps: int = 100, tolerance: float = 5e-4) -> Floats:
        """The nearest admissible poses.

        Minimises ``sum(effort * (pose - free)^2)`` over ``0 <= pose <= free`` that keep the limits,
        where ``free`` are the given activations, by coordinate ascent on the forces of contact (the
        dual problem).

        Args:
            blendshapes: [n, u] activations, none below zero.
            sweeps: most rounds over the constraints.
            tolerance: overlap in rig units that is left alone.

        Returns:
            [n, u]; poses without overlap are returned unchanged.
        """
        out = np.array(blendshapes, dtype=np.float64)
        todo = np.flatnonzero(self.overlap(blendshapes) > tolerance)
        free = out[todo]
        force = np.zeros((len(todo), len(self.limits)))
        yielding = self.gaps.T / self.effort
        pose = free
        for _ in range(sweeps):
            if self.overlap(pose).max(initial=0.0) < tolerance:
                break
            for c, limit in enumerate(self.limits):
                unbound = (pose > 0.0) & (pose < free) | (pose == free) & (self.gaps[:, c] < 0.0)
                give = unbound @ (self.gaps[:, c] * yielding[c])
                step = (limit - pose @ self.gaps[:, c]) / np.maximum(give, 1e-9)
                force[:, c] = np.maximum(force[:, c] + step * (give > 1e-9), 0.0)
                pose = np.clip(free + force @ yielding, 0.0, free)
        out[todo] = pose
        return out.astype(np.float32)


def _vertex_areas(rig: HeadRig) -> Doubles:
    """[v] share of the head's surface that belongs to each vertex; they sum to 1."""
    corners = rig.mean[rig.triangles].astype(np.float64)
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.bincount(
        rig.triangles.ravel(), np.repeat(np.linalg.norm(cross, axis=1), 3), len(rig.mean)
    )
    return np.asarray(area / area.sum())
