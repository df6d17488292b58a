"""The closed eye of a portrait as a texture, made once: the portrait's own upper eyelid, unfolded.

An image of an open eye shows a strip of its upper eyelid, between the crease and the lashes. The
texture has the colours of that strip, make-up included, as far down as the closed eyelid reaches;
the lashes lie at its end, over a shadow on the skin below it (see ``lash_line``). Around it skin is
interpolated harmonically, so that light and shadow continue smoothly; its grain is that of the
cheek. The texture is mapped to the head with its eyes closed, and moves with the eyelid.

Axis legend: ``v`` vertices, ``h`` x ``w`` window of the closed eye, ``n`` vertices on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.encode.appearance import Appearance, set_back
from joyvasa_lib.portrait.compact.encode.eyelids.eyelid_colour import lighter_half
from joyvasa_lib.portrait.compact.encode.eyelids.eyelid_place import EyelidPlace
from joyvasa_lib.portrait.compact.encode.eyelids.lash_line import (
    EyelidStrip,
    from_outer_corner,
    sampled,
)
from joyvasa_lib.portrait.compact.encode.eyelids.standing_lashes import standing_lashes
from joyvasa_lib.portrait.compact.encode.eyes.eye_contour import clean_skin
from joyvasa_lib.portrait.compact.encode.harmonic_fill import harmonic_fill
from joyvasa_lib.portrait.compact.layers import OUTSIDE, SKIN
from joyvasa_lib.portrait.compact.luminance import luminance
from joyvasa_lib.rig.eyelids import lid_weight
from joyvasa_lib.rig.head_rig import Floats, HeadRig
from joyvasa_lib.rig.rasterizer import interpolate, rasterize

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
_COARSEST = 2.5
"""Largest grain relative to its median: what is coarser is a rim of glasses, or a hair."""
_OWN_FROM, _OWN_TO = 0.05, 0.30
"""Weights of the eyelid between which the skin around it gives way to its own colour."""
_OWN_UP_TO = (0.6, 1.5)
"""Heights of the crease above the edge between which it gives way to the skin above."""
_UNFOLDED, _LIGHTER = (0.15, 0.75), 14.0
"""Heights of the crease between which its colour nears that of the skin around, as the upper part
was folded away, and the largest difference, levels."""
_TYPICAL, _TYPICAL_OF, _PARTS = (0.03, 0.3), (0.16, 0.81), 4
"""Part of the eyelid whose lighter half is as light as the open eye's, in lengths of the eye above
its edge and from its outer corner, and parts along it: light falls off towards the nose."""
_ALL, _ROUNDS = (0.8, 1.5), 4
"""Heights of the crease between which that ends, and rounds of it."""
_CHANGE, _OF_HUE = (0.75, 1.3), 0.2
"""Bounds of the factor on colours, and how far its channels may part."""
_PAST_CREASE, _TOWARDS_BROW, _ENDS = 0.35, 0.5, (0.3, 1.0)
"""How far above the crease paint ends, in its heights or as a share of the way to the brow, and
between which parts of that it fades: what the open eye has there, the shadow of its crease and the
ends of its lashes, would stay as blots."""
_BELOW_BROW = (0.4, 0.75)
"""Shares of the way from there to the brow between which it ends at last."""
_BELOW_EDGE = 0.02
"""Rig units below the edge of the eyelid down to which its skin is painted."""
_BULGE, _BULGE_AT = 0.12, (0.6, 0.6)
"""How much lighter the middle of a closed eyelid is, round under light from above, and where that
is and how far it reaches, in heights of the crease. Of twenty eyelids in films of people who blink
none had a dark crease: up to the brow they are as light as in their middle."""
_BY_EDGE, _BY_EDGE_SOFT = 0.02, 0.03
"""Rig units from the edge of the eyelid within which all is painted, and the width of the fade: the
image shows the open eye's rim there."""
_CORNER = 0.06
"""Share of the eye's length over which that ends beyond its corners."""


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
        cover: [v] share of paint on a closed eyelid, where the image would be stretched too far,
            and over what is left of its crease.
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
    warped = sampled(appearance.image, where)
    theirs = cv2.remap(
        appearance.layer, where, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
    )
    pixel = scale * finer
    at = EyelidPlace.of(rig, uv, eye, painted.shape, pixel)
    painted = np.maximum(painted, _over_crease(at))
    painted = np.maximum(painted, standing_lashes(warped, at, pixel))
    opacity = np.maximum(painted, sampled(appearance.eye_matte, where) / 255.0)
    weight = clean * np.clip(1.0 - 4.0 * opacity, 0.0, 1.0)
    weight *= (triangle >= 0) * np.isin(theirs, (SKIN, OUTSIDE))
    skin = harmonic_fill(warped, weight.astype(np.float32), 0.03 * pixel)
    strip = EyelidStrip.of(rig, appearance, eye, scale)
    own = np.clip((lid - _OWN_FROM) / (_OWN_TO - _OWN_FROM), 0.0, 1.0)
    skin = _eyelid_skin(skin, np.where(at.above > 0.0, 1.0, own), strip, at)
    if appearance.grain is None:
        skin += _grain(appearance.image, low, skin, scale, finer)
    by_edge = np.clip(1.0 + (_BY_EDGE - np.abs(at.above)) / _BY_EDGE_SOFT, 0.0, 1.0)
    opacity = np.maximum(opacity, by_edge * at.between_corners(_CORNER))
    opacity[triangle < 0] = 0.0
    image = warped + opacity[..., None] * (skin - warped)
    image = image * strip.lashes_at(appearance.image, at, scale)
    return ClosedEyelid(np.clip(image, 0, 255).astype(np.float32), vertex, uv[vertex, :2])


def _eyelid_skin(around: Floats, own: Floats, strip: EyelidStrip, at: EyelidPlace) -> Floats:
    """[h, w, 3] colours of the eyelid's skin without its lashes.

    Args:
        around: [h, w, 3] the skin around, continued.
        own: [h, w] where the eyelid's own colour is, above its end in the crease.
        strip: what the image shows of the eyelid.
        at: where the texture's pixels lie.
    """
    colour = strip.colour_at(at.share)
    apart = around - colour
    near = _LIGHTER / np.maximum(np.linalg.norm(apart, axis=-1), _LIGHTER)
    colour += (near * _rising(at.up, *_UNFOLDED))[..., None] * apart
    weight = own * (1.0 - _rising(at.up, *_OWN_UP_TO))
    skin = (around + weight[..., None] * (colour - around)) * _shading(at)[..., None]
    weight = (own * (1.0 - _rising(at.up, *_ALL)))[..., None]
    return _as_light_as(skin, weight, strip, at)


def _as_light_as(skin: Floats, weight: Floats, strip: EyelidStrip, at: EyelidPlace) -> Floats:
    """[h, w, 3] skin whose lighter half has the colours of the open eye's, part by part.

    Make-up keeps its hue: most of what lies around the open eye shows none.

    Args:
        skin: [h, w, 3] colours.
        weight: [h, w, 1] how far they may change.
        strip: what the image shows of the eyelid.
        at: where the texture's pixels lie.
    """
    low, high = _TYPICAL
    tall = (at.above > low * at.length) & (at.above < high * at.length)
    ends = np.linspace(*from_outer_corner(strip.eye, *_TYPICAL_OF), _PARTS + 1)
    parts = [tall & (at.share > a) & (at.share < b) for a, b in pairwise(ends)]
    if not all(part.any() for part in parts):
        return skin
    of_hue = _OF_HUE * (1.0 - strip.made_up)

    def bounded(change: NDArray[np.floating]) -> NDArray[np.floating]:
        light = np.clip(change.mean(-1, keepdims=True), *_CHANGE)
        return np.clip(change, light * (1.0 - of_hue), light * (1.0 + of_hue))

    columns = np.rint(ends * (len(strip.lighter) - 1)).astype(int)
    wanted = np.stack([strip.lighter[a : b + 1].mean(0) for a, b in pairwise(columns)])
    found = np.stack([lighter_half(skin[part]) for part in parts])
    change = bounded(wanted / np.maximum(found, 1.0))
    middle = 0.5 * (ends[1:] + ends[:-1])
    factor = np.stack([np.interp(at.share, middle, one) for one in change.T], -1)
    skin = np.asarray(skin * (1.0 + weight * (factor - 1.0)), np.float32)
    here = np.logical_or.reduce(parts)
    whole: NDArray[np.floating] = np.ones(3, np.float32)
    for _ in range(_ROUNDS):
        now = (skin * (1.0 + weight * (whole - 1.0)))[here]
        found = lighter_half(np.asarray(now, np.float32))
        whole = bounded(whole * strip.typical / np.maximum(found, np.float32(1.0)))
    return np.asarray(skin * (1.0 + weight * (whole - 1.0)), np.float32)


def _over_crease(at: EyelidPlace) -> Floats:
    """[h, w] share of paint up to above the crease."""
    beyond = np.minimum((at.up - 1.0) / _PAST_CREASE, at.to_brow / _TOWARDS_BROW)
    cover = 1.0 - _rising(beyond, *_ENDS)
    cover = cover * (1.0 - _rising(at.to_brow, *_BELOW_BROW))
    return np.asarray(cover * at.between_corners(_CORNER) * (at.above > -_BELOW_EDGE), np.float32)


def _shading(at: EyelidPlace) -> Floats:
    """[h, w] light on a closed eyelid: more in its middle."""
    middle = np.clip(4.0 * at.share * (1.0 - at.share), 0.0, 1.0)
    height, reach = _BULGE_AT
    bulge = np.exp(-(((at.up - height) / reach) ** 2))
    return np.asarray(1.0 + _BULGE * middle * bulge, dtype=np.float32)


def _rising(values: Floats, low: float, high: float) -> Floats:
    """0 up to ``low``, 1 from ``high`` on, with a smooth transition."""
    x = np.clip((values - low) / (high - low), 0.0, 1.0)
    return np.asarray(x * x * (3.0 - 2.0 * x), np.float32)


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
    limit = _COARSEST * float(np.median(np.abs(grain))) + 1e-3
    grain = limit * np.tanh(grain / limit)
    light = luminance(cv2.resize(smooth, (width, height)))
    grain = cv2.resize(grain, (width, height), interpolation=cv2.INTER_CUBIC)
    ratio = np.clip(luminance(skin) / np.maximum(light, 8.0), 0.3, 1.3)
    return np.asarray(_GRAINY * grain * ratio[..., None], dtype=np.float32)
