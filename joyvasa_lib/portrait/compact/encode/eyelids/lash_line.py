"""What lies along the edge of a closed eyelid: its lashes, and the shadow that they throw.

An eye is read as closed by the dark line along its edge and the soft shadow below it. The line is
as dark as the lashes of the open eye are, and nothing along it is darker. Above the edge goes on
what is dark there for a good part of the eye's length, such as liner; single lashes, which stand
upwards on an open eye, hang down from a closed one.

Axis legend: ``v`` vertices, ``h`` x ``w`` window of the closed eye, ``m`` columns along the eye,
``k`` samples across the strip.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.encode.appearance import Appearance
from joyvasa_lib.portrait.compact.encode.eyelids.eyelid_colour import (
    between,
    even,
    eyelid_colour,
    lighter_halves,
    made_up,
    skin_above,
    strip_colour,
)
from joyvasa_lib.portrait.compact.encode.eyelids.eyelid_place import EyelidPlace, eye_axes
from joyvasa_lib.portrait.compact.luminance import luminance
from joyvasa_lib.rig.eyelids import lid_edges
from joyvasa_lib.rig.head_rig import Floats, HeadRig
from joyvasa_lib.rig.regions import EYES
from joyvasa_lib.rig.spreading import height_of

Bytes = NDArray[np.uint8]
Heights = float | NDArray[np.float64]

_CHEEK = (-0.5, -0.32)
"""Rig units above the edge of the eyelid, thus below the eye, between which skin is."""
_AROUND, _TO_BROW = (0.02, 0.32), 0.92
"""Heights above the eyelid, in lengths of the eye, between which it and the skin above it are seen,
and the share of the way to the brow up to which they are at most."""
_TYPICAL_OF = (0.1, 0.78)
"""Shares of the eye's length from its outer corner between which they are typical: towards the nose
they lie in its shadow."""
_COLUMNS, _SAMPLES = 161, 24
"""Columns along the eye in which the strip is read, and samples in each."""
_STRIP = 0.07
"""Least height in rig units of the strip that is read: the crease may hide the eyelid."""
_LASHES_AT = (-0.01, 0.06)
"""Rig units above the fitted edge between which the image's own line of lashes is looked for."""
_EVEN_LINE = 0.08
"""Standard deviation of the blur of the colour and the height of lashes along the eye, in lengths
of it."""
_NARROWEST = 0.04
"""Least height in rig units of the strip above the lashes, and of the skin above the fold."""
_ABOVE_FOLD, _BELOW_BROW = 1.1, 0.8
"""Shares of the heights of fold and brow between which the skin above the eyelid is read."""
_LASHES_ABOVE, _LASHES_BELOW = 0.06, 0.05
"""Rig units above and below the edge of the eyelid within which lashes are carried along."""
_OUT_OF_EYE = 0.008
"""Rig units above the fitted edge from which on lashes are read: below may be the bright eye."""
_DENSER = 3.0
"""Power of the darkness of lashes that hang down: closed, they lie over each other."""
_HANGING = 0.6
"""Darkness of lashes below a closed eye relative to above the open one: they spread there."""
_LONG = 0.25
"""Share of the eye's length that is dark above the edge of a closed eyelid where it is dark on the
open one; what is shorter is a single lash."""
_SOFT_ALONG, _SOFT_ACROSS = 4.0, 0.8
"""Standard deviations of the blur of that, in columns and samples."""
_LINE_ABOVE = 0.05
"""Rig units above the edge of an open eye in which its lashes' colour is looked for."""
_DARKEST = 0.25
"""Share of the samples there, the darkest, whose mean it is."""
_STRONGEST = 0.1
"""Least light of the line relative to the eyelid's."""
_BARE, _FAINTEST = (0.5, 0.75), (0.4, 0.65)
"""Between these medians of the light of an open eye's lashes its lashes are hardly seen, and most
light of the line then: no closed eye has none, but that of a statue is a shadow."""
_INNER, _OUTER = 0.012, 0.024
"""Standard deviation in rig units of the line below the edge, at the inner corner and at the outer
one: lashes are longer there."""
_ABOVE = 0.022
"""The same above the edge."""
_SHADOW, _SHADOW_BELOW = 0.55, 0.055
"""Share of the line's darkness that belongs to the shadow below it, and its standard deviation in
rig units."""
_BEYOND = 0.25
"""Share of the eye's length over which line and shadow end beyond its corners."""


@dataclass(frozen=True, eq=False)
class EyelidStrip:
    """The strip of an upper eyelid that an image shows.

    Attributes:
        eye: 0 for the person's left eye, 1 for the right one.
        edge: [m, 2] pixels of the image along the eyelid's edge, from the image's left.
        up: [2] unit vector across the eye, away from it.
        colour: [m, 3] colour of the skin of the closed eyelid, [0, 255].
        seen: [m, 3] colour of the skin that the strip shows, which may be in shadow.
        line: [m, 3] light of its lashes relative to ``colour``.
        dark: [k, m, 3] light of what is dark above the edge, single lashes left out, relative to
            ``seen``.
        typical: [3] colour of the lighter half of the closed eyelid.
        lighter: [m, 3] the same in each column.
        made_up: share in [0, 1] to which its colour is make-up.
    """

    eye: int
    edge: Floats
    up: Floats
    colour: Floats
    seen: Floats
    line: Floats
    dark: Floats
    typical: Floats
    lighter: Floats
    made_up: float

    @classmethod
    def of(cls, rig: HeadRig, appearance: Appearance, eye: int, scale: float) -> EyelidStrip:
        """The strip of one eye.

        Args:
            rig: the head model.
            appearance: the image seen through the fitted head.
            eye: 0 for the person's left eye, 1 for the right one.
            scale: pixels per rig unit.
        """
        points = appearance.vertices[:, :2].astype(np.float64)
        rim = points[lid_edges(rig)[eye][0]]
        axes, length = eye_axes(rim)
        share = np.linspace(0.0, 1.0, _COLUMNS)
        edge = rim[0] + share[:, None] * length * axes[0]
        edge += height_of((rim - rim[0]) @ axes.T, share * length)[:, None] * axes[1]
        level = (edge - rim[0]) @ axes[1]

        def height(marks: tuple[int, ...]) -> NDArray[np.float64]:
            """[m] rig units of a line of landmarks above the edge."""
            line = (points[rig.landmark_vertex[list(marks)]] - rim[0]) @ axes.T
            line = line[np.argsort(line[:, 0])]
            return np.asarray((level - height_of(line, share * length)) / scale)

        def between_heights(low: Heights, high: Heights) -> Floats:
            """[m, k, 3] colours at even steps between heights in rig units above the edge."""
            steps = np.linspace(0.0, 1.0, _SAMPLES)
            up = np.broadcast_to(low, _COLUMNS)[:, None] + steps * np.subtract(high, low)[..., None]
            where = edge[:, None] - scale * up[..., None] * axes[1]
            return sampled(appearance.image, where.astype(np.float32))

        fold = np.maximum(height(EYES[eye].crease), _STRIP)
        lashes = _darkest_height(between_heights(*_LASHES_AT))
        strip = between_heights(lashes, np.maximum(fold, lashes + _NARROWEST))
        low = _ABOVE_FOLD * fold
        brow = np.maximum(_BELOW_BROW * height(EYES[eye].brow_bottom), low + _NARROWEST)
        seen = strip_colour(strip)
        above = between_heights(low, brow)
        colour = eyelid_colour(strip, above)
        lid, top = height(EYES[eye].upper_lid), _TO_BROW * height(EYES[eye].brow_bottom)
        near, far = (lid + share * length / scale for share in _AROUND)
        far = np.maximum(np.minimum(far, top), near + _NARROWEST)
        around = between_heights(near, far)
        first, last = (round(end * (_COLUMNS - 1)) for end in from_outer_corner(eye, *_TYPICAL_OF))
        cheek = between_heights(*_CHEEK)
        of = slice(first, last)
        typical, _ = lighter_halves(around[of], cheek[of], seen[of])
        _, lighter = lighter_halves(around, cheek, seen)
        darkest = between(between_heights(0.0, _LINE_ABOVE), 0.0, _DARKEST)
        line = even(darkest / np.maximum(colour, np.float32(8.0)), _EVEN_LINE)
        over = between_heights(_OUT_OF_EYE, _LASHES_ABOVE + _OUT_OF_EYE)
        dark = np.clip(over / np.maximum(seen, np.float32(8.0))[:, None], 0.0, 1.0)
        return cls(
            eye,
            edge.astype(np.float32),
            -axes[1].astype(np.float32),
            colour,
            seen,
            line,
            _long_only(dark),
            typical,
            lighter,
            float(made_up(seen, skin_above(above))[of].mean()),
        )

    def colour_at(self, share: Floats) -> Floats:
        """[h, w, 3] colour of the eyelid's skin at shares [h, w] along its edge."""
        return _column(self.colour, share)

    def lashes_at(self, image: Bytes, at: EyelidPlace, scale: float) -> Floats:
        """[h, w, 3] factors in [0, 1]: lashes of the closed eye, and the shadow below them.

        Args:
            image: [s, s, 3] the image that shows the strip.
            at: where the texture's pixels lie.
            scale: pixels of the image per rig unit.
        """
        carried = self._above(at) * self._hanging(image, at, scale)
        outwards = np.clip(at.share if self.eye == 0 else 1.0 - at.share, 0.0, 1.0)
        below, above = np.maximum(-at.above, 0.0), np.maximum(at.above, 0.0)
        line = np.exp(-0.5 * (below / (_INNER + (_OUTER - _INNER) * outwards)) ** 2)
        shadow = np.exp(-0.5 * (below / _SHADOW_BELOW) ** 2)
        cover = (1.0 - _SHADOW) * line + _SHADOW * shadow
        cover *= np.exp(-0.5 * (above / _ABOVE) ** 2) * at.between_corners(_BEYOND)
        faintest = np.interp(np.median(self.line), _BARE, _FAINTEST)
        light = np.clip(_column(self.line, at.share), _STRONGEST, faintest)
        return np.maximum(np.minimum(carried, 1.0 - cover[..., None] * (1.0 - light)), light)

    def _above(self, at: EyelidPlace) -> Floats:
        """[h, w, 3] factors of what is dark above the edge."""
        column = np.clip(at.share, 0.0, 1.0) * (_COLUMNS - 1)
        row = np.clip(at.above / _LASHES_ABOVE, 0.0, 1.0) * (_SAMPLES - 1)
        dark = cv2.remap(
            self.dark, column.astype(np.float32), row.astype(np.float32), cv2.INTER_LINEAR
        )
        fade = _fade(at, at.above, _LASHES_ABOVE)
        return np.asarray(1.0 - fade[..., None] * (1.0 - dark), np.float32)

    def _hanging(self, image: Bytes, at: EyelidPlace, scale: float) -> Floats:
        """[h, w, 3] factors of lashes that hang down: those of the open eye, turned over."""
        height = np.maximum(-at.above, 0.0)
        away = ((height + _OUT_OF_EYE) * scale)[..., None] * self.up
        where = _column(self.edge, at.share) + away
        lashes = sampled(image, where.astype(np.float32))
        dark = np.clip(lashes / np.maximum(_column(self.seen, at.share), 8.0), 0.0, 1.0) ** _DENSER
        fade = _HANGING * _fade(at, -at.above, _LASHES_BELOW)
        return np.asarray(1.0 - fade[..., None] * (1.0 - dark), np.float32)


def from_outer_corner(eye: int, outer: float, inner: float) -> tuple[float, float]:
    """Shares of an eye's length from the image's left, of two from its outer corner."""
    return (1.0 - inner, 1.0 - outer) if eye == 0 else (outer, inner)


def sampled(image: Bytes, where: Floats) -> Floats:
    """[..., 3] colours of an image [h, w, 3] at pixels [..., 2], interpolated linearly."""
    taken = cv2.remap(image, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(taken, dtype=np.float32)


def _fade(at: EyelidPlace, height: Floats, reach: float) -> Floats:
    """[h, w] 1 on the edge, 0 beyond ``reach`` and on its other side, less in the corners."""
    fade = (height > 0) * np.clip(2.0 - 2.0 * height / reach, 0.0, 1.0)
    fade = fade * np.clip(8.0 * np.minimum(at.share, 1.0 - at.share) + 0.4, 0.0, 1.0)
    return np.asarray(fade, np.float32)


def _column(values: Floats, share: Floats) -> Floats:
    """[h, w, d] values [m, d] at shares [h, w] of the way, the nearest beyond its ends."""
    at = np.clip(share, 0.0, 1.0) * (len(values) - 1)
    low = np.minimum(at.astype(int), len(values) - 2)
    rest = (at - low)[..., None]
    return np.asarray(values[low] * (1.0 - rest) + values[low + 1] * rest, np.float32)


def _darkest_height(colours: Floats) -> NDArray[np.float64]:
    """[m] height in rig units at which samples [m, k, 3] over ``_LASHES_AT`` are darkest."""
    smooth = even(luminance(colours), _EVEN_LINE / 2.0)
    height = np.linspace(*_LASHES_AT, _SAMPLES)[smooth.argmin(1)]
    return np.asarray(even(height[:, None], _EVEN_LINE)[:, 0], np.float64)


def _long_only(light: NDArray[np.floating]) -> Floats:
    """[k, m, 3] light of [m, k, 3] without what is dark for a small part of the eye's length."""
    along = 2 * round(_LONG * _COLUMNS / 2) + 1
    rows = np.ascontiguousarray(light.transpose(1, 0, 2), np.float32)
    closed = cv2.morphologyEx(rows, cv2.MORPH_CLOSE, np.ones((1, along), np.uint8))
    return np.asarray(cv2.GaussianBlur(closed, (0, 0), sigmaX=_SOFT_ALONG, sigmaY=_SOFT_ACROSS))
