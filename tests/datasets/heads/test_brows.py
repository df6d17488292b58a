"""Raised brows keep their height."""

from __future__ import annotations

import numpy as np
import pytest

from joyvasa_lib.datasets.heads.brows import rigid_brows
from joyvasa_lib.motion import BLENDSHAPES
from joyvasa_lib.rig.head_rig import bundled_rig
from joyvasa_lib.rig.regions import EYES

RAISERS = ("browInnerUp", "browOuterUpLeft", "browOuterUpRight")


@pytest.mark.parametrize("strength", [1.0, 2.0])
def test_a_raised_brow_is_as_high_as_before(strength: float) -> None:
    rig = bundled_rig()
    lift = sum(rig.blendshapes[BLENDSHAPES.index(name)] for name in RAISERS)
    raised = rig.mean + strength * lift
    for eye in EYES:
        top = rig.landmark_vertex[list(eye.brow_top[2:])]
        bottom = rig.landmark_vertex[list(eye.brow_bottom[2:])]
        before = (rig.mean[bottom, 1] - rig.mean[top, 1]).mean()
        after = (raised[bottom, 1] - raised[top, 1]).mean()
        assert lift[bottom, 1].mean() < -0.05
        assert after > 0.85 * before


def test_brows_that_are_squeezed_are_made_to_move_as_a_whole() -> None:
    rig = bundled_rig()
    squeezed = rig.blendshapes.copy()
    index = BLENDSHAPES.index("browInnerUp")
    above = rig.mean[:, 1] < rig.mean[rig.landmark_vertex[107], 1] + 0.02
    squeezed[index, above] *= 0.2
    whole = rigid_brows(rig.mean, squeezed, rig.landmark_vertex, rig.skin_vertex)
    top, bottom = (rig.landmark_vertex[list(points)] for points in ((107, 336), (55, 285)))
    assert squeezed[index, top, 1].mean() > 0.4 * squeezed[index, bottom, 1].mean()
    assert whole[index, top, 1].mean() < 0.8 * whole[index, bottom, 1].mean()


def test_other_blendshapes_and_the_bundled_rig_stay_as_they_are() -> None:
    rig = bundled_rig()
    again = rigid_brows(rig.mean, rig.blendshapes, rig.landmark_vertex, rig.skin_vertex)
    others = [i for i, name in enumerate(BLENDSHAPES) if name not in RAISERS]
    np.testing.assert_array_equal(again[others], rig.blendshapes[others])
    np.testing.assert_allclose(again, rig.blendshapes, atol=0.03)
