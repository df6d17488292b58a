"""Matte of an open eye: which pixels are the eye's, its lashes', liner or shadow.

A closed eyelid must not show them. The colours of skin around the eye are interpolated across it;
pixels that differ from that are the eye's.

Axis legend: ``s`` side of the crop, ``v`` vertices, ``f`` triangles.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.encode.harmonic_fill import harmonic_fill
from joyvasa_lib.portrait.compact.layers import EYE, OUTSIDE, SKIN
from joyvasa_lib.rig.eyelids import distance_from_brows, distance_from_eyelids, eye_margin
from joyvasa_lib.rig.head_rig import Floats, HeadRig
from joyvasa_lib.rig.rasterizer import interpolate

Bytes = NDArray[np.uint8]

NEAR_BROW, NEAR_EYE, EDGE = 0.12, 0.05, 0.04
"""Distances of clean skin from the brow and from the eye's margin, and the width of its soft edge,
rig units."""
_WINDOW = 0.7
"""Half side of the window around the eye, rig units."""
_BEYOND = 0.16
"""Rig units beyond the eye's margin within which a differing pixel may still be the eye's."""
_ALIKE, _DIFFERENT = 0.2, 0.4
"""Difference from skin, relative to the eye's own, up to which a pixel is skin, and from which on
it is the eye's."""
_LEAST_CONTRAST = 30.0
"""Least contrast with skin in grey levels; eyes with less, as of marble, are bounded by the fitted
eyelids alone."""
_RIM = 0.03
"""Rig units by which the matte is dilated, so that no rim of the eye stays."""


def clean_skin(rig: HeadRig, margins: Floats) -> Floats:
    """[v] 1 on skin that shows neither lashes nor brows, 0 on those; ``margins`` in rig units."""
    from_eye = (distance_from_eyelids(rig) - eye_margin(rig, margins) - NEAR_EYE) / EDGE
    from_brow = (distance_from_brows(rig) - NEAR_BROW) / EDGE
    clean = np.clip(np.minimum(from_eye, from_brow), 0.0, 1.0) * rig.skin_vertex
    return np.asarray(clean, dtype=np.float32)


def eye_matte(
    rig: HeadRig,
    source_image: Bytes,
    vertices: Floats,
    triangle: NDArray[np.int32],
    layer: Bytes,
    margins: Floats,
    scale: float,
) -> Bytes:
    """Share [s, s] of each pixel that belongs to an open eye, 255 for all of it.

    Args:
        rig: the head model.
        source_image: [s, s, 3] RGB crop.
        vertices: [v, 3] the fitted head on it, pixels.
        triangle: [s, s] triangle of the head that each pixel shows, -1 for none.
        layer: [s, s] its layer.
        margins: [2, 2] pixels between the fitted eyelids and clean skin.
        scale: pixels per rig unit.
    """
    matte = np.zeros(layer.shape, dtype=np.uint8)
    around = (distance_from_eyelids(rig) - eye_margin(rig, margins / scale)) / _BEYOND
    known = np.stack([clean_skin(rig, margins / scale), around, distance_from_brows(rig)], 1)
    for iris in rig.iris_vertex:
        middle = vertices[iris, :2]
        low = np.clip(np.floor(middle - _WINDOW * scale).astype(int), 0, len(layer) - 1)
        high = np.clip(np.ceil(middle + _WINDOW * scale).astype(int), low + 1, len(layer))
        window = slice(low[1], high[1]), slice(low[0], high[0])
        moved = vertices - np.array([*low, 0], dtype=np.float32)
        found = interpolate(triangle[window], moved, rig.triangles, known.astype(np.float32))
        clean, beyond, brow = np.moveaxis(found, -1, 0)
        image, shown = source_image[window].astype(np.float32), layer[window]
        weight = clean * (shown == SKIN)
        skin = harmonic_fill(image, weight.astype(np.float32), 0.03 * scale)
        difference = np.linalg.norm(image - skin, axis=-1).astype(np.float32)
        difference = cv2.GaussianBlur(difference, (0, 0), max(0.5, 0.012 * scale))
        eye = (shown == EYE).astype(np.float32)
        own = difference[eye > 0]
        contrast = max(float(np.percentile(own, 80)) if own.size else 0.0, _LEAST_CONTRAST)
        different = np.clip((difference / contrast - _ALIKE) / (_DIFFERENT - _ALIKE), 0.0, 1.0)
        different *= np.clip(3.0 * (1.0 - beyond), 0.0, 1.0) * (shown != OUTSIDE)
        different *= np.clip((brow - 0.5 * NEAR_BROW) / EDGE, 0.0, 1.0)
        reach = 2 * max(1, round(_RIM * scale)) + 1
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
        both = cv2.dilate(np.maximum(different, eye), disc)
        both = cv2.GaussianBlur(both, (0, 0), max(0.7, 0.5 * _RIM * scale))
        matte[window] = np.maximum(matte[window], np.rint(255 * both).astype(np.uint8))
    return matte
