"""The head of one motion for another: changes, and as long as they are wanted."""

from __future__ import annotations

import numpy as np
import pytest

from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion import LIVEPORTRAIT_21, Motion, get_space
from joyvasa_lib.motion.driving.head import HeadTrack, head_change, put_on
from joyvasa_lib.motion.driving.keypoints import drive_keypoints
from joyvasa_lib.motion.driving.options import DrivingOptions
from joyvasa_lib.motion.driving.pose import Pose, compose_pose
from joyvasa_lib.motion.driving.source_keypoints import SourceKeypoints
from joyvasa_lib.motion.keypoints import rotation_matrix

RNG = np.random.default_rng(0)


def extracted(space, frames=12):
    return Motion.build(
        RNG.normal(0, 0.01, (frames, space.keypoint_count, 3)),
        rotation=RNG.normal(0, 8, (frames, 3)),
        translation=RNG.normal(0, 0.1, (frames, 3)),
        scale=RNG.uniform(0.9, 1.2, (frames, 1)),
        space=space,
        reference="absolute",
    )


def test_changes_of_a_fitted_head_put_on_its_first_pose_give_its_poses_back():
    motion, pivot = extracted(get_space()), np.array([0.1, 0.4, -0.2])
    change = head_change(motion, pivot=pivot)
    own = Pose(motion.rotation[0], motion.scale[0] * motion.translation[0], motion.scale[0])
    posed = compose_pose(own, Pose(change.rotation, change.translation, change.scale), pivot=pivot)
    assert change.reference == "source" and not change.expression.any()
    np.testing.assert_allclose(posed.rotation, motion.rotation, atol=1e-3)
    np.testing.assert_allclose(posed.scale, motion.scale, rtol=1e-5)
    np.testing.assert_allclose(posed.translation, motion.scale * motion.translation, atol=1e-5)


def test_changes_of_liveportraits_head_drive_as_the_motion_itself_does():
    motion = extracted(LIVEPORTRAIT_21)
    source = SourceKeypoints(
        keypoints=RNG.normal(0, 0.3, (21, 3)).astype(np.float32),
        expression=np.zeros((21, 3), np.float32),
        rotation=np.array([3.0, -9.0, 2.0], np.float32),
        translation=np.array([0.1, 0.2, 0.0], np.float32),
        scale=np.array([1.3], np.float32),
    )
    only_head = DrivingOptions(regions="head", stitching=False)
    np.testing.assert_allclose(
        drive_keypoints(source, head_change(motion), only_head),
        drive_keypoints(source, motion, only_head),
        atol=1e-5,
    )


def test_a_motion_relative_to_a_source_keeps_its_pose_and_one_without_frames_is_refused():
    motion = Motion.build(np.zeros((4, 64, 3)), rotation=np.ones((4, 3)), space=get_space())
    assert head_change(motion) == motion
    with pytest.raises(MotionError, match="no head to follow"):
        head_change(motion[:0])


def swaying(n):
    rotation = np.zeros((n, 3), np.float32)
    rotation[:, 1] = 8.0 * np.sin(0.08 * np.arange(n))
    rotation[:, 0] = 0.05 * np.arange(n)
    return Motion.build(np.zeros((n, 64, 3)), rotation=rotation, space=get_space())


def test_the_first_pass_is_the_motion_itself_and_then_it_turns_back_without_a_corner():
    motion = swaying(100)
    shown = HeadTrack(motion, 25.0)(0, 1000)[:, 4:]
    np.testing.assert_array_equal(shown[:100], motion.rotation)
    # Far from the ends it is run through backwards, and forwards again.
    np.testing.assert_allclose(shown[114:198], motion.rotation[84:0:-1], atol=1e-5)
    np.testing.assert_allclose(shown[213:297], motion.rotation[15:99], atol=1e-5)
    speed = np.diff(shown, axis=0)
    own = np.abs(np.diff(motion.rotation, axis=0)).max(axis=0)
    assert (np.abs(speed).max(axis=0) < 1.6 * own + 1e-4).all()
    # A corner would change the pitch's speed by twice its own, 0.1 degrees, from frame to frame.
    assert np.abs(np.diff(speed[:, 0])).max() < 0.045
    assert (np.abs(shown).max(axis=0) <= np.abs(motion.rotation).max(axis=0) + 3.5 * own).all()


@pytest.mark.parametrize("n", [1, 2, 3, 9])
def test_however_short_a_motion_is_it_goes_on(n):
    motion = swaying(n)
    shown = HeadTrack(motion, 25.0)(0, 60)[:, 4:]
    np.testing.assert_array_equal(shown[:n], motion.rotation)
    assert np.isfinite(shown).all() and np.abs(shown).max() < 8.0
    assert n == 1 or np.ptp(shown[30:, 1]) > 0.4


def test_a_track_does_not_depend_on_the_pieces_and_turns_through_180_degrees():
    rotation = np.zeros((10, 3), np.float32)
    rotation[:, 2] = (np.linspace(150, 210, 10) + 180) % 360 - 180
    motion = Motion.build(np.zeros((10, 64, 3)), rotation=rotation, space=get_space())
    track = HeadTrack(motion, 25.0)
    whole = track(0, 70)
    pieces = [track(start, 7) for start in range(0, 70, 7)]
    np.testing.assert_array_equal(whole, np.concatenate(pieces))
    assert np.abs(np.diff(whole[:, 6])).max() < 11.0


def test_another_frame_rate_keeps_the_speed():
    rotation = np.zeros((60, 3), np.float32)
    rotation[:, 1] = np.arange(60) / 50.0
    motion = Motion.build(np.zeros((60, 64, 3)), rotation=rotation, space=get_space(), fps=50.0)
    track = HeadTrack(motion, 25.0)(0, 20)
    np.testing.assert_allclose(track[2:, 5], np.arange(2, 20) / 25.0, atol=0.02)


def test_putting_a_change_on_a_pose_turns_in_the_order_of_the_official_rule():
    first = np.array([1.2, 0.1, 0.2, 0.3, 4.0, -6.0, 2.0], np.float32)
    change = np.array([[1.1, 0.01, 0.0, 0.0, 3.0, 5.0, -1.0]], np.float32)
    (pose,) = put_on(first, change)
    wanted = rotation_matrix(change[0, 4:]) @ rotation_matrix(first[4:])
    np.testing.assert_allclose(rotation_matrix(pose[4:]), wanted, atol=1e-5)
    assert pose[0] == pytest.approx(1.32) and pose[1] == pytest.approx(0.11)
