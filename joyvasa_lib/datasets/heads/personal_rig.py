"""Blendshapes of one person's head, cloned from those of the mean head.

The bundled rig adds the same displacement to every head, so a blink that closes the mean eye leaves
a large one open. Expression cloning (Noh & Neumann 2001) lets each displacement follow the local
change of shape instead: where a head's eye is twice as tall, its eyelid moves twice as far. In
place of bounding boxes, the local change is the linear map that fits best between a vertex's
neighbourhood on the mean head and the same vertices on the person's head.

Axis legend: ``v`` vertices, ``n`` neighbours, ``u`` 52 blendshapes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from joyvasa_lib.rig.head_rig import Floats, HeadRig

_NEIGHBOURS = 96
"""Vertices around each one that the local map is fitted to."""
_REACH = 0.2
"""Rig units over which neighbours count: about the height of an eye."""
_STIFFNESS = 0.02
"""Pull of the local map towards no change, where neighbours lie in a plane or a line."""


class BlendshapeCloning:
    """Makes personal rigs of one rig; what all heads share is computed once."""

    def __init__(self, rig: HeadRig) -> None:
        """Finds the neighbourhoods of the mean head.

        Args:
            rig: the head model whose blendshapes are cloned.
        """
        self.rig = rig
        mean = rig.mean.astype(np.float64)
        distance, self._neighbours = cKDTree(mean).query(mean, k=_NEIGHBOURS)
        weight = np.exp(-0.5 * (distance / _REACH) ** 2)
        offset = mean[self._neighbours] - mean[:, None]
        moment = np.einsum("vn,vna,vnb->vab", weight, offset, offset)
        pull = _STIFFNESS / 3.0 * np.trace(moment, axis1=1, axis2=2)[:, None, None] * np.eye(3)
        solve = np.linalg.inv(moment + pull)
        self._towards_identity = solve @ pull
        self._fit = np.einsum("vab,vn,vnb->van", solve, weight, offset)

    def local_maps(self, shape: Floats) -> NDArray[np.float64]:
        """Linear change of shape around each vertex.

        Args:
            shape: [v, 3] neutral head.

        Returns:
            [v, 3, 3]: displacement on the mean head, as a row vector, times it is that on this one;
            identity for the mean head.
        """
        offset = shape[self._neighbours].astype(np.float64) - shape[:, None]
        return np.asarray(self._fit @ offset + self._towards_identity)

    def __call__(self, shape: Floats) -> HeadRig:
        """The rig of a person: ``shape`` [v, 3] is its mean head, its blendshapes are cloned."""
        blendshapes = np.einsum(
            "uva,vab->uvb", self.rig.blendshapes, self.local_maps(shape), optimize=True
        )
        return replace(self.rig, mean=shape, blendshapes=blendshapes.astype(np.float32))
