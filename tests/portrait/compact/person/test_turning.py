"""A head turned in front of its background, on a photograph."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.face.person_matte import person_matte
from joyvasa_lib.motion import Motion
from joyvasa_lib.portrait.compact.encode.appearance import fitted_layers
from joyvasa_lib.portrait.compact.model import CompactPortraitModel
from joyvasa_lib.portrait.compact.portrait import CompactPortrait
from joyvasa_lib.portrait.compact.render.compositor import _inner_weight

pytestmark = pytest.mark.slow

Pixels = NDArray[np.uint8]
TURNS = ((0.0, 15.0, 0.0), (0.0, -15.0, 0.0), (11.0, 0.0, 0.0), (0.0, 0.0, 14.0))


def turned(model: CompactPortraitModel, portrait: CompactPortrait, *turns: object) -> Pixels:
    rotation = np.array(turns, np.float32)
    motion = Motion.from_blendshapes(np.zeros((len(turns), 52), np.float32), rotation=rotation)
    return np.concatenate(list(model.render(portrait, motion)))


def test_the_background_stays_to_the_last_bit_while_the_head_turns(
    model: CompactPortraitModel, portrait: CompactPortrait, crop: FaceCrop
) -> None:
    matte = person_matte(crop)
    assert matte is not None
    reach = np.ones((61, 61), np.uint8)  # hair goes no farther than 30 pixels
    away = cv2.dilate((matte > 0.01).astype(np.uint8), reach) == 0
    assert away.mean() > 0.1
    for frame in turned(model, portrait, *TURNS):
        np.testing.assert_array_equal(frame[away], crop.image[away])


def test_a_still_head_is_the_image_outside_of_mouth_and_eyes(
    model: CompactPortraitModel, portrait: CompactPortrait, crop: FaceCrop
) -> None:
    frame = model.render_change(portrait, Motion.neutral(1))
    _, _, _, layer = fitted_layers(model.rig, portrait.fit, crop.size)
    apart = np.abs(frame.astype(int) - crop.image).max(-1)
    assert apart[layer == 0].max() <= 1


def test_the_turned_head_is_the_person_s_and_not_the_background_s(
    model: CompactPortraitModel, portrait: CompactPortrait, crop: FaceCrop
) -> None:
    """The hair's outline moves: what it leaves is light like the wall, where it was dark."""
    matte = person_matte(crop)
    assert matte is not None
    light = crop.image.mean(-1)
    wall = np.median(light[:60, :60])
    frames = turned(model, portrait, *TURNS).astype(float).mean(-1)
    for frame in frames:
        left = (matte > 0.98) & (np.abs(frame - wall) < 30) & (np.abs(light - wall) > 60)
        assert left.sum() > 20


def test_nothing_is_shown_between_two_features() -> None:
    kind = np.ones((256, 256), np.uint8)
    kind[:, 120:124] = 0  # narrower than a cell of the grid
    weight = _inner_weight(kind)[..., 0]
    assert (weight[:, 120:124] == 0.0).all()
    assert weight[128, 60] == pytest.approx(1.0, abs=0.02)
