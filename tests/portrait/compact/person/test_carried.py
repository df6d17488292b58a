"""How hair, neck and shoulders move with a head."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.motion.keypoints import rotation_matrix
from joyvasa_lib.portrait.compact.encode.appearance import fitted_layers
from joyvasa_lib.portrait.compact.person.carried import Carried, carried_cells
from joyvasa_lib.rig.fitting import HeadFit
from joyvasa_lib.rig.head_rig import HeadRig, bundled_rig
from mean_head import mean_head

SIDE, GRID = 256, 64
SCALE = 34.0
Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def rig() -> HeadRig:
    return bundled_rig()


@pytest.fixture(scope="module")
def fit() -> HeadFit:
    return mean_head(SIDE, SCALE)


@pytest.fixture(scope="module")
def carried(rig: HeadRig, fit: HeadFit) -> Carried:
    vertices, triangle, depth, _ = fitted_layers(rig, fit, SIDE)
    nobody = np.zeros(len(rig.triangles), bool)
    return carried_cells(rig, fit, vertices, triangle, depth, nobody, GRID)


def moved(carried: Carried, rig: HeadRig, fit: HeadFit, *degrees: float) -> Floats:
    """[g, g, 2] displacement under pitch, yaw, roll about the neck's joint."""
    points = rig.mean[carried.anchors] - rig.pivot
    shift = SCALE * (points @ rotation_matrix(np.array(degrees)) - points)[:, :2]
    return carried.displacement(np.asarray(shift, np.float32)).reshape(GRID, GRID, 2)


def at(field: Floats, x: float, y: float) -> Floats:
    """At a place on the rig, its units."""
    cell = SIDE / GRID
    return np.asarray(field[int((128 + SCALE * y) / cell), int((128 + SCALE * x) / cell)] / SCALE)


def test_hair_beside_and_above_a_head_rolls_with_it(
    carried: Carried, rig: HeadRig, fit: HeadFit
) -> None:
    field = moved(carried, rig, fit, 0.0, 0.0, 10.0)
    turn = rotation_matrix(np.array([0.0, 0.0, 10.0]))[:2, :2]
    for x, y in ((1.8, -0.8), (-1.8, -0.8), (0.3, -2.9), (-1.0, -2.4)):
        place = np.array([x, y])
        np.testing.assert_allclose(at(field, x, y), place @ turn - place, atol=0.06)


def test_shoulders_and_the_border_stay(carried: Carried, rig: HeadRig, fit: HeadFit) -> None:
    for turn in ((12.0, 0.0, 0.0), (0.0, 18.0, 0.0), (0.0, 0.0, 12.0)):
        field = moved(carried, rig, fit, *turn)
        assert np.abs(at(field, 3.4, 3.4)).max() < 0.02
        assert np.abs(at(field, -3.4, 3.4)).max() < 0.02
        above, below = (np.abs(at(field, -2.0, y)).max() for y in (0.0, 2.6))
        assert below < 0.6 * above + 0.02


def test_weight_falls_along_the_neck(carried: Carried) -> None:
    aside = np.full((4, 2), 10.0, np.float32)  # no turn: all that counts is the weight
    field = carried.displacement(aside).reshape(GRID, GRID, 2)[..., 0]
    column = field[:, GRID // 2] / 10.0
    chin, collar = int((128 + SCALE * 1.2) / 4), int((128 + SCALE * 2.9) / 4)
    assert column[chin] > 0.75
    assert column[collar] < 0.45
    assert (np.diff(column[chin:collar]) < 0.01).all()


def test_the_side_that_comes_into_view_stays_and_the_other_goes(
    carried: Carried, rig: HeadRig, fit: HeadFit
) -> None:
    """A positive yaw turns the face to the image's left: its right side comes into view."""
    face = at(moved(carried, rig, fit, 0.0, 15.0, 0.0), 0.0, 0.0)[0]
    assert face < 0.0
    for yaw, near in ((15.0, 1.0), (-15.0, -1.0)):
        field = moved(carried, rig, fit, 0.0, yaw, 0.0)
        opening, closing = (abs(at(field, side * 1.8, -0.8)[0]) for side in (near, -near))
        assert opening < 0.08
        assert closing > opening + 0.1


def test_nothing_is_folded_at_twenty_degrees(carried: Carried, rig: HeadRig, fit: HeadFit) -> None:
    for turn in ((15.0, 0.0, 0.0), (0.0, 20.0, 0.0), (0.0, -20.0, 0.0), (0.0, 0.0, 15.0)):
        field = moved(carried, rig, fit, *turn) / (SIDE / GRID)
        across = np.diff(field[..., 0], axis=1)
        down = np.diff(field[..., 1], axis=0)
        assert across.min() > -1.0
        assert down.min() > -1.0
