"""Motion: construction, refusal of bad input, parts and joints."""

from __future__ import annotations

import copy
import itertools
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion import LIVEPORTRAIT_21, Motion, MotionSpace, get_space
from joyvasa_lib.motion.data import MotionData
from joyvasa_lib.motion.io import load_motion, save_motion
from joyvasa_lib.motion.operations.gains import Gains, apply_gains
from joyvasa_lib.motion.operations.joining import concatenate
from joyvasa_lib.motion.operations.limits import limit_motion
from joyvasa_lib.motion.operations.retiming import retime
from joyvasa_lib.motion.operations.smoothing import smooth_motion


def random_motion(n_frames: int = 40, *, seed: int = 0, fps: float = 25.0) -> Motion:
    vector = np.random.default_rng(seed).normal(size=(n_frames, 70))
    return Motion.from_vector(vector, space=LIVEPORTRAIT_21, fps=fps)


def arrays(n_frames: int = 4, keypoints: int = 21) -> dict[str, np.ndarray]:
    return {
        "expression": np.zeros((n_frames, keypoints, 3)),
        "rotation": np.zeros((n_frames, 3)),
        "translation": np.zeros((n_frames, 3)),
        "scale": np.ones((n_frames, 1)),
    }


def test_the_vector_has_the_official_order() -> None:
    motion = random_motion(3)
    vector = motion.vector
    assert np.array_equal(vector[:, :63], motion.expression.reshape(3, 63))
    assert np.array_equal(vector[:, 63:64], motion.scale)
    assert np.array_equal(vector[:, 64:67], motion.translation)
    assert np.array_equal(vector[:, 67:70], motion.rotation)
    assert Motion.from_vector(vector, space=LIVEPORTRAIT_21) == motion


def test_a_neutral_motion_moves_nothing() -> None:
    motion = Motion.neutral(5)
    assert motion.space == get_space("compact-1")
    assert motion.reference == "source"
    assert not motion.expression.any()
    assert not motion.rotation.any()
    assert not motion.translation.any()
    assert (motion.scale == 1.0).all()


def test_blendshapes_go_in_and_come_out() -> None:
    activations = np.random.default_rng(0).uniform(0, 1, (30, 52))
    rotation = np.random.default_rng(1).normal(size=(30, 3))
    motion = Motion.from_blendshapes(activations, rotation=rotation, fps=30)
    np.testing.assert_allclose(motion.blendshapes, activations, atol=1e-4)
    np.testing.assert_allclose(motion.rotation, rotation, atol=1e-6)
    assert motion.duration == 1.0


def test_the_same_blendshapes_leave_every_number_as_it_is() -> None:
    compact = get_space()
    vector = np.random.default_rng(2).normal(size=(20, compact.vector_size))
    motion = Motion.from_vector(vector, space=compact)  # far from what blendshapes can express
    assert motion.with_blendshapes(motion.blendshapes) == motion
    louder = motion.with_blendshapes(motion.blendshapes + 0.1)
    np.testing.assert_allclose(louder.blendshapes, motion.blendshapes + 0.1, atol=2e-3)
    assert np.array_equal(louder.rotation, motion.rotation)


def test_arrays_are_read_only_copies_even_after_pickling() -> None:
    source = arrays()
    source["rotation"] = source["rotation"].astype(np.float32)
    motion = Motion(**source, fps=25, space=LIVEPORTRAIT_21)
    source["rotation"][:] = 7.0
    assert not motion.rotation.any()
    for twin in (motion, copy.deepcopy(motion), pickle.loads(pickle.dumps(motion)), motion[1:]):
        with pytest.raises(ValueError, match="read-only"):
            twin.rotation[0] = 1.0
    assert pickle.loads(pickle.dumps(motion)) == motion


def test_operations_return_the_kind_of_motion_they_were_given(tmp_path: Path) -> None:
    class Recorded(MotionData):
        pass

    for kind in (MotionData, Recorded, Motion):
        motion = kind.neutral(8)
        results = [
            motion[2:],
            motion.with_blendshapes(motion.blendshapes),
            apply_gains(motion, Gains(head=0.5, mouth=0.5)),
            concatenate([motion, motion]),
            limit_motion(motion),
            retime(motion, n_frames=5),
            smooth_motion(motion),
            load_motion(save_motion(motion, tmp_path / "m.safetensors"), kind),
        ]
        assert [type(result) for result in results] == [kind] * len(results)


def test_torch_tensors_are_taken_and_not_shared() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.zeros(4, 70, requires_grad=True)
    motion = Motion.from_vector(tensor, space=LIVEPORTRAIT_21)
    with torch.no_grad():
        tensor += 1.0
    assert not motion.vector.any()


@pytest.mark.parametrize("name", ["expression", "rotation", "translation", "scale"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_non_finite_number_is_refused_with_its_place(name: str, bad: float) -> None:
    values = arrays()
    values[name][2] = bad
    with pytest.raises(MotionError, match=rf"{name}.*1 of 4 frames, first in frame 2"):
        Motion(**values, fps=25, space=LIVEPORTRAIT_21)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("expression", (4, 20, 3)),
        ("expression", (4, 63)),
        ("rotation", (4, 2)),
        ("rotation", (3, 3)),
        ("translation", (4,)),
        ("scale", (4,)),
        ("expression", ()),
    ],
)
def test_a_wrong_shape_is_refused_by_name(name: str, shape: tuple[int, ...]) -> None:
    values = {**arrays(), name: np.zeros(shape)}
    with pytest.raises(MotionError, match="shape"):
        Motion(**values, fps=25, space=LIVEPORTRAIT_21)


@pytest.mark.parametrize("fps", [0, -25, np.nan, np.inf, "fast", None])
def test_a_frame_rate_that_is_none_is_refused(fps: object) -> None:
    with pytest.raises(MotionError, match="fps"):
        Motion(**arrays(), fps=fps, space=LIVEPORTRAIT_21)  # type: ignore[arg-type]


def test_other_nonsense_is_refused_with_what_is_allowed() -> None:
    with pytest.raises(MotionError, match="'source', 'absolute'"):
        Motion(**arrays(), fps=25, space=LIVEPORTRAIT_21, reference="moon")  # type: ignore[arg-type]
    with pytest.raises(MotionError, match="MotionSpace"):
        Motion(**arrays(), fps=25, space="compact-1")  # type: ignore[arg-type]
    with pytest.raises(MotionError, match=r"\[frames, 70\]"):
        Motion.from_vector(np.zeros((3, 73)), space=LIVEPORTRAIT_21)
    with pytest.raises(MotionError, match="not an array of numbers"):
        Motion.from_vector([["a"]], space=LIVEPORTRAIT_21)  # type: ignore[list-item]
    with pytest.raises(MotionError, match="no blendshapes"):
        Motion.from_blendshapes(np.zeros((3, 52)), space=LIVEPORTRAIT_21)


def test_equality_is_to_the_last_bit_and_of_kind() -> None:
    motion = random_motion()
    assert motion == random_motion()
    nudged = motion.vector
    nudged[7, 7] = np.nextafter(nudged[7, 7], np.float32(9))
    other = Motion.from_vector(nudged, space=LIVEPORTRAIT_21)
    assert motion != other
    assert motion.allclose(other)
    assert motion != random_motion(fps=30)
    assert motion != motion[:-1]
    assert not motion.allclose(motion[:-1])
    assert motion != "motion"


def test_repr_is_short_and_says_what_it_is() -> None:
    text = repr(random_motion(50))
    assert "50 frames" in text
    assert "2.00 s" in text
    assert "liveportrait-21" in text
    assert len(text) < 120


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 40), max_size=5))
def test_slicing_and_concatenating_is_the_identity(cuts: list[int]) -> None:
    motion = random_motion(40)
    edges = [0, *sorted(cuts), 40]
    parts = [motion[a:b] for a, b in itertools.pairwise(edges)]
    assert Motion.concatenate(parts) == motion


def test_indexing_follows_the_rules_of_sequences() -> None:
    motion = random_motion(10)
    assert motion[-1] == motion[9:10]
    assert len(motion[20:]) == 0
    assert [len(frame) for frame in motion] == [1] * 10
    with pytest.raises(IndexError):
        motion[10]
    with pytest.raises(MotionError, match="retime"):
        motion[::2]


def test_between_takes_seconds() -> None:
    motion = random_motion(100)
    assert motion.between(1.0, 2.0) == motion[25:50]
    assert motion.between(3.0) == motion[75:]
    assert motion.between(0.0, 1e9) == motion
    assert motion.between(0.0, float("inf")) == motion
    assert len(motion.between(50.0)) == 0
    for start, end in ((-1.0, 1.0), (2.0, 1.0), (float("nan"), 1.0), (0.0, float("nan"))):
        with pytest.raises(MotionError, match=r"start|end"):
            motion.between(start, end)


def test_mixing_spaces_is_refused_naming_both() -> None:
    other = Motion.neutral(5, space=get_space("compact-1"))
    with pytest.raises(MotionError, match=r"'liveportrait-21' and 'compact-1'"):
        Motion.concatenate([random_motion(5), other])


def test_mixing_frame_rates_or_references_is_refused() -> None:
    with pytest.raises(MotionError, match=r"25 and 30 fps.*retime"):
        Motion.concatenate([random_motion(), random_motion(fps=30)])
    absolute = Motion(**arrays(), fps=25, space=LIVEPORTRAIT_21, reference="absolute")
    with pytest.raises(MotionError, match=r"'source'.*'absolute'"):
        Motion.concatenate([random_motion(), absolute])
    with pytest.raises(MotionError, match="no motion"):
        Motion.concatenate([])


def test_a_crossfade_of_a_motion_with_itself_changes_nothing() -> None:
    motion = random_motion(40)
    joined = Motion.concatenate([motion[:25], motion[15:30], motion[25:]], crossfade=5)
    overlapping = Motion.concatenate([motion[:25], motion[20:]], crossfade=5)
    assert overlapping.allclose(motion, atol=1e-6)
    assert len(joined) == 25 + 15 + 15 - 2 * 5


def test_a_crossfade_goes_monotonically_from_one_to_the_other() -> None:
    space = MotionSpace("test-crossfade", 1)
    low = Motion.neutral(20, space=space)
    high = Motion.build(np.ones((20, 1, 3)), space=space)
    curve = Motion.concatenate([low, high], crossfade=8).expression[:, 0, 0]
    assert len(curve) == 32
    assert curve[11] == 0.0
    assert curve[20] == 1.0
    assert (np.diff(curve[11:21]) > 0).all()
    np.testing.assert_allclose(curve + curve[::-1], 1.0, atol=1e-6)


def test_a_crossfade_turns_the_shorter_way_round() -> None:
    space = MotionSpace("test-crossfade", 1)
    still = np.zeros((10, 1, 3))
    a = Motion.build(still, space=space, rotation=np.full((10, 3), 179.0))
    b = Motion.build(still, space=space, rotation=np.full((10, 3), -179.0))
    turned = Motion.concatenate([a, b], crossfade=6).rotation
    assert (np.cos(np.deg2rad(turned)) < -0.99).all()


def test_a_part_too_short_for_its_crossfades_is_refused() -> None:
    motion = random_motion(40)
    with pytest.raises(MotionError, match="Part 1 has 7 frames, fewer than the 8"):
        Motion.concatenate([motion, motion[:7], motion], crossfade=4)
    assert len(Motion.concatenate([motion, motion[:8], motion], crossfade=4)) == 80
    with pytest.raises(MotionError, match="-1"):
        Motion.concatenate([motion, motion], crossfade=-1)
