"""The inside of an open mouth: a tongue that goes over into the walls around it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.portrait.compact.luminance import luminance
from joyvasa_lib.portrait.compact.model import CompactPortraitModel


@pytest.fixture(scope="module")
def light(model: CompactPortraitModel, crop: FaceCrop) -> NDArray[np.float32]:
    """[v] luminance of every vertex relative to flesh in full light."""
    paint = model.encode(crop).paint
    return luminance(255.0 * paint.tint) / luminance(paint.palette.red)


def test_the_tongue_falls_off_towards_its_sides(
    model: CompactPortraitModel, light: NDArray[np.float32]
) -> None:
    """It was one plate of one colour that ended on a line before dark corners."""
    tongue = model.rig.part_vertices("tongue")
    aside, depth = np.abs(model.rig.mean[tongue, 0]), model.rig.mean[tongue, 2]
    aside /= aside.max()
    for near, far in ((0.1, 0.3), (0.3, 0.6), (0.6, 0.9)):
        at = (depth > near) & (depth < far)
        middle, sides = (light[tongue][at & part].mean() for part in (aside < 0.3, aside > 0.55))
        assert sides < 0.8 * middle


def test_the_walls_of_the_mouth_are_no_hole(
    model: CompactPortraitModel, light: NDArray[np.float32]
) -> None:
    """Between the lips of people who talk it is as dark as a third of flesh in full light."""
    rig = model.rig
    walls = np.setdiff1d(rig.part_vertices("mouth_cavity"), rig.part_vertices("skin"))
    assert light[walls].min() > 0.33
    assert light[walls].max() < light[rig.part_vertices("tongue")].max()
