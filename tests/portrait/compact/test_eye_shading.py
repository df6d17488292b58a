"""Eyeballs between closing lids lie in their shadow."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.motion import BLENDSHAPES, Motion
from joyvasa_lib.portrait.compact.layers import EYE
from joyvasa_lib.portrait.compact.model import CompactPortraitModel
from joyvasa_lib.portrait.compact.render import eye_shading
from joyvasa_lib.portrait.compact.render.eye_shading import shade_eye
from joyvasa_lib.rig.regions import EYES

SHUT = [BLENDSHAPES.index(name) for name in ("eyeBlinkLeft", "eyeBlinkRight")]


def test_only_the_eyeball_is_shaded_and_by_its_share_of_a_pixel() -> None:
    part = np.full((2, 3, 3), 200, np.uint8)
    layer = np.zeros((4, 6), np.uint8)
    layer[:2, :2] = EYE
    layer[:2, 2] = EYE
    shaded = shade_eye(part, layer, 0.4 / 0.45)
    assert shaded is not None
    np.testing.assert_allclose(shaded, [[1.0, 0.5, 0.0], [0.0, 0.0, 0.0]], atol=0.01)
    assert part[..., 0].tolist() == [[120, 160, 200], [200, 200, 200]]
    assert shade_eye(part, layer, 0.0) is None
    assert part[0, 0, 0] == 120


def test_what_half_closed_lids_show_is_dark_and_nothing_else_changes(
    model: CompactPortraitModel, crop: FaceCrop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was as light as the open eye."""
    values = np.zeros((1, len(BLENDSHAPES)), np.float32)
    values[0, SHUT] = 0.4
    portrait = model.encode(crop)

    def frame() -> NDArray[np.float64]:
        return next(iter(model.render(portrait, Motion.from_blendshapes(values))))[0].mean(-1)

    shaded = frame()
    monkeypatch.setattr(eye_shading, "_DARKENED", 0.0)
    unshaded = frame()
    darker = (unshaded - shaded) / np.maximum(unshaded, 16.0)
    inside = np.zeros(darker.shape, np.uint8)
    for eye in EYES:
        upper, lower = (crop.landmarks[list(lid), :2] for lid in (eye.upper_lid, eye.lower_lid))
        opening = np.rint(np.concatenate([upper, lower[::-1]])).astype(np.int32)
        one = cv2.fillPoly(np.zeros_like(inside), [opening], 1)
        assert (darker[one > 0] > 0.15).mean() > 0.15
        inside |= one
    assert darker.max() < 0.45
    around = cv2.dilate(inside, np.ones((5, 5), np.uint8))
    np.testing.assert_array_equal(shaded[around == 0], unshaded[around == 0])
