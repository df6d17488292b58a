"""Smoothing filters."""

from __future__ import annotations

import itertools
from statistics import median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import places
from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion import LIVEPORTRAIT_21, Motion
from joyvasa_lib.motion.keypoints import rotation_matrix
from joyvasa_lib.motion.operations.one_euro import OneEuroFilter, one_euro
from joyvasa_lib.motion.operations.smoothing import (
    exponential,
    savitzky_golay,
    trailing_mean,
    trailing_median,
    whittaker,
)

PARITY = np.load(places.PARITY / "smoothing.npz")
POSE = ("scale", "t", "pitch", "yaw", "roll")
METHODS = ("one-euro", "ema", "median", "mean", "savgol", "whittaker")


def pose(kind: str) -> np.ndarray:
    return np.concatenate([PARITY[f"{kind}/{name}"] for name in POSE], axis=1)


def noisy_motion(n_frames: int = 300, *, seed: int = 0) -> tuple[Motion, Motion]:
    """A slow clean motion and the same with noise."""
    rng = np.random.default_rng(seed)
    seconds = np.arange(n_frames)[:, None] / 25
    clean = np.sin(2 * np.pi * 0.5 * seconds + rng.uniform(0, 6, 70))
    make = lambda v: Motion.from_vector(v, space=LIVEPORTRAIT_21)  # noqa: E731
    return make(clean), make(clean + rng.normal(0, 0.1, clean.shape))


def lag(filtered: np.ndarray, original: np.ndarray) -> int:
    """Frames by which ``filtered`` is late, from the peak of the cross-correlation."""
    a, b = filtered - filtered.mean(), original - original.mean()
    return int(np.correlate(a, b, mode="full").argmax()) - (len(b) - 1)


@pytest.mark.parametrize(
    ("kind", "smoothed"),
    [
        ("ema", lambda x: exponential(x, alpha=0.01)),
        ("median", lambda x: trailing_median(x, window=3)),
        ("mean", lambda x: trailing_mean(x, window=10)),
    ],
)
def test_the_three_official_smoothers_are_reproduced(kind, smoothed) -> None:  # type: ignore[no-untyped-def]
    np.testing.assert_allclose(smoothed(pose("in")), pose(kind), atol=1e-5)


def test_the_official_smoothing_is_one_call_on_a_motion_and_leaves_the_expression() -> None:
    motion = Motion(
        expression=PARITY["in/exp"],
        rotation=pose("in")[:, 4:],
        translation=PARITY["in/t"],
        scale=PARITY["in/scale"],
        fps=25,
        space=LIVEPORTRAIT_21,
    )
    for method, options in (("ema", {"alpha": 0.01}), ("median", {}), ("mean", {})):
        smooth = motion.smooth(method, parts=("pose",), **options)
        np.testing.assert_allclose(smooth.vector[:, 63:], pose(method), atol=1e-5)
        assert np.array_equal(smooth.expression, motion.expression)
        assert np.array_equal(smooth.expression, PARITY[f"{method}/exp"])
        turn = rotation_matrix(smooth.rotation)
        np.testing.assert_allclose(turn, PARITY[f"{method}/R"], atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_motion_stays_constant(method: str) -> None:
    vector = np.tile(np.random.default_rng(0).normal(size=70), (50, 1))
    motion = Motion.from_vector(vector, space=LIVEPORTRAIT_21)
    assert motion.smooth(method).allclose(motion, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_frames", [0, 1, 2, 3])
def test_motions_of_no_length_are_smoothed_too(method: str, n_frames: int) -> None:
    motion = noisy_motion(10)[1][:n_frames]
    assert len(motion.smooth(method)) == n_frames


@pytest.mark.parametrize("method", ["one-euro", "savgol", "whittaker"])
def test_noise_becomes_less_and_the_motion_truer(method: str) -> None:
    clean, noisy = noisy_motion()
    smooth = noisy.smooth(method)
    before = np.square(noisy.vector - clean.vector).mean()
    after = np.square(smooth.vector - clean.vector).mean()
    assert after < 0.5 * before


@pytest.mark.parametrize("method", ["one-euro", "savgol", "whittaker"])
def test_the_default_smoothers_do_not_lag(method: str) -> None:
    clean, noisy = noisy_motion()
    smooth = noisy.smooth(method)
    for channel in (0, 30, 66, 69):
        assert abs(lag(smooth.vector[:, channel], clean.vector[:, channel])) == 0


def test_the_causal_one_euro_lags_and_zero_phase_treats_both_directions_alike() -> None:
    wave = np.sin(np.arange(400) / 8.0)[:, None]
    assert lag(one_euro(wave, fps=25, beta=0.0)[:, 0], wave[:, 0]) > 0
    options = {"fps": 25, "beta": 0.3, "zero_phase": True}
    noise = np.random.default_rng(0).normal(size=(100, 3))
    np.testing.assert_allclose(
        one_euro(noise[::-1], **options), one_euro(noise, **options)[::-1], atol=1e-12
    )


def test_one_euro_is_the_published_algorithm() -> None:
    x = np.random.default_rng(1).normal(size=60).cumsum()
    fps, min_cutoff, beta, derivative_cutoff = 25.0, 1.2, 0.4, 0.9

    def alpha(cutoff: float) -> float:
        tau, period = 1.0 / (2.0 * np.pi * cutoff), 1.0 / fps
        return 1.0 / (1.0 + tau / period)

    expected, speed = [x[0]], 0.0
    for previous, value in itertools.pairwise(x):
        speed += alpha(derivative_cutoff) * ((value - previous) * fps - speed)
        weight = alpha(min_cutoff + beta * abs(speed))
        expected.append(weight * value + (1.0 - weight) * expected[-1])
    result = one_euro(
        x[:, None], fps=fps, min_cutoff=min_cutoff, beta=beta, derivative_cutoff=derivative_cutoff
    )
    np.testing.assert_allclose(result[:, 0], expected, atol=1e-12)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 80), max_size=6))
def test_a_stream_in_chunks_is_filtered_like_the_whole(cuts: list[int]) -> None:
    x = np.random.default_rng(2).normal(size=(80, 4)).cumsum(axis=0)
    stream = OneEuroFilter(25, min_cutoff=0.8, beta=0.2)
    edges = [0, *sorted(cuts), 80]
    parts = [stream(x[a:b]) for a, b in itertools.pairwise(edges)]
    whole = one_euro(x, fps=25, min_cutoff=0.8, beta=0.2)
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-12)


def test_a_faster_curve_is_followed_more_closely_with_beta() -> None:
    ramp = np.linspace(0, 30, 120)[:, None]
    behind = [float((ramp - one_euro(ramp, fps=25, beta=b))[-1, 0]) for b in (0.0, 0.5, 5.0)]
    assert behind[0] > 2 * behind[1] > 2 * behind[2] > 0


def test_one_euro_on_a_motion_does_not_depend_on_the_units() -> None:
    _, noisy = noisy_motion()
    scaled = Motion.from_vector(noisy.vector * 50.0, space=LIVEPORTRAIT_21)
    np.testing.assert_allclose(
        scaled.smooth().expression, 50.0 * noisy.smooth().expression, rtol=1e-3, atol=1e-3
    )


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 7), st.integers(0, 12))
def test_trailing_filters_look_back_and_never_ahead(window: int, n_frames: int) -> None:
    x = np.random.default_rng(n_frames).normal(size=(n_frames, 2))
    past = [x[max(0, i - window + 1) : i + 1] for i in range(n_frames)]
    means = np.array([p.mean(0) for p in past]).reshape(-1, 2)
    medians = np.array([[median(p[:, c]) for c in (0, 1)] for p in past]).reshape(-1, 2)
    np.testing.assert_allclose(trailing_mean(x, window=window), means, atol=1e-12)
    np.testing.assert_allclose(trailing_median(x, window=window), medians, atol=1e-12)


def test_savitzky_golay_keeps_cubics_and_whittaker_straight_lines() -> None:
    t = np.linspace(-1, 1, 50)[:, None]
    cubic = 2 * t**3 - t**2 + 0.5
    np.testing.assert_allclose(savitzky_golay(cubic, window=9, order=3), cubic, atol=1e-9)
    line = 3 * t + 1
    np.testing.assert_allclose(whittaker(line, fps=25, cutoff=1.0), line, atol=1e-9)


def test_whittaker_solves_its_least_squares_and_halves_its_cutoff() -> None:
    rng = np.random.default_rng(0)
    x, cutoff = rng.normal(size=(30, 2)), 4.0
    second = np.diff(np.eye(30), n=2, axis=0)
    penalty = (2 * np.sin(np.pi * cutoff / 25)) ** -4
    expected = np.linalg.solve(np.eye(30) + penalty * second.T @ second, x)
    np.testing.assert_allclose(whittaker(x, fps=25, cutoff=cutoff), expected, atol=1e-9)
    wave = np.sin(2 * np.pi * cutoff * np.arange(1000) / 25)[:, None]
    middle = whittaker(wave, fps=25, cutoff=cutoff)[300:700]
    assert middle.std() / wave[300:700].std() == pytest.approx(0.5, abs=0.01)


def test_a_turn_past_180_degrees_is_smoothed_as_one_turn() -> None:
    rotation = np.zeros((40, 3))
    rotation[:, 2] = (np.arange(40) * 3.0 + 120.0 + 180.0) % 360.0 - 180.0
    motion = Motion.build(np.zeros((40, 21, 3)), space=LIVEPORTRAIT_21, rotation=rotation)
    assert np.abs(np.diff(motion.smooth("savgol").rotation[:, 2])).max() < 3.1


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("magic", {}, "one-euro.*'magic'"),
        ("ema", {"window": 3}, "no option 'window'; it has alpha"),
        ("ema", {"alpha": 0.0}, r"above 0 and at most 1, not 0"),
        ("mean", {"window": 0}, "window.*at least 1, not"),
        ("savgol", {"window": 4}, "odd"),
        ("whittaker", {"cutoff": 20.0}, r"12\.5 Hz"),
        ("one-euro", {"min_cutoff": 0.0}, "min_cutoff"),
        ("one-euro", {"beta": float("nan")}, "beta"),
    ],
)
def test_a_wrong_method_or_option_is_refused_with_what_is_allowed(
    method: str, options: dict[str, float], message: str
) -> None:
    with pytest.raises(MotionError, match=message):
        noisy_motion(10)[1].smooth(method, **options)


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(MotionError, match=r"'expression', 'pose', not 'ears'"):
        noisy_motion(10)[1].smooth(parts=("ears",))
