"""Images above a limit are scaled once, and everything in them moves along."""

from __future__ import annotations

import logging

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from joyvasa_lib.errors import OptionError
from joyvasa_lib.face.crop import crop_face
from joyvasa_lib.face.crop_geometry import apply_matrix
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.face.output_size import checked_max_size, fit_crop, fit_face, fitted_size, scaled
from joyvasa_lib.face.paste_back import PasteBack


@pytest.fixture
def image() -> NDArray[np.uint8]:
    rough = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    return np.asarray(cv2.resize(rough, (800, 600), interpolation=cv2.INTER_CUBIC), np.uint8)


@pytest.fixture
def face() -> Face:
    points = np.random.default_rng(1).uniform((250, 150, 0), (550, 450, 9), (468, 3))
    box = np.float32([250, 150, 550, 450])
    return Face(box, points.astype(np.float32), 1.0, "mediapipe468")


SIDE = st.integers(64, 9000)


@given(width=SIDE, height=SIDE, most=st.integers(64, 5000))
def test_a_fitted_size_is_even_keeps_its_shape_and_is_within_the_limit(
    width: int, height: int, most: int
) -> None:
    size = fitted_size((width, height), most)
    if max(width, height) <= most:
        assert size == (width, height)
        return
    assert max(size) in (most, most - 1)
    assert size[0] % 2 == size[1] % 2 == 0 and min(size) >= 2
    factor = max(size) / max(width, height)
    assert abs(size[0] - width * factor) <= 1 or size[0] == 2
    assert abs(size[1] - height * factor) <= 1 or size[1] == 2
    assert fitted_size((width, height), None) == (width, height)


def test_a_limit_is_a_whole_number_or_none() -> None:
    assert checked_max_size(None) is None
    assert checked_max_size(np.int64(64)) == 64
    for wrong in (63, 0, -1, 640.5, "640", True, np.nan, [640]):
        with pytest.raises(OptionError, match="max_size"):
            checked_max_size(wrong)


def test_a_face_moves_with_its_image(image: NDArray[np.uint8], face: Face) -> None:
    """A bright pixel under a landmark of the image lies under that of the scaled one."""
    image[:] = 0
    x, y = (int(value) // 2 * 2 for value in face.landmarks[0, :2])
    face.landmarks[0, :2] = x + 0.5, y + 0.5  # between four pixels that become one
    image[y : y + 2, x : x + 2] = 255
    small, moved = fit_face(image, face, 400)
    assert small.shape == (300, 400, 3)
    across, down = moved.landmarks[0, :2]
    assert (across, down) == (x / 2, y / 2)
    assert small[int(down), int(across)].min() == 255
    np.testing.assert_allclose(moved.landmarks[:, 2], face.landmarks[:, 2] / 2)
    np.testing.assert_allclose(moved.box, (face.box + 0.5) / 2 - 0.5)


def test_an_image_that_fits_or_whose_face_would_be_too_small_is_left_alone(
    image: NDArray[np.uint8], face: Face, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        for most in (None, 800, 1920, 320):  # a face of 300 pixels would have 120
            assert fit_face(image, face, most) == (image, face)
    assert caplog.text == ""


def test_scaling_is_told_once(
    image: NDArray[np.uint8], face: Face, caplog: pytest.LogCaptureFixture
) -> None:
    fit_face(image, face, 600)
    assert [record.getMessage() for record in caplog.records] == [
        "The image of 800x600 pixels is scaled to 600x450; max_size=None (--max-size none) keeps it"
    ]


@pytest.mark.parametrize("channels", [0, 1, 3, 4])
def test_a_crop_in_a_scaled_image_shows_the_same(
    image: NDArray[np.uint8], face: Face, channels: int
) -> None:
    full_image = image[..., :3] if channels == 3 else image[..., 0]
    if channels in (1, 4):
        full_image = np.repeat(image[..., :1], channels, 2)
    crop = crop_face(np.ascontiguousarray(full_image), face)
    fitted = fit_crop(crop, (400, 300))
    assert fitted.full_image.shape[:2] == (300, 400)
    assert fitted.full_image.ndim == full_image.ndim
    np.testing.assert_array_equal(fitted.image, crop.image)
    # A point of the face is at the same place of the crop, whichever image it is in.
    np.testing.assert_allclose(
        apply_matrix(fitted.matrix, fitted.face.landmarks[:, :2].astype(np.float64)),
        apply_matrix(crop.matrix, face.landmarks[:, :2].astype(np.float64)),
        atol=1e-3,
    )


def test_a_frame_pasted_into_the_scaled_image_is_the_pasted_frame_scaled(
    image: NDArray[np.uint8], face: Face
) -> None:
    crop = crop_face(image, face)
    mask = np.zeros((crop.size, crop.size), np.float32)
    mask[60:-60, 60:-60] = 1
    mask = cv2.GaussianBlur(mask, (0, 0), 10)
    frame = cv2.GaussianBlur(np.roll(crop.image, 5, axis=0), (0, 0), 3)
    for unchanged in ("source", "frame"):
        whole = PasteBack(crop, mask, unchanged)(frame)
        expected = scaled(whole, (400, 300)).astype(int)
        found = PasteBack(fit_crop(crop, (400, 300)), mask, unchanged)(frame)
        assert np.abs(found - expected).mean() < 0.5
        assert np.abs(found - expected).max() < 25
        assert np.abs(found - scaled(image, (400, 300)).astype(int)).mean() > 2
        assert (found[:, :40] == scaled(image, (400, 300))[:, :40]).all()


def test_a_size_that_is_there_already_changes_nothing(image: NDArray[np.uint8], face: Face) -> None:
    crop = crop_face(image, face)
    assert fit_crop(crop, (800, 600)) is crop
    assert scaled(image, (800, 600)) is image
