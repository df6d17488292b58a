"""Named landmark sets and the ratios of eyes and lips."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import places
from joyvasa_lib.errors import OptionError
from joyvasa_lib.face.landmark_sets import (
    anchor_points,
    convert_landmarks,
    landmark_set,
    outline_points,
)
from joyvasa_lib.face.landmarks.face_landmarker import mean_mesh
from joyvasa_lib.face.ratios import eye_open_ratio, lip_open_ratio
from joyvasa_lib.rig.regions import LANDMARK_SETS

PARITY = np.load(places.PARITY / "crop_geometry.npz")
CASES = [str(case) for case in PARITY["cases"]]
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith("203")])
def test_ratios_are_the_reference_s(case: str) -> None:
    points = PARITY[f"{case}/lmk"]
    np.testing.assert_allclose(eye_open_ratio(points)[None], PARITY[f"{case}/eye_ratio"], atol=1e-6)
    np.testing.assert_allclose(lip_open_ratio(points)[None], PARITY[f"{case}/lip_ratio"], atol=1e-6)
    # What the retargeting networks are given: the source's ratios, then the wanted one.
    for ratio, combined in ((eye_open_ratio, "combined_eye"), (lip_open_ratio, "combined_lip")):
        np.testing.assert_allclose(ratio(points), PARITY[f"{case}/{combined}"][0, :-1], atol=1e-6)


@pytest.mark.parametrize(
    ("scheme", "eye", "mouth"),
    [
        ("liveportrait203", (24, 36, 30, 42), (48, 66, 90, 102)),
        ("mediapipe478", (362, 263, 386, 374), (61, 291, 13, 14)),
    ],
)
def test_a_ratio_is_height_over_width(
    scheme: str, eye: tuple[int, ...], mouth: tuple[int, ...]
) -> None:
    points = RNG.normal(size=(LANDMARK_SETS[scheme].count, 2))
    # An eye 40 wide and 10 open, a mouth 50 wide and 5 open.
    points[list(eye)] = [[0, 0], [40, 0], [20, -5], [20, 5]]
    points[list(mouth)] = [[0, 9], [30, 49], [3, 3], [7, 6]]
    assert eye_open_ratio(points)[1] == pytest.approx(0.25, rel=1e-6)
    assert lip_open_ratio(points)[0] == pytest.approx(0.1, rel=1e-6)


@given(st.floats(0.2, 30), st.floats(-3.1, 3.1), st.floats(-500, 500))
def test_ratios_do_not_change_with_place_size_and_roll(
    scale: float, angle: float, shift: float
) -> None:
    points = 100 * np.random.default_rng(1).normal(size=(3, 203, 2))
    cos, sin = np.cos(angle), np.sin(angle)
    moved = scale * points @ np.array([[cos, sin], [-sin, cos]]) + shift
    np.testing.assert_allclose(eye_open_ratio(moved), eye_open_ratio(points), rtol=1e-4)
    np.testing.assert_allclose(lip_open_ratio(moved), lip_open_ratio(points), rtol=1e-4)


def test_ratios_take_any_number_of_frames_and_ignore_depth() -> None:
    points = RNG.normal(size=(4, 2, 203, 3))
    assert eye_open_ratio(points).shape == (4, 2, 2)
    assert lip_open_ratio(points).shape == (4, 2, 1)
    np.testing.assert_array_equal(eye_open_ratio(points), eye_open_ratio(points[..., :2]))


def test_points_on_one_another_give_a_finite_ratio() -> None:
    assert np.isfinite(eye_open_ratio(np.zeros((203, 2)))).all()
    assert np.isfinite(lip_open_ratio(np.zeros((203, 2)))).all()


def test_sets_without_lids_or_lips_have_no_ratio() -> None:
    with pytest.raises(OptionError, match="insightface106 have no eyelids"):
        eye_open_ratio(np.zeros((106, 2)))
    with pytest.raises(OptionError, match="five have no inner lips"):
        lip_open_ratio(np.zeros((5, 2)))
    with pytest.raises(OptionError, match="ibug68 has 68 landmarks, not 203"):
        eye_open_ratio(np.zeros((203, 2)), "ibug68")


def test_a_set_is_found_by_name_and_by_count() -> None:
    for name, one in LANDMARK_SETS.items():
        assert landmark_set(name) is landmark_set(one.count) is one
    assert landmark_set(150).name == "liveportrait101"
    with pytest.raises(OptionError, match=r"named 'dlib' is known; use one of mediapipe478"):
        landmark_set("dlib")
    with pytest.raises(OptionError, match="of 7 points is known"):
        landmark_set(7)


def test_more_points_of_an_unknown_set_count_as_their_first_101() -> None:
    points = RNG.normal(size=(150, 2))
    for ours, theirs in zip(anchor_points(points), anchor_points(points[:101]), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(outline_points(points), points[:101])


@pytest.mark.parametrize("target", ["ibug68", "animal9", "five"])
def test_a_converted_set_has_its_eyes_and_mouth_where_the_mesh_has_them(target: str) -> None:
    mesh = np.asarray(mean_mesh())
    points = convert_landmarks(mesh, target)
    assert points.shape == (LANDMARK_SETS[target].count, 3)
    for ours, theirs in zip(anchor_points(points), anchor_points(mesh), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=0.08)  # the face is 3 high


def test_conversion_in_two_steps_is_conversion_in_one() -> None:
    mesh = np.asarray(mean_mesh())
    for target in ("animal9", "five"):
        twice = convert_landmarks(convert_landmarks(mesh, "ibug68"), target)
        np.testing.assert_allclose(twice, convert_landmarks(mesh, target), atol=1e-6)
    assert convert_landmarks(mesh, "mediapipe468").shape == (468, 3)


def test_an_impossible_conversion_names_the_possible_ones() -> None:
    with pytest.raises(OptionError, match="five cannot be converted to ibug68; possible are"):
        convert_landmarks(np.zeros((5, 2)), "ibug68")


def test_the_mean_mesh_is_its_own_mirror_image_and_upright() -> None:
    mesh = np.asarray(mean_mesh(), dtype=np.float64)
    np.testing.assert_allclose(mesh.mean(0), 0.0, atol=1e-5)
    assert (mesh**2).sum(1).mean() == pytest.approx(1.0, rel=1e-5)
    distance = np.linalg.norm(mesh[:, None] - mesh[None] * [-1, 1, 1], axis=-1)
    assert distance.min(1).max() < 1e-6
    assert distance.argmin(1)[[33, 61, 234, 159, 1]].tolist() == [263, 291, 454, 386, 1]
    left, right, lips = anchor_points(mesh)
    assert left[0] < 0 < right[0]
    assert left[1] == pytest.approx(right[1], abs=1e-5)
    assert lips[1] > left[1]
    assert lip_open_ratio(mesh)[0] < 0.06


def test_landmarks_of_another_shape_are_refused_in_one_sentence() -> None:
    with pytest.raises(OptionError, match=r"not an array of shape \(468,\)"):
        anchor_points(np.zeros(468))
    with pytest.raises(OptionError, match="insightface106 has 106 landmarks, not 68"):
        anchor_points(np.zeros((68, 2)), "insightface106")
