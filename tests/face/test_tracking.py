"""Following one person through a video, and the steady square around the face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.errors import NoFaceError, OptionError
from joyvasa_lib.face.crop_geometry import apply_matrix
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.face.landmarks.face_landmarker import mean_mesh
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.face.tracking import SteadyCrop, follow_person

FPS = 25.0
Place = tuple[float, float, float]


def face_at(x: float, y: float, height: float) -> Face:
    mesh = np.asarray(mean_mesh(), dtype=np.float64)
    points = mesh * height / np.ptp(mesh[:, 1])
    points[:, :2] += [x, y]
    box = np.concatenate([points[:, :2].min(0), points[:, :2].max(0)])
    return Face(box.astype(np.float32), points.astype(np.float32), 1.0, "mediapipe478")


class Script:
    """A detector that finds what a script says is in each frame."""

    def __init__(self, frames: Sequence[Sequence[Place]]) -> None:
        self.frames = frames
        self.asked: list[int] = []

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        number = int(image[0, 0, 0])
        self.asked.append(number)
        return sorted((face_at(*place) for place in self.frames[number]), key=lambda f: -f.area)

    def video(self) -> list[NDArray[np.uint8]]:
        return [np.full((8, 8, 3), number, np.uint8) for number in range(len(self.frames))]


def middles(script: Script, which: str | int = "largest") -> list[float | None]:
    followed = follow_person(script.video(), FPS, which=which, detector=script)
    return [None if face is None else round(float(face.box[::2].mean())) for _, face in followed]


def test_the_person_of_the_first_frame_is_kept_although_another_grows_larger() -> None:
    script = Script([[(100, 100, 90), (400, 100, 60 + 10 * i)] for i in range(8)])
    assert middles(script) == [100] * 8
    assert middles(script, 1) == [400] * 8


def test_two_people_who_pass_each_other_keep_their_names() -> None:
    script = Script([[(100 + 8 * i, 80, 70), (420 - 8 * i, 180, 80)] for i in range(30)])
    assert middles(script) == [420 - 8 * i for i in range(30)]


def test_a_person_who_vanishes_is_not_replaced_by_a_far_one_at_once() -> None:
    here, away = (100, 100, 80), (700, 100, 80)
    script = Script([[here, away], *[[away]] * 10, [here, away]])
    assert middles(script) == [100, *[None] * 10, 100]


def test_frames_before_the_first_face_have_none() -> None:
    assert middles(Script([[], [], [(100, 100, 80)], []])) == [None, None, 100, None]


def test_a_face_that_was_not_there_in_the_first_frame_is_refused() -> None:
    script = Script([[(100, 100, 80)]])
    with pytest.raises(NoFaceError, match="Face 1 was asked for but the image has 1"):
        middles(script, 1)
    with pytest.raises(OptionError, match="'left'"):
        middles(script, "left")


def test_the_bundled_detector_looks_for_a_lost_face_only_now_and_then(
    monkeypatch: pytest.MonkeyPatch, astronaut: NDArray[np.uint8]
) -> None:
    searched: list[int] = []
    detector = MediaPipeFaceDetector()
    empty = np.full_like(astronaut, 90)
    frames = [astronaut, *[empty] * 11, astronaut]
    detect = detector.detect

    def counted(image: NDArray[np.uint8]) -> list[Face]:
        searched.append(int(image is not empty))
        return detect(image) if image is not empty else []

    monkeypatch.setattr(detector, "detect", counted)
    found = [face is not None for _, face in follow_person(frames, FPS, detector=detector)]
    assert found[:12] == [True, *[False] * 11]
    assert searched.count(0) <= 4


def moved(face: Face, x: float = 0.0, y: float = 0.0) -> Face:
    points = face.landmarks + np.array([x, y, 0.0], np.float32)
    return replace(face, landmarks=points, box=face.box + np.array([x, y, x, y], np.float32))


def test_the_square_does_not_shake_with_the_landmarks() -> None:
    rng = np.random.default_rng(0)
    crop = SteadyCrop(128)
    face, frame = face_at(300, 240, 120), np.zeros((480, 640, 3), np.uint8)
    squares = [crop(frame, moved(face, *rng.normal(0, 4, 2))).matrix for _ in range(20)]
    for matrix in squares[1:]:
        np.testing.assert_array_equal(matrix, squares[0])


def test_the_square_glides_after_a_face_that_leaves_and_comes_to_rest() -> None:
    crop = SteadyCrop(128)
    face, frame = face_at(200, 240, 120), np.zeros((480, 900, 3), np.uint8)
    crop(frame, face)
    gone = moved(face, 300)
    places = [float(apply_matrix(crop(frame, gone).matrix, [500, 240])[0]) for _ in range(60)]
    steps = -np.diff(places)
    assert steps[0] > 0
    assert (steps >= 0).all()
    assert np.abs(np.diff(steps)).max() < 6  # no jerk of more than a few pixels of 128
    assert steps[-1] == 0.0
    assert abs(places[-1] - 64) < 0.04 * 128


def test_a_crop_says_where_it_was_cut_and_never_turns() -> None:
    frame = np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8)
    face = face_at(300, 240, 120)
    cut = SteadyCrop(96)(frame, face)
    assert cut.image.shape == (96, 96, 3)
    assert cut.matrix[0, 1] == cut.matrix[1, 0] == 0.0
    np.testing.assert_allclose(
        cut.landmarks[:, :2], apply_matrix(cut.matrix, face.landmarks[:, :2]), atol=1e-3
    )


def test_landmarks_that_are_not_finite_are_refused() -> None:
    face = face_at(300, 240, 120)
    broken = replace(face, landmarks=np.full_like(face.landmarks, np.nan))
    with pytest.raises(NoFaceError, match="not finite"):
        SteadyCrop()(np.zeros((480, 640, 3), np.uint8), broken)
