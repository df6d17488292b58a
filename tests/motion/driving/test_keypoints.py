"""Driving LivePortrait's keypoints: what the options say is what happens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from joyvasa_lib.errors import MotionError, OptionError
from joyvasa_lib.motion import LIVEPORTRAIT_21, Motion
from joyvasa_lib.motion.driving.keypoints import drive_keypoints, motion_multiplier
from joyvasa_lib.motion.driving.options import DrivingOptions
from joyvasa_lib.motion.driving.pose import relative_motion
from joyvasa_lib.motion.driving.source_keypoints import GROUPS
from joyvasa_lib.motion.keypoints import rotation_matrix
from keypoint_driving import BARE, DRIVING, GEOMETRY, MOUTH, PARITY, SOURCE, eye, lip, stitch

ABSOLUTE = replace(BARE, head="absolute", expression="absolute", mouth="absolute")


def test_the_driving_angles_give_the_reference_s_rotations() -> None:
    angles = np.concatenate([PARITY[f"driving/{name}"] for name in ("pitch", "yaw", "roll")], 1)
    np.testing.assert_allclose(rotation_matrix(angles), PARITY["driving/R"], atol=1e-5)


def moved(x: np.ndarray, atol: float = 1e-6) -> set[int]:
    """Keypoints that are not where the source has them in some frame."""
    return set(np.flatnonzero((np.abs(x - SOURCE.posed) > atol).any(axis=(0, 2))).tolist())


def test_the_source_stands_where_the_reference_has_it() -> None:
    np.testing.assert_allclose(SOURCE.posed, PARITY["x_s"][0], atol=1e-6)


def test_the_motion_multiplier_is_a_ratio_of_lengths_without_the_mouth() -> None:
    x = GEOMETRY["x"]
    assert motion_multiplier(1.7 * x[0], x[0]) == pytest.approx(1.7, rel=1e-5)
    open_mouth = x[0].copy()
    open_mouth[MOUTH] *= 3.0
    assert motion_multiplier(x[0], open_mouth) == pytest.approx(1.0)


def test_points_without_volume_have_no_multiplier() -> None:
    with pytest.raises(MotionError, match="one plane"):
        motion_multiplier(GEOMETRY["x"][0] * [1, 1, 0], GEOMETRY["x"][0])


@pytest.mark.parametrize("driving_option", ["pose-friendly", "expression-friendly"])
@pytest.mark.parametrize("mode", ["relative", "absolute"])
def test_pieces_of_a_motion_are_driven_as_the_whole(driving_option: Any, mode: Any) -> None:
    if mode == "absolute" and driving_option == "expression-friendly":
        with pytest.raises(OptionError, match="scales changes"):
            replace(ABSOLUTE, driving_option=driving_option)
        return
    options = replace(ABSOLUTE if mode == "absolute" else BARE, driving_option=driving_option)
    whole = drive_keypoints(SOURCE, DRIVING, options)
    pieces = [drive_keypoints(SOURCE, DRIVING[i:j], options, first=DRIVING[0])
              for i, j in ((0, 1), (1, 4), (4, 4), (4, 6))]  # fmt: skip
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-6)


def test_the_first_frame_of_a_relative_motion_is_the_source_itself() -> None:
    x = drive_keypoints(SOURCE, DRIVING, replace(BARE, mouth="relative"))
    np.testing.assert_allclose(x[0], SOURCE.posed, atol=1e-6)
    assert moved(x[1:]) == set(range(21))


def test_an_absolute_mouth_is_the_driving_motion_s_whatever_the_source_s_is() -> None:
    smiling = replace(SOURCE, expression=SOURCE.expression + 0.05)
    still = replace(BARE, regions=frozenset({"mouth"}))
    ours = drive_keypoints(SOURCE, DRIVING, still)[:, MOUTH]
    np.testing.assert_allclose(drive_keypoints(smiling, DRIVING, still)[:, MOUTH], ours, atol=1e-6)
    turn = rotation_matrix(SOURCE.rotation)
    flat = SOURCE.translation * [1, 1, 0]
    wanted = SOURCE.scale * (SOURCE.keypoints @ turn + DRIVING.expression) + flat
    np.testing.assert_allclose(ours, wanted[:, MOUTH], atol=1e-6)


@pytest.mark.parametrize("region", GROUPS)
def test_a_region_moves_its_own_keypoints_and_nothing_else(region: str) -> None:
    x = drive_keypoints(SOURCE, DRIVING, replace(BARE, regions=region))
    assert moved(x) == set(GROUPS[region])


def test_without_the_head_its_rotation_place_and_size_stay_the_source_s() -> None:
    still = replace(DRIVING, expression=np.zeros_like(DRIVING.expression))
    faces = replace(BARE, regions=frozenset(GROUPS), mouth="relative")
    assert moved(drive_keypoints(SOURCE, still, faces)) == set()
    head = drive_keypoints(SOURCE, still, replace(faces, regions="head"))
    assert moved(head[1:]) == set(range(21))
    assert moved(head[:1]) == set()


def test_the_head_turns_as_the_driving_head_turns_from_its_first_frame() -> None:
    x = drive_keypoints(SOURCE, DRIVING, replace(BARE, regions="head"))
    turns = Rotation.from_euler("xyz", DRIVING.rotation, degrees=True)
    own = Rotation.from_euler("xyz", SOURCE.rotation, degrees=True)
    for i in range(6):
        # Column-vector matrices are the transposes of ours.
        turn = (own * turns[0].inv() * turns[i]).as_matrix().T
        scale = SOURCE.scale * DRIVING.scale[i] / DRIVING.scale[0]
        shift = (SOURCE.translation + DRIVING.translation[i] - DRIVING.translation[0]) * [1, 1, 0]
        wanted = scale * (SOURCE.keypoints @ turn + SOURCE.expression) + shift
        np.testing.assert_allclose(x[i], wanted, atol=1e-5)


def test_absolute_motion_does_not_depend_on_its_first_frame_or_the_source_s_pose() -> None:
    x = drive_keypoints(SOURCE, DRIVING, ABSOLUTE)
    np.testing.assert_allclose(drive_keypoints(SOURCE, DRIVING[2:], ABSOLUTE), x[2:], atol=1e-6)
    turned = replace(SOURCE, rotation=SOURCE.rotation + 20, translation=SOURCE.translation + 0.3)
    np.testing.assert_allclose(drive_keypoints(turned, DRIVING, ABSOLUTE), x, atol=1e-6)


def test_absolute_expression_leaves_the_components_that_make_the_face_itself() -> None:
    absolute = replace(ABSOLUTE, regions=frozenset(GROUPS))
    x = drive_keypoints(SOURCE, DRIVING, absolute)
    change = (x - SOURCE.posed) / SOURCE.scale - (DRIVING.expression - SOURCE.expression)
    kept = (x - SOURCE.posed) / SOURCE.scale
    full = [1, 2, 6, *range(11, 21)]
    np.testing.assert_allclose(change[:, full], 0.0, atol=1e-5)
    for point, components in {3: [1], 4: [1], 5: [2], 8: [2], 9: [1, 2]}.items():
        np.testing.assert_allclose(change[:, point, components], 0.0, atol=1e-5)
        others = [c for c in range(3) if c not in components]
        np.testing.assert_allclose(kept[:, point, others], 0.0, atol=1e-6)
    for point in (0, 7, 10):
        np.testing.assert_allclose(kept[:, point], 0.0, atol=1e-6)


@pytest.mark.parametrize("head", ["relative", "absolute"])
@pytest.mark.parametrize("expression", ["relative", "absolute"])
@pytest.mark.parametrize("mouth", ["relative", "absolute"])
def test_each_part_has_its_own_mode(head: Any, expression: Any, mouth: Any) -> None:
    def region(options: DrivingOptions, name: str) -> np.ndarray:
        return drive_keypoints(SOURCE, DRIVING, replace(options, regions=name))

    mixed = replace(BARE, head=head, expression=expression, mouth=mouth, close_lips=False)
    relative = replace(BARE, mouth="relative", close_lips=False)
    for name in ("head", "brows", "eyes", "cheeks", "mouth"):
        mode = getattr(mixed, name, expression)
        wanted = ABSOLUTE if mode == "absolute" else relative
        np.testing.assert_array_equal(region(mixed, name), region(wanted, name))


def test_expression_friendly_puts_every_change_on_the_source_in_its_size() -> None:
    options = replace(BARE, driving_option="expression-friendly")
    x = drive_keypoints(SOURCE, DRIVING, options)
    relative = drive_keypoints(SOURCE, DRIVING, replace(BARE, mouth="relative"))
    np.testing.assert_allclose(x[0], SOURCE.posed, atol=1e-6)
    others = [i for i in range(21) if i not in MOUTH]
    np.testing.assert_allclose(x[:, others], relative[:, others], atol=1e-5)


def test_a_motion_relative_to_the_source_is_a_change_already() -> None:
    relative = replace(BARE, mouth="relative")
    still = Motion.neutral(4, space=LIVEPORTRAIT_21)
    assert moved(drive_keypoints(SOURCE, still, relative)) == set()
    change = replace(
        DRIVING,
        expression=DRIVING.expression - DRIVING.expression[:1],
        rotation=relative_motion(DRIVING).rotation,
        translation=DRIVING.translation - DRIVING.translation[:1],
        scale=DRIVING.scale / DRIVING.scale[:1],
        reference="source",
    )
    wanted = drive_keypoints(SOURCE, DRIVING, relative)
    np.testing.assert_allclose(drive_keypoints(SOURCE, change, relative), wanted, atol=1e-5)
    later = drive_keypoints(SOURCE, change[3:], relative)  # needs no first frame
    np.testing.assert_allclose(later, wanted[3:], atol=1e-5)


def test_an_animal_keeps_its_size_and_its_lips_are_relative() -> None:
    x = drive_keypoints(SOURCE, DRIVING, BARE, subject="animal")
    np.testing.assert_allclose(x, PARITY["animal/plain"], atol=2e-5)
    np.testing.assert_allclose(x[0], SOURCE.posed, atol=1e-6)
    human = drive_keypoints(SOURCE, DRIVING, BARE)
    assert np.abs(human - x).max() > 0.01


@given(st.floats(0.0, 3.0))
def test_the_multiplier_is_a_factor_on_the_motion(factor: float) -> None:
    plain = drive_keypoints(SOURCE, DRIVING, BARE)
    x = drive_keypoints(SOURCE, DRIVING, replace(BARE, multiplier=factor))
    np.testing.assert_allclose(x - SOURCE.posed, factor * (plain - SOURCE.posed), atol=1e-5)


def test_stitching_comes_last_and_is_not_multiplied() -> None:
    options = DrivingOptions(multiplier=0.5)
    x = drive_keypoints(SOURCE, DRIVING, options, stitch=stitch)
    bare = drive_keypoints(SOURCE, DRIVING, replace(options, stitching=False))
    np.testing.assert_allclose(x, stitch(SOURCE.posed, bare), atol=1e-6)


def test_parted_lips_are_closed_once_and_only_under_a_relative_mouth() -> None:
    relative = replace(BARE, mouth="relative")

    def closing(options: DrivingOptions, ratio: float | None, subject: Any = "human") -> np.ndarray:
        parted = replace(options, close_lips=False)
        plain = drive_keypoints(SOURCE, DRIVING, parted, subject=subject)
        x = drive_keypoints(
            SOURCE, DRIVING, options, subject=subject, lip_retarget=lip, lip_ratio=ratio
        )
        return np.asarray(x - plain)

    wanted = lip(SOURCE.posed, np.array([[0.2, 0.0]], np.float32))
    np.testing.assert_allclose(closing(relative, 0.2), np.tile(wanted, (6, 1, 1)), atol=1e-6)
    doubled = replace(relative, multiplier=2.0)
    np.testing.assert_allclose(closing(doubled, 0.2), np.tile(wanted, (6, 1, 1)), atol=1e-5)
    for options, ratio in (
        (BARE, 0.2),  # the mouth is the driving motion's outright
        (ABSOLUTE, 0.2),
        (replace(relative, regions="eyes"), 0.2),
        (relative, 0.02),
        (relative, None),
    ):
        assert not closing(options, ratio).any()
    assert not closing(relative, 0.2, "animal").any()


def test_a_retargeted_mouth_follows_the_given_ratios_while_the_rest_moves_on() -> None:
    targets = np.linspace(0.0, 0.5, 6)
    x = drive_keypoints(SOURCE, DRIVING, BARE, lip_retarget=lip, lip_ratio=0.1, lip_target=targets)
    others = replace(BARE, regions=frozenset({"head", "eyes", "brows", "cheeks"}))
    rest = drive_keypoints(SOURCE, DRIVING, others)
    condition = np.stack([np.full(6, 0.1), targets], axis=1).astype(np.float32)
    np.testing.assert_allclose(x - rest, lip(SOURCE.posed, condition), atol=1e-6)


def test_retargeted_eyes_take_one_ratio_for_all_frames() -> None:
    x = drive_keypoints(
        SOURCE, DRIVING, BARE, eye_retarget=eye, eye_ratio=[0.3, 0.28], eye_target=0.1
    )
    others = replace(BARE, regions=frozenset({"head", "mouth", "brows", "cheeks"}))
    rest = drive_keypoints(SOURCE, DRIVING, others)
    wanted = eye(SOURCE.posed, np.array([[0.3, 0.28, 0.1]], np.float32))
    np.testing.assert_allclose(x - rest, np.tile(wanted, (6, 1, 1)), atol=1e-6)


def test_the_retargeting_inputs_give_the_reference_s_numbers() -> None:
    for name, network, condition in (
        ("retarget_lip", lip, "lip_ratio_in"),
        ("retarget_eye", eye, "eye_ratio_in"),
    ):
        found = [
            network(x, row[None])[0]
            for x, row in zip(GEOMETRY["x"], GEOMETRY[condition], strict=True)
        ]
        np.testing.assert_allclose(found, GEOMETRY[name], atol=1e-5)
    found = [
        stitch(a, b[None])[0] for a, b in zip(GEOMETRY["x"], GEOMETRY["x_driving"], strict=True)
    ]
    np.testing.assert_allclose(found, GEOMETRY["stitched"], atol=1e-5)


def test_nothing_is_driven_by_no_frames() -> None:
    assert drive_keypoints(SOURCE, DRIVING[:0], BARE).shape == (0, 21, 3)


def test_a_blendshape_s_option_and_an_unknown_subject_are_refused() -> None:
    with pytest.raises(OptionError, match="keep_smile=0.5 is not an option of motion of keypoints"):
        drive_keypoints(SOURCE, DRIVING, replace(BARE, keep_smile=0.5))
    unknown: Any = "robot"
    with pytest.raises(OptionError, match="'human', 'animal', not 'robot'"):
        drive_keypoints(SOURCE, DRIVING, BARE, subject=unknown)


def test_missing_networks_ratios_and_frames_are_named() -> None:
    with pytest.raises(MotionError, match="Stitching needs the stitching network"):
        drive_keypoints(SOURCE, DRIVING)
    with pytest.raises(MotionError, match="lip network needs lip_retarget"):
        drive_keypoints(SOURCE, DRIVING, replace(BARE, mouth="relative"), lip_ratio=0.2)
    with pytest.raises(MotionError, match="eye network needs eye_retarget and eye_ratio"):
        drive_keypoints(SOURCE, DRIVING, BARE, eye_target=0.1)
    with pytest.raises(MotionError, match="lip network needs lip_ratio"):
        drive_keypoints(SOURCE, DRIVING, BARE, lip_retarget=lip, lip_target=0.1)
    with pytest.raises(MotionError, match="eye_target has 3 ratios for 6 frames"):
        drive_keypoints(
            SOURCE,
            DRIVING,
            BARE,
            eye_retarget=eye,
            eye_ratio=[0.3, 0.3],
            eye_target=[0.1, 0.2, 0.3],
        )
    with pytest.raises(MotionError, match="not of 3"):
        drive_keypoints(SOURCE, DRIVING, BARE, first=DRIVING[:3])
    with pytest.raises(MotionError, match="'liveportrait-21', not of 'compact-1'"):
        drive_keypoints(SOURCE, Motion.neutral(3), BARE)
    with pytest.raises(MotionError, match=r"keypoints of a source portrait .* \(21, 3\)"):
        replace(SOURCE, keypoints=SOURCE.keypoints[:20])
