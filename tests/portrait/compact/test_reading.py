"""What a face does in a video is read against how it responds when it is animated."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from joyvasa_lib.errors import NoFaceError
from joyvasa_lib.face.crop import crop_face
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.motion import BLENDSHAPES, Motion
from joyvasa_lib.motion.driving.pose import Pose
from joyvasa_lib.motion.keypoints import rotation_matrix
from joyvasa_lib.portrait.compact.model import CompactPortraitModel
from joyvasa_lib.portrait.compact.reading import acting
from joyvasa_lib.portrait.compact.reading.acting import ExpressionReaders, act, performance
from joyvasa_lib.portrait.compact.reading.expression import (
    MOST,
    ActedSamples,
    ExpressionReader,
)
from joyvasa_lib.portrait.compact.reading.features import face_features, feature_noise
from joyvasa_lib.portrait.video_motion import watch
from joyvasa_lib.rig.fitting import fit_head

pytestmark = pytest.mark.slow

FPS = 25.0


def at(name: str) -> int:
    return BLENDSHAPES.index(name)


@pytest.fixture(scope="module")
def crop(astronaut):
    detector = MediaPipeFaceDetector()
    face, _ = detector.look_closely(astronaut, detector.detect(astronaut)[0])
    return crop_face(astronaut, face, size=384)


@pytest.fixture(scope="module")
def samples(model, crop):
    return act(model, crop)


@pytest.fixture(scope="module")
def reader(samples):
    return ExpressionReader(samples)


def moved(points, turn, factor, shift):
    centre = points.mean(0)
    return (factor * (points - centre) @ rotation_matrix(np.array(turn)) + centre + shift).astype(
        np.float32
    )


def test_head_motion_is_no_expression(samples):
    first = samples.first
    frames = np.stack(
        [moved(first, (5.0, -12.0, 20.0), 1.2, [9.0, -4.0, 3.0]), moved(first, (0, 0, 0), 0.7, 0.0)]
    )
    places = face_features(frames, first)[:, :-51]
    assert np.abs(places).max() < 1e-4
    acted = samples.landmarks[performance()[1:].argmax(1) == at("jawOpen")][:1]
    assert np.abs(face_features(acted, first)[:, :-51]).max() > 0.02


def test_features_do_not_depend_on_the_tilt_of_the_first_frame(samples):
    turned = [moved(p, (0, 0, 30.0), 1.0, 0.0) for p in (samples.first, samples.landmarks[0])]
    # Both are turned about centres of their own, which a shift undoes.
    upright = face_features(samples.landmarks[:1], samples.first)[:, :-51]
    tilted = face_features(turned[1][None], turned[0])[:, :-51]
    assert np.allclose(upright, tilted, atol=1e-4)


def test_noise_is_a_covariance_in_which_neighbours_err_together(samples):
    noise = feature_noise(samples.first)
    assert np.allclose(noise, noise.T)
    assert np.linalg.eigvalsh(noise).min() > 0
    assert noise[0, 2] > 0  # both on the lips


@pytest.mark.parametrize(
    ("names", "value", "tolerance"),
    [
        (("jawOpen",), 0.25, 0.12),
        (("jawOpen",), 1.0, 0.15),
        (("eyeBlinkLeft", "eyeBlinkRight"), 1.0, 0.15),
        (("browInnerUp", "browOuterUpLeft", "browOuterUpRight"), 0.6, 0.25),
        (("browDownLeft", "browDownRight"), 0.6, 0.25),
        (("mouthSmileLeft", "mouthSmileRight"), 0.5, 0.15),
        (("mouthPucker",), 0.5, 0.2),
        (("eyeLookOutLeft", "eyeLookInRight"), 0.45, 0.15),
    ],
)
def test_what_is_acted_is_read(model, portrait, names, value, tolerance):
    activations = np.zeros((8, len(BLENDSHAPES)), np.float32)
    for name in names:
        activations[2:, at(name)] = value
    turned = np.zeros((8, 3), np.float32)
    turned[:, 1] = np.linspace(0.0, 6.0, 8)
    motion = Motion.from_blendshapes(
        activations, rotation=turned, translation=np.zeros_like(turned), fps=FPS
    )
    frames = [f for part in model.render(portrait, motion) for f in np.asarray(part)]
    read = watch(model, frames, FPS).blendshapes
    for name in names:
        assert np.median(read[2:, at(name)]) - read[0, at(name)] == pytest.approx(
            value, abs=tolerance
        ), name
    # Nothing else is taken for it.
    rest = [i for i in range(len(BLENDSHAPES)) if BLENDSHAPES[i] not in names]
    others = np.abs(np.median(read[2:, rest], axis=0) - read[0, rest])
    assert others.max() < 0.7 * value + 0.1, BLENDSHAPES[rest[int(others.argmax())]]


def test_both_sides_are_told_apart(samples, reader):
    rows = performance()[1:]
    for name in ("mouthSmile", "eyeBlink", "browDown"):
        left, right = at(name + "Left"), at(name + "Right")
        (row,) = np.flatnonzero((rows[:, left] > 0) & (rows.sum(1) == rows[:, left]))
        read = reader(samples.landmarks[row][None], samples.first)[0] - samples.own
        assert read[left] > 1.3 * read[right], name


def test_readings_stay_within_a_face(samples, reader):
    wild = samples.first + 4.0 * (samples.landmarks - samples.first)
    read = reader(wild, samples.first)
    assert read.min() >= 0 and read.max() <= MOST
    assert np.isfinite(read).all()


def test_the_first_frame_reads_as_it_was_fitted(samples, reader):
    read = reader(samples.first[None], samples.first)[0]
    assert np.allclose(read, np.minimum(samples.own, MOST), atol=1e-5)


def test_a_movement_that_was_never_seen_is_not_read(samples):
    silent = samples.acted.copy()
    silent[:, at("mouthPucker")] = 0.0
    reader = ExpressionReader(replace(samples, acted=silent))
    read = reader(samples.landmarks, samples.first)
    assert np.allclose(read[:, at("mouthPucker")], samples.own[at("mouthPucker")], atol=1e-4)


def test_clips_of_one_video_share_a_reader(model, crop, samples, monkeypatch):
    calls = []

    def counted(model, crop) -> ActedSamples:
        calls.append(crop)
        return samples

    monkeypatch.setattr(acting, "act", counted)
    readers = ExpressionReaders()
    first = readers(model, crop)
    assert readers(model, crop) is first
    other = replace(crop, image=crop.image[:, ::-1].copy())
    assert readers(model, other) is not first
    assert readers(model, crop) is first
    assert len(calls) == 2


def test_a_face_that_cannot_be_animated_is_fitted_frame_by_frame(model, crop, monkeypatch, caplog):
    def lost(model, crop) -> ActedSamples:
        raise NoFaceError("The face is not seen on its own animated image")

    monkeypatch.setattr(acting, "act", lost)
    fresh = CompactPortraitModel.from_pretrained()
    with caplog.at_level(logging.INFO):
        motion = fresh.extract_motion(iter([crop] * 3), FPS)
    assert "each frame alone" in caplog.text
    assert len(motion) == 3
    assert np.allclose(motion.blendshapes, motion.blendshapes[:1], atol=0.05)


def test_landmarks_without_irises_are_fitted_frame_by_frame(model, crop):
    face = replace(crop.face, landmarks=crop.face.landmarks[:468], scheme="mediapipe468")
    motion = model.extract_motion(iter([replace(crop, face=face)] * 2), FPS)
    assert len(motion) == 2


def test_landmarks_that_are_not_finite_are_refused(model, crop, samples, monkeypatch):
    monkeypatch.setattr(acting, "act", lambda *_: samples)
    broken = crop.face.landmarks.copy()
    broken[7] = np.nan
    face = replace(crop.face, landmarks=broken)
    with pytest.raises(NoFaceError, match="finite"):
        model.extract_motion(iter([crop, replace(crop, face=face)]), FPS)


@pytest.mark.parametrize("threads", [2, 3])
def test_how_many_threads_multiply_matrices_makes_no_difference(
    model, crop, samples, portrait, threads
):
    """Workers of `joyvasa prepare` have one each; a pixel that differs moves landmarks."""
    rng = np.random.default_rng(3)
    activations = rng.uniform(0, 0.7, (40, 52)).astype(np.float32)
    turn = rng.normal(0, 4, (40, 3)).astype(np.float32)
    pose = Pose(turn, np.full((40, 3), 130.0, np.float32), np.full((40, 1), 90.0, np.float32))

    def read():
        motion = Motion.from_blendshapes(activations)
        reader = ExpressionReader(samples)
        return [
            motion.expression,
            motion.blendshapes,
            fit_head(model.rig, crop.landmarks).shape,
            model.driver.vertices(portrait, activations, pose),
            reader(samples.landmarks, samples.first),
        ]

    with threadpool_limits(1, "blas"):
        alone = read()
    with threadpool_limits(threads, "blas"):
        together = read()
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))
