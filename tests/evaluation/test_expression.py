"""Measures of expression: they increase with their blendshapes and ignore the head pose."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.evaluation.expression import NAMES, follow_points, measure_face
from joyvasa_lib.motion import BLENDSHAPES
from joyvasa_lib.motion.keypoints import rotation_matrix
from joyvasa_lib.rig.head_rig import bundled_rig


def mesh(**units: float) -> NDArray[np.float64]:
    """The rig's mean head [468, 3] with blendshapes, in pixels."""
    rig = bundled_rig()
    activations = np.zeros(52, np.float32)
    for name, value in units.items():
        activations[BLENDSHAPES.index(name)] = value
    shape = rig.shape(np.zeros(len(rig.identity), np.float32), activations)
    return 100.0 * shape[rig.landmark_vertex].astype(np.float64) + 200.0


def both(name: str) -> dict[str, float]:
    return {f"{name}Left": 1.0, f"{name}Right": 1.0}


@pytest.mark.parametrize(
    ("units", "measure"),
    [
        (both("mouthSmile"), "smile"),
        (both("mouthFrown"), "corner_drop"),
        ({"mouthSmileRight": 1.0}, "one_corner"),
        ({"browInnerUp": 1.0}, "inner_brow"),
        (both("browOuterUp"), "outer_brow"),
        (both("browDown"), "brow_drop"),
        (both("eyeWide"), "eyelids"),
        (both("noseSneer"), "nose"),
        ({"jawOpen": 0.3}, "jaw"),
    ],
)
def test_a_measure_increases_with_the_blendshape_it_is_named_after(
    units: dict[str, float], measure: str
) -> None:
    change = getattr(measure_face(mesh(**units)), measure) - getattr(measure_face(mesh()), measure)
    assert change > 0.01
    half = {name: value / 2 for name, value in units.items()}
    between = getattr(measure_face(mesh(**half)), measure)
    assert between - getattr(measure_face(mesh()), measure) == pytest.approx(change / 2, rel=0.1)


def test_the_left_mouth_corner_counts_against_the_right() -> None:
    rest = measure_face(mesh()).one_corner
    right = measure_face(mesh(mouthSmileRight=1.0)).one_corner - rest
    left = measure_face(mesh(mouthSmileLeft=1.0)).one_corner - rest
    smile = measure_face(mesh(**both("mouthSmile"))).one_corner - rest
    assert left < -0.1 < 0.1 < right
    assert abs(smile) < 0.2 * right


def test_turning_moving_and_enlarging_the_head_changes_no_measure() -> None:
    rest, moved = mesh(jawOpen=0.2), mesh(jawOpen=0.2)
    moved = 1.7 * (moved @ rotation_matrix(np.array([8.0, -15.0, 20.0]))) + 31.0
    before, after = measure_face(rest), measure_face(moved)
    for name in NAMES:
        assert getattr(after, name) == pytest.approx(getattr(before, name), abs=0.005), name


def test_points_follow_a_shifted_image(astronaut: NDArray[np.uint8]) -> None:
    before = astronaut[100:300, 150:350]
    after = astronaut[97:297, 155:355]  # three pixels down, five to the left
    points = np.array([[60.0, 70.0, 1.0], [100.0, 120.0, 2.0], [130.5, 60.25, 3.0]])
    moved = follow_points(before, after, points)
    np.testing.assert_allclose(moved - points, [[-5.0, 3.0, 0.0]] * 3, atol=0.3)
    np.testing.assert_array_equal(follow_points(before, before, points)[:, 2], points[:, 2])
