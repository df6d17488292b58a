"""Cuts of videos, and who is seen in a shot."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.face.shots import SAME_PERSON, face_sample, likeness, split_shots

Pixels = NDArray[np.uint8]


def scene(seed: int) -> Pixels:
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 8, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, (160, 120), interpolation=cv2.INTER_CUBIC))


def panned(image: Pixels, shift: int) -> Pixels:
    return np.roll(image, shift, axis=1)


def lengths(frames: list[Pixels]) -> list[int]:
    return [sum(1 for _ in shot) for shot in split_shots(frames)]


def test_a_video_is_split_where_it_is_cut() -> None:
    one, other = scene(0), scene(1)
    frames = [*[panned(one, k) for k in range(7)], *[panned(other, k) for k in range(4)], one]
    assert lengths(frames) == [7, 4, 1]


def test_every_frame_is_in_one_shot_in_order() -> None:
    frames = [*[scene(0)] * 3, *[scene(1)] * 2]
    again = [frame for shot in split_shots(frames) for frame in shot]
    assert len(again) == 5
    assert all(a is b for a, b in zip(again, frames, strict=True))


def test_fast_motion_is_no_cut() -> None:
    steps = [0, 1, 3, 7, 12, 18, 25, 33, 40, 46, 50, 52, 53]
    assert lengths([panned(scene(0), step) for step in steps]) == [13]


def test_a_shot_that_is_left_early_is_skipped() -> None:
    frames = [*[scene(0)] * 3, *[scene(1)] * 2]
    firsts = [next(shot) for shot in split_shots(frames)]
    assert [f is g for f, g in zip(firsts, (frames[0], frames[3]), strict=True)] == [True, True]


def test_no_frames_are_no_shots() -> None:
    assert lengths([]) == []


def face_of(image: Pixels) -> Face:
    return MediaPipeFaceDetector().detect(image)[0]


def test_a_face_is_like_itself_moved_and_darker_and_unlike_its_negative(
    astronaut: Pixels,
) -> None:
    face = face_of(astronaut)
    here = face_sample(astronaut, face)[None]
    turn = cv2.getRotationMatrix2D((220.0, 110.0), 12.0, 0.8)
    turned = np.asarray(cv2.warpAffine(astronaut, turn, (512, 512)))
    darker = (turned * 0.6).astype(np.uint8)
    there = face_sample(darker, face_of(darker))[None]
    assert likeness(here, there) > SAME_PERSON
    assert likeness(here, -here) < 0.0
    noise = np.random.default_rng(0).integers(0, 255, astronaut.shape).astype(np.uint8)
    assert likeness(here, face_sample(noise, face)[None]) < 0.3
