"""Lines drawn over a rendered head: lashes, the dark edge of the eyelids, glasses."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.heads.drawing.appearance import Lashes
from joyvasa_lib.rig.head_rig import HeadRig
from joyvasa_lib.rig.regions import EARS, EYE_CORNERS, LEFT_EYE, NOSE_BRIDGE, RIGHT_EYE

Floats = NDArray[np.float32]

_LIDS_OPEN = 0.12
"""Mean eyelid gap in rig units of a relaxed open eye."""


def _curve(points: Floats, count: int) -> Floats:
    """[count, d] points at equal steps along a polyline, smoothed."""
    t = np.linspace(0, len(points) - 1, count)
    i = np.minimum(t.astype(int), len(points) - 2)
    part = (t - i)[:, None]
    p0, p1 = points[np.maximum(i - 1, 0)], points[i]
    p2, p3 = points[i + 1], points[np.minimum(i + 2, len(points) - 1)]
    # Catmull-Rom spline.
    smooth = 2 * p1 + (p2 - p0) * part + (2 * p0 - 5 * p1 + 4 * p2 - p3) * part**2
    smooth = smooth + (3 * p1 - p0 - 3 * p2 + p3) * part**3
    return np.asarray(0.5 * smooth, dtype=np.float32)


def _paint(
    out: Floats, mask: NDArray[np.uint8], left: int, top: int, colour: Floats, opacity: float
) -> None:
    area = out[top : top + mask.shape[0], left : left + mask.shape[1]]
    area += (mask * np.float32(opacity / 255))[..., None] * (colour - area)


def draw_lashes(
    rig: HeadRig, vertices: Floats, depth: Floats, scale: float, lashes: Lashes, out: Floats
) -> None:
    """Draws the eyelids' dark edges and lashes over an image, in place.

    Args:
        rig: the head model.
        vertices: [w, 3] image coordinates.
        depth: [s, s] visible depth; lashes behind the nose or hair are left out.
        scale: pixels per rig unit.
        lashes: count, length, darkness, colour, thickness of the edge.
        out: [s, s, 3] linear image.
    """
    if lashes.darkness <= 0.0:
        return
    side = len(out)
    for eye in (RIGHT_EYE, LEFT_EYE):
        upper = vertices[rig.landmark_vertex[list(eye.upper_lid)]]
        lower = vertices[rig.landmark_vertex[list(eye.lower_lid)]]
        low = np.floor(np.minimum(upper, lower).min(0)[:2] - 0.3 * scale).astype(int)
        high = np.ceil(np.maximum(upper, lower).max(0)[:2] + 0.3 * scale).astype(int)
        low, high = np.maximum(low, 0), np.minimum(high, side)
        if (high - low < 4).any():
            continue
        edge = _curve(upper, lashes.count)
        pixel = np.clip(np.round(edge[:, :2]).astype(int), 0, side - 1)
        seen = edge[:, 2] <= depth[pixel[:, 1], pixel[:, 0]] + 0.2 * scale
        if not seen.any():
            continue
        gap = float((lower[3:6, 1] - upper[3:6, 1]).mean()) / scale
        opening = np.clip(gap / _LIDS_OPEN, 0.0, 1.3)
        outward = upper[0, :2] - upper[-1, :2]
        outward = outward / (np.linalg.norm(outward) + 1e-6)
        downward = np.array([-outward[1], outward[0]])
        downward = downward * np.sign(downward[1] + 1e-9)
        t = np.linspace(1.0, -0.35, lashes.count)[:, None]  # fan: outer lashes lean outwards
        direction = outward * t * 0.7 + downward * (0.75 - 1.35 * opening)
        wave = 1.0 + 0.3 * np.sin(np.arange(lashes.count) * 12.9898)[:, None]
        tips = edge[:, :2] + direction * wave * lashes.length * scale
        shape = tuple((high - low)[::-1])
        fringe = np.zeros(shape, dtype=np.uint8)  # OpenCV smooths lines on 8 bits only
        line = np.zeros(shape, dtype=np.uint8)
        for root, tip in zip(edge[seen, :2], tips[seen], strict=True):
            middle = (root + tip) / 2 - downward * 0.12 * np.linalg.norm(tip - root)
            bow = np.round((np.stack([root, middle, tip]) - low) * 16).astype(np.int32)
            cv2.polylines(fringe, [bow], False, 200, 1, cv2.LINE_AA, 4)
        rim = np.round((edge[seen, :2] - low) * 16).astype(np.int32)
        width = max(1, round(lashes.line * scale))
        cv2.polylines(line, [rim], False, 255, width, cv2.LINE_AA, 4)
        line = cv2.GaussianBlur(line, (0, 0), max(0.5, 0.012 * scale))
        _paint(out, line, low[0], low[1], lashes.colour, lashes.darkness)
        _paint(out, fringe, low[0], low[1], lashes.colour, lashes.darkness)


def draw_glasses(
    rig: HeadRig, vertices: Floats, scale: float, glasses: Floats, out: Floats
) -> None:
    """Draws the frame of a pair of glasses over an image, in place.

    Args:
        rig: the head model.
        vertices: [w, 3] image coordinates.
        scale: pixels per rig unit.
        glasses: [6] frame colour, thickness and lens radii in rig units.
        out: [s, s, 3] linear image.
    """
    colour, thickness, wide, tall = glasses[:3], glasses[3], glasses[4], glasses[5]
    corners = vertices[rig.landmark_vertex[np.ravel(EYE_CORNERS)]]
    right, left = corners[:2].mean(0), corners[2:].mean(0)
    across = left - right
    across = across / np.linalg.norm(across)
    bridge_top, below = (vertices[rig.landmark_vertex[point]] for point in NOSE_BRIDGE)
    nose = bridge_top - below
    up = nose / np.linalg.norm(nose)
    forward = np.cross(across, up) * 0.25 * scale
    forward *= -np.sign(forward[2])
    around = np.linspace(0, 2 * np.pi, 41)[:, None]
    mask = np.zeros(out.shape[:2], dtype=np.uint8)
    width = max(1, round(float(thickness) * scale))
    for centre in (right, left):
        ring = centre + forward + across * np.cos(around) * wide * scale
        ring = ring + up * np.sin(around) * tall * scale
        cv2.polylines(mask, [np.round(ring[:, :2] * 16).astype(np.int32)], True, 255, width, 16, 4)
    bridge = np.stack([right + across * wide * scale, left - across * wide * scale]) + forward
    cv2.polylines(mask, [np.round(bridge[:, :2] * 16).astype(np.int32)], False, 255, width, 16, 4)
    for centre, sign, ear in ((right, -1.0, EARS[0]), (left, 1.0, EARS[1])):
        hinge = centre + forward + sign * across * wide * scale
        arm = np.stack([hinge[:2], vertices[rig.landmark_vertex[ear], :2]])
        cv2.polylines(mask, [np.round(arm * 16).astype(np.int32)], False, 255, width, 16, 4)
    out += (mask * np.float32(0.95 / 255))[..., None] * (colour - out)
