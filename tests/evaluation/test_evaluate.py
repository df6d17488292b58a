"""Evaluation of whole performances: motions and videos whose numbers are known beforehand."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.evaluation import (
    FaceTrack,
    FaceTracker,
    Segment,
    evaluate_motion,
    evaluate_video,
)
from joyvasa_lib.evaluation.scores import blink_scores, mouth_scores
from joyvasa_lib.evaluation.track import eyelid_closure
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.media.audio import Speech
from joyvasa_lib.media.video import VideoWriter
from joyvasa_lib.motion import Motion
from joyvasa_lib.motion.space import get_space
from joyvasa_lib.rig.regions import EYES

FPS = 25.0
N = 500
TIMES = np.arange(N) / FPS
BILABIALS = [Segment("B", second + 0.41, second + 0.48) for second in range(20)]
PHONES = [Segment("AA1", 0.0, 0.41), *BILABIALS]
PHONES += [Segment("AA1", one.end, one.start + 1.0) for one in BILABIALS]

Curve = NDArray[np.float64]
Image = NDArray[np.uint8]


def closing_mouth(offset: float) -> Curve:
    """Open by 0.1 with a closure of five frames each second, `offset` seconds from the /b/."""
    distance = np.abs((TIMES + 0.02 - 0.445 - offset + 0.5) % 1.0 - 0.5)
    return np.where(distance <= 0.1, 0.0, 0.1)


def mouth(aperture: Curve) -> FaceTrack:
    return FaceTrack(FPS, aperture, np.zeros(len(aperture)), np.zeros((len(aperture), 3)))


def test_closures_independent_of_the_speech_gain_nothing_on_average() -> None:
    over = [
        mouth_scores(mouth(closing_mouth(offset)), PHONES).closure_over_chance
        for offset in np.arange(25) / FPS
    ]
    assert max(over) > 0.6
    assert np.mean(over) == pytest.approx(0.0, abs=0.01)


def test_closures_are_judged_by_the_range_of_the_face() -> None:
    plain = mouth_scores(mouth(closing_mouth(0.0)), PHONES)
    thick = mouth_scores(mouth(3.0 * closing_mouth(0.0) + 0.05), PHONES)
    assert thick.closure_over_chance == plain.closure_over_chance
    assert thick.aperture == pytest.approx(0.35)


@pytest.mark.parametrize(("frequency", "share"), [(2.0, 0.0), (10.0, 1.0)])
def test_jitter_share_tells_jitter_from_speech(frequency: float, share: float) -> None:
    aperture = 0.1 + 0.02 * np.sin(2 * np.pi * frequency * TIMES)
    assert mouth_scores(mouth(aperture)).jitter_share == pytest.approx(share, abs=0.02)


def test_jitter_share_of_a_mixture_weighs_by_the_square_of_speed() -> None:
    slow, fast = 0.02, 0.004
    aperture = 0.1 + slow * np.sin(2 * np.pi * 2 * TIMES) + fast * np.sin(2 * np.pi * 10 * TIMES)
    # The step from frame to frame of a sine is its amplitude times 2 sin(pi frequency / fps).
    energies = (slow * math.sin(math.pi * 2 / FPS)) ** 2, (fast * math.sin(math.pi * 10 / FPS)) ** 2
    expected = energies[1] / sum(energies)
    assert mouth_scores(mouth(aperture)).jitter_share == pytest.approx(expected, abs=0.02)


def test_a_motionless_mouth_has_no_jitter_share() -> None:
    assert mouth_scores(mouth(np.full(N, 0.1))).jitter_share is None


def test_eyes_that_close_for_a_fifth_of_a_second_are_one_blink(astronaut: Image) -> None:
    face = MediaPipeFaceDetector().detect(astronaut)[0]
    lowered = face.landmarks.copy()
    for eye in EYES:
        lowered[list(eye.upper_lid)] = face.landmarks[list(eye.lower_lid)]
    closed = replace(face, landmarks=lowered)
    tracker = FaceTracker(FPS)
    for index in range(100):
        tracker.see(astronaut, closed if 40 <= index < 45 else face)
    scores = blink_scores(tracker.track())
    assert scores.per_minute == pytest.approx(15.0)
    assert scores.duration_ms == pytest.approx(200.0, abs=40.0)


def test_narrow_eyes_that_stay_narrow_do_not_blink() -> None:
    narrow = 0.35 + 0.03 * np.sin(np.arange(100.0))
    assert eyelid_closure(narrow).max() < 0.25
    narrow[40:45] = 0.75
    assert eyelid_closure(narrow)[40:45].min() > 0.9


def test_a_motion_is_measured_with_its_speech_and_segments() -> None:
    space = get_space()
    units = np.zeros((N, len(space.blendshape_names)), np.float32)
    units[:, space.blendshape_index("jawOpen")] = 3.0 * closing_mouth(0.0)
    waveform = 0.1 * np.sin(np.arange(20 * 16000 + 800) * 0.1).astype(np.float32)
    rows = [(one.phone, one.start, one.end) for one in PHONES]
    result = evaluate_motion(Motion.from_blendshapes(units), waveform, rows, sample_rate=16000)
    assert result.mouth.closure_hit == 1.0
    assert result.length.difference_ms == pytest.approx(50.0)
    assert result.consistency is None
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["name"] == "motion"


@pytest.fixture(scope="module")
def rolling_head(astronaut: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The portrait turned about its nose by 5 degrees to either side: 2 s without audio."""
    path = tmp_path_factory.mktemp("rolling") / "rolling.mp4"
    with VideoWriter(path, (512, 512), FPS) as writer:
        for time in TIMES[:50]:
            angle = 5.0 * math.sin(2 * math.pi * 0.5 * time)
            turn = cv2.getRotationMatrix2D((225.0, 120.0), angle, 1.0)
            writer.write(cv2.warpAffine(astronaut, turn, (512, 512), borderMode=cv2.BORDER_REFLECT))
    return path


def test_a_video_of_a_rolling_head_shows_ten_degrees_and_the_same_face(rolling_head: Path) -> None:
    seen: list[int] = []
    tone = 0.1 * np.sin(np.arange(32000) * 0.1).astype(np.float32)
    result = evaluate_video(rolling_head, Speech(tone), progress=seen.append)
    assert seen == list(range(1, 51))
    assert result.head.roll_range == pytest.approx(10.0, abs=1.0)
    assert result.head.yaw_range < 3.0
    assert result.blinks.per_minute == 0.0
    assert result.length.seconds == pytest.approx(2.0)
    assert result.length.audio_seconds is None  # the file has none; the tone is the caller's
    assert result.consistency is not None
    assert result.consistency.identity_drift < 1.5
    assert result.consistency.identity_similarity is not None
    assert result.consistency.identity_similarity > 0.8
    assert result.consistency.background_change is not None
    assert result.consistency.background_change > 5.0  # everything turns
