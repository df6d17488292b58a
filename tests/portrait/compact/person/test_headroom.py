"""Hair that an image's upper border cuts off ends above it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib import JoyVASAPipeline, Motion
from joyvasa_lib.portrait.compact.person.headroom import close_head

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

SIDE, TOP = 200, 60
HAIR, WALL = (60, 40, 30), (180, 190, 200)


def drawn(centre: tuple[int, int], radius: float) -> tuple[Bytes, Floats]:
    """A round head of hair before a wall, and its matte; the border is repeated above it."""
    y, x = np.mgrid[:SIDE, :SIDE]
    head = np.clip(radius - np.hypot(x - centre[0], y - centre[1]) + 0.5, 0.0, 1.0)
    head = head[np.maximum(np.arange(SIDE), TOP)].astype(np.float32)
    image = head[..., None] * HAIR + (1.0 - head[..., None]) * WALL
    strands = np.random.default_rng(0).normal(0.0, 6.0, (SIDE, SIDE, 1)) * head[..., None]
    return np.clip(np.rint(image + strands), 0, 255).astype(np.uint8), head


def closed(image: Bytes, matte: Floats) -> tuple[Bytes, Floats]:
    return close_head(image, matte, (0, TOP, SIDE, SIDE))


@pytest.mark.parametrize("cut", [4, 12, 30])
def test_a_round_head_is_closed_as_it_was(cut: int) -> None:
    """The border cuts ``cut`` rows off a circle: they come back, and nothing above them."""
    centre, radius = (100, TOP - cut + 50), 50
    image, matte = drawn(centre, radius)
    whole, found = closed(image, matte)
    y, x = np.mgrid[:TOP, :SIDE]
    wanted = np.hypot(x - centre[0], y - centre[1]) < radius
    assert (found[:TOP] > 0.5).sum() == pytest.approx(wanted.sum(), rel=0.15)
    assert ((found[:TOP] > 0.5) == wanted).mean() > 0.985
    away = found[:TOP] < 0.01
    assert np.abs(whole[:TOP][away].astype(int) - WALL).max() < 12
    inside = found[:TOP] > 0.99
    assert np.abs(whole[:TOP][inside].mean(0) - HAIR).max() < 12
    if inside.sum() > 200:  # with strands, not one flat colour
        assert whole[:TOP][inside].std(0).mean() > 3.0


@pytest.mark.parametrize("spread", [2.0, 5.0])
def test_a_blurred_head_ends_as_softly_as_its_image(spread: float) -> None:
    """No line above the border, nor at it, is steeper than the outline of the blurred head is."""
    side, top = 2 * SIDE, 2 * TOP
    y, x = np.mgrid[:side, :side]
    matte = (np.hypot(x - 200, y - 190) < 105).astype(np.float32)
    share = cv2.GaussianBlur(matte, (0, 0), spread)[..., None]
    image = np.rint(share * HAIR + (1.0 - share) * WALL).astype(np.uint8)
    image[:top], matte[:top] = image[top], matte[top]
    whole = close_head(image, matte, (0, top, side, side))[0]

    def steepest(rows: slice) -> float:
        return float(np.hypot(*np.gradient(whole.mean(-1)))[rows].max())

    seen = steepest(slice(top + 10, side))
    assert 0.5 * seen < steepest(slice(1, top - 2)) < 1.25 * seen
    assert steepest(slice(top - 2, top + 2)) < 1.25 * seen


def test_what_the_image_shows_stays_as_it_is() -> None:
    image, matte = drawn((100, 90), 50)
    whole, found = closed(image, matte)
    np.testing.assert_array_equal(whole[TOP:], image[TOP:])
    np.testing.assert_array_equal(found[TOP:], matte[TOP:])
    assert (whole[:TOP] != image[:TOP]).any()


def test_a_head_cut_at_its_widest_becomes_half_a_circle() -> None:
    image, matte = drawn((100, TOP), 40)
    found = closed(image, matte)[1]
    columns = (found[:TOP] > 0.5).sum(0)
    assert columns.max() == pytest.approx(40, abs=8)
    assert columns[100] == columns.max() and columns[50] == 0


def test_an_arm_beside_the_head_goes_on() -> None:
    image, matte = drawn((130, 90), 45)
    matte[:, 10:30], image[:, 10:30] = 1.0, HAIR
    whole, found = closed(image, matte)
    assert (found[TOP - 10 : TOP, 14:26] > 0.8).all()
    assert np.abs(whole[TOP - 10 : TOP, 16:24].astype(int) - HAIR).max() < 40
    assert found[0, 130] < 0.01


@pytest.mark.parametrize("rows", [4, 12])
def test_a_forehead_that_is_cut_has_no_second_brows(rows: int) -> None:
    """Hair is mirrored above the border as far as it goes, eyebrows and eyes are not."""
    image, matte = drawn((100, 90), 50)
    image[TOP + rows : TOP + rows + 4, 70:130] = 255
    mirrored, found = closed(image, matte)
    whole = close_head(image, matte, (0, TOP, SIDE, SIDE), float(TOP + rows))[0]
    inside = found[:TOP] > 0.99
    assert mirrored[:TOP][inside].mean(-1).max() > 120
    assert whole[:TOP][inside].mean(-1).max() < 75
    assert np.abs(whole[:TOP][inside].mean(0) - HAIR).max() < 12


def test_where_the_forehead_is_cut_no_head_is_made_up() -> None:
    """A dome of skin would be a bald head: what the border shows goes on instead."""
    image, matte = drawn((100, 90), 50)
    seen = (0, TOP, SIDE, SIDE)
    whole, found = close_head(image, matte, seen, TOP + 0.07 * SIDE)
    assert whole is image and found is matte
    assert close_head(image, matte, seen, TOP + 0.09 * SIDE)[0] is not image


def test_hair_is_mirrored_once() -> None:
    """Again and again it would be a pattern, of whatever lies between border and eyebrows."""
    image, matte = drawn((100, 90), 50)
    whole, found = close_head(image, matte, (0, TOP, SIDE, SIDE), TOP + 20.0)

    def strands(row: int) -> float:
        return float(np.diff(whole[row, found[row] > 0.99, 0].astype(int)).std())

    assert strands(TOP - 2) > 4.0
    assert (found[TOP - 16] > 0.99).sum() > 20
    assert strands(TOP - 16) < 1.0


@pytest.mark.parametrize("case", ["whole", "below the border", "all hair", "nobody"])
def test_where_no_head_is_cut_nothing_changes(case: str) -> None:
    image, matte = drawn((100, 130 if case == "below the border" else 90), 50)
    seen = (0, 0, SIDE, SIDE) if case == "whole" else (0, TOP, SIDE, SIDE)
    if case == "all hair":
        matte[:] = 1.0
    if case == "nobody":
        matte[:] = 0.0
    whole, found = close_head(image, matte, seen)
    assert whole is image and found is matte


def test_a_portrait_whose_hair_is_cut_off_has_no_chimney(
    pipe: JoyVASAPipeline, astronaut: Bytes
) -> None:
    """The square around the face reaches above the image; the wall goes on there, not the hair."""
    cut = astronaut[36:]
    encoded = pipe.encode(cut)
    top = encoded.crop.seen[1]
    assert top > 40
    (frame,) = pipe.render(encoded, Motion.neutral(1), paste_back=False).frames()

    def uneven(image: Bytes) -> float:
        highest = image[: top // 4].astype(float)
        return float(np.abs(highest - np.median(highest, (0, 1))).max())

    assert uneven(encoded.crop.image) > 50 and uneven(frame) < 25
    # Just above the border there is hair still, as bright as below it.
    middle = slice(115, 150)
    above, below = frame[top - 6 : top, middle], frame[top : top + 6, middle]
    assert above.mean() == pytest.approx(below.mean(), abs=20)


@pytest.mark.slow
def test_every_emotion_has_the_same_square_above_its_image(
    pipe: JoyVASAPipeline, astronaut: Bytes
) -> None:
    """No emotion, too: a neutral edit shows the head closed, and below it the image."""
    encoded = pipe.encode(astronaut[36:])
    neutral, fear = (pipe.edit(encoded, name, paste_back=False) for name in ("neutral", "fear"))
    top = encoded.crop.seen[1]
    np.testing.assert_array_equal(neutral[: top // 2], fear[: top // 2])
    np.testing.assert_array_equal(neutral[top:], encoded.crop.image[top:])
    assert (neutral[:top] != encoded.crop.image[:top]).any()
    neutral[:] = 0  # the caller's own
    assert pipe.edit(encoded, "neutral", paste_back=False).any()
