"""What is seen in a rendered video is what its motion meant: both stages of evaluation agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.emotion.emotion import Emotion
from joyvasa_lib.evaluation import FaceTracker, evaluate_motion, evaluate_video, track_motion
from joyvasa_lib.evaluation.curves import correlation
from joyvasa_lib.evaluation.expression import lips_parted
from joyvasa_lib.evaluation.track import follow_face
from joyvasa_lib.face.crop import crop_face
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.media.audio import Speech
from joyvasa_lib.media.video import VideoWriter, read_video
from joyvasa_lib.motion import BLENDSHAPES, Motion
from joyvasa_lib.portrait.compact.model import CompactPortraitModel

pytestmark = pytest.mark.slow

FPS, FRAMES, SIDE = 25.0, 50, 256


@pytest.fixture(scope="module")
def motion() -> Motion:
    """Two seconds: the jaw opens three times, the eyelids close twice, the head keeps still."""
    units = np.zeros((FRAMES, len(BLENDSHAPES)), np.float32)
    time = np.arange(FRAMES) / FRAMES
    units[:, BLENDSHAPES.index("jawOpen")] = 0.35 - 0.35 * np.cos(2 * np.pi * 3 * time)
    for lid in ("eyeBlinkLeft", "eyeBlinkRight"):
        for start in (14, 36):
            units[start : start + 4, BLENDSHAPES.index(lid)] = [0.7, 1.0, 1.0, 0.5]
    return Motion.from_blendshapes(units, fps=FPS)


@pytest.fixture(scope="module")
def video(
    astronaut: NDArray[np.uint8], motion: Motion, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    crop = crop_face(astronaut, MediaPipeFaceDetector().detect(astronaut)[0], size=SIDE)
    model = CompactPortraitModel.from_pretrained()
    tone = 0.3 * np.sin(2 * np.pi * 200 * np.arange(round(16000 * FRAMES / FPS)) / 16000)
    path = tmp_path_factory.mktemp("video") / "astronaut.mp4"
    with VideoWriter(path, (SIDE, SIDE), FPS, Speech(tone.astype(np.float32))) as writer:
        for frames in model.render(model.encode(crop), motion):
            writer.write(frames)
    return path


def test_blinks_head_identity_and_lengths_are_seen_as_they_were_meant(
    motion: Motion, video: Path
) -> None:
    seen, meant = evaluate_video(video), evaluate_motion(motion)
    assert meant.blinks.per_minute == seen.blinks.per_minute == pytest.approx(60.0)
    assert seen.blinks.duration_ms == pytest.approx(meant.blinks.duration_ms, abs=80.0)
    assert seen.length.frames == FRAMES
    assert seen.length.lost_frames == 0.0
    assert seen.length.difference_ms == pytest.approx(0.0, abs=40.0)
    assert seen.head.yaw_range < 4.0
    assert seen.consistency is not None
    assert seen.consistency.identity_drift < 1.0
    assert seen.consistency.identity_similarity is not None
    assert seen.consistency.identity_similarity > 0.95


def test_the_lips_are_seen_to_open_as_they_were_meant_to(motion: Motion, video: Path) -> None:
    tracker = FaceTracker(FPS)
    for frame, face in follow_face(read_video(video)):
        tracker.see(frame, face)
    seen, meant = tracker.track().aperture, track_motion(motion).aperture
    assert correlation(seen, meant) > 0.9
    assert seen.max() > 0.3 * meant.max()


@pytest.mark.parametrize("emotion", ["anger", "happiness", "sadness"])
def test_lips_are_seen_to_part_whatever_the_brows_do(
    astronaut: NDArray[np.uint8], emotion: str
) -> None:
    """Closed lips are closed under any upper face; a jaw that drops under it is seen."""
    detector = MediaPipeFaceDetector()
    crop = crop_face(astronaut, detector.detect(astronaut)[0], size=384)
    model = CompactPortraitModel.from_pretrained()
    portrait, still = model.encode(crop), Motion.neutral(1)
    brows = still.edit(Emotion.named(emotion).only("brow", "eye", "cheek"))

    def frame(motion: Motion) -> NDArray[np.uint8]:
        return next(iter(model.render(portrait, motion)))[0]

    plain = frame(still)
    mesh = detector.detect(plain)[0].landmarks
    assert abs(lips_parted(plain, frame(brows), mesh)) < 0.005
    units = brows.blendshapes.copy()
    for jaw in (0.2, 0.4):  # the rig's lips part by 0.31 distances of the eye corners per jaw
        units[:, BLENDSHAPES.index("jawOpen")] = jaw
        seen = lips_parted(plain, frame(brows.with_blendshapes(units)), mesh)
        assert seen == pytest.approx(0.31 * jaw, rel=0.4), jaw
