"""The dark line between lips: there while they are closed, on neither lip once they part."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.motion import BLENDSHAPES, Motion
from joyvasa_lib.portrait.compact.encode.appearance import read_appearance
from joyvasa_lib.portrait.compact.lips.closed_mouth import LipContours, fitted_contours
from joyvasa_lib.portrait.compact.lips.lip_line import find_lip_line, parted, with_lip_line
from joyvasa_lib.portrait.compact.model import CompactPortraitModel
from joyvasa_lib.portrait.compact.person.layers import compose
from joyvasa_lib.portrait.compact.portrait import CompactPortrait
from joyvasa_lib.rig.fitting import HeadFit
from joyvasa_lib.rig.head_rig import bundled_rig
from joyvasa_lib.rig.lips import lip_rims
from mean_head import mean_head

SIDE, SCALE = 512, 80.0
SKIN, UPPER, LOWER, LINE = (200, 160, 140), (150, 70, 70), (190, 90, 90), (0, 0, 90)


@pytest.fixture(scope="module")
def fit() -> HeadFit:
    return mean_head(SIDE, SCALE)


@pytest.fixture(scope="module")
def lips(fit: HeadFit) -> LipContours:
    return fitted_contours(bundled_rig(), fit.project(fit.shape))


@pytest.fixture(scope="module")
def image(lips: LipContours) -> NDArray[np.uint8]:
    """Lips of two colours with a dark line between them."""
    drawn = np.full((SIDE, SIDE, 3), SKIN, np.uint8)
    meet = 0.5 * (lips.upper + lips.lower) if len(lips.upper) == len(lips.lower) else lips.upper
    for outer, colour in ((lips.above, UPPER), (lips.below, LOWER)):
        cv2.fillPoly(drawn, [np.rint(np.concatenate([outer, meet[::-1]])).astype(int)], colour)
    cv2.polylines(drawn, [np.rint(meet).astype(int)], False, LINE, 3)
    return cv2.GaussianBlur(drawn, (0, 0), 1.0)


@pytest.fixture(scope="module")
def portrait(fit: HeadFit, image: NDArray[np.uint8]) -> CompactPortrait:
    matte = np.zeros((SIDE, SIDE), np.float32)
    cv2.circle(matte, (SIDE // 2, SIDE // 2), SIDE // 3, 1.0, -1)
    return CompactPortraitModel().portrait_of(fit, image, matte)


def drawn(portrait: CompactPortrait, jaw: float) -> NDArray[np.uint8]:
    values = np.zeros((1, len(BLENDSHAPES)), np.float32)
    values[0, BLENDSHAPES.index("jawOpen")] = jaw
    motion = Motion.from_blendshapes(values)
    return np.asarray(next(iter(CompactPortraitModel().render(portrait, motion)))[0])


def blue(frame: NDArray[np.uint8]) -> int:
    """Pixels that show the line's colour."""
    return int((frame[..., 2] > frame[..., 0].astype(int) + 10).sum())


def test_parted_lips_carry_no_outline(portrait: CompactPortrait) -> None:
    assert portrait.appearance.lip_line is not None
    bare = replace(portrait, appearance=replace(portrait.appearance, lip_line=None))
    outlined, free = blue(drawn(bare, 0.5)), blue(drawn(portrait, 0.5))
    assert outlined > 120
    assert free < 0.4 * outlined  # what is left is in the corners


def test_closed_lips_keep_their_line(portrait: CompactPortrait) -> None:
    bare = replace(portrait, appearance=replace(portrait.appearance, lip_line=None))
    closed = drawn(portrait, 0.0)
    np.testing.assert_array_equal(closed, drawn(bare, 0.0))
    assert blue(closed) > 120


def test_the_line_goes_as_the_lips_come_apart(portrait: CompactPortrait) -> None:
    rig = bundled_rig()
    upper, lower = lip_rims(rig)
    heads = np.repeat(portrait.appearance.vertices[None], 4, axis=0)
    heads[:, lower, 1] = heads[:, upper, 1].mean(1, keepdims=True)
    heads[:, upper, 1] = heads[:, lower, 1].mean(1, keepdims=True)
    heads[:, lower, 1] += SCALE * np.array([0.0, 0.05, 0.08, 0.3])[:, None]
    found = parted(rig, heads, SCALE)
    assert found[0] == 0.0 and found[3] == 1.0
    assert 0.0 < found[1] < found[2] < 1.0


def test_person_and_background_stay_the_image(portrait: CompactPortrait) -> None:
    look = portrait.appearance
    skin, layers = with_lip_line(look.skin, look.layers, look.lip_line, 0.6)
    assert layers is not None
    frame = np.zeros_like(skin)
    compose(layers, np.zeros((SIDE, SIDE, 2), np.float32), frame)
    assert np.abs(frame.astype(int) - skin).max() <= 1
    assert (skin != look.skin).any()
    assert with_lip_line(look.skin, look.layers, look.lip_line, 0.0) == (look.skin, look.layers)
    assert with_lip_line(look.skin, None, None, 1.0) == (look.skin, None)


def test_the_corners_keep_their_line(lips: LipContours, image: NDArray[np.uint8]) -> None:
    line = find_lip_line(image, lips, SCALE)
    assert line is not None
    profile = np.abs(line.change).max((0, 2))
    at = line.place[1] + np.arange(len(profile))
    along = (at - lips.upper[0, 0]) / (lips.upper[-1, 0] - lips.upper[0, 0])
    assert profile[(along > 0.3) & (along < 0.7)].min() > 40
    assert profile[(along < 0.05) | (along > 0.95)].max() == 0


def test_lips_that_the_image_shows_parted_get_a_line_when_they_close(
    lips: LipContours, image: NDArray[np.uint8]
) -> None:
    down = np.array([0.0, 0.3 * SCALE], np.float32)
    open_lips = replace(lips, lower=lips.lower + down, below=lips.below + down)
    line = find_lip_line(image, open_lips, SCALE)
    assert line is not None and line.apart == 1.0
    assert line.weight(1.0) == 0.0 and line.weight(0.0) == 1.0
    assert line.change.max() <= 0.0
    middle = line.change[:, line.change.shape[1] // 2].min(-1)
    upper = lips.upper[len(lips.upper) // 2, 1] - line.place[0]
    assert middle[round(upper) - 1] < -15 and middle[round(upper + 0.3 * SCALE) + 1] < -15
    assert middle[round(upper - 0.1 * SCALE)] > -2  # the lip itself


@pytest.mark.parametrize("apart", [0.0, 0.2, 0.4, 0.6, 0.9, 1.0])
def test_an_image_stays_as_it_is_while_its_lips_do(portrait: CompactPortrait, apart: float) -> None:
    line = portrait.appearance.lip_line
    assert line is not None
    one = replace(line, apart=apart)
    weights = [one.weight(share) for share in np.linspace(0.0, 1.0, 11)]
    assert one.weight(apart) == 0.0
    assert min(weights) >= 0.0 and max(weights) == pytest.approx(1.0)


def test_there_is_none_without_a_mouth(
    lips: LipContours, image: NDArray[np.uint8], fit: HeadFit
) -> None:
    point = LipContours(*(np.full((5, 2), 30.0, np.float32),) * 4)
    assert find_lip_line(image, point, SCALE) is None
    away = LipContours(*(one + 2 * SIDE for one in lips.__dict__.values()))
    assert find_lip_line(image, away, SCALE) is None
    plain = read_appearance(bundled_rig(), fit, np.full((SIDE, SIDE, 3), SKIN, np.uint8)).lip_line
    assert plain is not None and np.abs(plain.change).max() < 25  # nothing but lips turning in
