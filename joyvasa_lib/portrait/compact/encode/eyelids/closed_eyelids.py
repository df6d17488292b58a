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

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.encode.appearance import Appearance, set_back
from joyvasa_lib.portrait.compact.encode.eyelids.lash_line import EyelidPlace, EyelidStrip, sampled
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
_OWN_FROM, _OWN_TO = 0.05, 0.30
"""Weights of the eyelid between which the skin around it gives way to its own colour."""
_WHOLLY = 0.4
"""Share of paint from which on the image does not show through: what is left of the fold's shadow
would lie as a dark band across the eyelid."""
_BULGE, _FOLD = 0.02, 0.04
"""How much lighter the middle of a closed eyelid is, and how much darker its fold: a round eyelid
under light from above."""
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
    warped = sampled(appearance.image, where)
    theirs = cv2.remap(
        appearance.layer, where, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
    )
    painted = np.minimum(painted / _WHOLLY, 1.0)
    opacity = np.maximum(painted, sampled(appearance.eye_matte, where) / 255.0)
    weight = clean * np.clip(1.0 - 4.0 * opacity, 0.0, 1.0)
    weight *= (triangle >= 0) * np.isin(theirs, (SKIN, OUTSIDE))
    pixel = scale * finer
    skin = harmonic_fill(warped, weight.astype(np.float32), 0.03 * pixel)
    at = EyelidPlace.of(rig, uv, eye, opacity.shape, pixel)
    strip = EyelidStrip.of(rig, appearance, eye, scale)
    own = np.clip((lid - _OWN_FROM) / (_OWN_TO - _OWN_FROM), 0.0, 1.0)[..., None]
    skin = skin + own * (strip.colour_at(at.share) - skin)
    skin = skin * _shading(lid)[..., None]
    if appearance.grain is None:
        skin += _grain(appearance.image, low, skin, scale, finer)
    by_edge = np.clip(1.0 + (_BY_EDGE - np.abs(at.above)) / _BY_EDGE_SOFT, 0.0, 1.0)
    opacity = np.maximum(opacity, by_edge * at.between_corners(_CORNER))
    opacity[triangle < 0] = 0.0
    image = warped + opacity[..., None] * (skin - warped)
    image = image * strip.lashes_at(appearance.image, at, scale)
    return ClosedEyelid(np.clip(image, 0, 255).astype(np.float32), vertex, uv[vertex, :2])


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
