"""Identity and background: against scikit-image, and on images changed by a known amount."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from joyvasa_lib.evaluation.consistency import (
    ConsistencyTracker,
    calm_skin,
    identity_drift,
    similarity_map,
    upright_face,
)
from joyvasa_lib.evaluation.track import FaceTrack, bony_points
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def face(astronaut: Pixels) -> Face:
    return MediaPipeFaceDetector().detect(astronaut)[0]


def no_track(n_frames: int, bones: NDArray[np.float32] | None = None) -> FaceTrack:
    still = np.zeros(n_frames)
    return FaceTrack(25.0, still, still, np.zeros((n_frames, 3)), bones)


def test_structural_similarity_is_that_of_scikit_image(astronaut: Pixels) -> None:
    a = astronaut[:200, 100:300]
    rng = np.random.default_rng(0)
    b = np.clip(a.astype(float) + rng.normal(0, 20, a.shape), 0, 255).astype(np.uint8)
    ours = similarity_map(a, b)
    _, full = structural_similarity(
        a, b, channel_axis=2, data_range=255, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False, full=True,
    )  # fmt: skip
    np.testing.assert_allclose(ours[8:-8, 8:-8], full.mean(axis=2)[8:-8, 8:-8], atol=1e-6)
    np.testing.assert_allclose(similarity_map(a, a), 1.0)


def test_a_face_is_compared_upright_wherever_it_lies(astronaut: Pixels, face: Face) -> None:
    turn = cv2.getRotationMatrix2D((200.0, 150.0), 25.0, 0.9)
    turn[:, 2] += (30.0, 40.0)
    moved = np.asarray(cv2.warpAffine(astronaut, turn, (512, 512)), np.uint8)
    points = face.landmarks.copy()
    points[:, :2] = points[:, :2] @ turn[:, :2].T + turn[:, 2]
    there = Face(face.box, points.astype(np.float32), 1.0, face.scheme)
    (a, _), (b, seen) = upright_face(astronaut, face), upright_face(moved, there)
    skin = calm_skin(face) & seen
    assert 0.1 < skin.mean() < 0.5
    assert np.abs(a.astype(int) - b)[skin].mean() < 6.0


def test_another_mouth_is_the_same_person_and_another_face_is_not(
    astronaut: Pixels, face: Face
) -> None:
    def similarity(image: Pixels) -> float:
        tracker = ConsistencyTracker(astronaut, face)
        tracker.see(image, face)
        value = tracker.scores(no_track(1)).identity_similarity
        assert value is not None
        return value

    assert similarity(astronaut) == pytest.approx(1.0)
    lips = face.landmarks[[13, 14]].mean(0)[:2].astype(int)
    talking = astronaut.copy()
    cv2.ellipse(talking, (int(lips[0]), int(lips[1])), (14, 8), 0, 0, 360, (60, 10, 10), -1)
    assert similarity(talking) > 0.97
    masked = astronaut.copy()
    left, top, right, bottom = face.box.astype(int)
    masked[top:bottom, left:right] = cv2.GaussianBlur(astronaut, (0, 0), 8)[top:bottom, left:right]
    assert similarity(masked) < 0.7


def test_inaccurate_landmarks_do_not_lower_identity_similarity(
    astronaut: Pixels, face: Face
) -> None:
    points = face.landmarks + np.array([2.0, -1.5, 0.0], np.float32)
    tracker = ConsistencyTracker(astronaut, face)
    tracker.see(astronaut, Face(face.box, points, 1.0, face.scheme))
    similarity = tracker.scores(no_track(1)).identity_similarity
    assert similarity is not None
    assert similarity > 0.97


def test_background_counts_and_the_head_does_not(astronaut: Pixels, face: Face) -> None:
    def change(edit: slice, level: int) -> float:
        tracker = ConsistencyTracker()
        tracker.see(astronaut, face)
        for step in (level, -level):
            frame = astronaut.astype(int)
            frame[edit] += step
            tracker.see(np.clip(frame, 0, 255).astype(np.uint8), face)
        value = tracker.scores(no_track(3)).background_change
        assert value is not None
        return value

    calm = np.clip(astronaut, 20, 235)
    astronaut = calm
    top, bottom = int(face.box[1]), int(face.box[3])
    assert change(slice(0, 0), 9) == 0.0
    assert change(slice(None), 9) == pytest.approx(9.0)
    # The rows below the neck are a known share of what lies outside the head.
    rows = slice(bottom + round(0.95 * (bottom - top)), 512)
    assert 0.0 < change(rows, 9) < 9.0


def test_drift_is_the_spread_of_the_bony_points() -> None:
    still = len(bony_points())
    shape = np.random.default_rng(1).random((1, still, 3)).astype(np.float32)
    assert identity_drift(no_track(9, np.repeat(shape, 9, axis=0))) == pytest.approx(0.0, abs=1e-4)
    swinging = shape + np.tile([[-0.01], [0.01]], (50, 1))[:, None].astype(np.float32)
    # Every point is a hundredth off in all three directions, around a median in the middle.
    assert identity_drift(no_track(100, swinging)) == pytest.approx(np.sqrt(3.0), rel=1e-3)


def test_a_head_that_fills_the_image_leaves_no_background(astronaut: Pixels, face: Face) -> None:
    left, top, right, bottom = face.box.astype(int)
    tracker = ConsistencyTracker()
    shifted = face.landmarks - np.array([left, top, 0], np.float32)
    close = Face(face.box, shifted, 1.0, face.scheme)
    for _ in range(2):
        tracker.see(np.ascontiguousarray(astronaut[top:bottom, left:right]), close)
    assert tracker.scores(no_track(2)).background_change is None
