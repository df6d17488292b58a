"""Places on a closed upper eyelid: along its edge, and above it.

Axis legend: ``v`` vertices, ``h`` x ``w`` window of the closed eye.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.rig.eyelids import lid_edges
from joyvasa_lib.rig.head_rig import Floats, HeadRig
from joyvasa_lib.rig.regions import EYES
from joyvasa_lib.rig.spreading import height_of

_LEAST_HEIGHT = 0.85
"""Least height of crease and brow towards the corners, relative to the greatest."""
_HIGH_CREASE = 0.6
"""Share of the way to the brow up to which a crease may be higher than its landmarks."""
_LEAST_GAP = 0.1
"""Least distance of crease and brow, relative to the height of the crease."""


@dataclass(frozen=True, eq=False)
class EyelidPlace:
    """Where a texture's pixels lie on a closed upper eyelid.

    Attributes:
        share: [h, w] along its edge, 0 in the corner on the image's left, 1 in the other.
        above: [h, w] rig units above its edge; negative below.
        up: [h, w] the same in heights of the crease above the edge.
        to_brow: [h, w] the same as a share of the way from the highest place of the crease to the
            lower edge of the brow; negative below.
        length: of the edge, rig units.
    """

    share: Floats
    above: Floats
    up: Floats
    to_brow: Floats
    length: float

    @classmethod
    def of(
        cls, rig: HeadRig, uv: Floats, eye: int, size: tuple[int, int], pixel: float
    ) -> EyelidPlace:
        """The places on one eye's texture.

        Args:
            rig: the head model.
            uv: [v, 2 or 3] texture coordinates of the head with its eyes shut, pixels.
            eye: 0 for the person's left eye, 1 for the right one.
            size: height and width of the texture.
            pixel: its pixels per rig unit.
        """
        edge = uv[lid_edges(rig)[eye][0], :2].astype(np.float64)
        axes, length = eye_axes(edge)
        curve = (edge - edge[0]) @ axes.T
        row, column = np.mgrid[: size[0], : size[1]]
        offset = np.stack([column, row], -1) - edge[0]
        x, y = offset @ axes[0], offset @ axes[1]
        above = (height_of(curve, x) - y) / pixel

        def height(marks: tuple[int, ...]) -> NDArray[np.float64]:
            line = (uv[rig.landmark_vertex[list(marks)], :2] - edge[0]) @ axes.T
            line = line[np.argsort(line[:, 0])]
            heights = (height_of(curve, line[:, 0]) - line[:, 1]) / pixel
            least = max(_LEAST_HEIGHT * float(heights.max()), 1.0 / pixel)
            return np.asarray(np.maximum(np.interp(x, line[:, 0], heights), least))

        crease, brow = height(EYES[eye].crease), height(EYES[eye].brow_bottom)
        high = np.maximum(crease, _HIGH_CREASE * brow)
        gap = np.maximum(brow - high, _LEAST_GAP * high)
        return cls(
            (x / length).astype(np.float32),
            above.astype(np.float32),
            (above / crease).astype(np.float32),
            ((above - high) / gap).astype(np.float32),
            length / pixel,
        )

    def between_corners(self, fade: float) -> Floats:
        """[h, w] 1 between the eye's corners, 0 from ``fade`` of its length beyond them on."""
        inwards = np.minimum(self.share, 1.0 - self.share)
        return np.asarray(np.clip(1.0 + inwards / fade, 0.0, 1.0), np.float32)


def eye_axes(edge: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """[2, 2] unit vectors along an eye from corner to corner and downwards, and its length."""
    way = edge[-1] - edge[0]
    length = max(float(np.hypot(*way)), 1.0)
    along = way / length
    return np.stack([along, [-along[1], along[0]]]), length
