"""Gains and limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion import BLENDSHAPES, LIVEPORTRAIT_21, Motion, MotionSpace, get_space
from joyvasa_lib.motion.operations.gains import Gains, apply_gains
from joyvasa_lib.motion.operations.limits import (
    BEYOND_FULL,
    Limits,
    clip_blendshapes,
    highest_activations,
    limit_motion,
    soft_limit,
)

RNG = np.random.default_rng(0)
COMPACT = get_space()


def compact_motion(n_frames: int = 60) -> Motion:
    return Motion.from_blendshapes(
        RNG.uniform(0, 0.6, (n_frames, 52)),
        rotation=RNG.normal(2, 4, (n_frames, 3)),
        translation=RNG.normal(0, 0.1, (n_frames, 3)),
        scale=np.exp(RNG.normal(0, 0.05, (n_frames, 1))),
    )


def official_motion(n_frames: int = 60) -> Motion:
    vector = RNG.normal(size=(n_frames, 70))
    vector[:, 63] = np.exp(0.1 * vector[:, 63])
    return Motion.from_vector(vector, space=LIVEPORTRAIT_21)


@pytest.mark.parametrize("make", [compact_motion, official_motion])
def test_gains_of_one_give_exactly_the_same_numbers(make) -> None:  # type: ignore[no-untyped-def]
    motion = make()
    assert motion.with_gains() == motion


@pytest.mark.parametrize("make", [compact_motion, official_motion])
@pytest.mark.parametrize("centre", ["mean", "rest"])
def test_head_gain_zero_gives_a_constant_pose(make, centre) -> None:  # type: ignore[no-untyped-def]
    motion = make()
    still = apply_gains(motion, Gains(head=0.0, head_centre=centre))
    for name in ("rotation", "translation", "scale"):
        assert (getattr(still, name) == getattr(still, name)[0]).all()
    if centre == "rest":
        assert still.vector[0, -7:].tolist() == [1, 0, 0, 0, 0, 0, 0]
    else:
        np.testing.assert_allclose(still.rotation[0], motion.rotation.mean(0), atol=1e-5)
    assert np.array_equal(still.expression, motion.expression)


def test_head_gain_scales_the_spread_and_keeps_the_mean() -> None:
    motion = compact_motion()
    half = motion.with_gains(head=0.5)
    np.testing.assert_allclose(half.rotation.std(0), 0.5 * motion.rotation.std(0), rtol=1e-4)
    np.testing.assert_allclose(half.rotation.mean(0), motion.rotation.mean(0), atol=1e-5)
    np.testing.assert_allclose(
        np.log(half.scale).std(), 0.5 * np.log(motion.scale).std(), rtol=1e-3
    )


def test_a_size_below_zero_is_scaled_all_the_same() -> None:
    vector = np.random.default_rng(1).normal(size=(20, 70))
    motion = Motion.from_vector(vector, space=LIVEPORTRAIT_21)
    assert (motion.scale < 0).any()
    half = motion.with_gains(head=0.5)
    np.testing.assert_allclose(half.scale.std(), 0.5 * motion.scale.std(), rtol=1e-4)


@pytest.mark.parametrize(
    ("part", "prefixes"),
    [("blink", ("eyeBlink",)), ("mouth", ("mouth", "jaw", "tongue")), ("brows", ("brow",))],
)
def test_a_gain_scales_its_blendshapes_and_no_others(part: str, prefixes: tuple[str, ...]) -> None:
    motion = compact_motion()
    scaled = motion.with_gains(**{part: 0.5})
    inside = np.array([name.startswith(prefixes) for name in BLENDSHAPES])
    np.testing.assert_allclose(
        scaled.blendshapes[:, inside], 0.5 * motion.blendshapes[:, inside], atol=1e-3
    )
    np.testing.assert_allclose(
        scaled.blendshapes[:, ~inside], motion.blendshapes[:, ~inside], atol=1e-3
    )
    assert np.array_equal(scaled.rotation, motion.rotation)


def test_a_gain_stops_at_the_ceiling_and_never_lowers() -> None:
    motion = compact_motion()
    loud = motion.with_gains(mouth=5.0, blink=5.0)
    assert loud.blendshapes.max() < 1.1 + 1e-3
    assert loud.blendshapes[:, COMPACT.blendshape_index("eyeBlinkLeft")].max() < 1.0 + 1e-3
    assert (loud.blendshapes - motion.blendshapes).min() > -1e-3


@pytest.mark.parametrize(
    ("part", "group"), [("blink", (11, 13, 15, 16, 18)), ("mouth", (6, 12, 14, 17, 19, 20))]
)
def test_without_blendshapes_a_gain_acts_on_its_keypoints_only(
    part: str, group: tuple[int, ...]
) -> None:
    motion = official_motion()
    still = motion.with_gains(**{part: 0.0})
    others = [k for k in range(21) if k not in group]
    assert np.array_equal(still.expression[:, others], motion.expression[:, others])
    inside = still.expression[:, list(group)]
    assert (inside == inside[0]).all()
    np.testing.assert_allclose(inside[0], np.median(motion.expression[:, list(group)], 0))


def test_a_gain_on_a_group_the_space_lacks_is_refused() -> None:
    motion = Motion.neutral(3, space=MotionSpace("test-bare", 2))
    with pytest.raises(MotionError, match="'test-bare'.*'mouth'"):
        motion.with_gains(mouth=2.0)


@pytest.mark.parametrize("bad", [-0.1, float("nan"), float("inf")])
def test_a_gain_that_is_no_factor_is_refused(bad: float) -> None:
    with pytest.raises(MotionError, match="mouth gain"):
        compact_motion(2).with_gains(mouth=bad)


@settings(deadline=None, max_examples=100)
@given(st.floats(0.1, 100), st.floats(0, 0.95), st.lists(st.floats(-1e4, 1e4), min_size=2))
def test_a_soft_limit_is_bounded_odd_monotone_and_never_expands(
    limit: float, knee: float, values: list[float]
) -> None:
    x = np.sort(np.array(values, dtype=np.float32))
    y = soft_limit(x, limit, knee=knee)
    assert np.abs(y).max() <= limit * (1 + 1e-6)
    assert (np.diff(y) >= -1e-6 * limit).all()
    assert (np.abs(y) <= np.abs(x) * (1 + 1e-6)).all()
    np.testing.assert_array_equal(soft_limit(-x, limit, knee=knee), -y)
    inside = np.abs(x) < knee * limit * (1 - 1e-6)
    np.testing.assert_array_equal(y[inside], x[inside])


def test_a_soft_limit_has_no_corner() -> None:
    x = np.linspace(-40, 40, 8001)
    slope = np.gradient(soft_limit(x, 12.0).astype(np.float64), x)
    assert np.abs(np.diff(slope)).max() < 0.01
    assert slope.max() < 1.01


def test_head_and_blendshapes_are_kept_within_limits() -> None:
    wild = Motion.from_blendshapes(
        RNG.uniform(-1, 3, (200, 52)), rotation=RNG.normal(0, 30, (200, 3))
    )
    tame = limit_motion(wild)
    assert (np.abs(tame.rotation).max(axis=0) <= np.array([8.0, 12.0, 15.0]) + 1e-4).all()
    assert tame.blendshapes.min() > -1e-3
    assert (tame.blendshapes.max(0) < highest_activations(tame.space) + 1e-3).all()
    assert wild.limit() == tame


def test_a_motion_within_limits_keeps_exactly_its_numbers() -> None:
    rotation = RNG.uniform(-5, 5, (60, 3))
    calm = Motion.from_blendshapes(RNG.uniform(0, 1, (60, 52)), rotation=rotation)
    assert calm.limit() == calm


def test_limits_bend_blendshapes_above_one_but_leave_those_below() -> None:
    x = np.array([-0.5, 0.0, 0.4, 1.0, 1.05, 2.0, 50.0], dtype=np.float32)
    y = clip_blendshapes(x)
    np.testing.assert_array_equal(y[:4], [0.0, 0.0, np.float32(0.4), 1.0])
    assert 1.0 < y[4] < 1.05 < y[5] <= y[6] <= 1.1 + 1e-6


def test_what_strong_expressions_need_goes_beyond_full_and_nothing_else_does() -> None:
    space = get_space()
    highest = dict(zip(space.blendshape_names, highest_activations(space), strict=True))
    assert {name for name, limit in highest.items() if limit > 1.11} == set(BEYOND_FULL)
    x = np.full((3, 52), 1.25, np.float32)
    y = clip_blendshapes(x, highest=highest_activations(space))
    for name, limit in highest.items():
        value = y[0, space.blendshape_index(name)]
        assert value == np.float32(1.25) if limit > 1.6 else value < limit


def test_limits_that_are_none_are_refused() -> None:
    with pytest.raises(MotionError, match="yaw limit"):
        Limits(yaw=0.0)
    with pytest.raises(MotionError, match="knee"):
        Limits(knee=1.0)
