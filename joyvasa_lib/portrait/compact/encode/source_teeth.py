"""Position of a portrait's teeth: measured on the image, or the usual one.

The rig's rows of teeth lie a little high: opening its jaw alone shows no upper teeth. Upper teeth
usually end a little below the lip at rest. Where the image shows teeth, their position is measured.

Axis legend: ``v`` vertices, ``s`` side of the crop.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.encode.palette import pale
from joyvasa_lib.portrait.compact.layers import MIXED, MOUTH_LAYERS, UPPER
from joyvasa_lib.rig.fitting import HeadFit
from joyvasa_lib.rig.head_rig import Floats, HeadRig
from joyvasa_lib.rig.regions import INNER_LIP_MIDDLES, TEETH

Bytes = NDArray[np.uint8]

_UPPER, _LOWER = 0.08, -0.02
"""Rig units by which upper and lower teeth usually lie lower than the rig's: the upper ones end two
millimetres below the lip at rest, the lower ones are seen above the lip of people who talk."""
_HIGHEST, _LOWEST = -0.05, 0.2
"""Limits of the same for teeth measured on the image."""
_MOST_SHIFT = 0.03
"""Most rig units by which teeth lie lower under a driven mouth than on the image: lower ones would
fill the opening of a mouth that hardly opens."""
_BITE = 0.1
"""Overlap of the rows, rig units: lower teeth are moved that much less than upper ones."""
_LEAST_OPENING = 0.06
"""Opening of the lips from which on teeth are looked for, rig units."""
_MIDDLE = 0.16
"""Distance from the midline within which front teeth lie, rig units."""
_BEHIND_LIP = 0.05
"""Rig units below the upper lip within which front teeth begin."""
_TALLEST = 1.35
"""Most height of a row of teeth over the rig's: a face that an open mouth has lengthened has no
longer teeth. Smiles reach 1.34, mouths opened wide 1.9."""
_LONGEST = {"teeth_upper": 0.2, "teeth_lower": 0.47}
"""Most rig units by which a row ends below its lip at rest, likewise; mouths opened wide reach .41
and .56, where teeth would stick out of lip and chin."""

_BAND = 0.3
"""Share of the height of upper teeth and their gums up to which what is seen of them is a band:
parted lips show .20 to .25, smiles .38 to .47."""


def place_teeth(
    rig: HeadRig, fit: HeadFit, image: Bytes, mouth: NDArray[np.bool_], skin: Floats
) -> tuple[HeadFit, Floats]:
    """Moves both rows of teeth to where this person has them.

    Args:
        rig: the head model.
        fit: the rig fitted to the face.
        image: [s, s, 3] RGB crop.
        mouth: [s, s] where the fitted lips are parted.
        skin: [3] typical colour of the skin.

    Returns:
        The fit with its teeth as on the image, and [v, 3] rig units by which they lie lower
        under a driven mouth, whose lips may meet higher than those of a smile allow.
    """
    fit = replace(fit, shape=_of_natural_height(rig, fit.shape))
    seen = _seen_lower(rig, fit, image, mouth, skin)
    lower = _UPPER if seen is None else float(np.clip(seen, _HIGHEST, _LOWEST))
    driven = min(max(_UPPER - lower, 0.0), _MOST_SHIFT)
    rows = [rig.part_vertices(part) for part in TEETH]
    shape, shift = fit.shape.copy(), np.zeros_like(fit.shape)
    shape[rows[0], 1] += lower
    shape[rows[1], 1] += max(_LOWER, lower - _BITE)
    shift[rows[0], 1] = driven
    shift[rows[1], 1] = max(lower + driven - _BITE - max(_LOWER, lower - _BITE), 0.0)
    return replace(fit, shape=shape), shift


def without_narrow_band(rig: HeadRig, vertices: Floats, layer: Bytes) -> Bytes:
    """Layers [s, s] in which a mouth that shows a narrow band of teeth is shown where it is still.

    Lips that are just parted show a band of the upper teeth in the lips' shadow, and a slit below
    it. As they open, teeth are painted above the band, and it would be a second row below those.

    Args:
        rig: the head model.
        vertices: [v, 3] the fitted head on the image, pixels.
        layer: [s, s] layer of the head that each pixel shows.
    """
    front = rig.part_vertices("teeth_upper")
    front = front[np.abs(rig.mean[front, 0]) < _MIDDLE]
    left, right = np.round([vertices[front, 0].min(), vertices[front, 0].max()]).astype(int)
    seen = (layer[:, max(left, 0) : right + 1] == UPPER).sum(0)
    if not len(seen) or not 0 < np.median(seen) <= _BAND * np.ptp(vertices[front, 1]):
        return layer
    return np.where(np.isin(layer, MOUTH_LAYERS), np.uint8(MIXED), layer)


def _of_natural_height(rig: HeadRig, shape: Floats) -> Floats:
    """The canonical head [v, 3] with rows of teeth that are too tall drawn together at the lips."""
    natural = shape.copy()
    for part, middle in zip(TEETH, INNER_LIP_MIDDLES, strict=True):
        row, lip = rig.part_vertices(part), shape[rig.landmark_vertex[middle], 1]
        below = shape[row, 1] - lip
        share = _TALLEST * np.ptp(rig.mean[row, 1]) / max(float(np.ptp(below)), 1e-6)
        share = min(share, _LONGEST[part] / max(float(below.max()), 1e-6), 1.0)
        natural[row, 1] = lip + share * below
    return natural


def _seen_lower(
    rig: HeadRig, fit: HeadFit, image: Bytes, mouth: NDArray[np.bool_], skin: Floats
) -> float | None:
    """Rig units by which the upper front teeth end below the rig's; None where none show."""
    front = rig.part_vertices("teeth_upper")
    front = front[np.abs(rig.mean[front, 0]) < _MIDDLE]
    expressed = fit.shape[front] + np.tensordot(fit.blendshapes, rig.blendshapes[:, front], 1)
    front_teeth = fit.project(np.asarray(expressed, np.float32))
    left, right = np.round([front_teeth[:, 0].min(), front_teeth[:, 0].max()]).astype(int)
    teeth = pale(image, skin) & mouth
    ends = []
    for column in range(max(left, 0), min(right + 1, len(image))):
        rows = np.flatnonzero(mouth[:, column])
        if len(rows) < _LEAST_OPENING * fit.scale:
            continue
        white = teeth[rows[0] :, column]
        start = int(white.argmax())
        if not white.any() or start > max(1.0, _BEHIND_LIP * fit.scale):
            continue
        length = int((~white[start:]).argmax())
        ends.append(rows[0] + start + length - 0.5)
    if len(ends) < max(3, 0.4 * (right - left)):
        return None
    return float((np.median(ends) - front_teeth[:, 1].max()) / fit.scale)
