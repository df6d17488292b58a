"""Crops of JoyVASA's published code, against its pixels."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from bare_portrait import FACE, PASTE
from joyvasa_lib.compat.joyvasa.crop import crop_black, crop_stretched, stretch_to_square
from joyvasa_lib.face.crop_geometry import apply_matrix


def smooth_image(height: int, width: int) -> NDArray[np.uint8]:
    noise = np.random.default_rng(0).normal(size=(height, width, 3))
    blurred = cv2.GaussianBlur(noise, (0, 0), 6)
    return np.asarray(cv2.normalize(blurred, None, 0, 255, cv2.NORM_MINMAX), dtype=np.uint8)


def test_the_crop_s_pixels_are_the_reference_s() -> None:
    crop = crop_black(PASTE["image"], FACE, 96)
    np.testing.assert_allclose(crop.matrix, PASTE["M_o2c"], atol=1e-3)
    difference = np.abs(crop.image.astype(int) - PASTE["img_crop"])
    assert difference.max() <= 2
    assert difference.mean() < 0.1


def test_without_a_crop_images_are_resized_as_in_the_reference() -> None:
    found = stretch_to_square(PASTE["img_crop"], 40).astype(int)
    assert np.abs(found - PASTE["linear_resized"]).max() <= 2


def test_a_stretched_image_knows_where_its_points_come_from() -> None:
    full_image = smooth_image(300, 600)
    crop = crop_stretched(full_image, FACE, 300)
    assert crop.image.shape == (300, 300, 3)
    for x, y in ((0, 0), (599, 299), (421, 133)):  # the edges of a pixel's area, too
        seen = apply_matrix(crop.matrix, np.array([x, y]))
        np.testing.assert_allclose(seen, [(x + 0.5) / 2 - 0.5, y], atol=1e-9)
        colour = crop.image[y, int(seen[0])].astype(int)
        assert np.abs(colour - full_image[y, x]).max() <= 6
