"""The colour of a closed eyelid, from the strip between lashes and fold and the skin above it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.encode.eyelids.eyelid_colour import (
    eyelid_colour,
    lighter_halves,
)

SKIN = np.array([210.0, 170.0, 150.0], np.float32)
COLUMNS, SAMPLES = 41, 24


def strip(colour: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.broadcast_to(colour, (COLUMNS, SAMPLES, 3)).astype(np.float32)


def share_of_skin(seen: NDArray[np.float32], colour: NDArray[np.floating]) -> float:
    """How far the found colour went from the strip's skin to the skin above."""
    found = eyelid_colour(seen, strip(SKIN))
    assert np.ptp(found, axis=0).max() < 0.5  # columns are alike
    share = (found.mean(0) - colour) / (SKIN - colour)
    assert np.ptp(share) < 0.01
    return float(share.mean())


def with_lashes(colour: NDArray[np.floating]) -> NDArray[np.float32]:
    seen = strip(colour)
    seen[:, ::4] = 10.0
    return seen


def test_skin_of_one_colour_is_the_eyelids() -> None:
    np.testing.assert_allclose(eyelid_colour(strip(SKIN), strip(SKIN)), strip(SKIN)[:, 0], 1e-3)


def test_a_dark_eyelid_lies_between_the_strip_and_the_skin_above() -> None:
    assert share_of_skin(strip(0.6 * SKIN), 0.6 * SKIN) == pytest.approx(0.3, abs=0.02)


def test_lashes_over_the_strip_lead_towards_the_skin_above() -> None:
    assert share_of_skin(with_lashes(0.6 * SKIN), 0.6 * SKIN) > 0.7


def test_an_eyelid_lighter_than_the_skin_above_is_its_own() -> None:
    """A brow's hair and shadow are above it then, and do not darken it as it closes."""
    light = np.array([250.0, 205.0, 180.0])
    assert share_of_skin(with_lashes(light), light) == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("light", [(0.4, 0.5, 1.0), (0.5, 0.9, 0.5)], ids=["blue", "green"])
def test_made_up_eyelids_have_the_colour_of_the_strip(light: tuple[float, float, float]) -> None:
    made_up = SKIN * np.array(light)
    found = eyelid_colour(with_lashes(made_up), strip(SKIN))
    np.testing.assert_allclose(found, strip(made_up)[:, 0], rtol=1e-3)


def test_an_eyelid_is_as_light_as_the_lighter_half_between_eye_and_brow() -> None:
    around = strip(SKIN).copy()
    around[:, :8], around[:, -4:] = 20.0, 40.0  # lashes, and hair of the brow
    whole, columns = lighter_halves(around, strip(SKIN), strip(SKIN)[:, 0])
    np.testing.assert_allclose(whole, SKIN, rtol=1e-3)
    np.testing.assert_allclose(columns, np.broadcast_to(SKIN, (COLUMNS, 3)), rtol=1e-3)


def test_an_eyelid_comes_out_of_the_shadow_of_its_fold() -> None:
    """Unless the open eye's is seen, and no darker than what lies around it."""
    shadow = 0.7 * SKIN
    whole, columns = lighter_halves(strip(shadow), strip(SKIN), strip(0.6 * SKIN)[:, 0])
    np.testing.assert_allclose(whole / shadow, 1.05, rtol=1e-3)
    np.testing.assert_allclose(columns / shadow, 1.05, rtol=1e-3)
    whole, _ = lighter_halves(strip(shadow), strip(SKIN), strip(0.75 * SKIN)[:, 0])
    np.testing.assert_allclose(whole, shadow, rtol=1e-3)


def test_a_closed_eyelid_under_a_low_brow_meets_the_light() -> None:
    """Where the image shows shadow alone, it is a little lighter than that."""
    shadow, cheek = 0.2 * SKIN, np.array([220.0, 160.0, 130.0])
    found, _ = lighter_halves(strip(shadow), strip(cheek), strip(SKIN)[:, 0])
    weights = np.array([0.299, 0.587, 0.114])
    assert 2.0 < (found - shadow) @ weights < 4.0
    assert (found > shadow).all()


def test_dark_make_up_beside_light_skin_is_kept() -> None:
    smoky = np.array([110.0, 90.0, 95.0])
    found = eyelid_colour(strip(smoky), strip(smoky)).mean(0)
    np.testing.assert_allclose(found, smoky, rtol=1e-3)
