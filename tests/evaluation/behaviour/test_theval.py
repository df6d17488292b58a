"""THEval's measures, of faces that move in ways whose numbers follow from the definitions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.evaluation.behaviour.theval import THEVAL_REAL, THEvalScores, THEvalTracker
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.media.audio import Speech
from joyvasa_lib.rig.regions import INNER_LIPS, LEFT_EYE, LIPS, RIGHT_EYE

FPS, N = 25.0, 100
SQUARE = (512, 512, 3)


@pytest.fixture(scope="module")
def face(astronaut: NDArray[np.uint8]) -> Face:
    return MediaPipeFaceDetector().detect(astronaut)[0]


def scored(
    faces: list[Face | None],
    rotation: NDArray[np.float64] | None = None,
    speech: Speech | None = None,
    shape: tuple[int, ...] = SQUARE,
) -> THEvalScores:
    tracker = THEvalTracker(FPS)
    for one in faces:
        tracker.see(one, shape)
    return tracker.scores(np.zeros((len(faces), 3)) if rotation is None else rotation, speech)


def with_shift(face: Face, points: tuple[int, ...], x: float = 0.0, y: float = 0.0) -> Face:
    landmarks = face.landmarks.copy()
    landmarks[list(points), :2] += np.array([x, y], np.float32)
    return replace(face, landmarks=landmarks)


def tone(loud: NDArray[np.float64]) -> Speech:
    """A tone whose amplitude is given for each frame."""
    samples = np.repeat(loud, int(16000 / FPS))
    return Speech(np.float32(samples * np.sin(np.arange(len(samples)) * 0.7)))


def test_a_still_face_has_no_dynamics(face: Face) -> None:
    found = scored([face] * 10)
    assert found.lip_dynamics == pytest.approx(0.0, abs=1e-9)
    assert found.eyebrow_dynamics == 0.0
    assert found.head_motion_dynamics == 0.0
    assert found.silent_lip_stability is None and found.lip_sync is None


def test_lip_dynamics_is_the_mean_deviation_of_all_pairs_in_a_squeezed_frame(face: Face) -> None:
    aside = with_shift(face, (0,), x=6.0)
    lips = sorted(set(LIPS))
    places = np.stack([one.landmarks[lips, :2] * [256 / 1024, 256 / 512] for one in (face, aside)])
    apart = np.linalg.norm(places[:, :, None] - places[:, None], axis=-1)
    expected = apart.std(axis=0)[np.triu_indices(len(lips), 1)].mean()
    assert expected > 0.0
    found = scored([face, aside] * 20, shape=(512, 1024, 3))
    assert found.lip_dynamics == pytest.approx(expected, rel=1e-4)


def test_eyebrow_dynamics_is_the_mean_step_in_distances_of_the_eyes(face: Face) -> None:
    raised = with_shift(face, LEFT_EYE.brow, y=-3.0)
    eyes = [face.landmarks[list(eye.lids), :2].mean(0) for eye in (LEFT_EYE, RIGHT_EYE)]
    heights = [
        np.linalg.norm(one.landmarks[list(LEFT_EYE.brow), :2].mean(0) - eyes[0])
        for one in (face, raised)
    ]
    expected = abs(heights[1] - heights[0]) / np.linalg.norm(eyes[0] - eyes[1]) / 2
    assert scored([face, raised] * 5).eyebrow_dynamics == pytest.approx(expected, rel=1e-4)


def test_head_motion_adds_degrees_to_pixels(face: Face) -> None:
    rng = np.random.default_rng(0)
    rotation = rng.standard_normal((N, 3)) * [1.0, 2.0, 3.0]
    still = scored([face] * N, rotation).head_motion_dynamics
    steps = np.diff(rotation, axis=0).var(axis=0).mean()
    assert still == pytest.approx(np.sqrt(rotation.std(axis=0).mean() * steps))
    shifted = [replace(face, box=face.box + 4.0 * (-1.0) ** i) for i in range(N)]
    assert scored(shifted).head_motion_dynamics == pytest.approx(4.0, rel=1e-3)


def test_silent_lips_are_measured_in_pauses_alone(face: Face) -> None:
    loud = np.where(np.arange(N) < 60, 0.3, 0.0)
    lower = tuple(INNER_LIPS[11:])
    eyes = float(np.hypot(*(face.landmarks[33] - face.landmarks[263])[:2]))
    opened = with_shift(face, lower, y=20.0)
    slightly = with_shift(face, lower, y=8.0)
    noisy = [opened if i % 2 else face for i in range(60)]
    calm = scored(noisy + [face] * 40, speech=tone(loud))
    assert calm.silent_lip_stability == pytest.approx(0.0, abs=1e-6)
    mumbling = scored(noisy + [slightly if i % 2 else face for i in range(40)], speech=tone(loud))
    # Half of the frames open by 8 pixels: all lie 4 from the mean, on eight points of nine.
    assert mumbling.silent_lip_stability == pytest.approx(4.0 / eyes, rel=0.1)


def test_its_sync_is_best_where_a_mouth_shows_nothing_but_loudness(face: Face) -> None:
    loud = 0.2 + 0.1 * np.sin(np.arange(N) * 0.15)
    lower = tuple(INNER_LIPS[11:])
    follows = [with_shift(face, lower, y=60.0 * value) for value in loud]
    against = [with_shift(face, lower, y=60.0 * (0.4 - value)) for value in loud]
    good, bad = (scored(faces, speech=tone(loud)).lip_sync for faces in (follows, against))
    assert good == pytest.approx(0.0, abs=0.03)
    assert bad == pytest.approx(0.62, abs=0.08)  # the mean distance of a sine from its negative


def test_closeness_is_one_where_a_video_measures_as_real_ones_do() -> None:
    assert THEVAL_REAL.closeness("lip_sync") == 1.0
    assert replace(THEVAL_REAL, lip_dynamics=0.8583015).closeness("lip_dynamics") == pytest.approx(
        0.5
    )
    assert THEvalScores().closeness("lip_sync") is None
