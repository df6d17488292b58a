"""Which pixels show the person: where that is known, where it ends, and where it is not told."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import places
from joyvasa_lib.face.crop import FaceCrop, crop_face
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.face.person_matte import person_matte, refined_matte
from joyvasa_lib.media.image import load_image

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def crop() -> FaceCrop:
    full_image = load_image(places.DEMO / "astronaut.jpg")
    return crop_face(full_image, MediaPipeFaceDetector().detect(full_image)[0], size=256)


def disc(side: int, radius: float) -> NDArray[np.float32]:
    row, column = np.mgrid[:side, :side] - (side - 1) / 2
    return np.clip(radius + 0.5 - np.hypot(row, column), 0.0, 1.0).astype(np.float32)


def test_face_hair_and_clothes_are_the_person_s_and_the_rest_is_not(crop: FaceCrop) -> None:
    matte = person_matte(crop)
    assert matte is not None
    assert matte.shape == (256, 256)
    assert 0.0 <= matte.min() <= matte.max() <= 1.0
    places_of = crop.landmarks[:, :2].round().astype(int)
    on_face = matte[places_of[:, 1], places_of[:, 0]]
    assert on_face.mean() > 0.99
    assert np.quantile(on_face, 0.02) > 0.8
    forehead, chin = crop.landmarks[10, :2], crop.landmarks[152, :2]
    up = (forehead - chin) / np.hypot(*(forehead - chin))
    face = np.hypot(*(forehead - chin))
    column, row = (forehead + 0.15 * face * up).round().astype(int)
    assert matte[row, column] > 0.95  # hair
    column, row = (chin - 0.35 * face * up).round().astype(int)
    assert matte[row, column] > 0.95  # the suit
    assert matte[:40, :20].max() < 0.05  # the flag and the shuttle
    assert matte[:40, -20:].max() < 0.05


def test_the_edge_is_soft_and_narrow(crop: FaceCrop) -> None:
    matte = person_matte(crop)
    assert matte is not None
    partly = ((matte > 0.05) & (matte < 0.95)).mean()
    assert 0.002 < partly < 0.08


def test_what_is_no_person_has_no_matte(crop: FaceCrop) -> None:
    noise = np.random.default_rng(0).integers(0, 255, crop.image.shape).astype(np.uint8)
    assert person_matte(replace(crop, image=cv2.GaussianBlur(noise, (0, 0), 2.0))) is None


def test_a_rough_edge_is_moved_to_the_image_s() -> None:
    truth = disc(256, 80.0)
    colours = np.array([200.0, 120.0, 60.0]), np.array([40.0, 90.0, 160.0])
    image = truth[..., None] * colours[0] + (1.0 - truth[..., None]) * colours[1]
    image += np.random.default_rng(0).normal(0.0, 4.0, image.shape)
    rough = cv2.GaussianBlur(disc(256, 78.5), (0, 0), 2.5)
    found = refined_matte(np.clip(image, 0, 255).astype(np.uint8), rough)
    assert np.abs(found - truth).mean() < 0.35 * np.abs(rough - truth).mean()
    assert np.abs(found - truth).max() < 0.5


def test_a_matte_goes_on_beyond_the_image(crop: FaceCrop) -> None:
    low = crop.full_image[: int(crop.face.landmarks[152, 1]) + 40]  # cut at the neck
    cut = crop_face(np.ascontiguousarray(low), crop.face, size=256)
    matte = person_matte(cut)
    assert matte is not None
    below = cut.seen[3]
    assert below < 250
    chin = int(cut.landmarks[152, 0])
    assert matte[below + 3, chin] > 0.8
    assert matte[below + 3, 250] < 0.2


def restless(side: int) -> Pixels:
    """Shelves of things in bright colours."""
    random = np.random.default_rng(4)
    tiles = random.choice([20, 240], (side // 10 + 1, side // 10 + 1, 3))
    wall = np.kron(tiles, np.ones((10, 10, 1), int))[:side, :side]
    return cv2.GaussianBlur(wall.astype(np.uint8), (0, 0), 1.5)


def test_before_a_restless_background_what_the_network_took_along_is_cut_off() -> None:
    """The network half believes in a piece of the background beside the head."""
    side, radius = 256, 70.0
    image, person = restless(side), disc(side, radius)
    image[person > 0.5] = (150, 110, 90)
    rough = person.copy()
    rough[108:148, 200:222] = np.maximum(rough[108:148, 200:222], 0.7)
    found = refined_matte(image, rough)
    beside = np.zeros((side, side), bool)
    beside[108:148, 204:222] = True
    assert found[beside & (person == 0.0)].mean() < 0.2
    assert found[disc(side, radius - 4) == 1.0].min() > 0.9
    assert np.array_equal(found, refined_matte(image, rough))


def test_hair_of_the_background_s_colour_is_left_to_the_network() -> None:
    """Dark hair before a dark wall: no edge says where it ends, the network does."""
    side = 256
    image = np.full((side, side, 3), 40, np.uint8)
    image[disc(side, 45.0) > 0.5] = (210, 170, 150)
    noise = np.random.default_rng(0).normal(0.0, 3.0, image.shape)
    image = np.clip(image + noise, 0, 255).astype(np.uint8)
    found = refined_matte(image, disc(side, 70.0))
    assert found[disc(side, 66.0) == 1.0].mean() > 0.97
