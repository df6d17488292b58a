"""Faces given by hand: what is given is met, in any order, and nonsense is refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.errors import NoFaceError, OptionError
from joyvasa_lib.face.crop import crop_upright, crop_whole
from joyvasa_lib.face.landmark_sets import anchor_points, convert_landmarks
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.face.landmarks.manual import ManualFaceDetector
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector

pytestmark = pytest.mark.slow

Pixels = NDArray[np.uint8]

# Of scikit-image's cat, read off the image by eye.
CAT_NINE = np.array(
    [296, 157, 342, 121, 137, 104, 206, 141, 265, 244, 198, 268, 311, 278, 258, 265, 256, 269],
    dtype=np.float32,
).reshape(9, 2)
CAT_FIVE = convert_landmarks(CAT_NINE, "five")


@pytest.fixture(scope="module")
def cat() -> Pixels:
    from skimage.data import cat

    return np.ascontiguousarray(cat())


@pytest.fixture(scope="module")
def face(astronaut: Pixels) -> Face:
    return MediaPipeFaceDetector().detect(astronaut)[0]


def only(faces: list[Face]) -> Face:
    assert len(faces) == 1
    return faces[0]


def distance(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    return float(np.linalg.norm(a[:, :2] - b[:, :2], axis=1).max())


@pytest.mark.parametrize(("given", "name"), [(CAT_FIVE, "five"), (CAT_NINE, "animal9")])
def test_the_mesh_of_a_cat_goes_through_its_points(
    cat: Pixels, given: NDArray[np.float32], name: str
) -> None:
    found = only(ManualFaceDetector(landmarks=given).detect(cat))
    assert found.landmarks.shape == (478, 3)
    assert found.scheme == "mediapipe478"
    eyes = float(np.hypot(*(CAT_FIVE[1] - CAT_FIVE[0])))
    assert distance(convert_landmarks(found.landmarks, name), given) < 0.02 * eyes
    # The mesh is not torn: it stays about as large as a face with these eyes is.
    assert 1.5 * eyes < max(found.box[2:] - found.box[:2]) < 4 * eyes
    assert found.score < 0.5  # and it says that this is not a person


@pytest.mark.parametrize("count", [5, 9])
def test_left_and_right_may_be_exchanged(cat: Pixels, count: int) -> None:
    given = CAT_FIVE if count == 5 else CAT_NINE
    orders = {
        5: ([1, 0, 2, 3, 4], [0, 1, 2, 4, 3], [1, 0, 2, 4, 3]),
        9: ([2, 3, 0, 1, 4, 5, 6, 7, 8], [1, 0, 3, 2, 4, 6, 5, 7, 8]),
    }
    wanted = only(ManualFaceDetector(landmarks=given).detect(cat)).landmarks
    for order in orders[count]:
        found = only(ManualFaceDetector(landmarks=given[order]).detect(cat)).landmarks
        np.testing.assert_array_equal(found, wanted)


def test_a_face_on_its_head_keeps_its_own_left_and_right(cat: Pixels) -> None:
    turned = np.array([450, 299], np.float32) - CAT_FIVE
    found = only(ManualFaceDetector(landmarks=turned).detect(np.ascontiguousarray(cat[::-1, ::-1])))
    upright = only(ManualFaceDetector(landmarks=CAT_FIVE).detect(cat))
    assert distance(np.array([450, 299]) - found.landmarks[:, :2], upright.landmarks) < 3.0


@pytest.mark.parametrize("name", ["five", "animal9", "ibug68"])
def test_a_person_s_points_give_the_person_s_mesh(astronaut: Pixels, face: Face, name: str) -> None:
    given = convert_landmarks(face.landmarks, name)[:, :2]
    found = only(ManualFaceDetector(landmarks=given).detect(astronaut))
    error = np.linalg.norm(found.landmarks[:, :2] - face.landmarks[:, :2], axis=1)
    assert error.mean() < 1.0
    assert found.score > 0.9


def test_a_mesh_is_taken_as_it_is(astronaut: Pixels, face: Face) -> None:
    found = only(ManualFaceDetector(landmarks=face.landmarks).detect(astronaut))
    np.testing.assert_array_equal(found.landmarks, face.landmarks)
    flat = only(ManualFaceDetector(landmarks=face.landmarks[:, :2].tolist()).detect(astronaut))
    np.testing.assert_array_equal(flat.landmarks[:, :2], face.landmarks[:, :2])
    np.testing.assert_allclose(flat.landmarks[:, 2], face.landmarks[:, 2], atol=3.0)


def test_a_box_on_a_person_gives_the_person_s_mesh(astronaut: Pixels, face: Face) -> None:
    found = only(ManualFaceDetector(box=(176, 80, 272, 174)).detect(astronaut))
    assert np.linalg.norm((found.landmarks - face.landmarks)[:, :2], axis=1).mean() < 1.5


def test_a_box_on_a_drawing_is_filled_by_a_face() -> None:
    drawing = np.full((300, 300, 3), 255, np.uint8)
    box = (60, 100, 240, 260)
    found = only(ManualFaceDetector(box=box).detect(drawing))
    outline = convert_landmarks(found.landmarks, "ibug68")
    np.testing.assert_allclose([*outline[:, :2].min(0), *outline[:, :2].max(0)], box, atol=0.1)
    left, right, lips = anchor_points(found.landmarks)
    assert left[0] < 150 < right[0]
    assert lips[0] == pytest.approx(150, abs=0.5)
    assert lips[1] > left[1] + 40


def test_points_as_given_make_the_official_animal_crop(cat: Pixels) -> None:
    found = only(ManualFaceDetector(landmarks=CAT_NINE, result="given").detect(cat))
    assert found.scheme == "animal9"
    np.testing.assert_array_equal(found.landmarks[:, :2], CAT_NINE)
    crop = crop_upright(cat, found, 256)
    left, right, lips = anchor_points(crop.landmarks, "animal9")
    assert lips[0] == pytest.approx((left + right)[0] / 2, abs=0.01)
    assert lips[1] > left[1]


def test_a_crop_already_is_taken_whole(astronaut: Pixels, face: Face) -> None:
    square = np.ascontiguousarray(astronaut[10:250, 100:340])
    found = only(ManualFaceDetector(whole_image=True).detect(square))
    np.testing.assert_allclose(
        found.landmarks[:, :2].mean(0) + np.array([100, 10]),
        face.landmarks[:, :2].mean(0),
        atol=1.0,
    )
    np.testing.assert_array_equal(crop_whole(square, found, 240).image, square)
    blank = np.full((200, 200, 3), 180, np.uint8)
    guess = only(ManualFaceDetector(whole_image=True).detect(blank))
    assert (guess.box > 20).all()
    assert (guess.box < 180).all()
    assert guess.score <= 0.1


def test_exactly_one_thing_is_given() -> None:
    for arguments in (
        {},
        {"box": (0, 0, 50, 50), "landmarks": CAT_FIVE},
        {"box": (0, 0, 50, 50), "whole_image": True},
    ):
        with pytest.raises(NoFaceError, match="Give exactly one of the face's box"):
            ManualFaceDetector(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((10, 10, 14, 80), "at least 8 wide and high, not"),
        ((90, 10, 10, 80), "at least 8 wide and high, not"),
        ((10, 10, 80), "left,top,right,bottom"),
        ((10, 10, np.inf, 80), "box hold a number that is not finite"),
        ("a,b,c,d", "box cannot be read as numbers"),
    ],
)
def test_an_unusable_box_is_refused_in_one_sentence(box: object, message: str) -> None:
    with pytest.raises(NoFaceError, match=message) as caught:
        ManualFaceDetector(box=box)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("landmarks", "message"),
    [
        (CAT_NINE[:7], r"not an array of shape \(7, 2\)"),
        (np.zeros((203, 2)), r"not an array of shape \(203, 2\)"),
        (np.zeros(10), r"not an array of shape \(10,\)"),
        (CAT_FIVE * np.nan, "landmarks hold a number that is not finite"),
        ([[1, 2], [3]], "landmarks cannot be read as numbers"),
        (np.full((5, 2), 50.0), "eyes are given 0.0 pixels apart"),
        ([[0, 0], [40, 0], [20, 0], [10, 0], [30, 0]], "mouth is given between the eyes"),
    ],
)
def test_unusable_landmarks_are_refused_in_one_sentence(landmarks: object, message: str) -> None:
    with pytest.raises(NoFaceError, match=message) as caught:
        ManualFaceDetector(landmarks=landmarks)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_a_face_outside_the_image_is_refused(cat: Pixels) -> None:
    for detector in (
        ManualFaceDetector(box=(900, 100, 1000, 200)),
        ManualFaceDetector(landmarks=CAT_FIVE - 400),
    ):
        with pytest.raises(NoFaceError, match="outside the image of 451 x 300 pixels"):
            detector.detect(cat)


def test_result_names_what_it_may_be() -> None:
    with pytest.raises(OptionError, match="'mesh' or 'given', not 'points'"):
        ManualFaceDetector(landmarks=CAT_FIVE, result="points")
    with pytest.raises(OptionError, match="'given' needs landmarks"):
        ManualFaceDetector(box=(0, 0, 50, 50), result="given")


ANIMALS = {
    "s41.jpg": "148 116 181 116 73 116 105 116 126 143 106 177 150 176 126 166 126 169",
    "s31.jpg": "146 113 170 111 82 111 102 113 125 166 104 191 144 193 124 187 124 205",
}
"""Nine points each, read off the images by eye."""


@pytest.mark.parametrize("name", ANIMALS)
def test_a_real_animal_s_mesh_goes_through_its_points(real_inputs: Path, name: str) -> None:
    full_image = cv2.imread(str(real_inputs / "animals" / name))
    full_image = np.asarray(cv2.cvtColor(full_image, cv2.COLOR_BGR2RGB), dtype=np.uint8)
    given = np.array(ANIMALS[name].split(), dtype=np.float32).reshape(9, 2)
    found = only(ManualFaceDetector(landmarks=given).detect(full_image))
    assert distance(convert_landmarks(found.landmarks, "animal9"), given) < 2.0
