"""The crease of a portrait's upper eyelids: how far up the texture of closed eyes is shown.

An open eye folds its upper eyelid into the crease and throws a shadow there. Closed, the skin is
unfolded and lies below it. Where a portrait's crease is above what the rig's blink moves, parts of
its shadow and of the lashes before it would stay as blots over the eyelid. The texture of the
closed eye has none of them, and is shown up to above the crease (see ``closed_eyelids``).

Axis legend: ``v`` vertices.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.encode.eyelids.eyelid_place import eye_axes
from joyvasa_lib.rig.eyelids import lid_edges
from joyvasa_lib.rig.head_rig import Floats, HeadRig
from joyvasa_lib.rig.regions import EYES
from joyvasa_lib.rig.spreading import height_of

_WHOLLY, _UP_TO = 2.0, 2.6
"""Heights of the crease up to which the texture is shown, and at which it ends."""
_SOFT = 0.5
"""Least height over which it fades, in heights of the crease."""
_BELOW_BROW = 1.0
"""Share of the way to the brow at which it ends at last."""
_LOWEST = 0.07
"""Least height in rig units of the crease: it may be hidden."""
_BELOW_EDGE = 0.02
"""Rig units below the edge of the eyelid down to which it is shown."""
_CORNERS, _LASHES = 0.3, 0.4
"""Share of the eye's length over which it ends in its corners, half of it outside, and how much
farther out it goes on beside the eye, where long lashes stand."""


def crease_cover(rig: HeadRig, vertices: Floats, scale: float) -> Floats:
    """[v] share in [0, 1] to which the texture is shown around the creases of closed eyelids.

    Args:
        rig: the head model.
        vertices: [v, 3] the head as the image shows it, pixels.
        scale: pixels per rig unit.
    """
    points = vertices[:, :2].astype(np.float64)
    left = rig.mean[:, 0] > 0
    eyes = [
        np.where(side, _one_eye(rig, points, e, scale), 0.0) for e, side in ((0, left), (1, ~left))
    ]
    return np.asarray(np.maximum(*eyes) * rig.skin_vertex, np.float32)


def _one_eye(
    rig: HeadRig, points: NDArray[np.float64], eye: int, scale: float
) -> NDArray[np.float64]:
    """[v] share to which the texture is shown above one eye."""
    rim = points[lid_edges(rig)[eye][0]]
    axes, length = eye_axes(rim)
    x, y = ((points - rim[0]) @ axes.T).T
    level = height_of((rim - rim[0]) @ axes.T, x)

    def height(marks: tuple[int, ...]) -> NDArray[np.float64]:
        line = (points[rig.landmark_vertex[list(marks)]] - rim[0]) @ axes.T
        return level - height_of(line, x)

    above = level - y
    crease = np.maximum(height(EYES[eye].crease), _LOWEST * scale)
    end = np.minimum(_UP_TO * crease, _BELOW_BROW * height(EYES[eye].brow_bottom))
    start = np.minimum(_WHOLLY * crease, end - _SOFT * crease)
    outer, inner = (length - x, x) if eye == 0 else (x, length - x)
    inside = np.minimum(outer + _LASHES * length, inner)
    within = np.clip(0.5 + inside / (_CORNERS * length), 0.0, 1.0)
    cover = np.clip((end - above) / np.maximum(end - start, 1e-6), 0.0, 1.0) * within
    return np.asarray(cover * (above > -_BELOW_EDGE * scale))
