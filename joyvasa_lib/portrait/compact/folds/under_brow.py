"""Skin below a raised brow gets light: what an eyelid's fold and a low brow shade is stretched out.

A brow that rises pulls the skin below it straight and out of its own shadow. Drawn with the pixels
that the image has there, the shadow of a narrow strip would be spread over a high arch, with the
tips of lashes and the lowest hair of the brow in it as streaks.

Axis legend: ``s`` side of the crop, ``h`` x ``w`` the surroundings of an eye, ``p`` landmarks.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.luminance import LUMA
from joyvasa_lib.rig.head_rig import Floats
from joyvasa_lib.rig.regions import EYES
from joyvasa_lib.rig.spreading import height_of

Bytes = NDArray[np.uint8]
Points = NDArray[np.float64]

_FROM, _WHOLLY, _UNTIL, _END = 0.14, 0.3, 0.66, 0.86
"""Shares of the way from eyelid to brow between which it comes and goes: below are lashes, above
is the brow's hair."""
_INNER, _OUTER = 0.12, 0.3
"""How far it reaches beyond the eye's corners, in its length; it fades over as much again."""
_FOREHEAD = (0.12, 0.34)
"""Heights above the brow, in lengths of the eye, of the skin whose lightness it takes."""
_SHADED = 0.86
"""Lightness that skin under a raised brow has, as a share of the forehead's."""
_NEARER = 0.62
"""How far it nears that, as a share of the way in powers."""
_NOTED = 0.1
"""How much darker than that, as a share, is in its shadow for certain."""
_LIGHTEST = 2.0
"""Greatest gain of a colour, as a share."""
_DARKEST = 8.0
"""Levels; what is darker counts as this."""
_SEEN = 0.02
"""Least change that is worth while."""
_SMALLEST = 8
"""Pixels below which an eye's length, or a side of its surroundings, is too small to be lit."""
_LOWEST = 0.06
"""Least height of a brow above the eyelid, lengths of the eye."""
_NEAR_BY, _ENOUGH = 0.22, 12
"""Half the width, in lengths of the eye, in which the forehead's colour is a median, and the pixels
that it takes."""


@dataclass(frozen=True)
class LitSkin:
    """How the skin between an eye and its brow lightens.

    Attributes:
        name: what is shown on sheets.
        blendshapes: share of it at full activation of each.
        place: row and column of the first pixel.
        shade: [h, w, 3] change of each colour as a share.
    """

    name: str
    blendshapes: dict[str, float]
    place: tuple[int, int]
    shade: Floats


def skin_under_brows(image: Bytes, marks: Points, softness: float) -> list[LitSkin]:
    """What lightens below the brows of a face; nothing where they already lie in the light.

    Args:
        image: [s, s, 3] RGB crop.
        marks: [p, 2] landmarks of the fitted head, pixels.
        softness: standard deviation of the blur that the image shows, pixels.
    """
    found = (_below_brow(image, marks, eye, softness) for eye in (0, 1))
    return [one for one in found if one is not None]


def _below_brow(image: Bytes, marks: Points, eye: int, softness: float) -> LitSkin | None:
    ids = EYES[eye]
    start, way = marks[ids.inner_corner], marks[ids.outer_corner] - marks[ids.inner_corner]
    length = float(np.hypot(*way))
    if length < _SMALLEST:
        return None
    along = way / length
    up = np.array([along[1], -along[0]])
    up *= np.sign((marks[list(ids.brow_top)].mean(0) - start) @ up)
    axes = np.stack([along, up]) / length
    # Lines of points (along the eye, above its corners), in lengths of the eye.
    lid, low, high = (
        (marks[list(line)] - start) @ axes.T
        for line in (ids.upper_lid, ids.brow_bottom, ids.brow_top)
    )
    around = marks[list(ids.upper_lid + ids.brow_top)]
    around = np.concatenate([around, around + _FOREHEAD[1] * length * up])
    room = (2.0 * _OUTER) * length
    left, top = np.clip(np.floor(around.min(0) - room), 0, len(image)).astype(int)
    right, bottom = np.clip(np.ceil(around.max(0) + room), 0, len(image)).astype(int)
    if right - left < _SMALLEST or bottom - top < _SMALLEST:
        return None
    window = image[top:bottom, left:right].astype(np.float32)
    rows, columns = np.mgrid[top:bottom, left:right]
    x, y = np.moveaxis((np.stack([columns, rows], -1) - start) @ axes.T, -1, 0)
    edge, brow = height_of(lid, x), height_of(low, x)
    share = (y - edge) / np.maximum(brow - edge, _LOWEST)
    weight = np.interp(share, (_FROM, _WHOLLY, _UNTIL, _END), (0.0, 1.0, 1.0, 0.0))
    ends = (-2.0 * _INNER, -_INNER, 1.0 + _OUTER, 1.0 + 2.0 * _OUTER)
    weight *= np.interp(x, ends, (0.0, 1.0, 1.0, 0.0))
    shade = _lighter(
        window, _SHADED * _forehead(window, x, y - height_of(high, x)), weight, softness
    )
    if shade.max() < _SEEN:
        return None
    name = ("Left", "Right")[eye]
    raised = {"browInnerUp": 0.5, f"browOuterUp{name}": 0.6}
    return LitSkin(f"below brow {name}", raised, (int(top), int(left)), shade)


def _lighter(window: Floats, wanted: Points, weight: Points, softness: float) -> Floats:
    """[h, w, 3] change of each colour that brings a window [h, w, 3] nearer to what is wanted."""
    wanted = np.maximum(wanted, _DARKEST)
    seen = np.maximum(cv2.GaussianBlur(window, (0, 0), max(0.5 * softness, 0.6)), _DARKEST)
    darker = 1.0 - (seen @ LUMA) / (wanted @ LUMA)
    share = _NEARER * weight * np.clip(darker / _NOTED, 0.0, 1.0)
    shade = np.minimum(np.power(wanted / seen, share[..., None]) - 1.0, _LIGHTEST)
    return cv2.GaussianBlur(shade.astype(np.float32), (0, 0), max(0.4 * softness, 0.5))


def _forehead(window: Floats, aside: Points, above: Points) -> Points:
    """[h, w, 3] colour of the skin above the brow at the same place along the eye; black if hidden.

    Args:
        window: [h, w, 3] RGB.
        aside: [h, w] place along the eye, 0 in its inner corner, 1 in the outer one.
        above: [h, w] height above the brow, lengths of the eye.
    """
    strip = (above > _FOREHEAD[0]) & (above < _FOREHEAD[1])
    places = np.linspace(-0.3, 1.5, 7)
    near = [window[strip & (np.abs(aside - place) < _NEAR_BY)] for place in places]
    known = np.array([len(colours) > _ENOUGH for colours in near])
    if not known.any():
        return np.zeros_like(window, np.float64)
    medians = np.array([np.median(near[n], 0) for n in np.flatnonzero(known)])
    return np.stack([np.interp(aside, places[known], one) for one in medians.T], -1)
