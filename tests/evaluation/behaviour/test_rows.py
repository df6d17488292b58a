"""The rows of behaviour, of curves whose numbers are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.evaluation.behaviour.rows import ROWS, fast_share, real_ranges, speech_amplitude
from joyvasa_lib.evaluation.behaviour.track import RATE, SCORES, BehaviourTrack

Curve = NDArray[np.float64]

N = 500
TIMES = np.arange(N) / RATE
SINE_SD = 1.0 / np.sqrt(2.0)


def wave(hertz: float) -> Curve:
    return np.asarray(np.sin(2.0 * np.pi * hertz * TIMES))


def still() -> BehaviourTrack:
    zeros = np.zeros(N)
    return BehaviourTrack(
        RATE, zeros, zeros, zeros, zeros, np.zeros((N, len(SCORES))), np.zeros((N, 3))
    )


def value(key: str, track: BehaviourTrack, amplitude: Curve | None = None) -> float:
    return next(row for row in ROWS if row.key == key).measure(track, amplitude)


def test_there_are_23_rows_each_with_a_range_of_people() -> None:
    assert len(ROWS) == 23
    assert [row.key for row in ROWS] == list(real_ranges())
    assert len({row.title for row in ROWS}) == 23
    for real in real_ranges().values():
        assert real.low <= real.median <= real.high


@pytest.mark.parametrize(
    ("key", "curve"),
    [
        ("aperture_sd", "aperture"),
        ("width_sd", "width"),
        ("brow_height_sd", "brows"),
        ("gaze_sd", "gaze"),
    ],
)
def test_a_length_is_measured_by_its_deviation_alone(key: str, curve: str) -> None:
    track = replace(still(), **{curve: 5.0 + 0.03 * wave(0.5)})
    assert value(key, track) == pytest.approx(0.03 * SINE_SD, rel=1e-6)
    deviations = {"aperture_sd", "width_sd", "brow_height_sd", "gaze_sd"} - {key}
    assert [value(other, track) for other in deviations] == [0.0, 0.0, 0.0]


def test_wide_openings_are_told_by_the_95th_percentile() -> None:
    track = replace(still(), aperture=np.random.default_rng(0).permutation(np.linspace(0, 0.2, N)))
    assert value("aperture_p95", track) == pytest.approx(0.19, abs=1e-3)


@pytest.mark.parametrize(
    ("key", "blendshape"),
    [
        ("brow_inner_up_sd", "browInnerUp"),
        ("eye_squint_sd", "eyeSquintLeft"),
        ("smile_sd", "mouthSmileLeft"),
        ("upper_lip_up_sd", "mouthUpperUpRight"),
        ("lower_lip_down_sd", "mouthLowerDownLeft"),
        ("jaw_open_sd", "jawOpen"),
        ("pucker_sd", "mouthPucker"),
        ("funnel_sd", "mouthFunnel"),
        ("press_sd", "mouthPressRight"),
    ],
)
def test_a_score_is_measured_by_its_own_deviation(key: str, blendshape: str) -> None:
    scores = np.zeros((N, len(SCORES)))
    column = next(i for i, names in enumerate(SCORES) if blendshape in names)
    scores[:, column] = 0.3 + 0.1 * wave(0.5)
    track = replace(still(), scores=scores)
    assert value(key, track) == pytest.approx(0.1 * SINE_SD, rel=1e-6)
    keys = [row.key for row in ROWS if row.part == "score" and row.key.endswith("_sd")]
    assert sum(value(other, track) for other in keys) == pytest.approx(value(key, track))
    smiles = 0.3 if key == "smile_sd" else 0.0
    assert value("smile_mean", track) == pytest.approx(smiles, abs=1e-9)


@pytest.mark.parametrize(("key", "axis"), [("pitch_sd", 0), ("yaw_sd", 1), ("roll_sd", 2)])
def test_each_angle_of_the_head_has_its_own_row(key: str, axis: int) -> None:
    rotation = np.zeros((N, 3))
    rotation[:, axis] = 40.0 + 3.0 * wave(0.2)
    track = replace(still(), rotation=rotation)
    assert value(key, track) == pytest.approx(3.0 * SINE_SD, rel=1e-6)
    angles = [value(other, track) for other in ("pitch_sd", "yaw_sd", "roll_sd")]
    assert np.count_nonzero(angles) == 1


def test_the_heads_speed_is_the_mean_of_three_angles_in_degrees_a_second() -> None:
    steady = np.stack([3.0 * TIMES, -6.0 * TIMES, 0.0 * TIMES], axis=1)
    assert value("head_speed", replace(still(), rotation=steady)) == pytest.approx(3.0)


def test_what_a_landmarker_shakes_from_frame_to_frame_is_not_speed() -> None:
    shaking = np.tile([[0.3, 0.0, 0.0], [-0.3, 0.0, 0.0]], (N // 2, 1))
    assert value("head_speed", replace(still(), rotation=shaking)) < 0.1


@pytest.mark.parametrize(("slow", "fast", "share"), [(1, 0, 0.0), (0, 1, 1.0), (2, 1, 0.2)])
def test_fast_power_is_the_share_above_four_hertz(slow: int, fast: int, share: float) -> None:
    curve = slow * wave(1.5625) + fast * wave(7.8125)  # centres of bins of 64 frames
    assert fast_share(curve) == pytest.approx(share, abs=0.01)
    track = replace(still(), aperture=curve, width=-curve)
    assert value("aperture_fast_share", track) == pytest.approx(share, abs=0.01)
    assert value("width_fast_share", track) == pytest.approx(share, abs=0.01)


def test_a_mouth_that_does_not_move_has_no_fast_share() -> None:
    assert np.isnan(fast_share(np.full(N, 0.1)))
    assert np.isnan(value("aperture_fast_share", still()))


@pytest.mark.parametrize(("sign", "expected"), [(1.0, 1.0), (-1.0, -1.0)])
def test_a_mouth_that_widens_as_it_opens_correlates(sign: float, expected: float) -> None:
    track = replace(still(), aperture=0.1 + 0.05 * wave(1), width=0.5 + sign * 0.02 * wave(1))
    assert value("aperture_width_correlation", track) == pytest.approx(expected)


@pytest.mark.parametrize(("late", "lowest", "highest"), [(3, 0.99, 1.0), (9, -1.0, 0.5)])
def test_loudness_is_followed_within_160_ms(late: int, lowest: float, highest: float) -> None:
    noise = np.random.default_rng(1).random(N)
    track = replace(still(), aperture=np.roll(noise, late))
    found = value("aperture_loudness_correlation", track, noise)
    assert lowest <= round(found, 6) <= highest
    assert np.isnan(value("aperture_loudness_correlation", track))


def test_pauses_are_left_out_of_loudness() -> None:
    levels = np.full(N, -20.0)
    levels[100:150], levels[300:303] = -90.0, -90.0  # a pause of 2 s, and a closure of 0.12 s
    heard = speech_amplitude(levels)
    assert np.isnan(heard[100:150]).all()
    assert np.isfinite(heard).sum() == N - 50
    assert heard[0] == pytest.approx(0.1)
    # A mouth that is shut in pauses and takes no notice of loudness in speech does not follow it.
    rng = np.random.default_rng(2)
    levels = levels + 3.0 * rng.standard_normal(N)
    mouth = np.where(levels > -60.0, 0.1 + 0.02 * rng.standard_normal(N), 0.0)
    track = replace(still(), aperture=mouth)
    assert value("aperture_loudness_correlation", track, speech_amplitude(levels)) < 0.2


def test_frames_without_a_face_change_no_row() -> None:
    rotation = np.stack([wave(0.5), wave(0.3), wave(0.2)], axis=1)
    whole = replace(still(), aperture=0.1 + 0.05 * wave(1), rotation=rotation)
    holes = np.isin(np.arange(N), np.arange(60, 70))
    torn = replace(
        whole,
        aperture=np.where(holes, np.nan, whole.aperture),
        rotation=np.where(holes[:, None], np.nan, rotation),
    )
    assert torn.lost == pytest.approx(0.02)
    for key in ("aperture_sd", "aperture_p95", "pitch_sd", "head_speed"):
        assert value(key, torn) == pytest.approx(value(key, whole), rel=0.02)


@pytest.mark.parametrize("fps", [30.0, 50.0])
def test_another_frame_rate_gives_the_same_rows(fps: float) -> None:
    times = np.arange(round(20 * fps)) / fps
    curve = 0.1 + 0.05 * np.sin(2 * np.pi * 1.3 * times)
    zeros = np.zeros((len(times), len(SCORES)))
    turning = np.stack([curve * 100] * 3, axis=1)
    faster = BehaviourTrack(fps, curve, curve, curve, curve, zeros, turning).at_rate()
    plain = 0.1 + 0.05 * wave(1.3)
    same = replace(still(), aperture=plain, rotation=np.stack([plain * 100] * 3, axis=1))
    assert len(faster) == N
    for key in ("aperture_sd", "aperture_p95", "yaw_sd", "head_speed"):
        assert value(key, faster) == pytest.approx(value(key, same), rel=0.02)
