"""Driving: how a motion is put on a source portrait."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion import BLENDSHAPES, Motion, get_space
from joyvasa_lib.motion.driving.blendshapes import (
    DrivingOptions,
    Pose,
    compose_blendshapes,
    compose_pose,
    fading_mouth,
    giving_way,
    relative_motion,
)
from joyvasa_lib.motion.keypoints import rotation_matrix

MOUTH = get_space().region_blendshapes("mouth")
RNG = np.random.default_rng(0)


def units(**values: float) -> np.ndarray:
    row = np.zeros(52, dtype=np.float32)
    for name, value in values.items():
        row[BLENDSHAPES.index(name)] = value
    return row


def unit(table: np.ndarray, name: str) -> np.ndarray:
    return table[:, BLENDSHAPES.index(name)]


def test_a_smiling_source_loses_its_mouth_but_a_share_of_the_smile() -> None:
    source = units(mouthSmileLeft=0.8, jawOpen=0.5, mouthUpperUpLeft=0.6, cheekSquintLeft=0.4)
    composed = compose_blendshapes(source, np.zeros((3, 52)))
    assert unit(composed, "mouthSmileLeft") == pytest.approx(0.15 * 0.8)
    assert unit(composed, "jawOpen") == pytest.approx(0.0)
    assert unit(composed, "mouthUpperUpLeft") == pytest.approx(0.0)
    assert unit(composed, "cheekSquintLeft") == pytest.approx(0.4)


def test_the_driving_mouth_is_what_the_motion_says() -> None:
    source = units(jawOpen=0.5, mouthPucker=0.3)
    driving = np.stack([units(jawOpen=0.7), units(mouthFunnel=0.2)])
    composed = compose_blendshapes(source, driving, DrivingOptions(keep_smile=0.0))
    np.testing.assert_array_equal(composed[:, MOUTH], driving[:, MOUTH])


def test_a_relative_mouth_adds_to_the_source() -> None:
    composed = compose_blendshapes(
        units(jawOpen=0.2), units(jawOpen=0.3)[None], DrivingOptions(mouth="relative")
    )
    assert unit(composed, "jawOpen") == pytest.approx(0.5)


def test_brows_add_up_and_may_be_made_absolute() -> None:
    source, driving = units(browInnerUp=0.3), units(browInnerUp=0.4)[None]
    assert unit(compose_blendshapes(source, driving), "browInnerUp") == pytest.approx(0.7)
    absolute = compose_blendshapes(source, driving, DrivingOptions(expression="absolute"))
    assert unit(absolute, "browInnerUp") == pytest.approx(0.4)


def test_a_blink_is_the_stronger_of_both_and_never_more_than_closed() -> None:
    source = units(eyeBlinkLeft=0.3)
    driving = np.stack([units(eyeBlinkLeft=b) for b in (0.0, 0.2, 0.9, 1.3)])
    blink = unit(compose_blendshapes(source, driving), "eyeBlinkLeft")
    np.testing.assert_allclose(blink, [0.3, 0.3, 0.9, 1.0], atol=1e-6)


def test_lids_close_even_over_widened_or_lowered_eyes() -> None:
    source = units(eyeWideLeft=0.4)
    driving = np.stack([units(), units(eyeBlinkLeft=1.0), units(eyeBlinkLeft=1, eyeLookDownLeft=1)])
    composed = compose_blendshapes(source, driving)
    np.testing.assert_allclose(unit(composed, "eyeWideLeft"), [0.4, 0.0, 0.0], atol=1e-6)
    assert unit(composed, "eyeBlinkLeft")[2] == pytest.approx(0.7)


def test_lips_are_brought_together_only_as_far_as_the_jaw_is_open() -> None:
    driving = np.stack([units(mouthClose=0.5), units(mouthClose=0.5, jawOpen=0.8)])
    np.testing.assert_allclose(
        unit(compose_blendshapes(units(), driving), "mouthClose"), [0.0, 0.5], atol=1e-6
    )


def test_regions_that_are_not_driven_stay_as_the_source_has_them() -> None:
    source = RNG.uniform(0, 0.5, 52).astype(np.float32)
    source[BLENDSHAPES.index("mouthClose")] = 0.0
    for name in ("eyeWideLeft", "eyeWideRight"):
        source[BLENDSHAPES.index(name)] = 0.0
    driving = RNG.uniform(0, 1, (6, 52)).astype(np.float32)
    only_brows = compose_blendshapes(source, driving, DrivingOptions(regions=frozenset({"brows"})))
    rest = [i for i, name in enumerate(BLENDSHAPES) if not name.startswith("brow")]
    np.testing.assert_array_equal(only_brows[:, rest], np.tile(source[rest], (6, 1)))
    brows = [i for i, name in enumerate(BLENDSHAPES) if name.startswith("brow")]
    assert (only_brows[:, brows] > source[brows]).all()


@settings(deadline=None, max_examples=50)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["absolute", "relative"]),
    st.sampled_from(["absolute", "relative"]),
    st.floats(0, 1),
)
def test_the_result_is_always_a_face(seed: int, mouth: str, expression: str, keep: float) -> None:
    rng = np.random.default_rng(seed)
    options = DrivingOptions(mouth=mouth, expression=expression, keep_smile=keep)  # type: ignore[arg-type]
    composed = compose_blendshapes(rng.normal(0, 2, 52), rng.normal(0, 2, (8, 52)), options)
    assert composed.shape == (8, 52)
    assert composed.min() >= 0.0
    assert composed.max() <= 1.1 + 1e-6
    for side in ("Left", "Right"):
        assert unit(composed, f"eyeBlink{side}").max() <= 1.0


def test_a_neutral_source_and_modest_motion_pass_through() -> None:
    driving = RNG.uniform(0, 0.3, (5, 52)).astype(np.float32)
    for name in ("mouthClose", "eyeWideLeft", "eyeWideRight"):
        driving[:, BLENDSHAPES.index(name)] = 0.0
    np.testing.assert_array_equal(compose_blendshapes(np.zeros(52), driving), driving)


def test_a_hair_of_smile_in_a_frown_does_not_keep_the_smile() -> None:
    space = get_space()
    smiling = units(mouthSmileLeft=0.6, mouthSmileRight=0.6)
    frown = units(mouthFrownLeft=1.0, mouthFrownRight=1.0)
    hair = frown + units(mouthSmileLeft=0.01, mouthSmileRight=0.01)
    gone = fading_mouth(smiling, frown, space)
    assert gone[space.blendshape_index("mouthSmileLeft")] > 0.3
    np.testing.assert_allclose(fading_mouth(smiling, hair, space), gone, atol=0.03)
    raised = frown + smiling
    assert not fading_mouth(smiling, raised, space).any()


def test_a_mouth_gives_way_to_what_it_does_not_fit_and_to_lips_that_press() -> None:
    space = get_space()
    smiling = units(mouthSmileLeft=0.6, mouthSmileRight=0.6, mouthUpperUpLeft=0.2)
    assert giving_way(smiling, units(browInnerUp=1.0), space) == 0.0
    assert giving_way(smiling, units(mouthSmileLeft=0.5, mouthSmileRight=0.5), space) == 0.0
    frown = units(mouthFrownLeft=0.2, mouthFrownRight=0.2)
    assert giving_way(smiling, frown, space) == pytest.approx(0.6)
    assert giving_way(smiling, 2.0 * frown, space) == 1.0
    pressing = units(mouthSmileLeft=0.5, mouthSmileRight=0.5, mouthPressLeft=0.2)
    assert giving_way(smiling, pressing, space) == pytest.approx(0.6)


def test_bad_shapes_and_options_are_refused() -> None:
    with pytest.raises(MotionError, match=r"\[52\].*\(51,\)"):
        compose_blendshapes(np.zeros(51), np.zeros((2, 52)))
    with pytest.raises(MotionError, match="'absolute' or 'relative', not 'both'"):
        DrivingOptions(mouth="both")  # type: ignore[arg-type]
    with pytest.raises(MotionError, match="keep_smile"):
        DrivingOptions(keep_smile=2.0)
    with pytest.raises(MotionError, match=r"'ears'.*brows"):
        DrivingOptions(regions=frozenset({"ears"}))


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
