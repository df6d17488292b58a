"""Whom a driving video is read from, where it is cut and other people are seen."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.errors import NoFaceError
from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.face.landmarks.face_landmarker import mean_mesh
from joyvasa_lib.face.shots import face_sample
from joyvasa_lib.face.tracking import follow_person
from joyvasa_lib.motion import Motion
from joyvasa_lib.portrait.compact.model import CompactPortraitModel
from joyvasa_lib.portrait.video_motion import watch

Pixels = NDArray[np.uint8]
FPS = 25.0
SIDE = 200


class Reader(CompactPortraitModel):
    """Reads from each crop how light the image is: its yaw in degrees."""

    def __init__(self) -> None:
        pass

    def extract_motion(self, crops: Iterator[FaceCrop], fps: float) -> Motion:
        light = [float(crop.full_image.mean()) / 10.0 for crop in crops]
        if not light:
            raise NoFaceError("none")
        turned = np.zeros((len(light), 3))
        turned[:, 1] = light
        blendshapes = np.zeros((len(light), 52), np.float32)
        return Motion.from_blendshapes(blendshapes, rotation=turned, fps=fps, reference="absolute")


class Faces:
    """Finds a face in the middle of every image that is not black, and one aside of it."""

    def __init__(self, aside: bool = False) -> None:
        self.aside = aside

    def detect(self, image: Pixels) -> list[Face]:
        if not image.any():
            return []
        places = [(100.0, 100.0, 80.0)] + [(100.0, 40.0, 60.0)] * self.aside
        return [self._at(*place) for place in places]

    @staticmethod
    def _at(x: float, y: float, height: float) -> Face:
        mesh = np.asarray(mean_mesh(), dtype=np.float64)
        points = mesh * height / np.ptp(mesh[:, 1])
        points[:, :2] += [x, y]
        box = np.concatenate([points[:, :2].min(0), points[:, :2].max(0)])
        return Face(box.astype(np.float32), points.astype(np.float32), 1.0, "mediapipe478")


def person(seed: int) -> Pixels:
    """Features in a place of their own on a background of their own."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 255, (9, 9)).astype(np.uint8)
    wide = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return np.repeat(np.asarray(wide)[..., None], 3, 2)


def read(frames: list[Pixels], **options: object) -> tuple[Motion, list[str]]:
    told: list[str] = []
    motion = watch(Reader(), frames, FPS, detector=Faces(), tell=told.append, **options)  # type: ignore[arg-type]
    return motion, told


def light(image: Pixels) -> float:
    return float(image.mean()) / 10.0


def test_the_person_who_is_seen_longest_drives_and_the_rest_is_told() -> None:
    one, other = person(0), person(1)
    motion, told = read([*[one] * 10, *[other] * 25, *[one] * 5])
    np.testing.assert_allclose(motion.rotation[:, 1], light(other), atol=1e-3)
    assert len(motion) == 40
    (warning,) = told
    assert "another person at 0.0 to 0.4 s, 1.4 to 1.6 s" in warning


def test_who_was_asked_for_drives_although_another_is_seen_longer() -> None:
    one, other = person(0), person(1)
    motion, told = read([*[one] * 10, *[other] * 15], face=0)
    np.testing.assert_allclose(motion.rotation[:, 1], light(one), atol=1e-3)
    assert "0.4 to 1.0 s" in told[0]


def test_a_person_who_comes_back_goes_on_driving() -> None:
    one, other = person(0), person(1)
    brighter = np.clip(one.astype(int) + 8, 0, 255).astype(np.uint8)
    motion, told = read([*[one] * 10, *[other] * 4, *[brighter] * 10])
    yaw = motion.rotation[:, 1]
    np.testing.assert_allclose(yaw[:10], light(one), atol=1e-3)
    np.testing.assert_allclose(yaw[14:], light(brighter), atol=1e-3)
    assert (np.diff(yaw[9:15]) > 0).all()
    assert "0.4 to 0.6 s" in told[0]


def test_a_video_of_one_person_tells_nothing() -> None:
    assert read([person(0)] * 5)[1] == []


def test_among_several_faces_the_one_that_is_known_is_followed() -> None:
    detector, frame = Faces(aside=True), person(3)
    large, small = detector.detect(frame)
    for wanted in (large, small):
        known = face_sample(frame, wanted)[None]
        ((_, face),) = follow_person([frame], FPS, detector=detector, known=known)
        assert face is not None
        np.testing.assert_array_equal(face.box, wanted.box)


def test_a_video_with_hardly_a_face_is_refused() -> None:
    black = np.zeros((SIDE, SIDE, 3), np.uint8)
    with pytest.raises(NoFaceError, match="in 3 of 10 frames"):
        read([*[person(0)] * 3, *[black] * 7])
    with pytest.raises(NoFaceError, match="in 0 of 4 frames"):
        read([black] * 4)
