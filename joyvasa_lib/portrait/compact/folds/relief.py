"""Folds as light and shadow: what a groove of full depth does to the image's luminance.

A fold is a height over the skin: a groove with a bulge beside it. Its slopes turn the normal, and
the portrait's own light turns that into lighter and darker skin; the bottom of a groove gets less
light from around, too.

Axis legend: ``s`` side of the crop, ``h`` x ``w`` the surroundings of a fold, ``v`` vertices,
``u`` blendshapes, ``n`` folds.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.portrait.compact.folds.fold_depths import NO_FOLDS, Folds
from joyvasa_lib.portrait.compact.folds.light import light_on_skin
from joyvasa_lib.portrait.compact.folds.lines import Fold, Line, face_folds
from joyvasa_lib.portrait.compact.folds.under_brow import skin_under_brows
from joyvasa_lib.portrait.compact.layers import SKIN
from joyvasa_lib.portrait.compact.luminance import LUMA
from joyvasa_lib.rig.head_rig import Floats, HeadRig
from joyvasa_lib.rig.regions import (
    CHEEKS,
    CHIN,
    NOSE_BRIDGE,
    OUTER_EYE_CORNERS,
    PLAIN_SKIN,
)

Bytes = NDArray[np.uint8]

_EYES_APART = 90.0
"""Millimetres between the outer corners of people's eyes (Farkas 1994: 88 to 91)."""
_BULGE, _BULGE_WIDTH = 0.45, 2.2
"""Height of the skin beside a groove as a share of its depth, and its width in the groove's."""
_OCCLUSION = 0.16
"""Share of light that is lost at the bottom of a groove one millimetre deep."""
_DARKEST, _LIGHTEST = -0.34, 0.16
"""Greatest change of luminance, as shares."""
_SMOOTH, _LINED = 0.005, 0.024
"""Median contrast of skin at the scale of folds, as shares of its luminance: of a drawing's or a
retouched face, and of one with lines."""
_LEAST_RELIEF = 0.3
"""Depth of folds on the smoothest skin, as a share."""
_CHILD, _GROWN = 1.05, 1.28
"""Distance from the root of the nose to the chin, over that of the outer eye corners: of a small
child and of grown people. Lower faces grow longest (Farkas 1994)."""
_YOUNG = 0.3
"""Depth of folds of a child, as a share of grown people's."""
_UNLIKE = 34.0
"""Difference in Lab colour from which on the image shows hair or glasses and no skin."""
_LIGHT_COUNTS = 0.55
"""Weight of lightness in that difference: skin in shadow is skin."""
_GRAIN = 3.0
"""Dimples across the chin's radius."""


def skin_folds(
    rig: HeadRig, shape: Floats, image: Bytes, vertices: Floats, layer: Bytes, softness: float
) -> Folds:
    """The folds that a face can show.

    Args:
        rig: the head model.
        shape: [v, 3] the person's neutral head, rig units.
        image: [s, s, 3] RGB crop.
        vertices: [v, 3] the fitted head on it, pixels.
        layer: [s, s] layer of the head that each pixel shows.
        softness: standard deviation of the blur that the image shows, pixels.
    """
    marks = vertices[rig.landmark_vertex, :2].astype(np.float64)
    apart = marks[OUTER_EYE_CORNERS[1]] - marks[OUTER_EYE_CORNERS[0]]
    tall = marks[152] - marks[10]
    scale = max(float(np.hypot(*apart)), 0.62 * float(np.hypot(*tall))) / _EYES_APART
    if scale < 0.25:
        return NO_FOLDS
    likeness = _like_skin(image, marks, layer, scale)
    relief = _grown(rig, shape) * _relief(image, likeness, marks, scale)
    visible = rig.skin_vertex & (rig.head_weight > 0.95)
    light = light_on_skin(rig, image, vertices, visible)
    names, place, shades, rows = [], [], [], []
    for fold in face_folds(marks):
        found = _shade(fold, scale, light, softness, len(image))
        if found is None:
            continue
        (top, left), shade = found
        shade *= relief * likeness[top : top + shade.shape[0], left : left + shade.shape[1]]
        names.append(fold.name)
        place.append((top, left))
        shades.append(np.ascontiguousarray(shade[..., None], np.float32))
        rows.append([fold.blendshapes.get(name, 0.0) for name in BLENDSHAPES])
    lit = skin_under_brows(image, marks, softness)
    for one in lit:
        names.append(one.name)
        place.append(one.place)
        shades.append(one.shade)
        rows.append([one.blendshapes.get(name, 0.0) for name in BLENDSHAPES])
    if not names:
        return NO_FOLDS
    shares = np.array(rows, np.float32).T
    return Folds(tuple(names), tuple(place), tuple(shades), shares, len(lit))


def _grown(rig: HeadRig, shape: Floats) -> float:
    """Depth of folds at the apparent age of a head [v, 3], as a share of grown people's."""
    marks = shape[rig.landmark_vertex]
    wide = np.linalg.norm(marks[OUTER_EYE_CORNERS[0]] - marks[OUTER_EYE_CORNERS[1]])
    tall = np.linalg.norm(marks[NOSE_BRIDGE[0]] - marks[CHIN[0]])
    age = np.clip((tall / wide - _CHILD) / (_GROWN - _CHILD), 0.0, 1.0)
    return float(_YOUNG + (1.0 - _YOUNG) * age)


def _shade(
    fold: Fold, scale: float, light: Floats, softness: float, side: int
) -> tuple[tuple[int, int], Floats] | None:
    """Row and column of the first pixel, and the change of luminance [h, w]; None if too small."""
    points = np.concatenate([line.points for line in fold.lines])
    widest = max(line.width for line in fold.lines) * scale + softness
    room = 4.0 * widest
    low, high = points.min(0) - room, points.max(0) + room
    if fold.dimples is not None:
        middle, radius = fold.dimples
        low, high = np.minimum(low, middle - radius), np.maximum(high, middle + radius)
    left, top = np.clip(np.floor(low), 0, side).astype(int)
    right, bottom = np.clip(np.ceil(high), 0, side).astype(int)
    if right - left < 4 or bottom - top < 4:
        return None
    size = (int(bottom - top), int(right - left))
    height = np.zeros(size, np.float32)
    groove = np.zeros(size, np.float32)
    for line in fold.lines:
        _carve(line, np.array([left, top]), scale, softness, height, groove)
    if fold.dimples is not None:
        middle, radius = fold.dimples
        height += _dimpled(size, middle - [left, top], radius, scale)
    # Heights are millimetres, pixels are 1 / scale of one: slopes have no unit.
    across = scale * cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3) / 8.0
    down = scale * cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3) / 8.0
    shade = -(light[0] * across + light[1] * down) - _OCCLUSION * groove
    return (int(top), int(left)), np.clip(shade, _DARKEST, _LIGHTEST)


def _carve(
    line: Line,
    origin: NDArray[np.integer],
    scale: float,
    softness: float,
    height: Floats,
    groove: Floats,
) -> None:
    """Adds a groove to heights [h, w], and its depth to ``groove`` [h, w], in place."""
    points, depth = _fine(line)
    points = points - origin
    spread = float(np.hypot(line.width * scale, 0.8 * softness + 0.35))
    reach = 2.0 * spread * _BULGE_WIDTH + 2.0
    low = np.clip(np.floor(points.min(0) - reach), 0, None).astype(int)
    high = np.minimum(np.ceil(points.max(0) + reach).astype(int), height.shape[::-1])
    if (high - low < 2).any():
        return
    box = (slice(low[1], high[1]), slice(low[0], high[0]))
    apart, nearest = _nearest(points - low, (high[1] - low[1], high[0] - low[0]))
    deep = depth[nearest].astype(np.float32)
    inside = deep * np.exp(-0.5 * np.square(apart / spread))
    bulge = deep * np.exp(-0.5 * np.square(apart / (spread * _BULGE_WIDTH)))
    if line.side:
        along = np.gradient(points, axis=0)
        along /= np.maximum(np.hypot(*along.T), 1e-9)[:, None]
        rows, columns = np.indices(deep.shape)
        off = np.stack([columns, rows], -1) + low - points[nearest]
        across = along[nearest, 0] * off[..., 1] - along[nearest, 1] * off[..., 0]
        bulge = bulge * (0.8 + 0.8 * np.tanh(line.side * across / spread))
    flatter = np.sqrt(line.width * scale / spread)  # blur spreads a groove and makes it shallower
    height[box] += flatter * (_BULGE * bulge - inside)
    groove[box] += flatter * inside


def _nearest(points: NDArray[np.float64], size: tuple[int, int]) -> tuple[Floats, NDArray[np.intp]]:
    """Distance [h, w] to the nearest of some points [n, 2], pixels, and its number."""
    on = np.ones(size, np.uint8)
    at = np.rint(points).astype(int)
    inside = ((at >= 0) & (at < size[::-1])).all(1)
    if not inside.any():
        return np.full(size, 1e6, np.float32), np.zeros(size, np.intp)
    own = np.flatnonzero(inside)
    on[at[own, 1], at[own, 0]] = 0
    _, labels = cv2.distanceTransformWithLabels(
        on, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    number = np.zeros(labels.max() + 1, np.intp)
    number[labels[at[own, 1], at[own, 0]]] = own
    nearest = number[labels]
    rows, columns = np.indices(size)
    apart = np.hypot(columns - points[nearest, 0], rows - points[nearest, 1])
    return apart.astype(np.float32), nearest


def _fine(line: Line) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The line's points at steps of about half a pixel, and their depths."""
    steps = np.hypot(*np.diff(line.points, axis=0).T)
    way = np.concatenate([[0.0], np.cumsum(np.maximum(steps, 1e-3))])
    at = np.linspace(0.0, way[-1], max(int(2 * way[-1]), 8))
    curve = PchipInterpolator(way, np.column_stack([line.points, line.depth]))(at)
    return curve[:, :2], np.maximum(curve[:, 2], 0.0)


def _dimpled(
    size: tuple[int, int], middle: NDArray[np.float64], radius: float, scale: float
) -> Floats:
    """Heights [h, w] of dimpled skin, millimetres."""
    cells = np.random.default_rng(17).standard_normal((24, 24)).astype(np.float32)
    rows, columns = np.indices(size, dtype=np.float32)
    step = np.float32(_GRAIN / radius)
    u, v = (columns - middle[0]) * step + 12.0, (rows - middle[1]) * step + 12.0
    noise = cv2.remap(
        cells, u.astype(np.float32), v.astype(np.float32), cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT,
    )  # fmt: skip
    apart = np.hypot(columns - middle[0], rows - middle[1]) / radius
    return np.asarray(0.42 * noise * np.clip(1.3 - 1.3 * apart, 0.0, 1.0), np.float32)


def _like_skin(image: Bytes, marks: NDArray[np.float64], layer: Bytes, scale: float) -> Floats:
    """[s, s] 1 where the image shows skin, 0 on hair, glasses and what is not the face's skin."""
    side = len(image)
    coarse = max(1, round(1.2 * scale))
    small = cv2.resize(image, (-(-side // coarse),) * 2, interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), max(1.2 * scale / coarse, 0.8))
    lab = cv2.cvtColor(soft.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    lab[..., 0] *= _LIGHT_COUNTS
    places = (marks[list(PLAIN_SKIN)] / coarse).astype(int).clip(0, len(small) - 1)
    samples = lab[places[:, 1], places[:, 0]]
    usual = np.linalg.norm(samples - np.median(samples, axis=0), axis=1) < _UNLIKE
    apart = np.full(small.shape[:2], np.inf, np.float32)
    for colour in samples[usual]:  # a chin may show a beard
        np.minimum(apart, np.square(lab - colour).sum(-1), out=apart)
    like = np.clip(1.6 - np.sqrt(apart) / (0.5 * _UNLIKE), 0.0, 1.0)
    like = cv2.resize(like, (side, side), interpolation=cv2.INTER_LINEAR) * (layer == SKIN)
    return np.asarray(cv2.GaussianBlur(like, (0, 0), max(0.8 * scale, 0.7)), np.float32)


def _relief(image: Bytes, likeness: Floats, marks: NDArray[np.float64], scale: float) -> float:
    """Depth of folds on this skin as a share, from what lines it shows already."""
    radius = max(9.0 * scale, 3.0)
    room = round(radius + 6.0 * scale)
    found = []
    for place in (*CHEEKS, 151, 9):
        x, y = np.rint(marks[place]).astype(int)
        box = (slice(max(y - room, 0), y + room + 1), slice(max(x - room, 0), x + room + 1))
        grey = np.asarray(image[box] @ LUMA, np.float32)
        if min(grey.shape) < 3:
            continue
        fine = cv2.GaussianBlur(grey, (0, 0), max(0.6 * scale, 0.5))
        coarse = cv2.GaussianBlur(grey, (0, 0), max(2.4 * scale, 2.0))
        contrast = np.abs(fine - coarse) / np.maximum(coarse, 20.0)
        own = contrast[likeness[box] > 0.8]
        if len(own) > 20:
            found.append(float(np.median(own)))
    if not found:
        return _LEAST_RELIEF
    lined = (float(np.median(found)) - _SMOOTH) / (_LINED - _SMOOTH)
    return float(_LEAST_RELIEF + (1.0 - _LEAST_RELIEF) * np.clip(lined, 0.0, 1.0))
