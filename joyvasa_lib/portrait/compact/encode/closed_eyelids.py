"""The closed eye of a portrait as a texture, made once: skin, its grain, the line of the lashes.

An image of an open eye shows no closed eyelid. The eyelid's colour is interpolated harmonically
from clean skin around the eye, so that light and shadow continue smoothly; its grain is that of the
cheek, its lashes are as dark as those of the open eye. The texture is mapped to the head with its
eyes closed, and moves with the eyelid.

Axis legend: ``v`` vertices, ``h`` x ``w`` window of the closed eye, ``n`` vertices on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.encode.appearance import Appearance, set_back
from joyvasa_lib.portrait.compact.encode.eye_matte import clean_skin
from joyvasa_lib.portrait.compact.encode.harmonic_fill import harmonic_fill
from joyvasa_lib.portrait.compact.encode.palette import luminance
from joyvasa_lib.portrait.compact.layers import OUTSIDE, SKIN
from joyvasa_lib.rig.eyelids import lid_rim, lid_weight
from joyvasa_lib.rig.head_rig import Floats, HeadRig
from joyvasa_lib.rig.rasterizer import interpolate, rasterize
from joyvasa_lib.rig.regions import EYE_CORNERS

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
_BINS = 15
"""Columns along the eye in which the line of the lashes is found."""
_BULGE, _FOLD = 0.05, 0.04
"""How much lighter the middle of a closed eyelid is, and how much darker its fold: a round eyelid
under light from above."""
_LASHES = 0.8
"""Opacity of the darkest lashes."""
_LINE, _FRINGE = 0.018, 0.034
"""Rig units over which the line of the lashes fades upwards and downwards."""


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
    skin = skin * _shading(lid)[..., None]
    skin += _grain(appearance.image, low, skin, scale, finer)
    opacity[triangle < 0] = 0.0
    image = warped + opacity[..., None] * (skin - warped)
    line = _lash_line(rig, uv, eye, vertex, opacity.shape, pixel)
    lashes = appearance.lashes[eye]
    line *= _LASHES * _lash_tone(lashes, skin, line) ** 0.5
    image = image + line[..., None] * (lashes - image)
    return ClosedEyelid(np.clip(image, 0, 255).astype(np.float32), vertex, uv[vertex, :2])


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


def _lash_line(
    rig: HeadRig,
    uv: Floats,
    eye: int,
    vertex: NDArray[np.intp],
    size: tuple[int, int],
    pixel: float,
) -> Floats:
    """[h, w] line of the lashes: 1 on the closed upper eyelid's edge, fading to the corners.

    Args:
        rig: the head model.
        uv: [v, 3] the head with closed eyes, pixels of the texture.
        eye: 0 for the person's left eye, 1 for the right one.
        vertex: [n] the eye's vertices.
        size: height and width of the texture.
        pixel: pixels of the texture per rig unit.
    """
    rim = np.intersect1d(vertex, lid_rim(rig))
    corners = rig.landmark_vertex[list(EYE_CORNERS[1 - eye])]
    start, end = uv[corners, :2].astype(np.float64)
    length = max(float(np.hypot(*(end - start))), 1.0)
    along = (end - start) / length
    axes = np.stack([along, [-along[1], along[0]]])  # along the eye, downwards
    # The edge lies on the lower eyelid, or below it where the upper one comes farther down.
    lower, upper = rim[lid_weight(rig)[rim] <= 0.5], vertex[lid_weight(rig)[vertex] > 0.5]
    at = np.linspace(0.0, length, _BINS)
    lowest = np.full(_BINS - 2, -np.inf)
    for lid in (lower, upper):
        x, y = ((uv[lid, :2] - start) @ axes.T).T
        near = np.abs(x - at[1:-1, None]) < 1.6 * at[1]
        lowest = np.maximum(lowest, np.where(near, y, -np.inf).max(1))
    found = np.isfinite(lowest)
    knots = np.concatenate([[0.0], at[1:-1][found], [length]])
    values = np.concatenate([[0.0], lowest[found], [0.0]])
    curve = np.poly1d(np.polyfit(knots / length, values, min(4, len(knots) - 1)))
    row, column = np.mgrid[: size[0], : size[1]]
    offset = np.stack([column, row], -1) - start
    x, y = offset @ axes[0], offset @ axes[1]
    above = curve(np.clip(x / length, 0.0, 1.0)) - y
    reach = np.where(above > 0, _LINE, _FRINGE) * pixel
    taper = np.clip(np.minimum(x, length - x) / (0.25 * max(length, 1.0)), 0.0, 1.0)
    line = np.exp(-0.5 * (above / reach) ** 2) * taper**0.6
    return np.asarray(line, dtype=np.float32)


def _lash_tone(lashes: Floats, skin: Floats, at: Floats) -> float:
    """How much darker lashes [3] are than the skin [h, w, 3] around their line [h, w], [0, 1]."""
    weight = at.sum()
    if weight < 1e-3:
        return 0.0
    beside = (at[..., None] * skin).sum((0, 1)) / weight
    return float(np.clip(1.0 - luminance(lashes) / max(float(luminance(beside)), 1.0), 0.0, 1.0))
