"""Person and background: together the image, apart when the head moves."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.person import patch_fill as patch_fill_module
from joyvasa_lib.portrait.compact.person.background import fill_background
from joyvasa_lib.portrait.compact.person.layers import PersonLayers, compose, split_layers
from joyvasa_lib.portrait.compact.person.patch_fill import patch_fill

Pixels = NDArray[np.uint8]
SIDE = 160


def disc(radius: float = 40.0, soft: float = 2.0) -> NDArray[np.float32]:
    row, column = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    return np.clip((radius - np.hypot(row, column)) / soft + 0.5, 0.0, 1.0).astype(np.float32)


def stripes(period: int = 16) -> Pixels:
    """Slanted stripes with grain."""
    row, column = np.mgrid[:SIDE, :SIDE]
    light = 120.0 + 60.0 * np.sign(np.sin(2 * np.pi * (column + 0.5 * row) / period))
    grain = np.random.default_rng(0).normal(0.0, 4.0, (SIDE, SIDE, 3))
    return np.clip(light[..., None] + grain, 0, 255).astype(np.uint8)


def in_front(background: Pixels, matte: NDArray[np.float32]) -> Pixels:
    """A red person."""
    red = np.array([220.0, 30.0, 20.0])
    return np.asarray(matte[..., None] * red + (1.0 - matte[..., None]) * background + 0.5).astype(
        np.uint8
    )


@pytest.fixture(scope="module")
def image() -> Pixels:
    return in_front(stripes(), disc())


def test_without_motion_the_layers_are_the_image(image: Pixels) -> None:
    frame = np.zeros_like(image)
    compose(split_layers(image, disc()), np.zeros((SIDE, SIDE, 2), np.float32), frame)
    np.testing.assert_array_equal(frame, image)


def test_a_person_moves_and_the_background_stays(image: Pixels) -> None:
    layers = split_layers(image, disc())
    flow = np.zeros((SIDE, SIDE, 2), np.float32)
    flow[..., 0] = -24.0  # to the right
    frame = np.zeros_like(image)
    compose(layers, flow, frame)
    moved = np.roll(disc(), 24, axis=1)
    square = np.ones((9, 9), np.uint8)  # what the fill hides beside the person moves along
    left = (cv2.dilate(moved, square) == 0) & (cv2.erode(disc(), square) > 0)
    assert left.sum() > 300
    np.testing.assert_array_equal(frame[left], layers.background[left])
    beside = cv2.dilate(np.maximum(disc(), moved), square) == 0
    np.testing.assert_array_equal(frame[beside], image[beside])
    assert np.abs(frame[moved == 1].astype(int) - [220, 30, 20]).max() <= 1


def test_a_surface_that_moves_keeps_its_grain() -> None:
    """At half a pixel, where interpolation takes most: linear takes a fifth of this grain."""
    grain = np.random.default_rng(1).normal(128.0, 20.0, (SIDE, SIDE, 3))
    person = np.clip(cv2.GaussianBlur(grain, (0, 0), 0.7), 0, 255).astype(np.uint8)
    layers = split_layers(person, np.ones((SIDE, SIDE), np.float32))
    frame = np.zeros_like(person)
    compose(layers, np.full((SIDE, SIDE, 2), 0.5, np.float32), frame)
    inner = slice(8, -8)
    kept = frame[inner, inner].std() / person[inner, inner].std()
    linear = cv2.blur(person, (2, 2))[inner, inner].std() / person[inner, inner].std()
    assert linear < 0.8
    assert kept > 0.87


def test_between_pixels_a_smooth_surface_is_what_it_is() -> None:
    row, column = np.mgrid[:SIDE, :SIDE] / SIDE

    def light(dx: float, dy: float) -> NDArray[np.floating]:
        x, y = column + dx / SIDE, row + dy / SIDE
        return 40.0 + 150.0 * x * x + 40.0 * x * y

    person = np.rint(light(0.0, 0.0))[..., None].repeat(3, 2).astype(np.uint8)
    layers = split_layers(person, np.ones((SIDE, SIDE), np.float32))
    flow = np.zeros((SIDE, SIDE, 2), np.float32)
    flow[:] = 3.3, -2.6
    frame = np.zeros_like(person)
    compose(layers, flow, frame)
    inner = slice(8, -8)
    apart = frame[inner, inner, 0] - light(3.3, -2.6)[inner, inner]
    assert np.abs(apart).max() <= 1.3  # half a level of each rounding, and a little overshoot


def test_nothing_of_the_person_is_left_in_the_background(image: Pixels) -> None:
    found = fill_background(image, disc()).astype(int)
    redness = found[..., 0] - found[..., 1]
    assert redness.max() < 40  # the person's is 190, grain reaches 20


def test_lines_and_grain_go_on_behind_the_person(image: Pixels) -> None:
    known = cv2.dilate((disc() > 0).astype(np.uint8), np.ones((7, 7), np.uint8)) == 0
    depth = cv2.distanceTransform((~known).astype(np.uint8), cv2.DIST_L2, 5)
    seen = ~known & (depth < 10)
    found = patch_fill(image, known, seen)
    truth = stripes().astype(float)
    error = np.abs(found - truth).mean(-1)[seen].mean()
    blurred = cv2.inpaint(image, (~known).astype(np.uint8), 5, cv2.INPAINT_TELEA)
    assert error < 25
    assert error < 0.6 * np.abs(blurred - truth).mean(-1)[seen].mean()
    np.testing.assert_array_equal(found[known], image[known])


def test_the_same_image_is_filled_the_same_way(image: Pixels) -> None:
    np.testing.assert_array_equal(fill_background(image, disc()), fill_background(image, disc()))


def test_a_person_who_fills_the_crop_is_filled_smoothly(image: Pixels) -> None:
    matte = np.ones((SIDE, SIDE), np.float32)
    matte[:, :3] = 0.0
    found = fill_background(image, matte)
    assert np.abs(np.diff(found[:, 20:].astype(int), axis=1)).mean() < 3


def test_a_fringe_darkens_nothing_that_it_moves_in_front_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Hair that the matte leaves out, in front of light, is hair in front of shadow as well."""
    hair, strand, light, shadow = 135.0, 75.0, 165.0, 60.0
    matte = disc(soft=1.0)
    rim = (disc(44.0, 1.0) > 0) & (matte == 0)
    grey = np.where(rim, strand, matte * hair + (1.0 - matte) * light)
    bright = np.full((SIDE, SIDE, 3), light).astype(np.uint8)
    monkeypatch.setattr(
        "joyvasa_lib.portrait.compact.person.layers.fill_background", lambda *_: bright
    )
    layers = split_layers(np.rint(grey)[..., None].repeat(3, 2).astype(np.uint8), matte)
    flow = np.zeros((SIDE, SIDE, 2), np.float32)
    flow[..., 0] = -20.0
    frame = np.zeros_like(bright)
    compose(PersonLayers(layers.person, np.full_like(bright, int(shadow))), flow, frame)
    assert frame[..., 0].min() > shadow - 10
    assert np.abs(frame[np.roll(rim, 20, axis=1)].astype(int) - strand).mean() < 15


def test_a_fill_goes_over_into_what_is_unlike_it() -> None:
    """Beside the seam it is what the image shows there; a strand across the seam does not go on."""
    image = np.full((SIDE, SIDE, 3), 230, np.uint8)
    image[:, 100:] = 60  # a wall beside the sky
    image[76:79, :60] = 60  # a strand
    row, column = np.mgrid[:SIDE, :SIDE]
    asked = (column >= 60) & (column < 100)
    place = np.full((SIDE, SIDE, 2), -1, np.int32)
    near = (column >= 55) & (column < 105)
    place[near] = np.stack([row * 0 + 20, column * 0 + 20], -1)[near]  # of the sky, everywhere
    filled = patch_fill_module._in_full(
        image.astype(np.float32), ~asked, asked, place, np.zeros((SIDE, SIDE), np.float32)
    )
    assert filled[20:140, 99].max() < 110
    assert filled[20:140, 62:85].min() > 200
