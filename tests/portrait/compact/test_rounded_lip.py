"""Funnelled lips: the lower one is an arc, not a point, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest

from joyvasa_lib.motion import BLENDSHAPES
from joyvasa_lib.portrait.compact.lips.rounded_lip import lip_rounding
from joyvasa_lib.rig.head_rig import HeadRig, bundled_rig
from joyvasa_lib.rig.lips import lip_rims
from joyvasa_lib.rig.regions import OUTER_LOWER_LIP, TEETH

FUNNEL = BLENDSHAPES.index("mouthFunnel")


@pytest.fixture(scope="module")
def rig() -> HeadRig:
    return bundled_rig()


def sharpness(rig: HeadRig, vertices: np.ndarray, drop: np.ndarray) -> float:
    """Drop of a lip's middle over that of a tenth of a unit beside it; 1.08 of a parabola."""
    x, y = rig.mean[vertices, 0], drop[vertices, 1]
    order = np.argsort(x)
    beside = np.interp([-0.12, 0.12], x[order], y[order]).mean()
    return float(np.interp(0.0, x[order], y[order]) / beside)


def test_a_funnelled_lower_lip_is_an_arc(rig: HeadRig) -> None:
    pointed = rig.blendshapes[FUNNEL]
    found = pointed + lip_rounding(rig, np.array([1.0]))[0]
    for lip in (lip_rims(rig)[1], rig.landmark_vertex[list(OUTER_LOWER_LIP)]):
        assert 1.0 <= sharpness(rig, lip, found) < 0.85 * sharpness(rig, lip, pointed)
        assert sharpness(rig, lip, found) < 1.45
    lower = lip_rims(rig)[1]
    assert found[lower, 1].mean() == pytest.approx(pointed[lower, 1].mean(), rel=0.6)


def test_only_the_lower_lip_and_the_chin_move(rig: HeadRig) -> None:
    added = lip_rounding(rig, np.array([1.0]))[0]
    assert not added[:, [0, 2]].any()
    assert np.abs(added[lip_rims(rig)[0]]).max() < 0.01  # the upper lip
    assert not added[rig.part_vertices(*TEETH)].any()
    assert not added[np.abs(rig.mean[:, 0]) > 0.42].any()


def test_it_follows_the_activation(rig: HeadRig) -> None:
    none, half, whole, less = lip_rounding(rig, np.array([0.0, 0.5, 1.0, -1.0]))
    assert not none.any() and not less.any()
    np.testing.assert_allclose(2.0 * half, whole)
