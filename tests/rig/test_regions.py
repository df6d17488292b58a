"""Index tables of landmarks: left and right mirror each other, contours lie where they say."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.face.landmarks.face_landmarker import mean_mesh
from joyvasa_lib.rig.head_rig import bundled_rig
from joyvasa_lib.rig.regions import (
    CHEEKS,
    EARS,
    EYE_CORNERS,
    INNER_LIPS,
    INNER_LOWER_LIP,
    INNER_UPPER_LIP,
    LANDMARK_SETS,
    LEFT_EYE,
    LIP_OUTLINES,
    LIPS,
    MESH_TO_IBUG68,
    MOUTH_CORNERS,
    NASOLABIAL_FOLDS,
    OUTER_EYE_CORNERS,
    OUTER_LIPS,
    OUTER_LOWER_LIP,
    OUTER_UPPER_LIP,
    PARTS,
    RIGHT_EYE,
    EyeLandmarks,
)


def places(points: tuple[int, ...]) -> NDArray[np.float32]:
    """[n, 3] where mesh points lie on the mean mesh, which is its own mirror image."""
    return mean_mesh()[list(points)]


MIRRORED = [
    *[
        (getattr(RIGHT_EYE, field.name), getattr(LEFT_EYE, field.name))
        for field in fields(EyeLandmarks)
        if field.name != "outline"  # which begins on the image's left on both sides
    ],
    *[(CHEEKS[:1], CHEEKS[1:]), (EARS[:1], EARS[1:]), NASOLABIAL_FOLDS],
    *[(MOUTH_CORNERS[:1], MOUTH_CORNERS[1:]), (OUTER_EYE_CORNERS[:1], OUTER_EYE_CORNERS[1:])],
    *[
        (lip, lip[::-1])
        for lip in (OUTER_UPPER_LIP, OUTER_LOWER_LIP, INNER_UPPER_LIP, INNER_LOWER_LIP)
    ],
]


@pytest.mark.parametrize(("right", "left"), MIRRORED)
def test_left_and_right_mirror_each_other(right: tuple[int, ...], left: tuple[int, ...]) -> None:
    mirrored = places(left) * np.array([-1.0, 1.0, 1.0], np.float32)
    np.testing.assert_allclose(places(right), mirrored, atol=1e-5)
    assert places(right)[0, 0] < 0  # the person's right lies on the image's left


@pytest.mark.parametrize("eye", [RIGHT_EYE, LEFT_EYE])
def test_an_eye_lies_between_its_corners_and_below_its_brow(eye: EyeLandmarks) -> None:
    upper, lower = places(eye.upper_middle), places(eye.lower_middle)
    assert (upper[:, 1] < lower[:, 1]).all()  # y points down
    assert places(eye.crease)[:, 1].mean() < upper[:, 1].mean()
    assert places(eye.brow_bottom)[:, 1].max() < upper[:, 1].min()
    assert places(eye.brow_top)[:, 1].mean() < places(eye.brow_bottom)[:, 1].mean()
    outer, inner = places((eye.outer_corner, eye.inner_corner))
    assert abs(outer[0]) > abs(inner[0])
    assert set(eye.outline) < set(eye.lids)
    assert {eye.outer_corner, eye.inner_corner} in [set(corners) for corners in EYE_CORNERS]


def test_lips_are_two_rings_one_inside_the_other() -> None:
    assert len(set(LIPS)) == len(LIPS) == 40
    for ring in (OUTER_LIPS, INNER_LIPS):
        steps = np.linalg.norm(places(ring) - places((*ring[1:], ring[0])), axis=1)
        assert steps.max() < 0.2 * np.ptp(places(ring)[:, 0])  # no step skips a neighbour
    assert np.ptp(places(INNER_LIPS)[:, 1]) < np.ptp(places(OUTER_LIPS)[:, 1])
    assert set(LIP_OUTLINES) < set(LIPS)


def test_mark_ups_hold_only_points_that_they_have() -> None:
    for marks in LANDMARK_SETS.values():
        points = [*marks.left_eye, *marks.right_eye, *marks.lips, *(marks.outline or ())]
        for opening in (*(marks.eyes or ()), *((marks.mouth,) if marks.mouth else ())):
            points += [*opening.upper, *opening.lower, *opening.start, *opening.end]
        assert 0 <= min(points) <= max(points) < marks.count
    assert len(MESH_TO_IBUG68) == len(set(MESH_TO_IBUG68)) == 68


def test_parts_are_those_of_the_bundled_rig() -> None:
    assert bundled_rig().parts == PARTS
