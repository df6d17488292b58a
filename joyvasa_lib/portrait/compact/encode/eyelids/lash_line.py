"""What lies along the edge of a closed eyelid: its lashes, and the shadow that they throw.

An eye is read as closed by the dark line along its edge and the soft shadow below it. The line is
as dark as the lashes of the open eye are. Above the edge goes on what is dark there for a good
part of the eye's length, such as liner; single lashes, which stand upwards on an open eye, hang
down from a closed one.

Axis legend: ``v`` vertices, ``h`` x ``w`` window of the closed eye, ``m`` columns along the eye,
``k`` samples across the strip.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.encode.appearance import Appearance
from joyvasa_lib.portrait.compact.encode.palette import luminance
from joyvasa_lib.rig.eyelids import lid_edges
from joyvasa_lib.rig.head_rig import Floats, HeadRig
from joyvasa_lib.rig.regions import EYES
from joyvasa_lib.rig.spreading import height_of

Bytes = NDArray[np.uint8]

_COLUMNS, _SAMPLES = 161, 24
"""Columns along the eye in which the strip is read, and samples in each."""
_STRIP = 0.07
"""Least height in rig units of the strip that is read: the crease may hide the eyelid."""
_BRIGHT = (50, 80)
"""Percentiles of the strip's luminance between which its colour is the skin's, not the lashes'."""
_EVEN, _EVEN_LINE = 0.12, 0.08
"""Standard deviation of the blur of colours of skin and of lashes along the eye, in lengths."""
_LASHES_ABOVE, _LASHES_BELOW = 0.06, 0.05
"""Rig units above and below the edge of the eyelid within which lashes are carried along."""
_OUT_OF_EYE = 0.008
"""Rig units above the fitted edge from which on lashes are read: below may be the bright eye."""
_DENSER = 3.0
"""Power of the darkness of lashes: closed, they lie over each other."""
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
_BARE, _FAINTEST = (0.5, 0.75), (0.33, 0.5)
"""Between these means of the light of an open eye's lashes its lashes are hardly seen, and most
light of the line then: no closed eye has none, but that of a statue is a shadow."""
_INNER, _OUTER = 0.0126, 0.0234
"""Standard deviation in rig units of the line below the edge, at the inner corner and at the outer
one: lashes are longer there."""
_ABOVE = 0.025
"""The same above the edge."""
_SHADOW, _SHADOW_BELOW = 0.65, 0.05
"""Share of the line's darkness that belongs to the shadow below it, and its standard deviation in
rig units."""
_BEYOND = 0.25
"""Share of the eye's length over which line and shadow end beyond its corners."""


@dataclass(frozen=True, eq=False)
class EyelidPlace:
    """Where a texture's pixels lie on a closed upper eyelid.

    Attributes:
        share: [h, w] along its edge, 0 in the corner on the image's left, 1 in the other.
        above: [h, w] rig units above its edge; negative below.
    """

    share: Floats
    above: Floats

    @classmethod
    def of(
        cls, rig: HeadRig, uv: Floats, eye: int, size: tuple[int, int], pixel: float
    ) -> EyelidPlace:
        """The places on one eye's texture.

        Args:
            rig: the head model.
            uv: [v, 2 or 3] texture coordinates of the head with its eyes shut, pixels.
            eye: 0 for the person's left eye, 1 for the right one.
            size: height and width of the texture.
            pixel: its pixels per rig unit.
        """
        edge = uv[lid_edges(rig)[eye][0], :2].astype(np.float64)
        axes, length = _axes(edge)
        curve = (edge - edge[0]) @ axes.T
        row, column = np.mgrid[: size[0], : size[1]]
        offset = np.stack([column, row], -1) - edge[0]
        x, y = offset @ axes[0], offset @ axes[1]
        above = (height_of(curve, x) - y) / pixel
        return cls((x / length).astype(np.float32), above.astype(np.float32))

    def between_corners(self, fade: float) -> Floats:
        """[h, w] 1 between the eye's corners, 0 from ``fade`` of its length beyond them on."""
        inwards = np.minimum(self.share, 1.0 - self.share)
        return np.asarray(np.clip(1.0 + inwards / fade, 0.0, 1.0), np.float32)


@dataclass(frozen=True, eq=False)
class EyelidStrip:
    """The strip of an upper eyelid that an image shows.

    Attributes:
        eye: 0 for the person's left eye, 1 for the right one.
        edge: [m, 2] pixels of the image along the eyelid's edge, from the image's left.
        up: [2] unit vector across the eye, away from it.
        colour: [m, 3] colour of the skin of the eyelid, [0, 255].
        line: [m, 3] light of its lashes relative to it.
        dark: [k, m, 3] light of what is dark above the edge, single lashes left out, likewise.
    """

    eye: int
    edge: Floats
    up: Floats
    colour: Floats
    line: Floats
    dark: Floats

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
        axes, length = _axes(rim)
        share = np.linspace(0.0, 1.0, _COLUMNS)
        edge = rim[0] + share[:, None] * length * axes[0]
        edge += height_of((rim - rim[0]) @ axes.T, share * length)[:, None] * axes[1]
        crease = points[rig.landmark_vertex[list(EYES[eye].crease)]]
        fold = height_of((crease - rim[0]) @ axes.T, share * length)
        tall = np.maximum((edge - rim[0]) @ axes[1] - fold, _STRIP * scale)

        def above(height: NDArray[np.float64]) -> Floats:
            """[m, k, 3] colours at heights [m or 1, k] in pixels above the edge."""
            where = edge[:, None] - height[..., None] * axes[1]
            return sampled(appearance.image, where.astype(np.float32))

        first, last = (percentile / 100 for percentile in _BRIGHT)
        skin = above(np.linspace(0.15, 1.0, _SAMPLES) * tall[:, None])
        colour = _even(_between(skin, first, last), _EVEN)
        light = np.maximum(colour, np.float32(8.0))
        lashes = above(np.linspace(0.0, _LINE_ABOVE * scale, _SAMPLES)[None])
        darkest = _between(lashes, 0.0, _DARKEST)
        line = _even(np.asarray(darkest / light, np.float32), _EVEN_LINE)
        heights = np.linspace(0.0, _LASHES_ABOVE, _SAMPLES) + _OUT_OF_EYE
        seen = np.asarray(above(scale * heights[None]) / light[:, None], np.float32)
        return cls(
            eye,
            edge.astype(np.float32),
            -axes[1].astype(np.float32),
            colour,
            line,
            _long_only(np.clip(seen, 0.0, 1.0)),
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
        faintest = np.interp(self.line.mean(), _BARE, _FAINTEST)
        light = np.clip(_column(self.line, at.share), _STRONGEST, faintest)
        return np.minimum(carried, 1.0 - cover[..., None] * (1.0 - light))

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
        seen = sampled(image, where.astype(np.float32))
        dark = np.clip(seen / np.maximum(self.colour_at(at.share), 8.0), 0.0, 1.0) ** _DENSER
        fade = _HANGING * _fade(at, -at.above, _LASHES_BELOW)
        return np.asarray(1.0 - fade[..., None] * (1.0 - dark), np.float32)


def sampled(image: Bytes, where: Floats) -> Floats:
    """[..., 3] colours of an image [h, w, 3] at pixels [..., 2], interpolated linearly."""
    taken = cv2.remap(image, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(taken, dtype=np.float32)


def _fade(at: EyelidPlace, height: Floats, reach: float) -> Floats:
    """[h, w] 1 on the edge, 0 beyond ``reach`` and on its other side, less in the corners."""
    fade = (height > 0) * np.clip(2.0 - 2.0 * height / reach, 0.0, 1.0)
    fade = fade * np.clip(8.0 * np.minimum(at.share, 1.0 - at.share) + 0.4, 0.0, 1.0)
    return np.asarray(fade, np.float32)


def _axes(edge: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """[2, 2] unit vectors along an eye from corner to corner and downwards, and its length."""
    way = edge[-1] - edge[0]
    length = max(float(np.hypot(*way)), 1.0)
    along = way / length
    return np.stack([along, [-along[1], along[0]]]), length


def _column(values: Floats, share: Floats) -> Floats:
    """[h, w, d] values [m, d] at shares [h, w] of the way, the nearest beyond its ends."""
    at = np.clip(share, 0.0, 1.0) * (len(values) - 1)
    low = np.minimum(at.astype(int), len(values) - 2)
    rest = (at - low)[..., None]
    return np.asarray(values[low] * (1.0 - rest) + values[low + 1] * rest, np.float32)


def _between(colours: Floats, first: float, last: float) -> Floats:
    """[m, 3] mean of the samples [m, k, 3] between two shares of their order by luminance."""
    order = np.argsort(luminance(colours), axis=1)
    rows = slice(round(first * colours.shape[1]), round(last * colours.shape[1]))
    return np.take_along_axis(colours, order[..., None], 1)[:, rows].mean(1)


def _even(values: Floats, spread: float) -> Floats:
    """[m, 3] values blurred along the eye by a standard deviation in its lengths."""
    blurred = cv2.GaussianBlur(
        values[None], (0, 0), spread * _COLUMNS, borderType=cv2.BORDER_REPLICATE
    )
    return np.asarray(blurred[0], np.float32)


def _long_only(light: Floats) -> Floats:
    """[k, m, 3] closed lashes' light, of [m, k, 3]: what is dark for a part of the eye's length."""
    along = 2 * round(_LONG * _COLUMNS / 2) + 1
    rows = np.ascontiguousarray(light.transpose(1, 0, 2) ** np.float32(_DENSER))
    closed = cv2.morphologyEx(rows, cv2.MORPH_CLOSE, np.ones((1, along), np.uint8))
    return np.asarray(cv2.GaussianBlur(closed, (0, 0), sigmaX=_SOFT_ALONG, sigmaY=_SOFT_ACROSS))
