"""Variance of the true change of expression that a map of action units explains, by region.

Axis legend: ``h`` heads, ``m`` moments of each, ``u`` 52 blendshapes, ``k`` keypoints.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.heads.expression_pairs import ExpressionPairs
from joyvasa_lib.datasets.heads.expressions import REGIONS, keypoint_regions
from joyvasa_lib.emotion.action_units import COMPONENTS, FACE_COMPONENTS
from joyvasa_lib.emotion.unit_effects import arkit_matrix
from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.motion.driving.blendshapes import compose_blendshapes
from joyvasa_lib.rig.head_rig import bundled_rig

Floats = NDArray[np.float32]

ALL = "all"
"""Key of the whole face beside those of its regions."""


@dataclass(frozen=True)
class Explained:
    """Share of the variance of the true change that a map explains (R²), by region.

    Attributes:
        moved: of the map's own output, without limits.
        drawn: of what the compact preset renders: activations limited to their range, conflicting
            ones reconciled.
    """

    moved: dict[str, float]
    drawn: dict[str, float]

    def at_least(self, other: Explained) -> bool:
        """Whether it is at least as high as another in every region, for both attributes."""
        return all(
            mine[region] >= theirs[region]
            for mine, theirs in ((self.moved, other.moved), (self.drawn, other.drawn))
            for region in mine
        )


def explained_variance(truth: Floats, predicted: Floats) -> dict[str, float]:
    """R² of the whole face and of each region, pooled over the axes of the keypoints.

    Args:
        truth: [..., k, 3] true change of expression.
        predicted: [..., k, 3] the change by a map.
    """
    flat = truth.reshape(-1, *truth.shape[-2:]).astype(np.float64)
    error = np.square(flat - predicted.reshape(flat.shape)).sum((0, 2))
    spread = np.square(flat - flat.mean(0)).sum((0, 2))
    region = keypoint_regions(bundled_rig())
    parts = {name: region == index for index, name in enumerate(REGIONS)}
    return {
        name: float(1.0 - error[part].sum() / spread[part].sum())
        for name, part in {ALL: region >= 0, **parts}.items()
    }


def measure_change(pairs: ExpressionPairs, change: Floats) -> Explained:
    """Measures a map on pairs.

    Args:
        pairs: held-out pairs.
        change: [h, m, u] blendshape activations that the map adds.
    """
    rest = np.zeros(change.shape[-1], np.float32)

    def composed(activations: Floats) -> Floats:
        flat = activations.reshape(-1, activations.shape[-1])
        return compose_blendshapes(rest, flat).reshape(activations.shape)

    shown = composed(pairs.present + change) - composed(pairs.present)
    return Explained(
        moved=explained_variance(pairs.truth, _posed(pairs, change)),
        drawn=explained_variance(pairs.truth, _posed(pairs, shown)),
    )


def linear_change(pairs: ExpressionPairs) -> Floats:
    """Blendshape activations [h, m, u] that the linear basis adds: a sum over action units."""
    table = arkit_matrix()[[COMPONENTS.index(name) for name in FACE_COMPONENTS]]
    return np.asarray(pairs.activations @ table, dtype=np.float32)


def fitted_change(train: ExpressionPairs, pairs: ExpressionPairs) -> Floats:
    """Blendshape activations [h, m, u] added by a linear basis fitted to the training pairs.

    A least-squares fit. It accounts for saturation and conflicts on average, but neither for the
    person nor for the current expression.
    """
    basis = (
        bundled_rig().blendshapes[:, bundled_rig().keypoint_vertex].reshape(len(BLENDSHAPES), -1)
    )
    activations = train.activations.reshape(-1, train.activations.shape[-1]).astype(np.float64)
    truth = train.truth.reshape(len(activations), -1) @ np.linalg.pinv(basis.astype(np.float64))
    weights = np.linalg.lstsq(activations, truth, rcond=None)[0]
    return np.asarray(pairs.activations @ weights, dtype=np.float32)


def _posed(pairs: ExpressionPairs, change: Floats) -> Floats:
    return np.einsum("hmu,hukx->hmkx", change, pairs.drawn_blendshapes, optimize=True)
