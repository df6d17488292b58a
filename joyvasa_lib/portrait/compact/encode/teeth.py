"""Textures of the rows of teeth: crowns, gaps and gums, in the portrait's white and red.

Axis legend: ``v`` vertices, ``h`` x ``w`` pixels of one row of teeth.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.encode.palette import Palette
from joyvasa_lib.rig.head_rig import Floats, HeadRig
from joyvasa_lib.rig.regions import TEETH

UPPER_CROWNS = (8.5, 6.5, 7.5, 7.0, 7.0, 10.0, 9.0)
LOWER_CROWNS = (5.0, 5.5, 7.0, 7.0, 7.0, 11.0, 10.5)
"""Crown widths from the midline outwards, millimetres (Wheeler's tooth morphology)."""
UNIT_MM = 57.0
"""Millimetres in a rig unit on the mean head."""
_CROWN = {"teeth_upper": 0.185, "teeth_lower": 0.165}
"""Height of the crowns, rig units."""
_GAP, _ROUND, _SHORTER = 0.008, 0.016, 0.008
"""Rig units: half width of gaps, rounding of the cutting edge, how much shorter laterals are."""
_SEAM = 0.1
"""How dark gaps are, as a share: teeth touch each other."""
_ARCH, _TALL = 1.3, 0.44
"""Half length along the arch and height of the image, rig units."""


@lru_cache(maxsize=2)
def arch_length(rig: HeadRig) -> Floats:
    """[v] signed length along the dental arch from the midline, rig units; 0 off the teeth."""
    arc = np.zeros(len(rig.mean), dtype=np.float32)
    for part in TEETH:
        at = rig.part_vertices(part)
        points = rig.mean[at][:, [0, 2]].astype(np.float64)
        points[:, 0] -= points[:, 0].mean()
        half = points[:, 0] > -0.02
        # The cutting row: of every front-facing column the outermost vertices.
        outline = np.array(sorted({(abs(round(x, 3)), z) for x, z in points[half]}))
        hull = _outer_curve(outline)
        lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(hull, axis=0), axis=1))])
        folded = points * np.array([1.0, 1.0])
        folded[:, 0] = np.abs(folded[:, 0])
        start, step = hull[:-1], np.diff(hull, axis=0)
        t = np.einsum("nsd,sd->ns", folded[:, None] - start, step) / (step**2).sum(1)
        t = np.clip(t, 0.0, 1.0)
        foot = start + t[..., None] * step
        nearest = ((folded[:, None] - foot) ** 2).sum(-1).argmin(1)
        rows = np.arange(len(at))
        length = lengths[nearest] + t[rows, nearest] * np.diff(lengths)[nearest]
        arc[at] = np.sign(points[:, 0]) * length
    return arc


def _outer_curve(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Lower-right convex chain (x right, z back) of the arch, from the front to the back."""
    chain: list[NDArray[np.floating]] = []
    for point in points[np.lexsort((points[:, 1], points[:, 0]))]:
        while len(chain) >= 2:
            (ax, az), (bx, bz) = chain[-2], chain[-1]
            if (bx - ax) * (point[1] - az) - (bz - az) * (point[0] - ax) > 0:
                break
            chain.pop()
        chain.append(point)
    return np.array(chain, dtype=np.float64)


@lru_cache(maxsize=2)
def height_over_edge(rig: HeadRig) -> Floats:
    """[v] how far a vertex of the teeth lies from the cutting edge of its row, rig units."""
    height = np.zeros(len(rig.mean), dtype=np.float32)
    for part, up in zip(TEETH, (-1.0, 1.0), strict=True):
        at = rig.part_vertices(part)
        arc, y = arch_length(rig)[at], up * rig.mean[at, 1]
        beside = np.abs(arc[:, None] - arc) < 0.07
        height[at] = y - np.where(beside, y, np.inf).min(1)
    return height


def row_image(part: str, palette: Palette, density: float) -> tuple[Floats, Floats]:
    """A row of teeth, unrolled and evenly lit.

    Args:
        part: one of :data:`~joyvasa_lib.rig.regions.TEETH`.
        palette: the portrait's colours.
        density: pixels per rig unit.

    Returns:
        [h, w, 3] colours in [0, 255], and [2] the pixel of the midline's cutting edge.
    """
    upper = part == "teeth_upper"
    width, tall = round(2 * _ARCH * density) + 1, round(_TALL * density) + 2
    arc = np.abs(np.arange(width) / density - _ARCH)[None]
    height = (np.arange(tall)[:, None] - 1.0) / density
    crowns = np.array(UPPER_CROWNS if upper else LOWER_CROWNS) / UNIT_MM
    borders = np.concatenate([[0.0], np.cumsum(crowns)])
    number = np.clip(np.searchsorted(borders, arc, side="right") - 1, 0, len(crowns) - 1)
    half = 0.5 * crowns[number]
    across = np.clip((arc - borders[number]) / half - 1.0, -1.0, 1.0)
    edge = _ROUND * (0.2 + 0.8 * across**4) + (_SHORTER * (number == 1) if upper else 0.0)
    root = _CROWN[part] * (0.76 + 0.24 * (1.0 - across**2))
    soft = max(0.008, 0.6 / density)
    gap = np.exp(-0.5 * (half * (1.0 - np.abs(across)) / max(_GAP, 0.4 / density)) ** 2)
    gap *= min(1.0, _GAP * density / 0.4)  # thinner than a pixel
    enamel = (0.9 + 0.1 * (1.0 - across**2)) * (0.92 + 0.08 * _ramp(0.0, 0.06, height))
    yellow = 0.10 * _ramp(0.03, 0.2, height)[..., None] * np.array([0.5, 0.9, 1.5])
    open_edge = 1.0 - _ramp(edge - soft, edge + soft, height)
    gummy = _ramp(root - 2 * soft, root + 2 * soft, height)[..., None]
    warm = min(float(np.ptp(palette.red / palette.red.max())) / 0.4, 1.0)
    colour = palette.white * enamel[..., None] * (1.0 - warm * yellow)
    dark = np.maximum(_SEAM * gap, open_edge)[..., None]
    colour = colour + dark * (0.3 * palette.red - colour)
    colour = colour + gummy * (palette.red - colour)
    return colour.astype(np.float32), np.array([_ARCH * density, 1.0], dtype=np.float32)


def _ramp(low: NDArray[np.floating] | float, high: NDArray[np.floating] | float,
          x: NDArray[np.floating]) -> NDArray[np.floating]:  # fmt: skip
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t))
