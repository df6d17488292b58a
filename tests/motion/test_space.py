"""Motion spaces: names, blendshapes and their inverse."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion import (
    BLENDSHAPES,
    LIVEPORTRAIT_21,
    REGIONS,
    MotionSpace,
    get_space,
    register_space,
)
from joyvasa_lib.motion.space import load_space

RNG = np.random.default_rng(0)
NAMES = ("jawOpen", "eyeBlinkLeft", "browInnerUp", "whisker")


def small_space(name: str = "test-small", *, seed: int = 0) -> MotionSpace:
    basis = np.random.default_rng(seed).normal(size=(len(NAMES), 5, 3))
    return MotionSpace(name, 5, NAMES, basis, expression_frame="head")


def test_the_compact_space_knows_all_blendshapes_in_their_fixed_order() -> None:
    space = get_space("compact-1")
    assert space.blendshape_names == BLENDSHAPES
    assert space.blendshape_basis is not None
    assert space.blendshape_basis.shape == (52, space.keypoint_count, 3)
    assert space.expression_frame == "head"
    assert get_space() is space


def test_blendshapes_of_the_compact_space_can_be_recovered_well_enough() -> None:
    space = get_space("compact-1")
    flat = space.blendshape_basis.reshape(52, -1).astype(np.float64)
    assert np.linalg.cond(flat) < 1000
    activations = RNG.uniform(0, 1, (200, 52)).astype(np.float32)
    np.testing.assert_allclose(
        space.to_blendshapes(space.from_blendshapes(activations)), activations, atol=1e-4
    )


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(0, 4))
def test_blendshapes_are_recovered_from_keypoints(seed: int, frames: int) -> None:
    space = small_space(seed=seed % 7)
    activations = np.random.default_rng(seed).normal(size=(2, frames, 4)).astype(np.float32)
    expression = space.from_blendshapes(activations)
    assert expression.shape == (2, frames, 5, 3)
    np.testing.assert_allclose(space.to_blendshapes(expression), activations, atol=1e-3)


def test_from_blendshapes_is_the_weighted_sum_of_the_basis() -> None:
    space = small_space()
    activations = RNG.normal(size=(6, 4)).astype(np.float32)
    expected = np.einsum("tu,ukd->tkd", activations, space.blendshape_basis)
    np.testing.assert_allclose(space.from_blendshapes(activations), expected, atol=1e-5)


def test_to_blendshapes_is_the_least_squares_solution_for_any_expression() -> None:
    space = small_space()
    assert space.blendshape_basis is not None
    expression = RNG.normal(size=(7, 5, 3)).astype(np.float32)
    matrix = space.blendshape_basis.reshape(4, -1).T
    expected = np.linalg.lstsq(matrix, expression.reshape(7, -1).T, rcond=None)[0].T
    np.testing.assert_allclose(space.to_blendshapes(expression), expected, atol=1e-4)


def test_two_spaces_are_the_same_when_their_names_are() -> None:
    assert small_space("a", seed=1) == small_space("a", seed=2)
    assert small_space("a") != small_space("b")
    assert len({small_space("a"), small_space("a", seed=3)}) == 1


def test_copies_and_pickles_are_equal_and_complete() -> None:
    space = get_space("compact-1")
    for twin in (pickle.loads(pickle.dumps(space)), copy.deepcopy(space)):
        assert twin == space
        assert np.array_equal(twin.blendshape_basis, space.blendshape_basis)
        assert np.array_equal(twin.keypoint_vertex, space.keypoint_vertex)


def test_the_basis_is_a_read_only_copy() -> None:
    basis = np.ones((1, 2, 3), dtype=np.float32)
    space = MotionSpace("copied", 2, ("a",), basis)
    basis[:] = 5.0
    assert space.blendshape_basis is not None
    assert (space.blendshape_basis == 1.0).all()
    with pytest.raises(ValueError, match="read-only"):
        space.blendshape_basis[0] = 2.0


def test_every_blendshape_is_in_one_region() -> None:
    space = get_space("compact-1")
    together = np.concatenate([space.region_blendshapes(region) for region in REGIONS])
    assert sorted(together) == list(range(52))
    assert list(small_space().region_blendshapes("mouth")) == [0]
    assert list(small_space().region_blendshapes("cheeks")) == []
    with pytest.raises(MotionError, match="brows, eyes, cheeks, mouth"):
        space.region_blendshapes("ear")


def test_the_official_space_has_21_keypoints_70_channels_and_no_blendshapes() -> None:
    assert get_space("liveportrait-21") is LIVEPORTRAIT_21
    assert LIVEPORTRAIT_21.vector_size == 70
    assert LIVEPORTRAIT_21.expression_frame == "image"
    with pytest.raises(MotionError, match="liveportrait-21.*no blendshapes"):
        LIVEPORTRAIT_21.to_blendshapes(np.zeros((1, 21, 3)))


def test_an_unknown_space_is_refused_with_the_known_names() -> None:
    with pytest.raises(MotionError, match=r"'mars'.*compact-1.*liveportrait-21"):
        get_space("mars")


def test_a_registered_space_is_found_and_its_name_is_taken() -> None:
    space = register_space(small_space("test-registered"))
    assert get_space("test-registered") is space
    assert register_space(small_space("test-registered")) is space
    with pytest.raises(MotionError, match="taken"):
        register_space(small_space("test-registered", seed=9))
    with pytest.raises(MotionError, match="taken"):
        register_space(MotionSpace("compact-1", 3))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"blendshape_basis": np.ones((2, 5, 3))}, r"\(2, 5, 3\).*\(4, 5, 3\)"),
        ({"blendshape_basis": np.full((4, 5, 3), np.nan)}, "not finite"),
        ({"blendshape_basis": None}, "no basis"),
        ({"expression_frame": "moon"}, "'moon'"),
        ({"keypoint_groups": {"mouth": (7,)}}, "outside 0..4"),
        ({"keypoint_count": 0}, "at least one keypoint"),
    ],
)
def test_a_space_that_contradicts_itself_is_refused(
    arguments: dict[str, object], message: str
) -> None:
    fields: dict[str, object] = {
        "name": "bad",
        "keypoint_count": 5,
        "blendshape_names": NAMES,
        "blendshape_basis": np.ones((4, 5, 3)),
    }
    with pytest.raises(MotionError, match=message):
        MotionSpace(**{**fields, **arguments})  # type: ignore[arg-type]


def test_wrong_shapes_and_blendshape_names_are_refused() -> None:
    space = small_space()
    with pytest.raises(MotionError, match=r"\[..., 5, 3\]"):
        space.to_blendshapes(np.zeros((2, 6, 3)))
    with pytest.raises(MotionError, match="4 blendshapes"):
        space.from_blendshapes(np.zeros((2, 5)))
    with pytest.raises(MotionError, match="'tail'.*jawOpen"):
        space.blendshape_index("tail")


def test_a_space_is_read_from_its_file_and_a_damaged_file_is_named(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "space.safetensors"
    basis = RNG.normal(size=(2, 3, 3)).astype(np.float32)
    vertex = np.array([4, 5, 6], dtype=np.int32)
    tensors = {"basis": basis, "keypoint_vertex": vertex}
    save_file(tensors, path, metadata={"face_units": '["jawOpen", "eyeBlinkLeft"]'})
    space = load_space(path, "from-file")
    assert space.blendshape_names == ("jawOpen", "eyeBlinkLeft")
    assert np.array_equal(space.blendshape_basis, basis)  # type: ignore[arg-type]
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(MotionError, match=r"space\.safetensors"):
        load_space(path, "from-file")
