"""Scores of made-up faces whose lips, eyelids and heads are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.evaluation.scores import blink_scores, head_scores, mouth_scores
from joyvasa_lib.evaluation.segments import Segment
from joyvasa_lib.evaluation.track import FaceTrack

FPS = 25.0
SYLLABLE = 12
"""Frames of a made-up syllable: four of /m/, eight of /a/."""
SYLLABLES = 20
MAMAMA = tuple(
    Segment(phone, (start + first) / FPS, (start + last) / FPS)
    for start in range(0, SYLLABLE * SYLLABLES, SYLLABLE)
    for phone, first, last in (("M", 0, 4), ("AA1", 4, 12))
)


def track(
    aperture: NDArray[np.float64] | None = None,
    eyelids: NDArray[np.float64] | None = None,
    rotation: NDArray[np.float64] | None = None,
) -> FaceTrack:
    given = next(curve for curve in (aperture, eyelids, rotation) if curve is not None)
    still = np.zeros(len(given))
    return FaceTrack(
        fps=FPS,
        aperture=still if aperture is None else aperture,
        eyelids=still if eyelids is None else eyelids,
        rotation=np.zeros((len(given), 3)) if rotation is None else rotation,
    )


def speaking() -> NDArray[np.float64]:
    """A mouth that says "mamama": shut on every /m/, 0.1 open on every /a/."""
    return np.tile(np.repeat([0.0, 0.1], [4, 8]), SYLLABLES)


def test_a_mouth_that_follows_the_phones_closes_on_all_bilabials_and_only_on_them() -> None:
    scores = mouth_scores(track(speaking()), MAMAMA)
    assert scores.closure_hit == 1.0
    # A window of five frames, as long as an /m/ and centred, sees one in all but four of twelve
    # places; at the first and the last syllable the film ends.
    assert scores.closure_chance == pytest.approx(8 / 12, abs=0.02)
    assert scores.closure_over_chance == pytest.approx(1.0 - (scores.closure_chance or 0.0))
    assert scores.aperture == pytest.approx(0.1)


def test_a_mouth_half_a_syllable_late_has_no_closure_where_it_should() -> None:
    scores = mouth_scores(track(np.roll(speaking(), SYLLABLE // 2)), MAMAMA)
    assert scores.closure_hit == 0.0
    assert scores.closure_over_chance is not None
    assert scores.closure_over_chance < -0.5


@pytest.mark.parametrize("opening", [0.0, 0.08])
def test_a_frozen_mouth_gains_nothing_over_chance(opening: float) -> None:
    scores = mouth_scores(track(np.full(SYLLABLE * SYLLABLES, opening)), MAMAMA)
    assert scores.closure_over_chance == 0.0
    assert scores.open_vowel_contrast is None


def test_chattering_closes_on_every_phone_and_gains_nothing() -> None:
    chatter = np.tile([0.0, 0.1], SYLLABLE * SYLLABLES // 2)
    scores = mouth_scores(track(chatter), MAMAMA)
    assert scores.closure_hit == 1.0
    assert scores.closure_over_chance == pytest.approx(0.0, abs=0.01)


def test_open_vowel_contrast_is_in_standard_deviations() -> None:
    aperture = speaking()
    scores = mouth_scores(track(aperture), MAMAMA)
    assert scores.open_vowel_contrast == pytest.approx(0.1 / aperture.std())
    upside_down = mouth_scores(track(0.1 - aperture), MAMAMA)
    assert upside_down.open_vowel_contrast == pytest.approx(-0.1 / aperture.std())


def test_without_segments_there_are_no_scores_of_phones() -> None:
    scores = mouth_scores(track(speaking()))
    assert scores.closure_hit is None
    assert scores.open_vowel_contrast is None
    assert scores.aperture == pytest.approx(0.1)


def test_silence_motion_is_relative_to_speech() -> None:
    levels = np.full(200, -20.0)
    levels[80:140] = -70.0
    moving = np.tile([0.0, 0.05, 0.1, 0.05], 50)
    assert mouth_scores(track(moving), levels=levels).silence_motion == pytest.approx(1.0, rel=0.1)
    calm = moving.copy()
    calm[80:140] = 0.0
    assert mouth_scores(track(calm), levels=levels).silence_motion == pytest.approx(0.0)


def test_a_jaw_driven_by_loudness_correlates_with_it() -> None:
    levels = -30.0 + 10.0 * np.sin(np.arange(250) * 0.9)
    driven = mouth_scores(track(0.1 + 0.005 * (levels + 30.0)), levels=levels)
    assert driven.loudness_correlation == pytest.approx(1.0)
    late = np.roll(0.1 + 0.005 * (levels + 30.0), 2)
    assert mouth_scores(track(late), levels=levels).audio_lag_ms == pytest.approx(80.0, abs=5.0)


def test_blinks_are_counted_and_timed() -> None:
    eyelids = np.zeros(1500)  # a minute
    frames = np.arange(1500)
    for centre in range(50, 1500, 100):  # fifteen triangles, 0.4 s at their feet
        eyelids = np.maximum(eyelids, 1.0 - np.abs(frames - centre) / 5.0)
    eyelids = np.maximum(eyelids, 0.3 * (frames % 100 == 0))  # partial closures do not count
    scores = blink_scores(track(eyelids=eyelids))
    assert scores.per_minute == pytest.approx(15.0)
    assert scores.duration_ms == pytest.approx(320.0)  # 8 of 10 frames lie above a fifth


def test_eyes_that_stay_closed_are_not_a_blink() -> None:
    eyelids = np.zeros(500)
    eyelids[100:300] = 1.0
    scores = blink_scores(track(eyelids=eyelids))
    assert scores.per_minute == 0.0
    assert scores.duration_ms is None


def test_the_head_is_measured_in_degrees() -> None:
    time = np.arange(1000) / FPS
    pitch, yaw, roll = (a * np.sin(2 * np.pi * 0.2 * time) for a in (1.0, 4.0, 2.0))
    scores = head_scores(track(rotation=np.stack([pitch, yaw, roll], axis=1)))
    assert scores.yaw_range == pytest.approx(8.0, rel=0.02)
    assert scores.pitch_range == pytest.approx(2.0, rel=0.02)
    assert scores.roll_range == pytest.approx(4.0, rel=0.02)
    # The mean of |cos| is 2 / pi.
    expected = 2 * np.pi * 0.2 * np.sqrt(1.0 + 16.0 + 4.0) * 2.0 / np.pi
    assert scores.speed == pytest.approx(expected, rel=0.02)
    assert scores.jitter < 0.01


def test_a_shaking_head_jitters_but_does_not_count_as_fast() -> None:
    shake = 0.4 * np.sin(2 * np.pi * 10.0 * np.arange(1000) / FPS)
    scores = head_scores(track(rotation=np.stack([0 * shake, shake, 0 * shake], axis=1)))
    assert scores.jitter == pytest.approx(0.4 / np.sqrt(2.0), rel=0.03)
    assert scores.speed < 0.3


def test_frames_without_a_face_are_bridged() -> None:
    aperture = speaking()
    aperture[30:33] = np.nan
    torn = track(aperture)
    assert torn.lost == pytest.approx(3 / 240)
    assert mouth_scores(torn, MAMAMA).closure_hit == 1.0
