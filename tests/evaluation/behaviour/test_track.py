"""Curves of behaviour: of faces moved in known ways, and of motions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.errors import NoFaceError
from joyvasa_lib.evaluation.behaviour.track import BehaviourTracker, behaviour_track
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.motion import BLENDSHAPES, Motion
from joyvasa_lib.motion.keypoints import rotation_matrix
from joyvasa_lib.rig.head_rig import bundled_rig
from joyvasa_lib.rig.regions import EYES, IRISES, STABLE_POINTS

FPS = 25.0


@pytest.fixture(scope="module")
def face(astronaut: NDArray[np.uint8]) -> Face:
    return MediaPipeFaceDetector().detect(astronaut)[0]


def moved(face: Face, points: tuple[int, ...], by: tuple[float, float, float]) -> Face:
    landmarks = face.landmarks.copy()
    landmarks[list(points)] += np.array(by, np.float32)
    return replace(face, landmarks=landmarks)


def turned(face: Face, angles: tuple[float, float, float], scale: float, shift: float) -> Face:
    turn = rotation_matrix(np.array(angles))
    centre = face.landmarks.mean(axis=0)
    return replace(
        face, landmarks=np.float32((face.landmarks - centre) @ turn * scale + centre + shift)
    )


def eye_distance(face: Face) -> float:
    return float(np.hypot(*(face.landmarks[33] - face.landmarks[263])[:2]))


def track_of(*faces: Face | None) -> BehaviourTracker:
    tracker = BehaviourTracker(FPS)
    for one in faces:
        tracker.see(one)
    return tracker


def test_a_head_that_turns_shifts_and_grows_keeps_its_lengths(face: Face) -> None:
    poses = [((0.0, 0.0, 0.0), 1.0, 0.0), ((6.0, -10.0, 4.0), 1.3, 25.0), ((0, 8, -9), 0.7, -9.0)]
    track = track_of(*(turned(face, *pose) for pose in poses)).track()
    for curve in (track.aperture, track.width, track.brows, track.gaze):
        assert np.ptp(curve) < 1e-4
    own = rotation_matrix(track.rotation[0])
    for row, (angles, _, _) in zip(track.rotation, poses, strict=True):
        expected = own @ rotation_matrix(np.array(angles, np.float64))
        assert rotation_matrix(row) == pytest.approx(expected, abs=1e-3)


def test_lengths_are_in_distances_of_the_outer_eye_corners(face: Face) -> None:
    tenth = 0.1 * eye_distance(face)
    level = turned(face, (0.0, 0.0, 0.0), 1.0, 0.0)
    opened = moved(level, (14,), (0.0, tenth, 0.0))
    wider = moved(moved(level, (308,), (tenth, 0.0, 0.0)), (78,), (-tenth, 0.0, 0.0))
    brows = tuple(point for eye in EYES for point in eye.brow_top)
    raised = moved(level, brows, (0.0, -tenth, 0.0))
    track = track_of(level, opened, wider, raised).track()
    head = np.array([np.ptp(column) for column in track.rotation.T])
    assert head.max() < 1e-4  # none of these points holds the head
    assert track.aperture[1] - track.aperture[0] == pytest.approx(0.1, abs=0.015)
    assert track.width[2] - track.width[0] == pytest.approx(0.2, abs=0.02)
    assert track.brows[3] - track.brows[0] == pytest.approx(0.1, abs=0.015)
    assert track.aperture[2:] == pytest.approx(track.aperture[0], abs=1e-6)


def test_irises_that_move_by_a_fifth_of_the_eye_are_gaze(face: Face) -> None:
    widths = [
        np.hypot(*(face.landmarks[a] - face.landmarks[b])[:2]) for a, b in ((362, 263), (33, 133))
    ]
    aside = face
    for iris, width in zip(IRISES, widths, strict=True):
        aside = moved(aside, iris, (0.2 * float(width), 0.0, 0.0))
    track = track_of(face, aside).track()
    assert track.gaze[1] - track.gaze[0] == pytest.approx(0.2, abs=0.03)
    assert track.score("eyeSquintLeft")[0] == pytest.approx(track.score("eyeSquintRight")[0])


def test_frames_without_a_face_are_unknown_and_none_at_all_is_an_error(face: Face) -> None:
    track = track_of(face, None, face).track()
    assert track.lost == pytest.approx(1 / 3)
    assert np.isnan(track.aperture[1]) and np.isnan(track.scores[1]).all()
    with pytest.raises(NoFaceError, match="any of 2 frames"):
        track_of(None, None).track()


def test_no_blendshape_moves_the_points_that_hold_the_head() -> None:
    rig = bundled_rig()
    mesh = rig.landmark_vertex[list(STABLE_POINTS)]
    eyes = np.linalg.norm(np.subtract(*rig.mean[rig.landmark_vertex[[33, 263]]]))
    assert len(set(STABLE_POINTS)) == 19
    assert np.linalg.norm(rig.blendshapes[:, mesh], axis=-1).max() < eyes / 30.0


def acted(**activations: float) -> Motion:
    units = np.zeros((2, len(BLENDSHAPES)), np.float32)
    for name, value in activations.items():
        units[1, BLENDSHAPES.index(name)] = value
    return Motion.from_blendshapes(units, fps=FPS)


def test_of_a_motion_each_length_answers_to_its_own_blendshapes() -> None:
    jaw = behaviour_track(acted(jawOpen=0.5))
    assert jaw.aperture[0] == 0.0
    assert jaw.aperture[1] == pytest.approx(0.19, abs=0.02)  # the rig's lips part by 0.38 a jaw
    assert jaw.score("jawOpen") == pytest.approx([0.0, 0.5])
    smile = behaviour_track(acted(mouthSmileLeft=0.5, mouthSmileRight=0.5))
    assert smile.width[1] - smile.width[0] > 0.03
    pucker = behaviour_track(acted(mouthPucker=0.8))
    assert pucker.width[1] - pucker.width[0] < -0.03
    brows = behaviour_track(acted(browOuterUpLeft=0.8, browOuterUpRight=0.8, browInnerUp=0.8))
    assert brows.brows[1] - brows.brows[0] > 0.02
    gaze = behaviour_track(acted(eyeLookOutLeft=0.6, eyeLookInRight=0.6))
    assert gaze.gaze[1] - gaze.gaze[0] > 0.05  # her left is the image's right


def test_a_mean_of_both_sides_is_taken_of_activations() -> None:
    assert behaviour_track(acted(mouthSmileLeft=0.6)).score("mouthSmileRight")[1] == pytest.approx(
        0.3
    )
