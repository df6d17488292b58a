"""Raised brows: lashes and hair keep their length, and the brow rises as one arc."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.portrait.compact.brow_lift import brow_lift
from joyvasa_lib.rig.eyelids import lid_edges
from joyvasa_lib.rig.head_rig import HeadRig, bundled_rig
from joyvasa_lib.rig.regions import EYES

UNITS = ("browInnerUp", "browOuterUpLeft", "browOuterUpRight")


@pytest.fixture(scope="module")
def rig() -> HeadRig:
    return bundled_rig()


def activations(**values: float) -> NDArray[np.float32]:
    found = np.zeros((1, len(BLENDSHAPES)), np.float32)
    for name, value in values.items():
        found[0, BLENDSHAPES.index(name)] = value
    return found


def rise(rig: HeadRig, lifted: bool = True) -> NDArray[np.float32]:
    """How far each vertex goes up under wholly raised brows."""
    raised = activations(**dict.fromkeys(UNITS, 1.0))
    moved = np.tensordot(raised, rig.blendshapes, 1)
    if lifted:
        moved = moved + brow_lift(rig, raised)
    return np.asarray(-moved[0, :, 1])


def test_brows_that_do_not_rise_are_the_rigs(rig: HeadRig) -> None:
    lowered = activations(browDownLeft=1.0, browDownRight=1.0, browInnerUp=-0.3, jawOpen=1.0)
    assert not brow_lift(rig, lowered).any()


@pytest.mark.parametrize("eye", [0, 1], ids=["left", "right"])
def test_skin_under_lashes_stays_with_the_eyelid(rig: HeadRig, eye: int) -> None:
    edge = rig.mean[lid_edges(rig)[eye][0]]
    side = (rig.mean[:, 0] > 0) == (eye == 0)
    x = rig.mean[:, 0]
    above = np.interp(x, edge[:, 0], edge[:, 1]) - rig.mean[:, 1]
    lashes = rig.skin_vertex & side & (above > 0.0) & (above < 0.07)
    lashes &= (x > edge[0, 0] + 0.05) & (x < edge[-1, 0] - 0.05)
    assert lashes.sum() > 10
    assert np.abs(rise(rig)[lashes]).max() < 0.01


@pytest.mark.parametrize("eye", [0, 1], ids=["left", "right"])
def test_both_edges_of_a_brow_rise_alike(rig: HeadRig, eye: int) -> None:
    marks = EYES[eye]

    def of_both(values: NDArray[np.float32]) -> tuple[NDArray[np.float64], ...]:
        share = np.linspace(0.1, 0.9, 9)
        found = []
        for line in (marks.brow_top, marks.brow_bottom):
            ids = rig.landmark_vertex[list(line)]
            x = np.abs(rig.mean[ids, 0])
            order = np.argsort(x)
            at = 0.35 + share * 0.65
            found.append(np.interp(at, x[order], values[ids][order]))
        return tuple(found)

    before, after = (of_both(rise(rig, lifted)) for lifted in (False, True))
    apart = [float(np.abs(top - bottom).max()) for top, bottom in (before, after)]
    assert apart[1] < 0.6 * apart[0]
    assert np.mean(after) == pytest.approx(np.mean(before), rel=0.15)


@pytest.mark.parametrize("eye", [0, 1], ids=["left", "right"])
def test_the_tail_of_a_brow_is_no_hook(rig: HeadRig, eye: int) -> None:
    tail = rig.landmark_vertex[list(EYES[eye].brow_top[:2])]
    away = float(np.hypot(*np.diff(rig.mean[tail, :2], axis=0)[0]))
    before, after = (float(np.diff(rise(rig, lifted)[tail])[0]) for lifted in (False, True))
    assert after < 0.6 * before
    assert after / away < 0.3


def test_lips_and_jaw_do_not_move(rig: HeadRig) -> None:
    moved = brow_lift(rig, activations(**dict.fromkeys(UNITS, 1.0)))[0]
    assert not moved[rig.mean[:, 1] > -0.3].any()
