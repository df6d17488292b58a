"""Eyes separated from their surroundings by colour, for faces whose eyes are unlike a person's.

A cat's eyes are round and a drawing's are huge; the mesh of a human face lies somewhere within
them, and its eyelids would close in the middle of the iris.

Axis legend: ``n`` pixels of an eye, ``s`` side of the window around it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Points = NDArray[np.float64]

_SIDE = 96
"""Side of the window in which an eye is looked for, pixels."""
_WINDOW, _OUTSIDE, _LIKELY, _SURE = 0.42, 0.36, 0.20, 0.07
"""Half its side, and the radii beyond which no pixel belongs to the eye, within which pixels likely
do and certainly do, in distances between the eyes."""
_SMALLEST, _LARGEST = 0.10, 0.34
"""Half the breadth and the height of a credible eye, in distances between the eyes."""
_FULL = 0.8
"""Share of the ellipse through its ends that a credible eye fills at least."""
_SEARCHES, _STILL, _FARTHEST = 4, 0.02, 0.25
"""Searches for an eye, each around the centre that the last one found; how far that centre may move
and still count as at rest, and how far it may move in all, in distances between the eyes."""
_ROUNDS = 5
"""Iterations of GrabCut."""


@dataclass(frozen=True)
class EyeRegion:
    """Where an eye ends, in pixels of the image, along the face's own axes.

    Attributes:
        centre: [2] the middle between its ends.
        half_width: from the middle to its corners, along the line through both eyes.
        half_height: from the middle to its eyelids.
    """

    centre: Points
    half_width: float
    half_height: float


def find_eye(image: Pixels, near: Points, across: Points) -> EyeRegion | None:
    """The eye at or beside a point; None where what is found there does not look like one.

    Separated from its surroundings by GrabCut (Rother et al. 2004) as implemented in OpenCV.

    Args:
        image: [h, w, 3] uint8 RGB.
        near: [2] a point in the eye, pixels.
        across: [2] from one eye to the other, pixels.
    """
    distance = float(np.hypot(*across))
    unit = _WINDOW * distance / (_SIDE / 2)  # pixels of the image per pixel of the window
    x = unit * across / distance
    y = np.array([-x[1], x[0]])
    centre = near
    for _ in range(_SEARCHES):
        back = np.column_stack([x, y, centre - (_SIDE - 1) / 2 * (x + y)])
        window = cv2.warpAffine(
            image, back, (_SIDE, _SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        shown = _connected(_segmented(window))
        rows, columns = np.flatnonzero(shown.any(1)), np.flatnonzero(shown.any(0))
        if len(rows) == 0:
            return None
        half = np.array([columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1]) / 2
        ends = np.array([columns[0] + columns[-1], rows[0] + rows[-1]]) / 2
        moved = back @ np.array([*ends, 1.0])
        still = np.hypot(*(moved - centre)) < _STILL * distance
        centre = moved
        if np.hypot(*(centre - near)) > _FARTHEST * distance:
            return None
        if still:
            break
    share = half * unit / distance
    full = shown.sum() / (np.pi * half.prod())
    if share.min() < _SMALLEST or share.max() > _LARGEST or full < _FULL:
        return None
    return EyeRegion(centre, float(half[0] * unit), float(half[1] * unit))


def _segmented(window: Pixels) -> NDArray[np.bool_]:
    """[s, s] pixels of the window with the eye's colours rather than its surroundings'."""
    row, column = np.mgrid[:_SIDE, :_SIDE] - (_SIDE - 1) / 2
    radius = np.hypot(row, column) * _WINDOW / (_SIDE / 2)
    mask = np.full(radius.shape, cv2.GC_BGD, np.uint8)
    mask[radius < _OUTSIDE] = cv2.GC_PR_BGD
    mask[radius < _LIKELY] = cv2.GC_PR_FGD
    mask[radius < _SURE] = cv2.GC_FGD
    if np.ptp(window.reshape(-1, 3), axis=0).max() < 8:
        return np.zeros(radius.shape, bool)  # nothing to separate
    cv2.setRNGSeed(0)
    inside, outside = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(window, mask, None, inside, outside, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    return np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD))


def _connected(found: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The connected part around the centre, without whiskers and hairs."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
    smooth = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_OPEN, disc)
    _, parts = cv2.connectedComponents(smooth)
    own = parts[_SIDE // 2, _SIDE // 2]
    return np.asarray(parts == own) if own else np.zeros(found.shape, bool)
