"""An open mouth is round: its height between the lips, and what moves with it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.portrait.compact.lips.opening import mouth_rounding
from joyvasa_lib.rig.head_rig import HeadRig, bundled_rig
from joyvasa_lib.rig.lips import lip_edges
from joyvasa_lib.rig.regions import TEETH

PEOPLE = (0.43, 0.74, 0.91, 0.98)
"""Height of open mouths a fifth, two, three and four fifths of the way from a corner to the middle,
over that of the middle: of ten people who talk."""


@pytest.fixture(scope="module")
def rig() -> HeadRig:
    return bundled_rig()


def acted(rig: HeadRig, **activations: float) -> NDArray[np.float32]:
    """[1, v, 3] the mean head."""
    moved = [
        value * rig.blendshapes[BLENDSHAPES.index(name)] for name, value in activations.items()
    ]
    return np.asarray(rig.mean + sum(moved, np.zeros_like(rig.mean)), np.float32)[None]


def heights(rig: HeadRig, head: NDArray[np.float32]) -> NDArray[np.float64]:
    """[4] height of the mouth where :data:`PEOPLE` are measured, mean of both sides."""
    upper, lower = lip_edges(rig)
    ends = rig.mean[lower[[0, -1]], 0]
    place = 0.5 * np.ptp(ends) * np.array([0.8, 0.6, 0.4, 0.2, 0.0])

    def at(edge: NDArray[np.int32], x: NDArray[np.float64]) -> NDArray[np.float64]:
        order = np.argsort(rig.mean[edge, 0])
        return np.interp(x, rig.mean[edge, 0][order], head[edge, 1][order])

    found = np.mean(
        [at(lower, x) - at(upper, x) for x in (ends.mean() - place, ends.mean() + place)], axis=0
    )
    return np.asarray(found[:4] / found[4])


SMILE = {"mouthSmileLeft": 0.5, "mouthSmileRight": 0.5}
STRETCH = {"mouthStretchLeft": 0.5, "mouthStretchRight": 0.5}


@pytest.mark.parametrize("units", [{}, SMILE, STRETCH])
def test_a_mouth_opens_as_an_arc(rig: HeadRig, units: dict[str, float]) -> None:
    head = acted(rig, jawOpen=0.5, **units)
    pointed = heights(rig, head[0])
    head[..., 1] += mouth_rounding(rig, head)
    found = heights(rig, head[0])
    np.testing.assert_allclose(found, PEOPLE, atol=0.15)
    assert np.abs(found - PEOPLE).sum() < 0.9 * np.abs(pointed - PEOPLE).sum()


@pytest.mark.parametrize("units", [{}, SMILE, {"mouthPressLeft": 0.5, "mouthPressRight": 0.5}])
def test_closed_lips_stay(rig: HeadRig, units: dict[str, float]) -> None:
    assert np.abs(mouth_rounding(rig, acted(rig, **units))).max() < 1e-6


def test_sides_go_down_and_the_middle_up_and_teeth_and_eyes_stay(rig: HeadRig) -> None:
    head = acted(rig, jawOpen=0.6, **SMILE)
    moved = mouth_rounding(rig, head)[0]
    first, *left, middle, second, third, last = moved[lip_edges(rig)[1]][[0, 1, 2, 4, 6, 7, 8]]
    assert middle < -0.005
    assert min(*left, second, third) > 0.01
    assert max(abs(first), abs(last)) < 0.01
    np.testing.assert_allclose(left, [third, second], rtol=0.5)
    assert not moved[rig.part_vertices(*TEETH)].any()
    assert np.abs(moved[rig.mean[:, 1] < 0.0]).max() < 1e-3
