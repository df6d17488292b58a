"""Texture and colours of what the source image does not show: closed eyelids, teeth, mouth.

Axis legend: ``v`` vertices, ``p`` x ``q`` the texture.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.encode.appearance import Appearance
from joyvasa_lib.portrait.compact.encode.colours import skin_colours, white_of_eyes
from joyvasa_lib.portrait.compact.encode.eyelids.closed_eyelids import paint_closed_eyelid
from joyvasa_lib.portrait.compact.encode.eyelids.crease import crease_cover
from joyvasa_lib.portrait.compact.encode.palette import Palette, read_palette
from joyvasa_lib.portrait.compact.encode.teeth import arch_length, height_over_edge, row_image
from joyvasa_lib.rig.eyelids import above_irises, distance_from_eyelids, lid_stretch
from joyvasa_lib.rig.head_rig import Floats, HeadRig
from joyvasa_lib.rig.regions import EYEBALLS, TEETH

_PLAIN = 4
"""Side of the texture's white patch; vertices mapped to it have the colour of their tint."""
_WHOLLY = 0.4
"""Share of a stretched eyelid from which on the image does not show through: the lashes of the open
eye would be stretched to streaks, and what is left of the fold's shadow would lie as a dark band
across the eyelid."""
_TEETH_FINEST = 90.0
"""Least resolution of teeth, pixels per rig unit: gaps between them stay visible."""
_LIT = {"teeth_upper": 1.0, "teeth_lower": 0.86}
"""Light on a row: the lower one lies in the upper one's shadow and behind the lip."""
_EYE_REGION = 0.6
"""Rig units from the eyelids within which paintable skin belongs to the eye."""
_INNER_LIP = 0.22
"""Rig units inside the mouth over which the lips' colour fades into the cavity's."""
_TONGUE, _CAVITY = 1.05, 0.8
"""Light on the tongue and the walls of the mouth where they are nearest to the lips, relative to
flesh in full light: by open mouths of ten people who talk."""
_TONGUE_SIDE, _SIDE_FROM = 0.5, 0.2
"""Light that the tongue's sides lose, where it goes down to the walls, and the share of its half
width from which on."""
_DARKEST = 0.52
"""Light where the lips leave only a slit; it is reflected, so it is never 0."""
_OPEN = np.clip((np.arange(256) / 255.0 - 0.12) / 0.75, 0.0, 1.0)
_LIGHT = (_DARKEST + (1.0 - _DARKEST) * _OPEN * _OPEN * (3.0 - 2.0 * _OPEN)).astype(np.float32)
"""Light [256] for each level of ambient visibility in the mouth: a smooth step."""


@dataclass(frozen=True, eq=False)
class Paint:
    """Colour of every vertex: texture coordinates, and a factor on the texture's colour.

    Attributes:
        image: [p, q, 3] colours in [0, 255].
        uv: [v, 2] texture coordinates, pixels of the image.
        tint: [v, 3] factors.
        palette: the colours it was made with.
        light: [256, 3] factors of light in the mouth, by its ambient visibility.
        eyelids: [v] share of paint on closed eyelids, [0, 1].
    """

    image: Floats
    uv: Floats
    tint: Floats
    palette: Palette
    light: Floats
    eyelids: Floats


def mix_paint(rig: HeadRig, appearance: Appearance, closed: Floats, scale: float) -> Paint:
    """The paint of one portrait.

    Args:
        rig: the head model.
        appearance: the image seen through the fitted head.
        closed: [v, 3] the fitted head with its eyes shut, pixels.
        scale: pixels per rig unit.
    """
    seen = (appearance.image, appearance.vertices, appearance.layer, appearance.depth)
    skin = skin_colours(rig, *seen, scale, appearance.eye_margins)
    palette = read_palette(rig, appearance.image, appearance.vertices, appearance.layer, skin)
    tint = skin / 255.0
    uv = np.full((len(rig.mean), 2), (_PLAIN - 1) / 2, dtype=np.float32)
    eyes = rig.part_vertices(*EYEBALLS)
    tint[eyes] = white_of_eyes(rig, *seen, scale, 0.92 * palette.white) / 255.0
    _paint_mouth(rig, palette, tint)
    stretch = lid_stretch(rig)
    cover = np.minimum(stretch / _WHOLLY, 1.0)
    crease = crease_cover(rig, appearance.vertices, scale)
    images: list[Floats] = [np.full((_PLAIN, _PLAIN, 3), 255.0, dtype=np.float32)]
    top = _PLAIN
    for eye, vertex in enumerate(_eye_vertices(rig)):
        eyelid = paint_closed_eyelid(rig, appearance, closed, cover, eye, vertex, scale)
        uv[vertex] = eyelid.uv + np.array([0, top], dtype=np.float32)
        tint[vertex] = 1.0
        images.append(eyelid.image)
        top += len(eyelid.image)
    density = max(scale, _TEETH_FINEST)
    for part in TEETH:
        row = rig.part_vertices(part)
        image, origin = row_image(part, palette, density)
        on_row = np.stack([arch_length(rig)[row], height_over_edge(rig)[row]], 1)
        uv[row] = density * on_row + origin + np.array([0, top], dtype=np.float32)
        tint[row] = palette.dimmed(_LIT[part] * _light_on_teeth(rig, row))
        images.append(image)
        top += len(image)
    wide = max(image.shape[1] for image in images)
    image = np.concatenate(
        [np.pad(one, ((0, 0), (0, wide - one.shape[1]), (0, 0)), "edge") for one in images]
    )
    return Paint(
        np.ascontiguousarray(image),
        uv,
        tint.astype(np.float32),
        palette,
        palette.dimmed(_LIGHT),
        np.maximum(np.where(above_irises(rig), cover, stretch), crease).astype(np.float32),
    )


def _paint_mouth(rig: HeadRig, palette: Palette, tint: Floats) -> None:
    """Sets the tints of tongue and cavity: the lips' colour at the rim, darker red farther back."""
    cavity, tongue = rig.part_vertices("mouth_cavity"), rig.part_vertices("tongue")
    rim = np.intersect1d(cavity, rig.part_vertices("skin"))
    lips = tint[rim].copy()
    inside = np.setdiff1d(cavity, rim)
    apart = np.linalg.norm(rig.mean[inside, None] - rig.mean[rim][None], axis=-1)
    nearest, distance = apart.argmin(1), apart.min(1)
    flesh = palette.red / 255.0
    back = (0.45 + 0.55 * np.exp(-np.maximum(rig.mean[:, 2], 0.0) * 1.5))[:, None]
    share = np.clip(1.0 - distance / _INNER_LIP, 0.0, 1.0)[:, None] ** 1.5
    tint[inside] = share * 0.55 * lips[nearest] + (1.0 - share) * _CAVITY * flesh * back[inside]
    tint[rim] = 0.75 * lips
    far = np.exp(-np.maximum(rig.mean[tongue, 2] - 0.1, 0.0) * 1.3)
    groove = 1.0 - 0.1 * np.exp(-0.5 * (rig.mean[tongue, 0] / 0.05) ** 2)
    aside = np.abs(rig.mean[tongue, 0])
    aside = np.clip((aside / aside.max() - _SIDE_FROM) / (1.0 - _SIDE_FROM), 0.0, 1.0)
    side = 1.0 - _TONGUE_SIDE * aside * aside * (3.0 - 2.0 * aside)
    tint[tongue] = _TONGUE * flesh * (far * groove * side)[:, None]


def _light_on_teeth(rig: HeadRig, vertex: NDArray[np.int32]) -> NDArray[np.floating]:
    """[n] light on teeth in [0, 1]: less on the back and the sides of the rows."""
    behind = np.maximum(rig.mean[vertex, 2] + 0.02, 0.0)
    aside = np.clip(np.abs(rig.mean[vertex, 0]) / 0.66, 0.0, 1.0)
    return np.asarray((0.35 + 0.65 * np.exp(-behind * 3.0)) * (1.0 - 0.3 * aside**2))


@lru_cache(maxsize=2)
def _eye_vertices(rig: HeadRig) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Vertices that the textures of the person's left and right closed eye cover."""
    faces = rig.triangles[rig.part("skin", "eye_cavity")]
    near = faces[(distance_from_eyelids(rig)[faces] < _EYE_REGION).any(1)]
    vertex = np.unique(near)
    vertex = vertex[rig.mean[vertex, 1] < 0.0]
    left = rig.mean[vertex, 0] > 0
    return vertex[left], vertex[~left]
