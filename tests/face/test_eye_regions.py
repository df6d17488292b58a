"""Eyes unlike a person's: found by their colours, and the mesh's lids laid around them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.face.eye_regions import find_eye
from joyvasa_lib.face.landmark_sets import landmark_set, take
from joyvasa_lib.face.landmarks.manual import ManualFaceDetector

Pixels = NDArray[np.uint8]

EYES = ((120.0, 140.0), (240.0, 140.0))
HALF_WIDTH, HALF_HEIGHT = 26.0, 30.0


def furry_face(angle: float = 0.0, half: tuple[float, float] = (HALF_WIDTH, HALF_HEIGHT)) -> Pixels:
    """A speckled face of 360 x 360 with two dark round eyes, turned about its middle."""
    fur = np.random.default_rng(0).normal(0.0, 12.0, (360, 360, 1))
    image = np.clip(np.array([190.0, 160.0, 130.0]) + fur, 0, 255).astype(np.uint8)
    for x, y in EYES:
        middle, axes = (round(x), round(y)), (round(half[0]), round(half[1]))
        cv2.ellipse(image, middle, axes, 0, 0, 360, (70, 90, 40), -1, cv2.LINE_AA)
        cv2.circle(image, middle, round(0.5 * half[0]), (15, 15, 15), -1, cv2.LINE_AA)
    turn = cv2.getRotationMatrix2D((179.5, 179.5), angle, 1.0)
    return np.asarray(cv2.warpAffine(image, turn, (360, 360), borderMode=cv2.BORDER_REPLICATE))


def turned(points: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    turn = cv2.getRotationMatrix2D((179.5, 179.5), angle, 1.0)
    return np.asarray(points @ turn[:, :2].T + turn[:, 2])


@pytest.mark.parametrize("angle", [0.0, 30.0])
@pytest.mark.parametrize("beside", [(0.0, 0.0), (10.0, -12.0)])
def test_a_round_eye_is_found_from_a_point_in_it(angle: float, beside: tuple[float, float]) -> None:
    eyes = turned(np.array(EYES), angle)
    found = find_eye(furry_face(angle), eyes[0] + beside, eyes[1] - eyes[0])
    assert found is not None
    np.testing.assert_allclose(found.centre, eyes[0], atol=2.5)
    assert found.half_width == pytest.approx(HALF_WIDTH, abs=2.5)
    assert found.half_height == pytest.approx(HALF_HEIGHT, abs=2.5)


def test_no_eye_is_found_in_plain_fur_nor_in_a_blank_image() -> None:
    across = np.array([120.0, 0.0])
    assert find_eye(furry_face(), np.array([180.0, 260.0]), across) is None
    assert find_eye(np.full((360, 360, 3), 128, np.uint8), np.array(EYES[0]), across) is None


@pytest.mark.parametrize("angle", [0.0, 20.0])
def test_lids_of_five_points_lie_around_the_eyes_of_the_image(angle: float) -> None:
    five = turned(np.array([*EYES, (180, 200), (150, 250), (210, 250)], dtype=float), angle)
    (face,) = ManualFaceDetector(landmarks=five).detect(furry_face(angle))
    assert face.score < 0.5
    for eye, middle in zip(landmark_set("mediapipe468").eyes or (), five[:2], strict=True):
        upper, lower, start, end = (
            take(face.landmarks[:, :2], ids) for ids in (eye.upper, eye.lower, eye.start, eye.end)
        )
        np.testing.assert_allclose((upper + lower) / 2, middle, atol=4.0)
        assert np.hypot(*(lower - upper)) == pytest.approx(2 * HALF_HEIGHT, rel=0.1)
        assert np.hypot(*(end - start)) == pytest.approx(2 * HALF_WIDTH, rel=0.1)


def test_corners_that_were_given_stay() -> None:
    nine = np.array(
        [
            *((210, 140), (270, 140), (90, 140), (150, 140), (180, 200)),
            *((150, 250), (210, 250), (180, 240), (180, 252)),
        ],
        dtype=np.float32,
    )
    (face,) = ManualFaceDetector(landmarks=nine).detect(furry_face())
    for mesh, given in zip((362, 263, 33, 133), nine[:4], strict=True):
        np.testing.assert_allclose(face.landmarks[mesh, :2], given, atol=2.0)
    assert face.landmarks[145, 1] - face.landmarks[159, 1] == pytest.approx(60.0, rel=0.1)
