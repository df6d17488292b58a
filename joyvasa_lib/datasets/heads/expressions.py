"""True expression deformation of random heads: what the learned map of action units is taught.

Everything is measured at the keypoints of the compact motion space, in canonical coordinates, on
two heads with one neutral shape:

* the *true head*, a mesh with the person's own blendshapes
  (:mod:`~joyvasa_lib.datasets.heads.personal_rig`) in poses that faces can take: activations are
  clipped, blendshapes that exclude each other are reconciled, eyelids meet on this person's eyes,
  the upper lip follows the jaw, and eyelids and lips do not pass through each other
  (:mod:`~joyvasa_lib.datasets.heads.contact`);
* the *drawn head*, the same neutral shape moved by the bundled rig's blendshapes, as the compact
  preset draws any motion.

A linear basis knows neither the person nor what else the face does. It differs from the true head
where proportions differ, where an activation is at its limit, and where surfaces touch.

Axis legend: ``n`` poses, ``u`` 52 blendshapes, ``k`` keypoints, ``v`` vertices.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.heads.contact import Contact
from joyvasa_lib.datasets.heads.personal_rig import BlendshapeCloning
from joyvasa_lib.motion.driving.blendshapes import compose_blendshapes
from joyvasa_lib.rig.calibration import applied_blendshapes, blink_gain
from joyvasa_lib.rig.fitting import HeadFit
from joyvasa_lib.rig.head_rig import Floats, HeadRig, bundled_rig

REGIONS = ("brow", "eye", "cheek", "mouth", "jaw")
"""Parts of the face that are measured separately; the nose counts as cheek."""

_BROW_END, _EYE_END, _CHEEK_END, _CHIN_START, _CHEEK_SIDE = -0.8, -0.35, 0.3, 0.95, 0.8
"""Borders of the regions on the mean head, rig units: heights, distance from the midline."""


@lru_cache(maxsize=1)
def _cloning() -> BlendshapeCloning:
    return BlendshapeCloning(bundled_rig())


@dataclass(frozen=True, eq=False)
class TrueHead:
    """One random person.

    Attributes:
        rig: the person's own rig; its mean is the neutral head.
        keypoints: [k, 3] canonical keypoints of the neutral head.
        applied: [u, u] what is put on ``rig`` for each blendshape (rows).
        drawn_blendshapes: [u, k, 3] displacement of the keypoints drawn for each blendshape.
        contact: the poses the head can take.
    """

    rig: HeadRig
    keypoints: Floats
    applied: NDArray[np.float64]
    drawn_blendshapes: Floats
    contact: Contact

    @classmethod
    def of(cls, shape: Floats) -> TrueHead:
        """The person with the neutral head [v, 3]."""
        rig = _cloning()(shape)
        applied = _applied(rig, shape)
        drawn = _applied(bundled_rig(), shape)
        vertex = rig.keypoint_vertex
        drawn_blendshapes = np.tensordot(drawn, bundled_rig().blendshapes[:, vertex], 1)
        return cls(
            rig=rig,
            keypoints=shape[vertex],
            applied=applied,
            drawn_blendshapes=drawn_blendshapes.astype(np.float32),
            contact=Contact(rig, applied),
        )

    def activations(self, blendshapes: Floats) -> Floats:
        """The nearest activations [n, u] that this face can take to wanted ones [n, u]."""
        rest = np.zeros(blendshapes.shape[-1], dtype=np.float32)
        return self.contact.resolve(compose_blendshapes(rest, blendshapes))

    def true_expression(self, blendshapes: Floats) -> Floats:
        """Displacement of the keypoints [n, k, 3] from neutral for wanted activations [n, u]."""
        return self._displacement(self.activations(blendshapes), self.rig.keypoint_vertex)

    def vertices(self, blendshapes: Floats) -> Floats:
        """Canonical vertices of the true head [n, v, 3] for wanted activations [n, u]."""
        moved = self._displacement(self.activations(blendshapes), np.arange(len(self.rig.mean)))
        return np.asarray(self.rig.mean + moved, dtype=np.float32)

    def _displacement(self, activations: Floats, vertex: NDArray[np.integer]) -> Floats:
        applied = activations @ self.applied
        return np.asarray(
            np.tensordot(applied, self.rig.blendshapes[:, vertex], 1), dtype=np.float32
        )


def _applied(rig: HeadRig, shape: Floats) -> NDArray[np.float64]:
    """[u, u] what is put on a rig for each blendshape, on a head seen with a neutral face."""
    neutral = HeadFit(
        identity=np.zeros(len(rig.identity), np.float32),
        blendshapes=np.zeros(len(rig.blendshapes), np.float32),
        rotation=np.eye(3, dtype=np.float32),
        scale=1.0,
        translation=np.zeros(3, np.float32),
        shape=shape,
        residual=0.0,
        parting=np.zeros_like(shape),
    )
    gain = blink_gain(rig, neutral)
    each = np.eye(len(rig.blendshapes), dtype=np.float32)
    return applied_blendshapes(each, neutral.blendshapes, gain).astype(np.float64)


def keypoint_regions(rig: HeadRig) -> NDArray[np.intp]:
    """[k] index into :data:`REGIONS` of each keypoint, by its position on the mean head.

    Lower teeth and tongue move with the jaw and count as jaw.
    """
    x, y = np.abs(rig.mean[rig.keypoint_vertex, 0]), rig.mean[rig.keypoint_vertex, 1]
    region = np.full(len(x), REGIONS.index("mouth"))
    region[(y < _CHEEK_END) | (x > _CHEEK_SIDE)] = REGIONS.index("cheek")
    region[y < _EYE_END] = REGIONS.index("eye")
    region[y < _BROW_END] = REGIONS.index("brow")
    inner = rig.part_vertices("teeth_lower", "tongue")
    region[(y > _CHIN_START) & (x < _CHEEK_SIDE)] = REGIONS.index("jaw")
    region[np.isin(rig.keypoint_vertex, inner)] = REGIONS.index("jaw")
    return region
