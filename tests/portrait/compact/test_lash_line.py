"""The edge of a closed eyelid: a dark line with a shadow below it, from corner to corner."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.encode.appearance import Appearance, read_appearance
from joyvasa_lib.portrait.compact.encode.eyelids.eyelid_place import EyelidPlace
from joyvasa_lib.portrait.compact.encode.eyelids.lash_line import EyelidStrip
from joyvasa_lib.rig.eyelids import lid_edges, under_lashes
from joyvasa_lib.rig.head_rig import bundled_rig
from mean_head import mean_head

SIDE, SCALE = 512, 110.0
SKIN, LASHES = 200.0, 50.0
AT_EDGE = np.array([-0.2, -0.12, -0.06, -0.03, -0.01, 0.0, 0.02, 0.08], np.float32)
"""Rig units above the edge."""


@pytest.fixture(scope="module")
def appearance() -> Appearance:
    """The mean head on plain skin."""
    fit = mean_head(SIDE, SCALE)
    return read_appearance(bundled_rig(), fit, np.full((SIDE, SIDE, 3), SKIN, np.uint8))


def painted_over(appearance: Appearance, first: float, last: float) -> Appearance:
    """With dark above the left eye between two shares of its length."""
    edge = appearance.vertices[lid_edges(bundled_rig())[0][0], :2]
    image = appearance.image.copy()
    left, right = (edge[0, 0] + share * (edge[-1, 0] - edge[0, 0]) for share in (first, last))
    for x in range(round(left), round(right)):
        y = np.interp(x, edge[:, 0], edge[:, 1])
        image[round(y - 0.05 * SCALE) : round(y) + 1, x] = LASHES
    return Appearance(**{**appearance.__dict__, "image": image})


def place(share: float, heights: NDArray[np.float32]) -> EyelidPlace:
    """Places [1, n] at one share of the eye's length, at heights in rig units above its edge."""
    above = heights[None]
    up, to_brow = above / np.float32(0.2), above / np.float32(0.5)
    return EyelidPlace(np.full_like(above, share), above, up, to_brow, 0.6)


def light(appearance: Appearance, share: float, eye: int = 0) -> np.ndarray:
    """Luminance factors at one share of the eye's length, at the heights ``AT_EDGE``."""
    strip = EyelidStrip.of(bundled_rig(), appearance, eye, SCALE)
    at = place(share, AT_EDGE)
    return np.asarray(strip.lashes_at(appearance.image, at, SCALE)[0].mean(-1))


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_the_line_is_darkest_on_the_edge_and_fades_below_it(
    appearance: Appearance, share: float
) -> None:
    found = light(appearance, share)
    below = found[:6]
    assert (np.diff(below) < 0).all()
    assert below[0] > 0.95
    assert below[-1] == pytest.approx(0.65, abs=0.02)  # no lashes are seen: a shadow
    assert found[-1] > 0.95


def test_the_line_ends_beyond_the_corners(appearance: Appearance) -> None:
    at_edge = [light(appearance, share)[5] for share in (0.0, -0.1, -0.3)]
    assert at_edge[0] < at_edge[1] - 0.1
    assert at_edge[2] == pytest.approx(1.0)


def test_the_line_is_thicker_at_the_outer_corner(appearance: Appearance) -> None:
    outside, inside = light(appearance, 0.9), light(appearance, 0.1)
    assert outside[3] < inside[3] - 0.02
    assert light(appearance, 0.1, eye=1)[3] < light(appearance, 0.9, eye=1)[3] - 0.02


def test_the_line_is_as_dark_as_the_open_eyes_lashes(appearance: Appearance) -> None:
    with_lashes = light(painted_over(appearance, 0.0, 1.0), 0.5)
    assert with_lashes[5] < 0.27
    assert with_lashes[5] < light(appearance, 0.5)[5] - 0.05


@pytest.mark.parametrize("lashes", [(0.0, 1.0), (0.48, 0.52)], ids=["all along", "one"])
def test_nothing_along_the_line_is_darker_than_the_line(
    appearance: Appearance, lashes: tuple[float, float]
) -> None:
    image = appearance.image.copy()
    image[painted_over(appearance, *lashes).image[..., 0] != SKIN] = 0.35 * SKIN
    strip = EyelidStrip.of(
        bundled_rig(), Appearance(**{**appearance.__dict__, "image": image}), 0, SCALE
    )
    heights = np.linspace(-0.1, 0.1, 81, dtype=np.float32)
    at = place(0.5, heights)
    line = min(strip.line[len(strip.line) // 2].mean(), 0.65)  # a shadow where no lashes are seen
    assert strip.lashes_at(image, at, SCALE).min() == pytest.approx(line, abs=0.03)


def test_liner_goes_down_with_the_edge_and_a_single_lash_hangs(appearance: Appearance) -> None:
    liner = light(painted_over(appearance, 0.1, 0.9), 0.5)
    lash = light(painted_over(appearance, 0.48, 0.52), 0.5)
    plain = light(appearance, 0.5)
    assert liner[6] < plain[6] - 0.2
    assert lash[6] == pytest.approx(plain[6], abs=0.05)
    assert lash[3] < plain[3] - 0.05


def test_the_shadow_falls_on_skin_below_the_eyes_alone() -> None:
    rig = bundled_rig()
    share = under_lashes(rig)
    shown = np.flatnonzero(share > 0)
    assert rig.skin_vertex[shown].all()
    assert rig.mean[shown, 1].min() > rig.mean[rig.iris_vertex, 1].max()
    lower = np.concatenate([below[1:-1] for _, below in lid_edges(rig)])
    assert (share[lower] == 1.0).all()
    assert share[rig.landmark_vertex[[0, 17, 152]]].max() == 0.0  # lips and chin
