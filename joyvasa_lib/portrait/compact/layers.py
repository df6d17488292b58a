"""Layers of a head: what a pixel shows, so that nothing is taken from another layer.

Axis legend: ``f`` triangles.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.rig.head_rig import HeadRig
from joyvasa_lib.rig.regions import EYEBALLS

OUTSIDE, SKIN, EYE, MOUTH, MIXED, UPPER, LOWER = 0, 1, 2, 3, 4, 5, 6
"""Layers: a pixel may only be taken from the same layer of the image. ``MOUTH`` is what lies
behind the rows of ``UPPER`` and ``LOWER`` teeth; ``MIXED`` may be any of these or a lip, and is
used only where it hardly moves."""
MOUTH_LAYERS = (MOUTH, UPPER, LOWER)
"""Layers that show only between parted lips."""


def triangle_layer(rig: HeadRig) -> NDArray[np.uint8]:
    """Layer [f] of every triangle: skin, eyeball, teeth or what lies behind them."""
    layer = np.full(len(rig.triangles), SKIN, dtype=np.uint8)
    layer[rig.part(*EYEBALLS)] = EYE
    layer[rig.part("mouth_cavity", "tongue")] = MOUTH
    layer[rig.part("teeth_upper")] = UPPER
    layer[rig.part("teeth_lower")] = LOWER
    return layer
