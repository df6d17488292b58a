"""The dark line between closed lips, which belongs to neither of them.

Where an image shows closed lips, shadow lies between them. When they part, the edge of each lip
would carry its half of that line along, as an outline around the mouth. Instead, what is darker
there than the lip fades into the lip's own colour, column by column, as the lips come apart. Where
an image shows parted lips, there is no such line, and lips that close would melt into each other:
they get one.

Axis legend: ``s`` side of the crop, ``h`` x ``w`` the surroundings of the line, ``b`` frames, ``v``
vertices, ``m`` columns along the mouth, ``k`` samples across a lip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from joyvasa_lib.portrait.compact.lips.closed_mouth import LipContours
from joyvasa_lib.portrait.compact.luminance import luminance
from joyvasa_lib.portrait.compact.person.layers import LEVELS, PersonLayers
from joyvasa_lib.rig.head_rig import Floats, HeadRig
from joyvasa_lib.rig.lips import lip_rims
from joyvasa_lib.rig.spreading import height_of

Bytes = NDArray[np.uint8]

_HALFWAY = 0.5
"""Share to which lips are apart from which on the image shows no line between them."""
_WHOLE, _ENDS = 0.045, 0.10
"""Rig units from where the lips meet within which what is dark is the line, and beyond which
nothing is."""
_THICK = 0.7
"""Share of a lip's height that the line may cover at most."""
_MIDDLE = (0.3, 0.75)
"""Between these shares of a lip's height its colour is read, from its outer contour inwards."""
_COLUMNS, _SAMPLES, _EVEN = 81, 7, 0.05
"""Columns along the mouth, samples across a lip, and the standard deviation of the colour's blur
along the mouth, in lengths of it."""
_DARKER = (0.04, 0.16)
"""Shares of the lip's luminance by which a pixel is darker where it begins to be the line's, and
where it is wholly."""
_SEAM = 0.02
"""Rig units from where the lips meet within which all is replaced, and twice that beyond which only
what is dark is: lips are lit there as the skin above or below them."""
_TURNED = 0.1
"""How much darker lips are where they meet: there they turn inwards."""
_CORNERS = (0.06, 0.24)
"""Shares of the mouth's length from a corner within which the line stays, and beyond which it goes
wholly."""
_PARTED = (0.03, 0.10)
"""Rig units between the lips where the line begins to fade, and where it is gone."""
_LINE, _LINE_LIGHT = 0.012, 0.65
"""Standard deviation in rig units of a line that parted lips get when they close, on each lip, and
its light relative to the lip's."""
_FINEST, _WHOLLY_SEEN = 0.5, 0.8
"""Least standard deviation of that line in pixels, and that from which on it is not fainter."""
_LINE_ENDS = 0.08
"""Share of the mouth's length at each corner over which that line begins."""


@dataclass(frozen=True, eq=False)
class LipLine:
    """The line of one portrait.

    Attributes:
        place: row and column of the first pixel of its surroundings.
        change: [h, w, 3] what is added to the image's colours where the lips have parted, or have
            closed.
        apart: share in [0, 1] to which the lips of the image are apart.
    """

    place: tuple[int, int]
    change: Floats
    apart: float

    def weight(self, share: float) -> float:
        """Share in [0, 1] of the change on lips that are apart to a ``share`` in [0, 1]."""
        if self.apart < _HALFWAY:
            return max(0.0, share - self.apart) / (1.0 - self.apart)
        return max(0.0, self.apart - share) / self.apart


def find_lip_line(image: Bytes, lips: LipContours, scale: float) -> LipLine | None:
    """The line of an image; None where it shows no lips.

    Args:
        image: [s, s, 3] RGB crop without the inside of a mouth.
        lips: contours of its lips.
        scale: pixels per rig unit.
    """
    origin = lips.upper[0].astype(np.float64)
    along = lips.upper[-1] - origin
    length = float(np.hypot(*along))
    if length < 8.0:
        return None
    axes = np.stack([along, [-along[1], along[0]]]) / length
    reach = _ENDS * scale
    both = np.concatenate([lips.upper, lips.lower])
    low = np.clip(np.floor(both.min(0) - reach).astype(int), 0, len(image))
    high = np.clip(np.ceil(both.max(0) + reach).astype(int) + 1, 0, len(image))
    if (high - low).min() < 3:
        return None
    box = slice(low[1], high[1]), slice(low[0], high[0])
    row, column = np.mgrid[box]
    place = (np.stack([column, row], -1) - origin) @ axes.T
    contours = (lips.upper, lips.lower, lips.above, lips.below)
    x = np.linspace(0.0, length, _COLUMNS)
    edges = [height_of((contour - origin) @ axes.T, x) for contour in contours]
    gap = float(np.median(edges[1] - edges[0])) / scale
    apart = float(np.clip((gap - _PARTED[0]) / (_PARTED[1] - _PARTED[0]), 0.0, 1.0))
    if apart < _HALFWAY:
        change = _line_removed(image, _Mouth(origin, axes, x, edges, scale), place, box)
    else:
        change = _line_added(image[box], x, edges, place, scale)
    return LipLine((int(low[1]), int(low[0])), change, apart)


def parted(rig: HeadRig, vertices: Floats, scale: float) -> Floats:
    """[b] share in [0, 1] to which lips have come apart.

    Args:
        rig: the head model.
        vertices: [b, v, 3] driven heads, pixels.
        scale: pixels per rig unit.
    """
    upper, lower = (vertices[:, rim, :2] for rim in lip_rims(rig))
    third = upper.shape[1] // 3
    middle = (lower[:, third:-third].mean(1) - upper[:, third:-third].mean(1)) / scale
    share = (np.hypot(*middle.T) - _PARTED[0]) / (_PARTED[1] - _PARTED[0])
    return np.clip(share, 0.0, 1.0).astype(np.float32)


def with_lip_line(
    skin: Bytes, layers: PersonLayers | None, line: LipLine | None, share: float
) -> tuple[Bytes, PersonLayers | None]:
    """Skin whose lips have a line between them or none, also as person and background.

    Args:
        skin: [s, s, 3] RGB.
        layers: the same as person and background, or None.
        line: of the portrait; what is given where there is none.
        share: to which the lips are apart, in [0, 1].
    """
    weight = 0.0 if line is None else line.weight(share)
    if line is None or weight <= 0.0:
        return skin, layers
    row, column = line.place
    tall, wide = line.change.shape[:2]
    box = slice(row, row + tall), slice(column, column + wide)
    change = weight * line.change
    skin = skin.copy()
    skin[box] = np.clip(np.rint(skin[box] + change), 0, 255)
    if layers is not None:
        person = layers.person.copy()
        person[box][..., :3] += np.rint(LEVELS * change).astype(np.int16)
        layers = replace(layers, person=person)
    return skin, layers


@dataclass(frozen=True, eq=False)
class _Mouth:
    """Lips in columns from corner to corner.

    Attributes:
        origin: [2] pixels of the corner on the image's left.
        axes: [2, 2] unit vectors along the mouth and across it, downwards.
        x: [m] pixels of the columns along it.
        edges: [m] pixels across it where upper lip and lower lip end, and where they begin.
        scale: pixels per rig unit.
    """

    origin: NDArray[np.floating]
    axes: NDArray[np.floating]
    x: NDArray[np.floating]
    edges: Sequence[NDArray[np.floating]]
    scale: float


def _line_removed(
    image: Bytes, mouth: _Mouth, place: NDArray[np.floating], box: tuple[slice, slice]
) -> Floats:
    """[h, w, 3] what makes a line between closed lips vanish at places [h, w, 2] of the mouth."""
    scale, at = mouth.scale, np.arange(_COLUMNS)
    upper, lower, above, below = mouth.edges
    meet = 0.5 * (upper + lower)
    share = place[..., 0] / mouth.x[-1] * (_COLUMNS - 1)
    height = place[..., 1] - np.interp(share, at, meet)
    sides = []
    for outer in (above, below):
        colour = _lip_colour(image, mouth, outer, meet)
        thick = np.interp(share, at, np.abs(outer - meet)) * _THICK
        whole, ends = np.minimum(_WHOLE * scale, 0.5 * thick), np.minimum(_ENDS * scale, thick)
        near = np.clip((ends - np.abs(height)) / np.maximum(ends - whole, 1.0), 0.0, 1.0)
        here = np.stack([np.interp(share, at, colour[:, c]) for c in range(3)], -1)
        sides.append(np.dstack([here, near]).astype(np.float32))
    # Between the lips one colour goes over into the other: a sharp border would go with one lip.
    lower_share = np.clip(0.5 + 0.5 * height / (_SEAM * scale), 0.0, 1.0)[..., None]
    mixed = sides[0] + lower_share * (sides[1] - sides[0])
    inwards_turned = 1.0 - _TURNED * np.exp(-np.square(height / (_SEAM * scale)))
    painted, cover = mixed[..., :3] * inwards_turned[..., None], mixed[..., 3]
    inwards = np.minimum(share, _COLUMNS - 1 - share) / (_COLUMNS - 1)
    cover *= np.clip((inwards - _CORNERS[0]) / (_CORNERS[1] - _CORNERS[0]), 0.0, 1.0)
    seen = image[box].astype(np.float32)
    darker = 1.0 - luminance(seen) / np.maximum(luminance(painted), 1.0)
    dark = np.clip((darker - _DARKER[0]) / (_DARKER[1] - _DARKER[0]), 0.0, 1.0)
    dark = np.maximum(dark, np.clip(2.0 - np.abs(height) / (_SEAM * scale), 0.0, 1.0))
    change = (cover * cv2.GaussianBlur(dark.astype(np.float32), (0, 0), 0.7))[..., None]
    return np.asarray(change * (painted - seen), np.float32)


def _line_added(
    seen: Bytes,
    x: NDArray[np.floating],
    edges: Sequence[NDArray[np.floating]],
    place: NDArray[np.floating],
    scale: float,
) -> Floats:
    """[h, w, 3] what gives parted lips a line along both their edges, where they will meet."""
    top, bottom = (np.interp(place[..., 0], x, edge) for edge in edges[:2])
    away = np.maximum(np.maximum(top - place[..., 1], place[..., 1] - bottom), 0.0)
    wide = _LINE * scale
    dark = np.exp(-0.5 * np.square(away / max(wide, _FINEST))) * min(1.0, wide / _WHOLLY_SEEN)
    inwards = np.minimum(place[..., 0], x[-1] - place[..., 0]) / x[-1]
    dark *= np.clip(inwards / _LINE_ENDS, 0.0, 1.0)
    return np.asarray((_LINE_LIGHT - 1.0) * dark[..., None] * seen, np.float32)


def _lip_colour(
    image: Bytes, mouth: _Mouth, outer: NDArray[np.floating], inner: NDArray[np.floating]
) -> Floats:
    """[m, 3] colour of a lip along the mouth, between its outer contour and where lips meet."""
    across = outer + np.linspace(*_MIDDLE, _SAMPLES)[:, None] * (inner - outer)
    where = mouth.origin + mouth.x[:, None] * mouth.axes[0] + across[..., None] * mouth.axes[1]
    seen = cv2.remap(
        image, where.astype(np.float32), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    typical = np.median(seen.astype(np.float32), axis=0)
    return np.asarray(gaussian_filter1d(typical, _EVEN * _COLUMNS, axis=0), np.float32)
