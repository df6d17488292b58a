"""Strands of hair go with the head that they stand out from; lines of the background stay."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.person.background import fill_background
from joyvasa_lib.portrait.compact.person.layers import compose, split_layers

Pixels = NDArray[np.uint8]
SIDE = 320
HAIR = (40, 30, 25)


@pytest.fixture(scope="module")
def plain() -> Pixels:
    """A wall in uneven light, with grain."""
    row, column = np.mgrid[:SIDE, :SIDE]
    light = 150.0 + 40.0 * column / SIDE + 20.0 * row / SIDE
    grain = np.random.default_rng(0).normal(0.0, 1.5, (SIDE, SIDE))
    return np.clip((light + grain)[..., None].repeat(3, 2), 0, 255).astype(np.uint8)


def matte() -> NDArray[np.float32]:
    found = np.zeros((SIDE, SIDE), np.uint8)
    cv2.circle(found, (160, 190), 80, 255, -1, cv2.LINE_AA)
    return found.astype(np.float32) / 255.0


def person(background: Pixels) -> Pixels:
    return np.where(matte()[..., None] > 0.5, np.array(HAIR), background).astype(np.uint8)


def strands(image: Pixels) -> Pixels:
    """Three hairs above the head, which the matte does not know."""
    image = np.ascontiguousarray(image)
    for x, away in ((130, -8), (160, 0), (185, 10)):
        cv2.line(image, (x, 120), (x + away, 95), HAIR, 2, cv2.LINE_AA)
    return image


def apart(one: Pixels, other: Pixels) -> NDArray[np.intp]:
    return np.abs(one.astype(int) - other).max(-1)


def test_strands_of_hair_are_not_left_behind(plain: Pixels) -> None:
    image = strands(person(plain))
    above = np.s_[90:104, 110:210]
    assert apart(image, plain)[above].max() > 90
    assert apart(fill_background(image, matte()), plain)[above].max() < 12


def test_strands_move_with_the_head(plain: Pixels) -> None:
    image = strands(person(plain))
    flow = np.zeros((SIDE, SIDE, 2), np.float32)
    flow[..., 1] = -12.0  # downwards
    frame = np.zeros_like(image)
    compose(split_layers(image, matte()), flow, frame)
    assert apart(frame, plain)[90:104, 110:210].max() < 20
    assert apart(frame[107:116], image[95:104])[:, 110:210].max() < 20
    compose(split_layers(image, matte()), np.zeros_like(flow), frame)
    np.testing.assert_array_equal(frame, image)


@pytest.mark.parametrize(
    ("first", "last", "colour", "wide"),
    [
        ((0, 80), (319, 80), HAIR, 2),  # a rail that goes on behind the head
        ((150, 100), (172, 70), HAIR, 16),  # a thing that is no hair by its size
        ((150, 75), (158, 62), HAIR, 2),  # a mark on the wall
        ((160, 106), (166, 88), (255, 255, 255), 2),  # a light behind
    ],
)
def test_what_is_no_hair_stays(
    plain: Pixels, first: tuple[int, int], last: tuple[int, int], colour: tuple[int, ...], wide: int
) -> None:
    wall = np.ascontiguousarray(plain)
    cv2.line(wall, first, last, colour, wide, cv2.LINE_AA)
    found = fill_background(person(wall), matte())
    beside = cv2.dilate(matte(), np.ones((15, 15), np.uint8)) == 0
    assert apart(found, wall)[beside].max() < 6


def test_a_restless_background_keeps_its_lines() -> None:
    random = np.random.default_rng(1)
    leaves = np.full((SIDE, SIDE, 3), 120, np.uint8)
    for x, y, angle in zip(
        *random.uniform(0, SIDE, (2, 900)), random.uniform(0, 7, 900), strict=True
    ):
        end = int(x + 12 * np.cos(angle)), int(y + 12 * np.sin(angle))
        light = int(random.uniform(30, 220))
        cv2.line(leaves, (int(x), int(y)), end, (light, light, light), 2, cv2.LINE_AA)
    found = fill_background(person(leaves), matte())
    beside = cv2.dilate(matte(), np.ones((15, 15), np.uint8)) == 0
    assert np.mean(apart(found, leaves)[beside] > 6) < 0.002


def test_pieces_of_a_restless_background_do_not_move_with_the_head() -> None:
    """What is left to the person beside them lies between the background's colour and theirs."""
    tiles = np.random.default_rng(3).choice([60, 120, 230], (SIDE // 8, SIDE // 8, 3))
    shelves = cv2.GaussianBlur(np.kron(tiles, np.ones((8, 8, 1))).astype(np.uint8), (0, 0), 1.0)
    image = person(shelves)
    behind = fill_background(image, matte()).astype(float)
    beside = (matte() == 0.0) & (cv2.dilate(matte(), np.ones((7, 7))) > 0.0)
    left, towards = (image - behind)[beside], (np.array(HAIR) - behind)[beside]
    along = (left * towards).sum(-1) / np.square(towards).sum(-1)
    across = np.linalg.norm(left - along[:, None] * towards, axis=-1)
    assert np.percentile(across, 95) < 8.0
    assert np.percentile(along, 5) > -0.05
    assert (matte() > 0).sum() > 1000


def test_a_rim_of_fur_leaves_no_outline_behind() -> None:
    """Fur is paler at its ends than the animal, and reaches farther than the matte."""
    random, side = np.random.default_rng(4), 960
    tiles = random.choice([10, 30, 80], (side // 32, side // 32, 1)).repeat(3, 2)
    room = cv2.GaussianBlur(np.kron(tiles, np.ones((32, 32, 1))).astype(np.uint8), (0, 0), 4.0)
    row, column = np.mgrid[:side, :side] - np.array([560, 480])[:, None, None]
    away = np.hypot(row, column) - 240.0
    hairs = random.uniform(-3.0, 3.0, 720)[np.int32(np.degrees(np.arctan2(row, column)) * 2.0)]
    fur = np.clip((6.0 + hairs - away) / 9.0, 0.0, 1.0)[..., None]
    pale = np.clip(away / 6.0 + 1.0, 0.0, 1.0)[..., None] * (10.0, 40.0, 90.0)
    image = np.rint(room + fur * (np.array((225.0, 170.0, 90.0)) + pale - room)).astype(np.uint8)
    matte = np.clip(0.5 - away / 3.0, 0.0, 1.0).astype(np.float32)
    found = fill_background(image, matte)
    rim = (matte < 0.5) & (away < 7.0)
    assert np.percentile(apart(image, room)[rim], 75) > 80
    assert np.percentile(apart(found, room)[rim], 99) < 80
