"""Hair that an image cuts off at its upper border ends above it in a dome.

A crop reaches higher than many images. What the border shows is continued there, and hair that is
continued straight up stands above the head like a chimney. Here the head is closed instead, by the
circle that goes on where its outline meets the border. Beside and above it lies the background.
Where the border cuts the forehead, no hair is known, and what it shows goes on, ever softer.

Axis legend: ``s`` side of the crop, ``h`` rows above the image.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.face.image_fill import continued, smooth_fill
from joyvasa_lib.face.person_matte import person_matte
from joyvasa_lib.portrait.compact.softness import edge_softness
from joyvasa_lib.rig.head_rig import Floats
from joyvasa_lib.rig.regions import INNER_BROWS, OUTER_BROWS

Bytes = NDArray[np.uint8]

_HEAD = 0.5
"""Share of a pixel from which on it is the head's."""
_SMALLEST = 0.03
"""Width of a chord, sides of the crop, from which on it is cut hair and no stray lock."""
_SAMPLED = 0.12
"""Rows below the border, sides of the crop, from which colours are taken."""
_RIM = 0.01
"""Sides of the crop around the matte in which colours may still be the hair's."""
_SOFT = 0.02
"""Width of the dome's edge, in its radius: as hair ends, and as soft as what is continued."""
_WIDTH = 20.0**0.5
"""Width of the dome's edge in the standard deviation of the blur that it looks like: that of the
slope of 3 x^2 - 2 x^3 is 20^-1/2."""
_BLURRED = 2.0
"""Spreads of the image's blur around the matte in which colours may still be the hair's."""
_STRANDS = 0.012
"""Spread of the blur, sides of the crop, that takes the strands out of hair."""
_FOREHEAD = 0.08
"""Sides of the crop from the eyebrows to a border that cuts hair and not the forehead."""
_ABOVE_BROWS = 0.02
"""Sides of the crop above the eyebrows in which hairs of theirs lie."""
_OUTLINE = 0.05
"""Rows below the border, sides of the crop, that tell the outline's direction."""
_FLATTEST, _STEEPEST = 3.0, -0.2
"""Limits of the depth of the circle's centre below the border, in halves of its chord."""


class _Dome(NamedTuple):
    """The circle that closes a head.

    Attributes:
        left, right: first column of what the border cuts, and the one after its last.
        depth: of the circle's centre below the border, in halves of that.
        softness: standard deviation of the blur of the head's outline, pixels.
    """

    left: int
    right: int
    depth: float
    softness: float

    def matte(self, rows: int, side: int) -> Floats:
        """[h, s] share of each pixel above the border that the circle covers."""
        centre = 0.5 * (self.left + self.right - 1)
        half = 0.5 * (self.right - self.left)
        radius = half * np.sqrt(1.0 + self.depth**2)
        up = np.arange(rows, 0, -1, dtype=np.float32)[:, None] + half * self.depth
        inside = radius - np.hypot(up, np.arange(side, dtype=np.float32)[None] - centre)
        width = max(2.0, _SOFT * radius, _WIDTH * self.softness)
        share = np.clip(0.5 + inside / width, 0.0, 1.0)
        return np.asarray(share * share * (3.0 - 2.0 * share), np.float32)


def whole_person(crop: FaceCrop) -> tuple[Bytes, Floats | None]:
    """The pixels of a crop, and the share of each that the person covers.

    Returns:
        [s, s, 3] uint8, and [s, s] or None where the person is not told from the background.
    """
    matte = person_matte(crop)
    if matte is None:
        return crop.image, None
    brows = float(crop.landmarks[list(INNER_BROWS + OUTER_BROWS), 1].min())
    return close_head(crop.image, matte, crop.seen, brows)


def close_head(
    image: Bytes, matte: Floats, seen: tuple[int, int, int, int], brows: float = np.inf
) -> tuple[Bytes, Floats]:
    """The crop and its matte with a head that ends above the image's upper border.

    Args:
        image: [s, s, 3] uint8 RGB, continued beyond the border.
        matte: [s, s] share of each pixel that the person covers.
        seen: left, top, right, bottom of what shows the image.
        brows: row of the highest eyebrow; nothing from there on is mirrored above the border.

    Returns:
        [s, s, 3] uint8 and [s, s]; what was given where the border cuts no head, or a forehead.
    """
    left, top, right, bottom = seen
    side = len(image)
    above_brows = min(brows, side) - top
    whole_forehead = above_brows > _FOREHEAD * side
    dome = _find_dome(image, matte, seen) if top > 0 and whole_forehead else None
    if dome is None:
        return image, matte
    deep = min(bottom, top + max(2, round(_SAMPLED * side)))
    strip, person = image[top:deep, left:right], matte[top:deep, left:right]
    reach = max(1, round(_RIM * side), round(_BLURRED * dome.softness))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    beside = 1.0 - cv2.dilate(person, disc)
    if not (beside > _HEAD).any():  # the head fills the border: nothing is known of what is behind
        return image, matte
    behind, hair = image[:deep].astype(np.float32), image[:deep].astype(np.float32)
    behind[top:, left:right] = smooth_fill(strip, np.where(beside > _HEAD, beside, 0.0))
    behind = continued(behind, (left, top, right, deep))[:top]
    known = np.zeros((deep, side), np.float32)
    known[top:, left:right] = cv2.erode(person, disc) > 1.0 - 1e-3
    if known.any():
        hair = smooth_fill(hair, known)
    strands = hair[top:] - cv2.GaussianBlur(hair[top:], (0, 0), _STRANDS * side)
    rows = min(deep - top, int(above_brows) - round(_ABOVE_BROWS * side))
    hair = continued(hair, (0, top, side, deep))[:top]
    # What is mirrored once looks like hair; twice, like a pattern.
    away = np.arange(top, 0, -1, dtype=np.float32)[:, None, None]
    hair += np.clip(2.0 - 2.0 * away / rows, 0.0, 1.0) * strands[_mirrored(top, rows)]
    share = dome.matte(top, side)
    above = behind + share[..., None] * (hair - behind)
    if dome.softness > 0.0:  # a blurred image shows no line where it ends
        above += np.exp(-away / dome.softness) * (image[top] - above[-1])
    whole, closed = image.copy(), matte.copy()
    # What else reaches the border, an arm or a hat's brim, goes on as it is.
    others = matte[top : top + 1].copy()
    others[:, max(dome.left - reach, 0) : dome.right + reach] = 0.0
    if others.max() > _HEAD:
        edge = np.repeat(others, top + 1, 0)[..., None]
        apart = continued(edge, (0, top, side, top + 1))[:top, :, 0] * (1.0 - share)
        above += apart[..., None] * (image[:top] - above)
        share = np.maximum(share, apart)
    whole[:top], closed[:top] = np.clip(np.rint(above), 0, 255), share
    return whole, closed


def _find_dome(image: Bytes, matte: Floats, seen: tuple[int, int, int, int]) -> _Dome | None:
    """How the widest piece of the person at the border goes on; None where nothing is cut."""
    left, top, right, bottom = seen
    cut = _widest(matte[top, left:right] > _HEAD)
    if cut is None or cut[1] - cut[0] < _SMALLEST * len(matte):
        return None
    halves = []
    middle = (cut[0] + cut[1]) // 2
    deep = min(bottom, top + max(3, round(_OUTLINE * len(matte))))
    for row in matte[top:deep, left:right] > _HEAD:
        outside = np.flatnonzero(~row)
        before, after = outside[outside < middle], outside[outside > middle]
        if not row[middle] or not len(before) or not len(after):
            break
        halves.append(0.5 * float(after[0] - before[-1] - 1))
    # On a circle whose centre is d below the border: half**2 = halves[0]**2 + 2 d row - row**2.
    half, row = np.array(halves or [1.0]), np.arange(max(1, len(halves)))
    grown = half**2 - half[0] ** 2 + row**2
    depth = float((row * grown).sum() / max(2.0 * (row**2).sum(), 1.0))
    depth = float(np.clip(depth / half[0], _STEEPEST, _FLATTEST))
    return _Dome(left + cut[0], left + cut[1], depth, _outline_softness(image, matte, seen))


def _outline_softness(image: Bytes, matte: Floats, seen: tuple[int, int, int, int]) -> float:
    """Standard deviation of the blur that the person's outline shows, pixels."""
    left, top, right, bottom = seen
    person = (matte[top:bottom, left:right] > _HEAD).astype(np.uint8)
    near = np.ones((2 * max(2, round(_OUTLINE * len(matte) / 2)) + 1,) * 2, np.uint8)
    outline = cv2.dilate(person, near) > cv2.erode(person, near)
    return edge_softness(image[top:bottom, left:right], outline)


def _mirrored(above: int, below: int) -> NDArray[np.intp]:
    """[h] rows below the border, counted from it, that those above it mirror, the topmost first."""
    period = max(1, 2 * (below - 1))
    rows = np.arange(above, 0, -1) % period
    return np.minimum(rows, period - rows)


def _widest(row: NDArray[np.bool_]) -> tuple[int, int] | None:
    """Start and end of the longest run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], row, [False]]).astype(np.int8)))
    if not len(edges):
        return None
    starts, ends = edges[::2], edges[1::2]
    longest = int(np.argmax(ends - starts))
    return int(starts[longest]), int(ends[longest])
