"""Somebody who does not speak: a shut mouth, breath, postures, blinks; a listener's nods."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import find_peaks, welch

from joyvasa_lib.errors import MotionError, OptionError
from joyvasa_lib.evaluation.behaviour.measure import behaviour_of_motion
from joyvasa_lib.motion import BLENDSHAPES, LIVEPORTRAIT_21, Motion, get_space
from joyvasa_lib.motion.living.heard import Heard
from joyvasa_lib.motion.living.idle import idle_performance

FPS = 25.0
RATE = 16000


def idle(seconds, *, space=None, **options) -> Motion:
    return idle_performance(seconds, space=space or get_space(), **options).motion


@pytest.fixture(scope="module")
def ten_minutes() -> list[Motion]:
    return [idle(600.0, seed=seed) for seed in (0, 1, 2)]


def phrases(period=4.0, spoken=2.6, seconds=600.0) -> Heard:
    """Somebody who speaks for so many seconds of each period."""
    time = np.arange(round(seconds * RATE)) / RATE
    noise = np.random.default_rng(0).normal(size=len(time)).astype(np.float32)
    return Heard([np.where(time % period < spoken, 0.1, 0.0).astype(np.float32) * noise])


@pytest.fixture(scope="module")
def listened() -> Motion:
    return idle(600.0, heard=phrases(), seed=4)


def shape(motion: Motion, name: str):
    return motion.blendshapes[:, BLENDSHAPES.index(name)]


def blinks(motion: Motion):
    shut = shape(motion, "eyeBlinkLeft") > 0.5
    return np.flatnonzero(shut[1:] & ~shut[:-1]) + 1


# Still


def test_without_liveliness_every_frame_is_the_same_neutral_frame():
    for heard in (None, phrases(seconds=20.0)):
        assert idle(20.0, liveliness=0.0, heard=heard, seed=9) == Motion.neutral(500)


def test_the_mouth_is_shut_and_the_jaw_still(ten_minutes, listened):
    moves = ("eye", "brow", "cheekSquint", "mouthSmile")
    quiet = [i for i, name in enumerate(BLENDSHAPES) if not name.startswith(moves)]
    for motion in (*ten_minutes, listened):
        assert np.abs(motion.blendshapes[:, quiet]).max() < 1e-6
        assert shape(motion, "mouthSmileLeft").max() < 0.3
        measured = behaviour_of_motion(motion)
        assert measured["aperture_sd"] < 1e-4 and measured["aperture_p95"] < 1e-3


@pytest.mark.parametrize("frames", [1, 2, 3, 20, 33, 300])
@pytest.mark.parametrize("heard", [False, True])
def test_the_first_and_the_last_frame_are_at_rest(frames, heard):
    motion = idle(frames / FPS, seed=2, heard=phrases(2.0, 1.0, 12.0) if heard else None)
    assert len(motion) == frames
    rest = Motion.neutral(1)
    for end in (motion[0], motion[-1]):
        np.testing.assert_allclose(end.vector, rest.vector, atol=1e-6)
    if frames == 300:  # and the motion leaves and reaches them slowly
        for few in (motion[:4], motion[-4:]):
            assert np.abs(few.rotation).max() < 0.5


# What moves


def test_the_head_moves_slowly_within_a_few_degrees(ten_minutes):
    for motion in ten_minutes:
        spread = motion.rotation.std(axis=0)
        assert (spread > 0.5).all() and (spread < 2.0).all()
        assert np.abs(motion.rotation).max() < 4.5
        assert np.abs(motion.translation).max() < 0.04
        speed = FPS * np.abs(np.diff(motion.rotation, axis=0))
        assert speed.max() < 10.0 and np.median(speed) < 1.5
    # postures of seconds: what is left of the head's pitch after half a second is most of it
    steps = ten_minutes[0].rotation[12:] - ten_minutes[0].rotation[:-12]
    assert np.median(np.abs(steps)) < 0.3


def test_it_breathes_12_to_16_times_a_minute(ten_minutes):
    for motion in ten_minutes:
        hertz, power = welch(motion.translation[:, 1], FPS, nperseg=4096)
        band = (hertz > 0.15) & (hertz < 0.45)
        peak = hertz[band][power[band].argmax()] * 60.0
        assert 11.0 < peak < 17.5
        lift = motion.translation[:, 1] - np.convolve(
            motion.translation[:, 1], np.ones(250) / 250, "same"
        )
        assert 0.0008 < lift[300:-300].std() < 0.006  # a two-hundredth of the eyes' distance


def test_blinks_are_those_of_people_at_rest(ten_minutes):
    assert 15.0 <= np.mean([len(blinks(motion)) / 10.0 for motion in ten_minutes]) <= 17.5
    for motion in ten_minutes:
        assert 13.0 < len(blinks(motion)) / 10.0 < 19.0
        peaks, _ = find_peaks(shape(motion, "eyeBlinkLeft"), height=0.2, distance=5)
        assert (shape(motion, "eyeBlinkLeft")[peaks] > 0.7).all()  # none is left half shut


def test_eyes_look_aside_now_and_then_and_always_at_the_viewer_if_asked(ten_minutes):
    def away(motion):
        turned = shape(motion, "eyeLookOutLeft") - shape(motion, "eyeLookInLeft")
        return np.abs(28.0 * turned - 0.8 * motion.rotation[:, 1])  # degrees, head made good

    assert 0.1 < (away(ten_minutes[0]) > 3.0).mean() < 0.4
    held = idle(300.0, gaze="viewer", seed=1)
    assert away(held).max() < 2.5
    assert len(blinks(held)) > 40


def test_brows_and_corners_of_the_mouth_move_now_and_then(ten_minutes):
    for name, least, most in (("browInnerUp", 0.06, 0.25), ("mouthSmileLeft", 0.05, 0.2)):
        curve = shape(ten_minutes[1], name)
        assert least < curve.max() < most
        assert 0.02 < (curve > 0.03).mean() < 0.5
        raised = curve > 0.03
        assert 2.0 < (raised[1:] & ~raised[:-1]).sum() / 10.0 < 9.0  # a minute


def test_liveliness_is_a_factor_on_what_moves():
    one, half, two = (idle(60.0, liveliness=amount, seed=3) for amount in (1.0, 0.5, 2.0))
    np.testing.assert_allclose(half.rotation, 0.5 * one.rotation, atol=1e-5)
    np.testing.assert_allclose(two.translation, 2.0 * one.translation, atol=1e-6)
    np.testing.assert_allclose(
        shape(two, "browInnerUp"), 2.0 * shape(one, "browInnerUp"), atol=1e-5
    )
    np.testing.assert_array_equal(blinks(half), blinks(two))


def test_an_idle_motion_looks_sane_beside_people(ten_minutes):
    measured = behaviour_of_motion(ten_minutes[0][:1500])
    for row in ("yaw_sd", "pitch_sd", "roll_sd", "gaze_sd"):
        assert next(one for one in measured.rows if one.row.key == row).place == "inside", row
    assert 0.2 < measured["head_speed"] < 2.4  # below the least of those who speak


# Listening


def downward(motion):
    """Starts of beats of the head, frames, and their degrees of pitch."""
    pitch = motion.rotation[:, 0]
    peaks, about = find_peaks(pitch, prominence=1.7, wlen=25)
    return peaks, about["prominences"]


def test_nods_come_within_a_second_after_phrases_and_not_within_speech(listened, ten_minutes):
    peaks, size = downward(listened)
    assert all(len(downward(motion)[0]) == 0 for motion in ten_minutes)
    within = peaks / FPS % 4.0  # speech until 2.6
    assert (within > 2.6).all() and (within < 4.0).all()
    first = peaks[np.diff(peaks, prepend=-100) > 25]
    assert (first / FPS % 4.0 < 3.6 + 0.35).all()
    assert 0.65 * 150 < len(first) < 0.95 * 150
    assert 2.8 < np.median(size) < 6.2 and size.max() < 7.5


def test_a_listener_blinks_after_phrases_and_looks_at_the_speaker(listened, ten_minutes):
    when = blinks(listened) / FPS % 4.0
    after = ((when > 2.6) & (when < 3.4)).sum() / 0.8
    during = ((when > 0.4) & (when < 2.6)).sum() / 2.2
    assert after > 1.7 * during

    def aside(motion):
        return (
            np.abs(shape(motion, "eyeLookOutLeft") - shape(motion, "eyeLookInLeft")) > 0.2
        ).mean()

    assert aside(listened) < 0.7 * aside(ten_minutes[0])
    assert (
        shape(listened, "mouthSmileLeft").mean()
        > 1.5 * shape(ten_minutes[0], "mouthSmileLeft").mean()
    )


# Seeds, lengths, rates, spaces


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    first, again, other = (idle(30.0, seed=seed) for seed in (5, 5, 6))
    assert first.vector.tobytes() == again.vector.tobytes()
    assert np.abs(first.rotation - other.rotation).max() > 0.5
    assert first.vector.dtype == np.float32 and first.fps == FPS


def test_a_performance_is_read_again_and_hands_out_bounded_pieces():
    performance = idle_performance(3600.0, space=get_space(), seed=1)
    lengths = [len(piece) for piece in performance]
    assert sum(lengths) == 90000 and max(lengths) <= 256
    whole = idle(40.0, seed=1).vector
    other = np.concatenate([piece.vector for _, piece in zip(range(3), performance, strict=False)])
    # Long before either ends, length does not matter.
    np.testing.assert_array_equal(whole[:768], other[:768])


def test_another_rate_shows_the_same_head():
    slow, fast = idle(20.0, seed=8), idle(20.0, seed=8, fps=50.0)
    assert len(fast) == 1000
    np.testing.assert_allclose(fast.rotation[:900:2], slow.rotation[:450], atol=0.05)


def test_without_blendshapes_the_head_moves_alone():
    motion = idle(60.0, space=LIVEPORTRAIT_21, seed=2, heard=phrases(seconds=60.0))
    assert motion.reference == "source" and motion.space == LIVEPORTRAIT_21
    assert not motion.expression.any()
    compact = idle(60.0, seed=2, heard=phrases(seconds=60.0))
    np.testing.assert_array_equal(motion.rotation, compact.rotation)
    assert 0.0 < np.abs(motion.translation).max() < 0.01
    assert len(downward(motion)[0]) > 5


def test_it_is_joined_with_speech_without_a_jump():
    speech = Motion.neutral(20)
    joined = Motion.concatenate([idle(3.0), speech, idle(3.0, seed=1)])
    assert np.abs(np.diff(joined.rotation, axis=0)).max() < 0.4


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"seconds": 0}, OptionError, "seconds must be a number above 0"),
        ({"seconds": "long"}, OptionError, "'long'"),
        ({"seconds": 0.01}, OptionError, "give a length of 1"),
        ({"seconds": 1e9}, OptionError, "frames of 25 a second"),
        ({"liveliness": 2.5}, OptionError, "liveliness must be a number from 0 to 2, not 2.5"),
        ({"seed": -1}, OptionError, "seed"),
        ({"gaze": "model"}, OptionError, "'placed', 'viewer'"),
        ({"fps": 0}, MotionError, "fps"),
    ],
)
def test_an_option_that_cannot_be_is_refused(options, error, named):
    with pytest.raises(error, match=named):
        idle_performance(**{"seconds": 1.0, "space": get_space(), **options})
