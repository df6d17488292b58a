"""Appearance of a rendered head: all but its shape, that is materials, hair, light and backdrop.

Domain randomisation: the ranges are wide enough to include photographs, paintings and cartoons.
They are bounds of variety, not statistics of people. A seed fixes an appearance.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.heads.drawing.surroundings import Light, random_backdrop, random_light
from joyvasa_lib.datasets.heads.drawing.texture import (
    SIDE,
    SkinMap,
    draw_skin,
    fractal_noise,
    random_hair_colour,
    random_skin_tone,
)
from joyvasa_lib.portrait.compact.encode.teeth import LOWER_CROWNS, UNIT_MM, UPPER_CROWNS
from joyvasa_lib.rig.head_rig import HeadRig

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Lashes:
    """Lashes of one head.

    Attributes:
        count: lashes on one upper eyelid.
        length: rig units.
        darkness: opacity in [0, 1].
        colour: [3] linear.
        line: thickness of the dark eyelid edge in rig units.
    """

    count: int
    length: float
    darkness: float
    colour: Floats
    line: float


@dataclass(frozen=True, eq=False)
class HeadAppearance:
    """Appearance of one head.

    Attributes:
        skin: [s, s, 4] linear albedo and gloss.
        cover: [s, s, 3] linear albedo of hair, hat and clothes, three tiles side by side.
        collar: height in rig units below which the neck is clothed.
        noise: [256, 256, 2] textures of unit spread.
        shell: [v] thickness of hair or hat over every vertex, rig units; 0 where bare.
        shell_uv: [v, 2] texture coordinates in ``cover``, pixels.
        iris: [11] inner, outer and white colour, angular radius of iris and pupil.
        teeth: [10] colour, cutting edges, gap depth and width, rounding, laterals, crown height.
        borders: [2, 8] arc lengths of the borders between teeth.
        gum, tongue, cavity, lips: [3] linear colours.
        lashes: how lashes are drawn.
        light: the lighting.
        gloss_power: Blinn-Phong exponent of the skin.
        occlusion: strength of the darkening of hollows.
        backdrop: [256, 256, 3] sRGB image behind the head.
        glasses: [6] frame colour, thickness, lens radius x and y in rig units; None without.
    """

    skin: Floats
    cover: Floats
    collar: float
    noise: Floats
    shell: Floats
    shell_uv: Floats
    iris: Floats
    teeth: Floats
    borders: Floats
    gum: Floats
    tongue: Floats
    cavity: Floats
    lips: Floats
    lashes: Lashes
    light: Light
    gloss_power: float
    occlusion: float
    backdrop: Floats
    glasses: Floats | None


def linear(colour: NDArray[np.floating]) -> Floats:
    """Linear light of sRGB values in [0, 1], by the power 2.2."""
    return np.asarray(np.power(np.maximum(colour, 0.0), 2.2), dtype=np.float32)


def random_appearance(
    rig: HeadRig, skin_map: SkinMap, random: np.random.Generator
) -> HeadAppearance:
    """Draws one appearance.

    Args:
        rig: the head model.
        skin_map: texture coordinates of the rig.
        random: source of randomness.
    """
    tone, hair = random_skin_tone(random), random_hair_colour(random)
    statue = random.random() < 0.04
    if statue:
        tone = np.full(3, random.uniform(0.5, 0.9), np.float32)
    albedo, gloss, lips = draw_skin(skin_map, random, tone, hair)
    if statue:
        lips = albedo.mean((0, 1))
    cloth = random.uniform(0.03, 0.9, 3).astype(np.float32)
    shell, shell_uv, cover = _covers(rig, random, hair, cloth)
    darkness = float(random.uniform(0.2, 0.98)) if not statue else 0.0
    return HeadAppearance(
        skin=np.ascontiguousarray(np.dstack([linear(albedo), gloss]).astype(np.float32)),
        cover=linear(cover),
        collar=float(random.uniform(1.9, 2.7)),
        noise=np.dstack([fractal_noise(random, 256, 32, 3), fractal_noise(random, 256, 8, 5)]),
        shell=shell,
        shell_uv=shell_uv,
        iris=_iris(random, tone if statue else None),
        teeth=_teeth(random),
        borders=_borders(random),
        gum=linear(np.clip(np.array([0.72, 0.42, 0.42]) + random.normal(0, 0.05, 3), 0.1, 0.9)),
        tongue=linear(np.clip(np.array([0.72, 0.38, 0.38]) + random.normal(0, 0.05, 3), 0.1, 0.9)),
        cavity=linear(np.clip(np.array([0.42, 0.16, 0.15]) + random.normal(0, 0.04, 3), 0.03, 0.6)),
        lips=linear(lips),
        lashes=Lashes(
            count=int(random.integers(24, 60)),
            length=float(random.uniform(0.04, 0.15)),
            darkness=darkness,
            colour=linear(hair * np.float32(random.uniform(0.1, 0.6))),
            line=float(random.uniform(0.006, 0.028)),
        ),
        light=random_light(random, float(linear(tone).mean())),
        gloss_power=float(random.uniform(6.0, 40.0)),
        occlusion=float(random.uniform(0.35, 1.1)),
        backdrop=random_backdrop(random, cloth),
        glasses=_glasses(random) if random.random() < 0.08 else None,
    )


def _iris(random: np.random.Generator, statue: Floats | None) -> Floats:
    table = [(0.25, 0.14, 0.07), (0.12, 0.07, 0.05), (0.35, 0.5, 0.65), (0.4, 0.48, 0.3)]
    table += [(0.45, 0.3, 0.12), (0.5, 0.55, 0.58)]
    outer = np.array(table[random.choice(6, p=[0.3, 0.25, 0.18, 0.1, 0.09, 0.08])])
    outer = np.clip(outer + random.normal(0, 0.03, 3), 0.02, 0.95)
    if random.random() < 0.05:
        outer = random.uniform(0.05, 0.95, 3)
    inner = np.clip(outer * random.uniform(0.8, 1.6) + random.uniform(0, 0.08, 3), 0.02, 1.0)
    white = np.clip(np.array([0.86, 0.82, 0.8]) * random.uniform(0.75, 1.1), 0.1, 1.0)
    if statue is not None:
        inner = outer = white = np.asarray(statue, np.float64)
    radius = random.uniform(0.36, 0.5) if random.random() < 0.93 else random.uniform(0.5, 0.75)
    sizes = [radius, radius * random.uniform(0.25, 0.6)]
    return np.concatenate([linear(inner), linear(outer), linear(white), sizes]).astype(np.float32)


def _teeth(random: np.random.Generator) -> Floats:
    white = np.array([0.93, 0.89, 0.81]) * random.uniform(0.8, 1.06)
    white = np.clip(
        white + random.normal(0, 0.015, 3) - [0, 0, abs(random.normal(0, 0.05))], 0.3, 1
    )
    gaps = random.uniform(0.25, 0.8), random.uniform(0.005, 0.011)
    shape = random.uniform(0.008, 0.028), random.uniform(0.0, 0.014), random.uniform(0.155, 0.2)
    return np.concatenate([linear(white), [0.676, 0.689], gaps, shape]).astype(np.float32)


def _borders(random: np.random.Generator) -> Floats:
    rows = []
    for crowns in (UPPER_CROWNS, LOWER_CROWNS):
        widths = np.array(crowns) / UNIT_MM * random.normal(1.0, 0.04, len(crowns))
        rows.append(np.concatenate([[0.0], np.cumsum(widths * random.normal(1.04, 0.03))]))
    return np.array(rows, dtype=np.float32)


def _glasses(random: np.random.Generator) -> Floats:
    colour = linear(random.uniform(0.02, 0.6, 3) if random.random() < 0.4 else np.full(3, 0.06))
    size = random.uniform(0.3, 0.48), random.uniform(0.22, 0.4)
    return np.array([*colour, random.uniform(0.015, 0.06), *size], dtype=np.float32)


def _covers(
    rig: HeadRig, random: np.random.Generator, hair: Floats, cloth: Floats
) -> tuple[Floats, Floats, Floats]:
    """Thickness of hair or hat over each vertex, its texture coordinates, the texture."""
    mean = rig.mean
    x, y, z = mean.T
    wobble = np.sin(mean @ random.normal(0, 2.5, 3) + random.uniform(0, 6.28)) * 0.12
    thickness = np.zeros(len(mean))
    kind = random.random()
    if kind > 0.1:
        hairline = random.normal(-1.75, 0.12)
        over = (hairline + wobble - y) / 0.3 + np.maximum(np.abs(x) - 0.7, 0) * 0.6
        behind = (z - random.uniform(0.85, 1.15) - wobble) / 0.3
        lowest = random.uniform(0.2, 1.4) if kind < 0.6 else random.uniform(1.5, 2.9)
        scalp = np.maximum(over, np.where(y < lowest, behind, -1.0))
        fringe = random.uniform(0.04, 0.4)
        thickness = np.clip(scalp, 0, 1) * fringe * (1 + wobble)
        thickness[scalp < 0.02] = 0.0
    hat = random.random() < 0.07
    if hat:
        brim = random.uniform(-1.75, -1.35)
        covered = y < brim - 0.15 * z
        thickness = np.where(covered, random.uniform(0.15, 0.45), thickness)
    thickness[~rig.skin_vertex] = 0.0

    # Two tiles of hair and hat, and a plain one for cloth, side by side.
    tile = SIDE // 3
    angle = np.arctan2(x, 1.2 - z) / np.pi
    u = (angle * 0.5 + 0.5) * (tile - 4) + 2
    v = np.clip((y + 2.9) / 6.0, 0, 1) * (SIDE - 4) + 2
    if hat:
        u = np.where(covered, u + tile, u)
    cover = np.empty((SIDE, SIDE, 3), dtype=np.float32)
    strands = random.standard_normal((int(random.integers(4, 24)), tile), dtype=np.float32)
    strands = cv2.resize(strands, (tile, SIDE), interpolation=cv2.INTER_CUBIC)
    coarse = cv2.resize(random.standard_normal((3, 20), dtype=np.float32), (tile, SIDE))
    streak = np.clip(1 + random.uniform(0.1, 0.35) * (strands + coarse), 0.2, 2.5)
    cover[:, :tile] = hair * streak[..., None]
    for index, colour in ((1, random.uniform(0.03, 0.95, 3)), (2, cloth)):
        noise = 1.0 + random.uniform(0.02, 0.15) * fractal_noise(random, tile, 40, 2)
        noise = cv2.resize(noise, (tile, SIDE))
        cover[:, index * tile : (index + 1) * tile] = colour * noise[..., None]
    return (
        thickness.astype(np.float32),
        np.stack([u, v], -1).astype(np.float32),
        np.clip(cover, 0.005, 1.0),
    )
