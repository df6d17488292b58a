"""The bundled detector: landmarks go with the image, however the face lies in it."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.errors import MediaError, NoFaceError, OptionError
from joyvasa_lib.face.landmark_sets import anchor_points
from joyvasa_lib.face.landmarks.blaze_face import anchors, box_overlap, merge_boxes
from joyvasa_lib.face.landmarks.detector import Face, FaceDetector, select_face
from joyvasa_lib.face.landmarks.face_landmarker import mean_mesh
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.face.ratios import eye_open_ratio

pytestmark = pytest.mark.slow

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]

DETECTOR = MediaPipeFaceDetector()
EYES_AND_MOUTH = np.array([[203.7, 101.2], [246.0, 103.0], [223.5, 140.5]])
"""Of the astronaut, the middle between the corners of the mouth, read off the image by eye."""


@pytest.fixture(scope="module")
def face(astronaut: Pixels) -> Face:
    faces = DETECTOR.detect(astronaut)
    assert len(faces) == 1
    return faces[0]


def placed(image: Pixels, scale: float, angle: float, centre: tuple[float, float]) -> Floats:
    """[2, 3] map that turns an image anticlockwise by degrees and puts its middle somewhere."""
    height, width = image.shape[:2]
    middle = (width - 1) / 2, (height - 1) / 2
    matrix = cv2.getRotationMatrix2D(middle, angle, scale)
    matrix[:, 2] += np.array(centre) - middle
    return np.asarray(matrix)


def shown(image: Pixels, matrix: Floats, size: tuple[int, int]) -> Pixels:
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if scale < 1:  # no aliasing
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), 0.4 / scale), dtype=np.uint8)
    return np.asarray(cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR), dtype=np.uint8)


def error(found: Face, original: Face, matrix: Floats) -> float:
    """Mean distance of landmarks from where the map brings them, in widths of the face."""
    points = original.landmarks[:, :2]
    wanted = points @ matrix[:, :2].T + matrix[:, 2]
    distance = np.linalg.norm(found.landmarks[:, :2] - wanted, axis=1).mean()
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    return float(distance / scale / np.ptp(points[:, 0]))


def test_eyes_and_mouth_are_where_a_person_sees_them(face: Face) -> None:
    found = np.stack(anchor_points(face.landmarks, face.scheme))
    assert np.linalg.norm(found - EYES_AND_MOUTH, axis=1).max() < 2.0
    assert face.score > 0.8
    assert face.scheme == "mediapipe478"
    np.testing.assert_allclose(face.box[:2], face.landmarks[:, :2].min(0))
    np.testing.assert_allclose(face.box[2:], face.landmarks[:, :2].max(0))
    assert (eye_open_ratio(face.landmarks) > 0.2).all()
    assert face.landmarks[4, 2] < face.landmarks[[234, 454], 2].min()  # the nose is nearest


@pytest.mark.parametrize(
    ("scale", "angle", "centre", "size", "tolerance"),
    [
        (1.0, 0.0, (292.5, 234.5), (512, 512), 0.01),
        (1.0, 0.0, (165.5, 395.5), (512, 512), 0.01),
        (1.0, 30.0, (255.5, 255.5), (512, 512), 0.025),
        (1.0, -30.0, (255.5, 255.5), (512, 512), 0.025),
        (1.0, 90.0, (255.5, 255.5), (512, 512), 0.025),
        (1.0, 180.0, (255.5, 255.5), (512, 512), 0.025),
        (3.0, 0.0, (767.5, 767.5), (1536, 1536), 0.01),
        (0.5, 0.0, (127.5, 127.5), (256, 256), 0.015),
        (0.5, 0.0, (1328.0, 528.0), (2048, 1536), 0.03),  # small in a large image
        (4.0, 0.0, (384.0, 822.0), (512, 512), 0.02),  # it fills the image
        (0.7, 20.0, (600.0, 250.0), (800, 400), 0.025),
    ],
)
def test_landmarks_go_with_the_image(
    astronaut: Pixels,
    face: Face,
    scale: float,
    angle: float,
    centre: tuple[float, float],
    size: tuple[int, int],
    tolerance: float,
) -> None:
    matrix = placed(astronaut, scale, angle, centre)
    faces = DETECTOR.detect(shown(astronaut, matrix, size))
    assert len(faces) == 1
    assert error(faces[0], face, matrix) < tolerance


def test_a_mirrored_image_has_mirrored_landmarks(astronaut: Pixels, face: Face) -> None:
    mesh = np.asarray(mean_mesh())
    other = np.linalg.norm(mesh[:, None] - mesh[None] * [-1, 1, 1], axis=-1).argmin(1)
    mirrored = DETECTOR.detect(np.ascontiguousarray(astronaut[:, ::-1]))[0]
    points = mirrored.landmarks[other]
    points[:, 0] = 511 - points[:, 0]
    distance = np.linalg.norm(points[:, :2] - face.landmarks[:, :2], axis=1)
    assert distance.mean() < 1.2
    np.testing.assert_allclose((points - face.landmarks)[:, :2].mean(0), 0, atol=0.4)


@pytest.fixture(scope="module")
def group(astronaut: Pixels) -> tuple[Pixels, list[Floats]]:
    """Four portraits of different sizes in one image, and the maps that put them there."""
    canvas = np.full((900, 1600, 3), 120, np.uint8)
    maps = []
    for left, top, side in ((1100, 300, 480), (600, 100, 400), (0, 0, 580), (620, 560, 300)):
        scale = side / 512
        maps.append(
            np.array([[scale, 0, left + scale / 2 - 0.5], [0, scale, top + scale / 2 - 0.5]])
        )
        small = cv2.resize(astronaut, (side, side), interpolation=cv2.INTER_AREA)
        canvas[top : top + side, left : left + side] = small
    return canvas, maps


def test_all_faces_of_a_group_are_found_largest_first(
    group: tuple[Pixels, list[Floats]], face: Face
) -> None:
    canvas, maps = group
    faces = DETECTOR.detect(canvas)
    assert len(faces) == 4
    areas = [one.area for one in faces]
    assert areas == sorted(areas, reverse=True)
    for rank, place in enumerate((2, 0, 1, 3)):
        assert error(select_face(faces, rank), face, maps[place]) < 0.04
    assert select_face(faces, "largest") is select_face(faces, "0") is faces[0]


def test_the_n_th_face_must_exist(face: Face) -> None:
    with pytest.raises(NoFaceError, match="Face 2 was asked for but the image has 1"):
        select_face([face], 2)
    with pytest.raises(NoFaceError, match="give its box or landmarks by hand"):
        select_face([])
    for which in ("smallest", -1, "-1"):
        with pytest.raises(OptionError, match="'largest' or a number from 0 on"):
            select_face([face], which)


def test_images_without_a_face_have_none(astronaut: Pixels) -> None:
    from skimage.data import cat, coffee, rocket

    rng = np.random.default_rng(0)
    noise = cv2.GaussianBlur(rng.integers(0, 256, (300, 400, 3), dtype=np.uint8), (0, 0), 5)
    noise = np.asarray(cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX), dtype=np.uint8)
    for image in (cat(), coffee(), rocket(), noise, np.zeros((64, 64, 3), np.uint8)):
        assert DETECTOR.detect(np.ascontiguousarray(image)) == []
    assert DETECTOR.detect(np.full((1, 1, 3), 99, np.uint8)) == []
    assert DETECTOR.detect(np.ascontiguousarray(astronaut[300:, :180])) == []


def test_a_profile_in_a_grey_image_is_found() -> None:
    from skimage.data import camera

    faces = DETECTOR.detect(camera())
    assert len(faces) == 1
    assert box_overlap(np.array([200, 125, 262, 190]), faces[0].box[None])[0] > 0.6


def test_alpha_does_not_matter(astronaut: Pixels, face: Face) -> None:
    alpha = np.concatenate([astronaut, astronaut[..., :1]], 2)
    np.testing.assert_array_equal(DETECTOR.detect(alpha)[0].landmarks, face.landmarks)


def test_detection_does_not_depend_on_what_was_seen_before(astronaut: Pixels, face: Face) -> None:
    DETECTOR.detect(np.ascontiguousarray(astronaut[::-1]))
    np.testing.assert_array_equal(DETECTOR.detect(astronaut)[0].landmarks, face.landmarks)


def test_a_face_is_followed_from_frame_to_frame(astronaut: Pixels, face: Face) -> None:
    matrix = placed(astronaut, 1.05, 6.0, (265.0, 250.0))
    followed = DETECTOR.follow(shown(astronaut, matrix, (512, 512)), face)
    assert followed is not None
    assert error(followed, face, matrix) < 0.02
    assert DETECTOR.follow(np.full((512, 512, 3), 90, np.uint8), face) is None
    five = Face(face.box, face.landmarks[:5], 1.0, "five")
    with pytest.raises(OptionError, match="mediapipe478 landmarks, not five"):
        DETECTOR.follow(astronaut, five)


def test_a_face_is_found_in_its_box_and_a_mean_face_laid_where_there_is_none(
    astronaut: Pixels, face: Face
) -> None:
    box = np.array([175.0, 80.0, 272.0, 175.0], np.float32)
    inside = DETECTOR.landmarks(astronaut, box)
    assert error(inside, face, np.eye(2, 3)) < 0.02
    empty = DETECTOR.landmarks(np.full((512, 512, 3), 90, np.uint8), box, roll_degrees=90.0)
    assert empty.score <= 0.1
    left, right, lips = anchor_points(empty.landmarks, empty.scheme)
    down = lips - (left + right) / 2
    assert down[0] < -20  # turned clockwise, the mouth lies on the left
    assert abs(down[1]) < 1
    np.testing.assert_allclose((left + right + lips)[1] / 3, 127.5, atol=1.0)


def test_min_score_must_be_a_probability() -> None:
    with pytest.raises(OptionError, match="between 0 and 1, not 1.5"):
        MediaPipeFaceDetector(min_score=1.5)
    with pytest.raises(MediaError, match="not float32"):
        DETECTOR.detect(np.zeros((64, 64, 3), np.float32))  # type: ignore[arg-type]
    detector: FaceDetector = DETECTOR
    assert callable(detector.detect)


def test_there_are_896_anchors_in_two_grids() -> None:
    places, counts = np.unique(anchors(), axis=0, return_counts=True)
    assert len(anchors()) == 896
    assert len(places) == 16 * 16 + 8 * 8
    assert sorted(set(counts.tolist())) == [2, 6]
    np.testing.assert_allclose(anchors().mean(0), 0.5, atol=1e-6)


def test_overlapping_boxes_become_their_weighted_mean() -> None:
    boxes = np.array([[0, 0, 10, 10, 7], [0, 0, 10, 14, 3], [50, 50, 60, 60, 1]], np.float32)
    merged = merge_boxes(boxes, np.array([0.9, 0.3, 0.6]))
    assert [score for _, score in merged] == [0.9, 0.6]
    np.testing.assert_allclose(merged[0][0], [0, 0, 10, 11, 6], rtol=1e-6)
    np.testing.assert_allclose(merged[1][0], boxes[2])
    overlap = box_overlap(boxes[0, :4], boxes[:, :4])
    np.testing.assert_allclose(overlap, [1.0, 100 / 140, 0.0], rtol=1e-6)


PLACES = {
    "joyvasa_003.png": [[296, 335], [473, 308], [402, 485]],
    "s10.jpg": [[379, 488], [504, 510], [423, 676]],
    "s12.jpg": [[154, 160], [211, 158], [182, 228]],
    "s5.jpg": [[321, 241], [391, 241], [355, 308]],
    "s7.jpg": [[319, 410], [536, 410], [425, 614]],
    "s9.jpg": [[305, 298], [395, 296], [347, 399]],
}
"""The eyes and the middle of the mouth, read off the images by eye."""


@pytest.mark.parametrize("name", PLACES)
def test_paintings_statues_and_cartoons_are_found_at_any_tilt(real_inputs: Path, name: str) -> None:
    image = cv2.imread(os.fspath(real_inputs / "portraits" / name))
    image = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)
    faces = DETECTOR.detect(image)
    assert len(faces) == 1
    seen = np.stack(anchor_points(faces[0].landmarks))
    width = np.ptp(faces[0].landmarks[:, 0])
    assert np.linalg.norm(seen - PLACES[name], axis=1).max() < 0.06 * width
    height, width = image.shape[:2]
    side = max(height, width)
    for angle in (25.0, -40.0, 180.0):
        matrix = placed(image, 1.0, angle, (side / 2, side / 2))
        turned = DETECTOR.detect(shown(image, matrix, (side, side)))
        assert len(turned) == 1
        assert error(turned[0], faces[0], matrix) < 0.04
