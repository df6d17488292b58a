"""Skin textures for rendered heads: tone, freckles, brows, beard, creases, make-up, lips.

A texture is an image in cylindrical coordinates of the rig's face. Eyelids and lips are opened out
a little first, so that a closed eyelid has more than a line of pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.rig.head_rig import HeadRig
from joyvasa_lib.rig.regions import (
    BEARD,
    CHEEKS,
    CHIN,
    LEFT_EYE,
    MOUSTACHE,
    NASOLABIAL_FOLDS,
    NOSE_TIP,
    OUTER_LIPS,
    RIGHT_EYE,
)

Floats = NDArray[np.float32]

SIDE = 768
"""Side of a texture, pixels."""
_AXIS = 1.2
"""Depth of the cylinder's axis in rig units."""
_WIDEST = 1.75
"""Radians of the cylinder on either side; the back of the head repeats the border."""
_TOP, _BOTTOM = -2.8, 3.0
"""Heights of the texture's upper and lower border, rig units: above the skull, below the collar."""

_EYES = (RIGHT_EYE, LEFT_EYE)
"""The order in which random numbers are drawn."""


@dataclass(frozen=True, eq=False)
class SkinMap:
    """Texture coordinates of the rig's vertices and landmarks.

    Attributes:
        rig: the head model.
    """

    rig: HeadRig

    @cached_property
    def uv(self) -> Floats:
        """[v, 2] texture pixels of every vertex."""
        rig = self.rig
        shape = rig.mean + 0.1 * rig.blendshapes[rig.blendshape_index("jawOpen")]
        for side in ("Left", "Right"):
            shape = shape + 0.6 * rig.blendshapes[rig.blendshape_index(f"eyeBlink{side}")]
        return self.project(shape)

    @staticmethod
    def project(points: Floats) -> Floats:
        """Texture pixels [..., 2] of points [..., 3] in rig units."""
        angle = np.arctan2(points[..., 0], _AXIS - points[..., 2])
        u = (angle / _WIDEST * 0.5 + 0.5) * (SIDE - 1)
        v = (points[..., 1] - _TOP) / (_BOTTOM - _TOP) * (SIDE - 1)
        return np.clip(np.stack([u, v], -1), 0, SIDE - 1).astype(np.float32)

    def landmarks(self, indices: tuple[int, ...]) -> Floats:
        """[n, 2] texture pixels of mesh landmarks."""
        return self.uv[self.rig.landmark_vertex[list(indices)]]


def fractal_noise(
    random: np.random.Generator, side: int, coarsest: int, octaves: int, fall: float = 0.6
) -> Floats:
    """[side, side] smooth noise of unit spread: ``octaves`` grids, each twice as fine."""
    total = np.zeros((side, side), dtype=np.float32)
    weight = 1.0
    for octave in range(octaves):
        cells = min(coarsest * 2**octave, side)
        grid = random.standard_normal((cells, cells), dtype=np.float32)
        total += weight * cv2.resize(grid, (side, side), interpolation=cv2.INTER_CUBIC)
        weight *= fall
    return total / max(float(total.std()), 1e-6)


def _blend(texture: Floats, mask: Floats, colour: Floats) -> None:
    texture += mask[..., None] * (colour - texture)


def _soft_polygon(points: Floats, blur: float) -> Floats:
    mask = np.zeros((SIDE, SIDE), dtype=np.float32)
    cv2.fillPoly(mask, [np.round(points).astype(np.int32)], 1.0)
    return cv2.GaussianBlur(mask, (0, 0), blur) if blur > 0 else mask


def _line(points: Floats, width: int, blur: float) -> Floats:
    mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
    cv2.polylines(mask, [np.round(points * 8).astype(np.int32)], False, 255, width, 16, 3)
    return cv2.GaussianBlur(mask, (0, 0), blur) * np.float32(1 / 255)


def _spot(centre: Floats, radii: tuple[float, float]) -> Floats:
    rows, columns = np.ogrid[:SIDE, :SIDE]
    d = ((columns - centre[0]) / radii[0]) ** 2 + ((rows - centre[1]) / radii[1]) ** 2
    return np.exp(-0.5 * d).astype(np.float32)


def random_skin_tone(random: np.random.Generator) -> Floats:
    """Draws an sRGB colour [3] in [0, 1]: very light to very dark skin, rarely any other colour."""
    light, dark = np.array([0.94, 0.79, 0.71]), np.array([0.27, 0.17, 0.13])
    t = random.beta(0.9, 1.3)
    tone = light * (1 - t) + dark * t + random.normal(0, 0.025, 3)
    if random.random() < 0.025:
        tone = random.uniform(0.25, 0.95, 3)
    return np.clip(tone, 0.08, 0.98).astype(np.float32)


def random_hair_colour(random: np.random.Generator) -> Floats:
    """Draws an sRGB colour [3] in [0, 1]: black to blond, red, grey, rarely dyed."""
    table = [(0.07, 0.05, 0.05), (0.2, 0.12, 0.08), (0.4, 0.25, 0.14), (0.72, 0.56, 0.35)]
    table += [(0.5, 0.2, 0.1), (0.6, 0.6, 0.6), (0.88, 0.87, 0.85)]
    colour = np.array(table[random.choice(7, p=[0.3, 0.25, 0.15, 0.1, 0.07, 0.08, 0.05])])
    if random.random() < 0.04:
        colour = random.uniform(0.1, 0.9, 3)
    return np.clip(colour + random.normal(0, 0.03, 3), 0.02, 0.95).astype(np.float32)


def draw_skin(
    skin: SkinMap, random: np.random.Generator, tone: Floats, hair: Floats
) -> tuple[Floats, Floats, Floats]:
    """Draws one skin.

    Args:
        skin: texture coordinates of the rig.
        random: source of randomness.
        tone: [3] sRGB skin colour.
        hair: [3] sRGB colour of brows and beard.

    Returns:
        albedo [s, s, 3] sRGB in [0, 1], gloss [s, s] in [0, 1], lip colour [3].
    """
    texture = np.empty((SIDE, SIDE, 3), dtype=np.float32)
    texture[:] = tone
    gloss = np.full((SIDE, SIDE), random.uniform(0.05, 0.35), dtype=np.float32)
    texture *= 1.0 + 0.05 * random.random() * fractal_noise(random, SIDE, 3, 4)[..., None]
    tint = random.normal(0.0, 0.012, 3).astype(np.float32)
    texture += tint * fractal_noise(random, SIDE, 5, 3)[..., None]
    _redden(skin, random, texture)
    if random.random() < 0.9:
        amount = random.uniform(0.005, 0.035)
        texture *= 1.0 + amount * fractal_noise(random, SIDE, 192, 3, 0.9)[..., None]
    _freckles(random, texture, tone)
    _creases(skin, random, texture)
    lips = _lips(skin, random, texture, gloss, tone)
    _beard(skin, random, texture, hair)
    _eye_make_up(skin, random, texture, tone)
    _brows(skin, random, texture, hair)
    return np.clip(texture, 0.01, 1.0), np.clip(gloss, 0, 1), lips


def _redden(skin: SkinMap, random: np.random.Generator, texture: Floats) -> None:
    flush = np.array([0.03, -0.035, -0.03], dtype=np.float32)
    places = ((CHEEKS[0], 55), (CHEEKS[1], 55), (NOSE_TIP, 28), (CHIN[0], 35))
    for index, radius in places:
        centre = skin.landmarks((index,))[0]
        spot = _spot(centre, (radius, radius * 0.8))
        texture += random.uniform(0.0, 1.4) * spot[..., None] * flush
    dark = random.uniform(0.0, 0.16)
    lids = (eye.upper_middle[0] for eye in _EYES)
    for index in (*lids, *(eye.bag[4] for eye in _EYES)):
        spot = _spot(skin.landmarks((index,))[0], (34, 17))
        texture *= 1.0 - dark * spot[..., None] * np.array([0.7, 1.0, 0.9], dtype=np.float32)


def _freckles(random: np.random.Generator, texture: Floats, tone: Floats) -> None:
    count = int(random.choice([0, 6, 25, 400], p=[0.35, 0.35, 0.2, 0.1]))
    mask = np.zeros((SIDE, SIDE), dtype=np.float32)
    for x, y, r, a in random.random((count, 4)):
        centre = int(x * SIDE * 16), int((0.25 + 0.5 * y) * SIDE * 16)
        cv2.circle(mask, centre, int((0.8 + 2.0 * r**3) * 16), 0.25 + 0.5 * a, -1, 16, 4)
    if count:
        _blend(texture, cv2.GaussianBlur(mask, (0, 0), 0.7), tone * np.float32(0.45))


def _creases(skin: SkinMap, random: np.random.Generator, texture: Floats) -> None:
    crease = random.uniform(0.02, 0.35)
    wrinkles = random.uniform(0.0, 0.2)
    for eye, fold in zip(_EYES, NASOLABIAL_FOLDS, strict=True):
        high = skin.landmarks(eye.crease)[1:-1]
        line = _line(high, 1, random.uniform(1.0, 3.0))
        texture *= 1.0 - (crease * line)[..., None]
        texture *= 1.0 - (wrinkles * _line(skin.landmarks(eye.bag), 2, 2.0))[..., None]
        texture *= 1.0 - (wrinkles * _line(skin.landmarks(fold), 3, 3.5))[..., None]
        rim = _line(skin.landmarks(eye.upper_lid), 2, 1.2)
        texture *= 1.0 - 0.25 * rim[..., None] * np.array([0.6, 1.0, 0.9], dtype=np.float32)


def _lips(
    skin: SkinMap, random: np.random.Generator, texture: Floats, gloss: Floats, tone: Floats
) -> Floats:
    natural = tone * np.array([0.86, 0.6, 0.6], dtype=np.float32) + np.float32(0.02)
    strength = random.uniform(0.35, 0.95)
    colour = natural
    if random.random() < 0.25:
        table = np.array([(0.7, 0.06, 0.1), (0.75, 0.3, 0.35), (0.45, 0.08, 0.15), (0.8, 0.4, 0.3)])
        colour = np.clip(table[random.integers(4)] + random.normal(0, 0.05, 3), 0.03, 0.95)
        strength = random.uniform(0.7, 1.0)
    contour = skin.landmarks(OUTER_LIPS)
    grown = contour + random.uniform(-0.02, 0.04) * (contour - contour.mean(0))
    mask = _soft_polygon(grown, random.uniform(0.8, 3.0))
    streaks = cv2.resize(random.standard_normal((6, 260), dtype=np.float32), (SIDE, SIDE))
    shade = 1.0 + random.uniform(0.0, 0.07) * streaks
    _blend(texture, strength * mask, np.asarray(colour, np.float32) * shade[..., None])
    gloss += mask * random.uniform(0.0, 0.6)
    return np.asarray(tone + strength * (colour - tone), dtype=np.float32)


def _strokes(
    random: np.random.Generator, roots: Floats, directions: Floats, length: float
) -> Floats:
    """[s, s] coverage of hairs that start at roots [n, 2] and run along directions [n, 2]."""
    mask = np.zeros((SIDE, SIDE), dtype=np.uint8)  # OpenCV smooths lines on 8 bits only
    lengths = length * random.uniform(0.5, 1.2, len(roots))
    tips = roots + directions * lengths[:, None]
    lines = np.round(np.stack([roots, tips], 1) * 8).astype(np.int32)
    for line, value in zip(lines, random.uniform(110, 255, len(lines)), strict=True):
        cv2.polylines(mask, [line], False, float(value), 1, 16, 3)
    return mask * np.float32(1 / 255)


def _brows(skin: SkinMap, random: np.random.Generator, texture: Floats, hair: Floats) -> None:
    if random.random() < 0.04:
        return
    count = int(random.uniform(250, 900))
    colour = hair * np.float32(random.uniform(0.5, 1.0))
    thickness, lift = random.uniform(0.5, 1.5), random.normal(0.0, 3.0)
    strength = random.uniform(0.35, 0.95)
    for eye in _EYES:
        top, bottom = skin.landmarks(eye.brow_top), skin.landmarks(eye.brow_bottom)
        t = random.random(count) * (len(top) - 1)
        i = np.minimum(t.astype(int), len(top) - 2)
        part = (t - i)[:, None]
        a = top[i] * (1 - part) + top[i + 1] * part
        b = bottom[i] * (1 - part) + bottom[i + 1] * part
        taper = np.clip(0.35 + 0.3 * t, 0, 1)[:, None]  # thin towards the temple
        across = 0.5 + (random.random(count)[:, None] - 0.5) * taper * thickness
        roots = a * across + b * (1 - across) + np.array([0.0, lift])
        outward = top[0] - top[-1]
        outward = outward / np.linalg.norm(outward)
        direction = outward + np.array([0.0, -0.5]) * random.uniform(0.2, 1.3, (count, 1))
        mask = cv2.GaussianBlur(_strokes(random, roots, direction, 11.0), (0, 0), 0.6)
        soft = cv2.GaussianBlur(mask, (0, 0), 3.0) * random.uniform(0.1, 0.6)
        _blend(texture, np.clip(mask * strength + soft, 0, 1), colour)


def _beard(skin: SkinMap, random: np.random.Generator, texture: Floats, hair: Floats) -> None:
    kind = random.random()
    if kind > 0.3:
        return
    contours = [BEARD, MOUSTACHE] if kind < 0.2 else [MOUSTACHE]
    area = np.zeros((SIDE, SIDE), dtype=np.float32)
    for contour in contours:
        area = np.maximum(area, _soft_polygon(skin.landmarks(contour), 5.0))
    lips = skin.landmarks(OUTER_LIPS)
    area *= 1.0 - _soft_polygon(lips, 2.0)
    rows, columns = np.nonzero(area > 0.3)
    if len(rows) == 0:
        return
    _blend(texture, area * random.uniform(0.05, 0.3), hair)
    count, length = (1500, 9.0) if random.random() < 0.5 else (3000, 2.0)
    pick = random.integers(len(rows), size=count)
    roots = np.stack([columns[pick], rows[pick]], -1).astype(np.float32)
    direction = np.stack([random.normal(0, 0.4, count), random.uniform(0.5, 1.0, count)], -1)
    hairs = _strokes(random, roots, direction.astype(np.float32), length)
    mask = cv2.GaussianBlur(hairs, (0, 0), 0.6)
    _blend(texture, np.clip(mask, 0, 1) * area, hair * np.float32(0.8))


def _eye_make_up(skin: SkinMap, random: np.random.Generator, texture: Floats, tone: Floats) -> None:
    kind = random.random()
    liner = random.uniform(0.2, 0.9) if kind < 0.35 else random.uniform(0.0, 0.15)
    shadow = np.asarray(tone * random.uniform(0.3, 0.8, 3), np.float32)
    if random.random() < 0.3:
        shadow = random.uniform(0.05, 0.6, 3).astype(np.float32)
    for eye in _EYES:
        rim, crease = skin.landmarks(eye.upper_lid), skin.landmarks(eye.crease)
        if kind < 0.25:
            lid = _soft_polygon(np.concatenate([rim, crease[::-1]]), 3.0)
            _blend(texture, lid * random.uniform(0.15, 0.7), shadow)
        black = np.full(3, 0.04, dtype=np.float32)
        _blend(texture, liner * np.clip(2 * _line(rim, 3, 1.1), 0, 1), black)
        if kind < 0.12:
            _blend(texture, 0.6 * liner * _line(skin.landmarks(eye.lower_lid), 2, 1.0), black)
