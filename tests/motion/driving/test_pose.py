"""Head pose of a driving motion on that of a source portrait."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion import Motion, get_space
from joyvasa_lib.motion.driving.options import DrivingOptions
from joyvasa_lib.motion.driving.pose import Pose, compose_pose, relative_motion
from joyvasa_lib.motion.keypoints import rotation_matrix

RNG = np.random.default_rng(0)

SOURCE = Pose(
    rotation=np.array([5.0, -12.0, 20.0]),
    translation=np.array([120.0, 130.0, 0.0]),
    scale=np.array([64.0]),
)
PIVOT = np.array([0.0, 0.6, 0.4])


def still(n_frames: int = 1) -> Pose:
    return Pose(np.zeros((n_frames, 3)), np.zeros((n_frames, 3)), np.ones((n_frames, 1)))


def test_a_driving_that_does_not_move_leaves_the_source_pose() -> None:
    posed = compose_pose(SOURCE, still(4), pivot=PIVOT)
    np.testing.assert_allclose(posed.rotation, np.tile(SOURCE.rotation, (4, 1)), atol=1e-9)
    np.testing.assert_allclose(posed.translation, np.tile(SOURCE.translation, (4, 1)), atol=1e-9)
    np.testing.assert_allclose(posed.scale, np.full((4, 1), 64.0))


def test_the_head_turns_about_its_own_axes() -> None:
    turn = np.array([[7.0, 3.0, -2.0]])
    posed = compose_pose(SOURCE, Pose(turn, np.zeros((1, 3)), np.ones((1, 1))))
    expected = rotation_matrix(turn) @ rotation_matrix(SOURCE.rotation)
    np.testing.assert_allclose(rotation_matrix(posed.rotation), expected, atol=1e-9)


def test_the_pivot_stays_where_it_is_while_the_head_turns() -> None:
    turns = RNG.uniform(-15, 15, (10, 3))
    posed = compose_pose(SOURCE, Pose(turns, np.zeros((10, 3)), np.ones((10, 1))), pivot=PIVOT)
    place = posed.scale * (PIVOT @ rotation_matrix(posed.rotation)) + posed.translation
    home = SOURCE.scale * (PIVOT @ rotation_matrix(SOURCE.rotation)) + SOURCE.translation
    np.testing.assert_allclose(place, np.tile(home, (10, 1)), atol=1e-9)


def test_translation_counts_in_canonical_units_unless_told_otherwise() -> None:
    shift = Pose(np.zeros((1, 3)), np.array([[0.1, 0.0, 0.0]]), np.ones((1, 1)))
    moved = compose_pose(SOURCE, shift).translation - SOURCE.translation
    np.testing.assert_allclose(moved, [[6.4, 0.0, 0.0]], atol=1e-9)
    moved = compose_pose(SOURCE, shift, translation_unit=1.0).translation - SOURCE.translation
    np.testing.assert_allclose(moved, [[0.1, 0.0, 0.0]], atol=1e-9)


def test_an_absolute_head_takes_the_driving_rotation() -> None:
    turn = np.array([[7.0, 3.0, -2.0]])
    driving = Pose(turn, np.zeros((1, 3)), np.ones((1, 1)))
    posed = compose_pose(SOURCE, driving, DrivingOptions(head="absolute"))
    np.testing.assert_allclose(posed.rotation, turn, atol=1e-9)


def test_a_head_that_is_not_driven_stays_with_as_many_frames() -> None:
    driving = Pose(np.full((3, 3), 9.0), np.ones((3, 3)), np.full((3, 1), 1.2))
    options = DrivingOptions(regions=frozenset({"mouth"}), head="absolute")
    posed = compose_pose(SOURCE, driving, options, pivot=PIVOT)
    np.testing.assert_allclose(posed.rotation, np.tile(SOURCE.rotation, (3, 1)), atol=1e-9)
    np.testing.assert_allclose(posed.translation, np.tile(SOURCE.translation, (3, 1)), atol=1e-9)
    np.testing.assert_allclose(posed.scale, 64.0)


def test_a_pose_of_wrong_shape_or_with_nan_is_refused() -> None:
    with pytest.raises(MotionError, match="scale of a pose"):
        Pose(np.zeros(3), np.zeros(3), np.ones(3))
    with pytest.raises(MotionError, match="rotation of a pose"):
        Pose(np.array([0.0, np.nan, 0.0]), np.zeros(3), np.ones(1))


def extracted(n_frames: int = 12) -> Motion:
    return Motion.from_blendshapes(
        np.zeros((n_frames, 52), np.float32),
        rotation=RNG.uniform(-15, 15, (n_frames, 3)),
        translation=RNG.uniform(-0.3, 0.3, (n_frames, 3)),
        scale=RNG.uniform(0.12, 0.2, (n_frames, 1)),
        fps=25.0,
        space=get_space("compact-1"),
        reference="absolute",
    )


def test_extracted_motion_put_on_its_own_first_frame_is_the_motion_again() -> None:
    motion, side = extracted(), 256.0
    size = side * motion.scale.astype(np.float64)
    centre = side / 2 + size * motion.translation
    driving = relative_motion(motion, pivot=PIVOT)
    posed = compose_pose(
        Pose(motion.rotation[0], centre[0], size[0]),
        Pose(driving.rotation, driving.translation, driving.scale),
        pivot=PIVOT,
    )
    np.testing.assert_allclose(posed.scale, size, rtol=1e-5)
    np.testing.assert_allclose(posed.translation, centre, atol=1e-3)
    np.testing.assert_allclose(
        rotation_matrix(posed.rotation), rotation_matrix(motion.rotation), atol=1e-5
    )


def test_extracted_motion_starts_as_the_source_is() -> None:
    driving = relative_motion(extracted(), pivot=PIVOT)
    assert driving.reference == "source"
    np.testing.assert_allclose(driving.rotation[0], 0.0, atol=1e-4)
    np.testing.assert_allclose(driving.translation[0], 0.0, atol=1e-6)
    np.testing.assert_allclose(driving.scale[0], 1.0, atol=1e-6)
    assert relative_motion(driving, pivot=PIVOT) == driving


def test_pieces_of_extracted_motion_drive_as_the_whole_does() -> None:
    motion = extracted()
    whole = relative_motion(motion, pivot=PIVOT)
    pieces = [
        relative_motion(motion[start : start + 2], pivot=PIVOT, reference=motion[:1])
        for start in range(0, len(motion), 2)
    ]
    assert Motion.concatenate(pieces) == whole


@pytest.mark.parametrize("wrong", ["two frames", "relative", "other space"])
def test_a_reference_is_one_absolute_frame_of_the_same_space(wrong: str) -> None:
    motion = extracted()
    reference = {
        "two frames": motion[:2],
        "relative": replace(motion[:1], reference="source"),
        "other space": Motion.neutral(1, space=get_space("liveportrait-21")),
    }[wrong]
    with pytest.raises(MotionError, match="one absolute frame of space 'compact-1'"):
        relative_motion(motion, reference=reference)
