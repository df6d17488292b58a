"""Rotation conventions and the keypoint formula."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

import places
from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion.keypoints import (
    rotation_angles,
    rotation_matrix,
    transform_keypoints,
)

PARITY = np.load(places.PARITY / "geometry.npz")
ANGLES = np.concatenate([PARITY["pitch"], PARITY["yaw"], PARITY["roll"]], axis=1)

angle = st.floats(-180, 180)
angles = st.tuples(angle, st.floats(-89.9, 89.9), angle).map(np.array)


def test_rotation_is_that_of_the_reference() -> None:
    np.testing.assert_allclose(rotation_matrix(ANGLES), PARITY["rotation"], atol=1e-6)
    np.testing.assert_allclose(rotation_angles(PARITY["rotation"]), ANGLES, atol=5e-4)


def test_keypoints_are_those_of_the_reference() -> None:
    x = transform_keypoints(PARITY["kp"], PARITY["exp"], ANGLES, PARITY["t"], PARITY["scale"])
    np.testing.assert_allclose(x, PARITY["x"], atol=1e-5)
    assert x.dtype == np.float32


def test_rotation_agrees_with_scipy() -> None:
    drawn = np.random.default_rng(0).uniform(-180, 180, (50, 3))
    expected = Rotation.from_euler("xyz", drawn, degrees=True).as_matrix()
    np.testing.assert_allclose(rotation_matrix(drawn), np.swapaxes(expected, -1, -2), atol=1e-12)


def test_turning_right_nodding_down_and_tilting_go_the_documented_way() -> None:
    nose = np.array([0.0, 0.0, -1.0])  # towards the viewer
    assert (nose @ rotation_matrix(np.array([0.0, 10.0, 0.0])))[0] < 0
    assert (nose @ rotation_matrix(np.array([10.0, 0.0, 0.0])))[1] > 0
    right = np.array([1.0, 0.0, 0.0])
    assert (right @ rotation_matrix(np.array([0.0, 0.0, 10.0])))[1] > 0


@settings(deadline=None, max_examples=100)
@given(angles)
def test_matrices_are_rotations_and_angles_come_back(drawn: np.ndarray) -> None:
    matrix = rotation_matrix(drawn)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1.0)
    np.testing.assert_allclose(rotation_matrix(rotation_angles(matrix)), matrix, atol=1e-9)


def test_the_inverse_turn_undoes_a_turn() -> None:
    forth = np.array([[10.0, -25.0, 40.0]])
    back = rotation_angles(np.swapaxes(rotation_matrix(forth), -1, -2))
    both = rotation_angles(rotation_matrix(forth) @ rotation_matrix(back))
    np.testing.assert_allclose(both, 0.0, atol=1e-9)


@pytest.mark.parametrize("yaw", [90.0, -90.0])
def test_a_full_profile_has_no_roll_and_the_same_matrix(yaw: float) -> None:
    matrix = rotation_matrix(np.array([25.0, yaw, 10.0]))
    recovered = rotation_angles(matrix)
    assert recovered[2] == 0.0
    np.testing.assert_allclose(rotation_matrix(recovered), matrix, atol=1e-9)


def test_torch_gives_what_numpy_gives_with_gradients() -> None:
    torch = pytest.importorskip("torch")
    names = ("kp", "exp", "t", "scale")
    kp, exp, t, scale = (torch.from_numpy(PARITY[name]) for name in names)
    rotation = torch.from_numpy(ANGLES).requires_grad_()
    x = transform_keypoints(kp, exp, rotation, t, scale)
    np.testing.assert_allclose(x.detach().numpy(), PARITY["x"], atol=1e-5)
    x.sum().backward()
    assert rotation.grad is not None
    assert rotation.grad.abs().sum() > 0
    recovered = rotation_angles(rotation_matrix(rotation.detach()))
    np.testing.assert_allclose(recovered.numpy(), ANGLES, atol=1e-3)


def test_in_the_head_frame_the_deformation_turns_with_the_head() -> None:
    rng = np.random.default_rng(3)
    kp, exp, t = rng.normal(size=(5, 3)), rng.normal(size=(4, 5, 3)), rng.normal(size=(4, 3))
    rotation, scale = rng.uniform(-30, 30, (4, 3)), rng.uniform(50, 90, (4, 1))
    x = transform_keypoints(kp, exp, rotation, t, scale, expression_frame="head")
    for i in range(4):
        expected = scale[i] * ((kp + exp[i]) @ rotation_matrix(rotation[i])) + t[i]
        np.testing.assert_allclose(x[i], expected, atol=1e-9)


def test_depth_translation_counts_in_the_head_frame_only() -> None:
    kp, exp, still = np.zeros((1, 3)), np.zeros((1, 1, 3)), np.zeros((1, 3))
    t, scale = np.array([[1.0, 2.0, 3.0]]), np.ones((1, 1))
    image = transform_keypoints(kp, exp, still, t, scale)
    head = transform_keypoints(kp, exp, still, t, scale, expression_frame="head")
    assert image[0, 0].tolist() == [1.0, 2.0, 0.0]
    assert head[0, 0].tolist() == [1.0, 2.0, 3.0]


def test_wrong_shapes_and_frames_are_refused() -> None:
    with pytest.raises(MotionError, match=r"\(4, 2\)"):
        rotation_matrix(np.zeros((4, 2)))
    with pytest.raises(MotionError, match=r"\[..., 3, 3\]"):
        rotation_angles(np.zeros((4, 3)))
    with pytest.raises(MotionError, match="'moon'"):
        transform_keypoints(
            PARITY["kp"],
            PARITY["exp"],
            ANGLES,
            PARITY["t"],
            PARITY["scale"],
            expression_frame="moon",
        )
