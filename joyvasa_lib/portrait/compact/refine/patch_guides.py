"""Guide maps of the head rig for the pixels of a patch, and the gate: which pixels may change.

Axis legend: ``v`` vertices, ``f`` triangles, ``s`` side of the image, ``p`` side of a patch.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.layers import OUTSIDE, SKIN
from joyvasa_lib.rig.compiled import njit
from joyvasa_lib.rig.kernels import barycentric

Floats = NDArray[np.float32]

GUIDES = (
    "unseen",
    "skin",
    "mouth_cavity",
    "teeth_upper",
    "teeth_lower",
    "tongue",
    "eyeball",
    "rest_x",
    "rest_y",
    "motion_x",
    "motion_y",
    "lid",
    "iris",
)
"""Guide maps in order; all lie in [-1, 1]. Motion is in units of 16 patch pixels."""

_REST = GUIDES.index("rest_x")
_MOTION_UNIT = 16.0
"""Patch pixels of motion that the maps show as 1."""


@njit(cache=True, fastmath=True, nogil=True)  # type: ignore[untyped-decorator]
def fill_guides(  # type: ignore[no-untyped-def]
    triangle, driven, own, image, triangles, layer, group, attribute, source_layer, source_depth,
    tolerance, lid_travel, out,
):  # fmt: skip
    """Writes the guide maps [p, p, g] of one patch.

    Args:
        triangle: [p, p] visible triangle or -1.
        driven: [v, 3] driven vertices in patch pixels.
        own: [v, 2] the image's vertices in its own patch's pixels.
        image: [v, 3] the same in the image's pixels.
        triangles: [f, 3] vertex indices.
        layer: [f] layer of a triangle, as in the image's layers.
        group: [f] which of the part maps a triangle belongs to.
        attribute: [v, 4] rest position on the patch in [-1, 1], eyelid weight, closeness to the
            iris.
        source_layer: [s, s] layer that the image shows.
        source_depth: [s, s] depth of the fitted head on the image.
        tolerance: depth in pixels by which a point may lie behind the image's surface.
        lid_travel: patch pixels of an eyelid's movement from which on its image is not used.
        out: [p, p, g] zeros.
    """
    side = source_layer.shape[0]
    one = np.float32(1.0)
    for row in range(triangle.shape[0]):
        for column in range(triangle.shape[1]):
            f = triangle[row, column]
            if f < 0:
                continue
            i, j, k, wa, wb, wc = barycentric(driven, triangles, f, column, row, one)
            x = wa * image[i, 0] + wb * image[j, 0] + wc * image[k, 0]
            y = wa * image[i, 1] + wb * image[j, 1] + wc * image[k, 1]
            z = wa * image[i, 2] + wb * image[j, 2] + wc * image[k, 2]
            move_x = wa * own[i, 0] + wb * own[j, 0] + wc * own[k, 0] - column
            move_y = wa * own[i, 1] + wb * own[j, 1] + wc * own[k, 1] - row
            mine = layer[f]
            left, top = int(np.floor(x)), int(np.floor(y))
            share = np.float32(0.0)
            for dy in range(2):
                for dx in range(2):
                    u, v = left + dx, top + dy
                    if u < 0 or v < 0 or u >= side or v >= side:
                        continue
                    theirs = source_layer[v, u]
                    same = theirs == mine or (mine == SKIN and theirs == OUTSIDE)
                    if same and z <= source_depth[v, u] + tolerance:
                        share += (one - abs(x - u)) * (one - abs(y - v))
            pixel = out[row, column]
            for n in range(4):
                value = wa * attribute[i, n] + wb * attribute[j, n] + wc * attribute[k, n]
                at = 7 + n if n < 2 else 9 + n
                pixel[at] = min(max(value, -one), one)
            moved = min(abs(move_y) / lid_travel, one)
            edge = min(max((pixel[11] - np.float32(0.3)) / np.float32(0.3), np.float32(0.0)), one)
            pixel[0] = one - share * (one - edge * moved)
            pixel[1 + group[f]] = one
            pixel[9] = min(max(move_x / np.float32(_MOTION_UNIT), -one), one)
            pixel[10] = min(max(move_y / np.float32(_MOTION_UNIT), -one), one)


@njit(cache=True, fastmath=True, nogil=True)  # type: ignore[untyped-decorator]
def _wanted(guide, region, still, doubt, useless, out):  # type: ignore[no-untyped-def]
    """Writes how much each pixel may change, and returns the mean movement of the eyelid."""
    rows, columns = out.shape
    travel, lids = np.float32(0.0), 0
    for row in range(rows):
        for column in range(columns):
            here = guide[row, column]
            step = np.float32(0.0)
            for axis in (9, 10):
                if column + 1 < columns:
                    step = max(step, abs(guide[row, column + 1, axis] - here[axis]))
                if row + 1 < rows:
                    step = max(step, abs(guide[row + 1, column, axis] - here[axis]))
            step *= _MOTION_UNIT
            motion = max(abs(here[9]), abs(here[10])) * _MOTION_UNIT
            doubtful = min(max((step - doubt) / (useless - doubt), 0.0), 1.0)
            strong = min(max(motion - still, 0.0), 1.0)
            value = max(min(here[0] * 1.5, 1.0) * strong, doubtful)
            far = ((here[7] - region[0]) / region[2]) ** 2 + (
                (here[8] - region[1]) / region[3]
            ) ** 2
            inside = here[2] + here[3] + here[4] + here[5] + here[6] > 0
            out[row, column] = value if inside or far < 1.0 else 0.0
            if here[11] > 0.5:
                travel += motion
                lids += 1
    return travel / max(lids, 1)


def open_gate(
    guide: Floats,
    region: tuple[float, float, float, float],
    reach: int,
    still: float,
    lid_opens: bool,
    stretch: tuple[float, float] = (0.35, 1.0),
) -> Floats:
    """Gate [p, p] in [0, 1]: 1 where pixels may be replaced; 0 everywhere at rest.

    Args:
        guide: [p, p, g] guide maps of one patch.
        region: centre and radii of the ellipse of rest positions outside which skin stays.
        reach: side in pixels of the square by which the gate is dilated; odd.
        still: motion in patch pixels below which an unseen pixel does not count.
        lid_opens: whether a moving eyelid opens the whole ellipse: around a closing eyelid the
            rig's eye and the image's differ.
        stretch: change of motion per pixel from which on the warp is doubted, and is not used.
    """
    side = len(guide)
    wanted = np.empty((side, side), dtype=np.float32)
    travel = _wanted(guide, np.array(region, np.float32), still, *stretch, wanted)
    wide = cv2.dilate(wanted, np.ones((reach, reach), np.uint8))
    gate = cv2.GaussianBlur(wide, (5, 5), 1.2)
    if lid_opens and travel > 1.0:
        far = ((guide[..., _REST] - region[0]) / region[2]) ** 2
        far += ((guide[..., _REST + 1] - region[1]) / region[3]) ** 2
        around = np.clip(2.0 - 2.0 * far, 0.0, 1.0) * min((travel - 1.0) / 3.0, 1.0)
        gate = np.maximum(gate, around)
    ramp = np.clip(np.minimum(np.arange(side), np.arange(side)[::-1]) / 4.0, 0, 1)
    return np.asarray(gate * np.minimum(ramp[:, None], ramp), dtype=np.float32)
