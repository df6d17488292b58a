"""How much of a smile an image shows, including what the fit explains by identity.

A broad smile lifts the corners of the mouth as far as they can go. The fit explains much of it by
the person's identity; a full smile added to that would be beyond any face.
"""

from __future__ import annotations

import numpy as np

from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.rig.fitting import HeadFit
from joyvasa_lib.rig.head_rig import Floats, HeadRig
from joyvasa_lib.rig.regions import INNER_LIP_MIDDLES, MOUTH_CORNERS

SMILE = [BLENDSHAPES.index("mouthSmileLeft"), BLENDSHAPES.index("mouthSmileRight")]
_AT_REST = -0.03
"""Rig units by which resting corners usually lie above the middle of the lips; people differ by
0.03."""


def own_smile(rig: HeadRig, fit: HeadFit) -> float:
    """The image's smile: 0 for none, 1 for the lift of the corners at full activation."""
    blendshapes = np.zeros(len(BLENDSHAPES), np.float32)
    blendshapes[SMILE] = 1.0
    full = _lift(rig, np.tensordot(blendshapes, rig.blendshapes, 1))
    shown = _lift(rig, fit.shape + np.tensordot(fit.blendshapes, rig.blendshapes, 1))
    return float(np.clip((shown - _AT_REST) / full, 0.0, 1.0))


def _lift(rig: HeadRig, shape: Floats) -> float:
    """How far the corners of the mouth lie above the middle of the lips; rig units."""
    middle, corners = (
        shape[rig.landmark_vertex[list(ids)], 1] for ids in (INNER_LIP_MIDDLES, MOUTH_CORNERS)
    )
    return float(middle.mean() - corners.mean())
