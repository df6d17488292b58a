"""Looking pixels of a driven head up on the image: what was seen there, what is painted."""

from __future__ import annotations

import numpy as np
import pytest

from joyvasa_lib.portrait.compact import layers
from joyvasa_lib.portrait.compact.render import lookup


@pytest.mark.parametrize(("matte", "painted"), [(0, 1.0), (255, 0.0), (102, 0.6)])
def test_an_eye_that_widens_shows_what_of_it_the_fitted_lid_covers(
    matte: int, painted: float
) -> None:
    """Fitted lids lie too low on large eyes: the image's iris goes on above them."""
    driven = np.array([[-50.0, -50.0, 1.0], [150.0, -50.0, 1.0], [50.0, 150.0, 1.0]], np.float32)
    zero, one = np.zeros(3, np.float32), np.ones(3, np.float32)
    window = lookup.look_up(
        triangle=np.zeros((8, 8), np.int32),
        driven=driven,
        source=driven + np.array([5.0, 5.0, 0.0], np.float32),
        triangles=np.array([[0, 1, 2]], np.int32),
        layer=np.array([layers.EYE], np.uint8),
        source_layer=np.full((32, 32), layers.SKIN, np.uint8),
        source_depth=np.zeros((32, 32), np.float32),
        matte=np.full((32, 32), matte, np.uint8),
        trust=one,
        shut=zero,
        opened=zero,
        shown=np.zeros((32, 32), np.uint8),
        paintable=one,
        tolerance=2.0,
        origin=(0, 0),
        finer=1,
        uv=np.zeros((3, 2), np.float32),
        tint=np.ones((3, 3), np.float32),
        image=np.ones((4, 4, 3), np.float32),
    )
    np.testing.assert_allclose(window.unseen, painted, atol=1e-5)
    np.testing.assert_allclose(window.where[2, 3], [8.0, 7.0], atol=1e-3)
    assert (window.uncovered == 0.0).all()  # of an eye that is not known without its lids
