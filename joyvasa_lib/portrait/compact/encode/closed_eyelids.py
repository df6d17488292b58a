"""The closed eye of a portrait as a texture, made once: the portrait's own upper eyelid, unfolded.

An image of an open eye shows a strip of its upper eyelid, between the crease and the lashes. The
texture has the colours of that strip, make-up included, as far down as the closed eyelid reaches;
the lashes lie at its end with the pixels that they have on the image. Around it skin is
interpolated harmonically, so that light and shadow continue smoothly; its grain is that of the
cheek. The texture is mapped to the head with its eyes closed, and moves with the eyelid.

Axis legend: ``v`` vertices, ``h`` x ``w`` window of the closed eye, ``n`` vertices on it, ``m``
columns along the eye, ``k`` samples across the strip.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.encode.appearance import Appearance, set_back
from joyvasa_lib.portrait.compact.encode.eye_contour import clean_skin
from joyvasa_lib.portrait.compact.encode.harmonic_fill import harmonic_fill
from joyvasa_lib.portrait.compact.encode.palette import luminance
from joyvasa_lib.portrait.compact.layers import OUTSIDE, SKIN
from joyvasa_lib.rig.eyelids import lid_edges, lid_weight
from joyvasa_lib.rig.head_rig import Floats, HeadRig
from joyvasa_lib.rig.rasterizer import interpolate, rasterize
from joyvasa_lib.rig.regions import EYES
from joyvasa_lib.rig.spreading import height_of

Bytes = NDArray[np.uint8]

_FINEST = 110.0
"""Least resolution of the texture, pixels per rig unit: small faces need it for the lashes."""
_ROOM = 0.12
"""Margin of the texture around the painted skin, rig units."""
_GRAIN = 0.045
"""Standard deviation in rig units of the blur that separates the skin's grain from its colour."""
_GRAINY = 0.8
"""Factor on the grain: eyelids are smoother than cheeks."""
_GRAIN_FROM = ((0.62, 0.0), (0.72, 0.12), (0.72, -0.12), (0.85, 0.0), (0.55, 0.1), (0.55, -0.1))
"""Where grain may be taken from: rig units below and beside the eye; the smoothest place is used,
to avoid hair and shadows."""
_COLUMNS, _SAMPLES = 41, 24
"""Columns along the eye in which the colour of the eyelid is read, and samples in each."""
_STRIP = 0.07
"""Least height in rig units of the strip that is read: the crease may hide the eyelid."""
_BRIGHT = (50, 80)
"""Percentiles of the strip's luminance between which its colour is the skin's, not the lashes'."""
_EVEN = 0.12
"""Standard deviation of the blur of these colours along the eye, in lengths of it."""
_OWN_FROM, _OWN_TO = 0.10, 0.40
"""Weights of the eyelid between which the skin around it gives way to its own colour."""
_BULGE, _FOLD = 0.05, 0.04
"""How much lighter the middle of a closed eyelid is, and how much darker its fold: a round eyelid
under light from above."""
_LASHES_ABOVE, _LASHES_BELOW = 0.06, 0.05
"""Rig units above and below the edge of the eyelid within which lashes are carried along."""
_OUT_OF_EYE = 0.008
"""Rig units above the fitted edge from which on lashes are read: below may be the bright eye."""
_DENSER = 2.0
"""Power of the darkness of lashes: closed, they lie over each other."""
_HANGING = 0.6
"""Darkness of lashes below a closed eye relative to above the open one: they spread there."""


@dataclass(frozen=True, eq=False)
class ClosedEyelid:
    """One closed eye.

    Attributes:
        image: [h, w, 3] colours in [0, 255].
        vertex: [n] vertices that it covers.
        uv: [n, 2] their texture coordinates in pixels.
    """

    image: Floats
    vertex: NDArray[np.intp]
    uv: Floats


def paint_closed_eyelid(
    rig: HeadRig,
    appearance: Appearance,
    closed: Floats,
    cover: Floats,
    eye: int,
    vertex: NDArray[np.intp],
    scale: float,
) -> ClosedEyelid:
    """Paints one closed eye.

    Args:
        rig: the head model.
        appearance: the image seen through the fitted head.
        closed: [v, 3] the fitted head with its eyes shut, pixels.
        cover: [v] share of paint on a closed eyelid, where the image would be stretched too far.
        eye: 0 for the person's left eye, 1 for the right one.
        vertex: [n] vertices that the texture covers.
        scale: pixels per rig unit.
    """
    finer = max(1, int(np.ceil(_FINEST / scale)))
    painted_skin = closed[vertex[appearance.paintable[vertex] > 0], :2]
    low = np.floor(painted_skin.min(0) - _ROOM * scale)
    high = np.ceil(painted_skin.max(0) + _ROOM * scale)
    width, height = ((high - low) * finer).astype(int)
    uv = closed.copy()
    uv[:, :2] = (closed[:, :2] - low + 0.5) * finer - 0.5
    ordered = set_back(rig, closed, scale)
    ordered[:, :2] = uv[:, :2]
    triangle = rasterize(ordered[None], rig.triangles, (height, width))[0][0]
    known = np.concatenate(
        [
            appearance.vertices[:, :2],
            np.stack([clean_skin(rig, appearance.eye_margins / scale), cover, lid_weight(rig)], 1),
        ],
        1,
    )
    found = interpolate(triangle, uv, rig.triangles, known.astype(np.float32))
    where, (clean, painted, lid) = found[..., :2], np.moveaxis(found[..., 2:], -1, 0)
    warped = _sampled(appearance.image, where)
    theirs = cv2.remap(
        appearance.layer, where, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
    )
    opacity = np.maximum(painted, _sampled(appearance.eye_matte, where) / 255.0)
    weight = clean * np.clip(1.0 - 4.0 * opacity, 0.0, 1.0)
    weight *= (triangle >= 0) * np.isin(theirs, (SKIN, OUTSIDE))
    pixel = scale * finer
    skin = harmonic_fill(warped, weight.astype(np.float32), 0.03 * pixel)
    at = _EyelidPlace.of(rig, uv, eye, opacity.shape, pixel)
    strip = _Strip.of(rig, appearance, eye, scale)
    own = np.clip((lid - _OWN_FROM) / (_OWN_TO - _OWN_FROM), 0.0, 1.0)[..., None]
    skin = skin + own * (strip.colour_at(at.share) - skin)
    skin = skin * _shading(lid)[..., None]
    skin += _grain(appearance.image, low, skin, scale, finer)
    opacity[triangle < 0] = 0.0
    image = warped + opacity[..., None] * (skin - warped)
    image = image * strip.lashes_at(appearance.image, at, scale)
    return ClosedEyelid(np.clip(image, 0, 255).astype(np.float32), vertex, uv[vertex, :2])


@dataclass(frozen=True, eq=False)
class _EyelidPlace:
    """Where the texture's pixels lie on a closed upper eyelid.

    Attributes:
        share: [h, w] along its edge, 0 in the corner on the image's left, 1 in the other.
        above: [h, w] rig units above its edge; negative below.
    """

    share: Floats
    above: Floats

    @classmethod
    def of(
        cls, rig: HeadRig, uv: Floats, eye: int, size: tuple[int, int], pixel: float
    ) -> _EyelidPlace:
        """The places on one eye's texture of a size, from the texture coordinates of the edge."""
        edge = uv[lid_edges(rig)[eye][0], :2].astype(np.float64)
        axes, length = _axes(edge)
        curve = (edge - edge[0]) @ axes.T
        row, column = np.mgrid[: size[0], : size[1]]
        offset = np.stack([column, row], -1) - edge[0]
        x, y = offset @ axes[0], offset @ axes[1]
        above = (height_of(curve, x) - y) / pixel
        return cls((x / length).astype(np.float32), above.astype(np.float32))


@dataclass(frozen=True, eq=False)
class _Strip:
    """The strip of an upper eyelid that an image shows.

    Attributes:
        edge: [m, 2] pixels of the image along the eyelid's edge, from the image's left.
        up: [2] unit vector across the eye, away from it.
        colour: [m, 3] colour of the skin of the eyelid, [0, 255].
    """

    edge: Floats
    up: Floats
    colour: Floats

    @classmethod
    def of(cls, rig: HeadRig, appearance: Appearance, eye: int, scale: float) -> _Strip:
        """The strip of one eye."""
        points = appearance.vertices[:, :2].astype(np.float64)
        rim = points[lid_edges(rig)[eye][0]]
        axes, length = _axes(rim)
        share = np.linspace(0.0, 1.0, _COLUMNS)
        edge = rim[0] + share[:, None] * length * axes[0]
        edge += height_of((rim - rim[0]) @ axes.T, share * length)[:, None] * axes[1]
        crease = points[rig.landmark_vertex[list(EYES[eye].crease)]]
        fold = height_of((crease - rim[0]) @ axes.T, share * length)
        tall = (edge - rim[0]) @ axes[1] - fold
        tall = np.maximum(tall, _STRIP * scale)
        step = np.linspace(0.15, 1.0, _SAMPLES)
        where = edge[:, None] - (step * tall[:, None])[..., None] * axes[1]
        colour = _sampled(appearance.image, where.astype(np.float32))
        order = np.argsort(luminance(colour), axis=1)
        first, last = (round(share * _SAMPLES / 100) for share in _BRIGHT)
        bright = np.take_along_axis(colour, order[..., None], 1)[:, first:last].mean(1)
        even = cv2.GaussianBlur(
            bright[None], (0, 0), _EVEN * _COLUMNS, borderType=cv2.BORDER_REPLICATE
        )
        return cls(edge.astype(np.float32), -axes[1].astype(np.float32), even[0])

    def colour_at(self, share: Floats) -> Floats:
        """[h, w, 3] colour of the eyelid's skin at shares [h, w] along its edge."""
        return _column(self.colour, share)

    def lashes_at(self, image: Bytes, at: _EyelidPlace, scale: float) -> Floats:
        """[h, w, 3] factors in [0, 1] of the lashes: as the open eye has them, and hanging down."""
        edge, skin = _column(self.edge, at.share), self.colour_at(at.share)
        factor = np.ones((*at.share.shape, 3), np.float32)
        for sign, reach, strength in (
            (1.0, _LASHES_ABOVE, 1.0),
            (-1.0, _LASHES_BELOW, _HANGING),
        ):
            height = np.where(sign * at.above > 0, np.abs(at.above), 10.0)
            where = edge + ((height + _OUT_OF_EYE) * scale)[..., None] * self.up
            seen = _sampled(image, where.astype(np.float32))
            dark = np.clip(seen / np.maximum(skin, 8.0), 0.0, 1.0)
            dark = dark**_DENSER
            fade = strength * np.clip(2.0 - 2.0 * height / reach, 0.0, 1.0)
            fade *= np.clip(8.0 * np.minimum(at.share, 1.0 - at.share) + 0.4, 0.0, 1.0)
            factor *= 1.0 - fade[..., None] * (1.0 - dark)
        return factor


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


def _sampled(image: Bytes, where: Floats) -> Floats:
    taken = cv2.remap(image, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(taken, dtype=np.float32)


def _shading(lid: Floats) -> Floats:
    """[h, w] light on a closed lid: rounder in its middle, darker in the fold and at the edge."""
    bulge = np.exp(-(((lid - 0.72) / 0.16) ** 2))
    fold = np.exp(-(((lid - 0.38) / 0.12) ** 2))
    return np.asarray(1.0 + _BULGE * bulge - _FOLD * fold, dtype=np.float32)


def _grain(source_image: Bytes, low: Floats, skin: Floats, scale: float, finer: int) -> Floats:
    """[h, w, 3] the grain of the cheek's skin under the eyelid's light."""
    height, width = skin.shape[:2]
    reach = max(1, round(width / finer)), max(1, round(height / finer))
    best, calmest = None, np.inf
    for down, aside in _GRAIN_FROM:
        x, y = np.round(low + np.array([aside, down]) * scale).astype(int)
        x = int(np.clip(x, 0, max(0, source_image.shape[1] - reach[0])))
        y = int(np.clip(y, 0, max(0, source_image.shape[0] - reach[1])))
        part = source_image[y : y + reach[1], x : x + reach[0]].astype(np.float32)
        smooth = cv2.GaussianBlur(part, (0, 0), max(0.8, _GRAIN * scale))
        grain = part - smooth
        restless = float(np.percentile(np.abs(grain), 98))
        if restless < calmest:
            calmest, best = restless, (grain, smooth)
    assert best is not None
    grain, smooth = best
    limit = 2.0 * grain.std() + 1e-3
    grain = limit * np.tanh(grain / limit)
    light = luminance(cv2.resize(smooth, (width, height)))
    grain = cv2.resize(grain, (width, height), interpolation=cv2.INTER_CUBIC)
    ratio = np.clip(luminance(skin) / np.maximum(light, 8.0), 0.3, 1.3)
    return np.asarray(_GRAINY * grain * ratio[..., None], dtype=np.float32)
