"""Skin below a raised brow leaves its shadow; hair, lashes and skin in the light stay."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.motion import BLENDSHAPES
from joyvasa_lib.portrait.compact.folds.under_brow import skin_under_brows
from joyvasa_lib.portrait.compact.luminance import LUMA
from joyvasa_lib.portrait.compact.model import CompactPortraitModel
from joyvasa_lib.rig.head_rig import Floats, bundled_rig
from joyvasa_lib.rig.regions import EYES

SIDE, SCALE = 384, 85.0
SKIN_COLOUR = np.array([200.0, 160.0, 140.0])
RAISED = ("browInnerUp", "browOuterUpLeft", "browOuterUpRight")


def marks() -> NDArray[np.float64]:
    rig = bundled_rig()
    head = SCALE * rig.mean[rig.landmark_vertex, :2] + SIDE / 2
    return np.asarray(head, np.float64)


def plain() -> NDArray[np.uint8]:
    return np.tile(SKIN_COLOUR, (SIDE, SIDE, 1)).astype(np.uint8)


def shaded(eye: int, colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Plain skin with a band of a colour halfway between an eye and its brow."""
    image, at = plain(), marks()
    lid, brow = (at[list(line)] for line in (EYES[eye].upper_lid, EYES[eye].brow_bottom))
    rows, left, right = (
        np.sort([lid[:, 1].min(), brow[:, 1].max()]),
        lid[:, 0].min(),
        lid[:, 0].max(),
    )
    low, high = (np.interp(share, (0, 1), rows) for share in (0.3, 0.7))
    image[int(low) : int(high), int(left) : int(right)] = colour
    return image


@pytest.mark.parametrize("eye", [0, 1])
def test_a_shadow_below_the_brow_lightens_towards_the_forehead(eye: int) -> None:
    image = shaded(eye, (90, 60, 50))
    (found,) = skin_under_brows(image, marks(), 0.0)
    name = ("Left", "Right")[eye]
    assert found.name.endswith(name)
    assert set(found.blendshapes) == {"browInnerUp", f"browOuterUp{name}"}
    (row, column), (height, width) = found.place, found.shade.shape[:2]
    box = (slice(row, row + height), slice(column, column + width))
    before = image[box].astype(float)
    after = before * (1.0 + found.shade)
    dark = (before[..., 0] < 100) & (found.shade[..., 0] > 0.5 * found.shade[..., 0].max())
    assert dark.sum() > 50
    assert (after[dark] @ LUMA).mean() > 1.4 * (before[dark] @ LUMA).mean()
    assert (after[dark] <= SKIN_COLOUR + 2).all()
    # The colour becomes that of skin: a shadow that was redder is no red patch.
    red = after[dark].mean(0) / after[dark].mean()
    assert np.abs(red - SKIN_COLOUR / SKIN_COLOUR.mean()).max() < 0.08


def test_skin_in_the_light_and_hidden_foreheads_stay() -> None:
    assert skin_under_brows(plain(), marks(), 0.0) == []
    fringe = shaded(0, (90, 60, 50))
    at = marks()
    fringe[: int(at[list(EYES[0].brow_top), 1].min())] = (30, 20, 15)
    assert skin_under_brows(fringe, at, 0.0) == []
    assert skin_under_brows(plain()[:6, :6], at * 6 / SIDE, 0.0) == []


def test_brows_and_lashes_are_left_out() -> None:
    image, at = shaded(0, (90, 60, 50)), marks()
    (found,) = skin_under_brows(image, at, 0.0)
    whole = np.zeros((SIDE, SIDE), np.float32)
    (row, column), (height, width) = found.place, found.shade.shape[:2]
    whole[row : row + height, column : column + width] = np.abs(found.shade).max(-1)
    for line in (EYES[0].upper_lid, EYES[0].brow_top, EYES[0].lower_lid):
        x, y = np.rint(at[list(line)]).astype(int).T
        assert whole[y, x].max() < 0.02


def test_a_raised_brow_is_lit_whatever_the_wrinkles(
    model: CompactPortraitModel, crop: FaceCrop
) -> None:
    folds = model.encode(crop).appearance.folds
    lit = [number for number, name in enumerate(folds.names) if name.startswith("below brow")]
    assert lit == list(range(len(folds.names) - folds.lit, len(folds.names)))
    assert len(lit) == 2
    raised = np.zeros((3, len(BLENDSHAPES)), np.float32)
    for name in RAISED:
        raised[:, BLENDSHAPES.index(name)] = (0.0, 0.5, 1.0)
    with_folds, without = (folds.depths(raised, wrinkles) for wrinkles in (1.0, 0.0))
    assert (without[:, lit] == with_folds[:, lit]).all()
    assert not np.delete(without, lit, 1).any()
    depth: Floats = with_folds[:, lit]
    assert (depth[0] == 0).all()
    assert (np.diff(depth, axis=0) > 0.3).all()
    speaking = 0.1 * raised[2:]
    assert folds.depths(speaking)[:, lit].max() < 0.05
