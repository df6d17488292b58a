"""Draws folds on a portrait: its skin becomes lighter and darker where it folds.

Axis legend: ``s`` side of the crop, ``h`` x ``w`` the surroundings of a fold, ``n`` folds.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.folds.fold_depths import Folds
from joyvasa_lib.portrait.compact.person.layers import PersonLayers
from joyvasa_lib.rig.compiled import njit
from joyvasa_lib.rig.head_rig import Floats

Bytes = NDArray[np.uint8]

_SEEN = 0.02
"""Depth from which on a fold is drawn; shallower ones would not be visible."""


@njit(cache=True, fastmath=True, nogil=True)  # type: ignore[untyped-decorator]
def _shade(image, channels, row, column, shade, depth, highest):  # type: ignore[no-untyped-def]
    height, width, colours = shade.shape
    step = 0 if colours == 1 else 1
    one, low, high = np.float32(1.0), np.float32(-highest), np.float32(highest)
    for y in range(height):
        for x in range(width):
            for c in range(channels):
                factor = one + depth * shade[y, x, c * step]
                value = image[row + y, column + x, c] * factor
                image[row + y, column + x, c] = min(max(np.rint(value), low), high)


def folded(
    skin: Bytes, layers: PersonLayers | None, folds: Folds, depths: Floats
) -> tuple[Bytes, PersonLayers | None]:
    """Skin that shows folds, also as person and background; what is given where there are none.

    Args:
        skin: [s, s, 3] RGB.
        layers: the same as person and background, or None.
        folds: of the portrait.
        depths: [n] of the folds; 1 is full depth.
    """
    drawn = np.flatnonzero(depths > _SEEN)
    if not len(drawn):
        return skin, layers
    skin = skin.copy()
    person = None if layers is None else layers.person.copy()
    for n in drawn:
        (row, column), shade = folds.place[n], folds.shades[n]
        depth = np.float32(depths[n] - _SEEN)
        _shade(skin, 3, row, column, shade, depth, 255)
        if person is not None:  # its colours are signed: they are what the background is not
            _shade(person, 3, row, column, shade, depth, 32767)
    if layers is not None and person is not None:
        layers = replace(layers, person=person)
    return skin, layers
