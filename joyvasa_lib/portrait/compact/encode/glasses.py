"""Whether a face wears glasses: their bridge crosses the nose as a bar that is no skin.

Glasses are part of the image and move with the skin that is drawn there, so brows and cheeks must
not move far beneath them.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.rig.head_rig import Floats

_ROOT, _RIDGE, _SIDES = 168, 5, (193, 417)
"""Points at the root and low on the ridge of the nose, and at both sides of its root."""
_ABOVE = 0.25
"""Share of the way from root to ridge that is looked at above the root: thick bars lie there."""
_SAMPLES, _LINES, _APART = 60, 5, 9
"""Samples along the ridge, lines beside each other of which the median is taken, and samples from
a bar to the skin above and below it."""
_WIDE = 0.25
"""Half the distance of the outer lines, widths of the root."""
_WEIGHT = np.array([0.6, 1.5, 1.5], np.float32)
"""Weights of Lab's channels: light changes on a nose, colour hardly."""
_BAR = 20.0
"""Difference from the skin above and below from which on it is a bar: glasses have 25 and 36, other
portraits at most 17 (brush strokes) and in the median 6."""


def wears_glasses(image: NDArray[np.uint8], landmarks: Floats) -> bool:
    """Whether there is the bridge of glasses on a nose.

    Args:
        image: [s, s, 3] RGB crop.
        landmarks: [468 or 478, 3] of it, pixels.
    """
    marks = landmarks[:, :2].astype(np.float64)
    way = np.linspace(-_ABOVE, 1.0, _SAMPLES)[:, None]
    line = marks[_ROOT] + way * (marks[_RIDGE] - marks[_ROOT])
    across = _WIDE * (marks[_SIDES[1]] - marks[_SIDES[0]])
    where = line[None] + np.linspace(-1.0, 1.0, _LINES)[:, None, None] * across
    colours = cv2.remap(
        image, where.astype(np.float32), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    lab = cv2.cvtColor(colours, cv2.COLOR_RGB2LAB).astype(np.float32) * _WEIGHT
    ridge = np.median(lab, axis=0)
    middle = ridge[_APART:-_APART]
    skin = 0.5 * (ridge[: -2 * _APART] + ridge[2 * _APART :])
    return bool(np.linalg.norm(middle - skin, axis=1).max() > _BAR)
