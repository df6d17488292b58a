"""Activations of the rig's blendshapes that scores of a face suggest: the prior of a fit.

A network scores blendshapes on a scale of its own: a full blink of the rig scores 0.7, brows raised
by 0.8 score 0.34. Each scale was measured on rendered heads and on portraits acted by this library,
as the slope of the score over the activation.

Axis legend: ``u`` 52 blendshapes.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.motion.blendshapes import BLENDSHAPES

_SCALE = {
    "browDown": (0.02, 0.5),
    "browInnerUp": (0.05, 0.5),
    "browOuterUp": (0.20, 0.5),
    "eyeBlink": (0.10, 0.65),
    "eyeLookDown": (0.10, 0.6),
    "eyeLookIn": (0.05, 0.55),
    "eyeLookOut": (0.05, 0.55),
    "eyeLookUp": (0.05, 0.5),
    "eyeSquint": (0.30, 0.6),
    "eyeWide": (0.02, 0.4),
    "jawOpen": (0.01, 0.6),
    "mouthFunnel": (0.01, 0.4),
    "mouthPucker": (0.05, 0.7),
    "mouthSmile": (0.02, 0.8),
}
"""Score of a face at rest, and how much it grows with an activation of 1. The scores of blendshapes
that are not listed do not follow the rig's."""


def expected_blendshapes(scores: NDArray[np.floating]) -> NDArray[np.float32]:
    """Activations that scores suggest; NaN for blendshapes that they tell nothing about.

    Args:
        scores: [..., u] in [0, 1]; see
            :func:`~joyvasa_lib.face.landmarks.blendshape_scores.blendshape_scores`.

    Returns:
        [..., u] in [0, 1], or NaN.
    """
    rest, gain = _scales()
    return np.clip((np.asarray(scores) - rest) * gain, 0.0, 1.0).astype(np.float32)


@lru_cache(maxsize=1)
def _scales() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """[u] scores at rest and [u] activation for a score above that; NaN where none is known."""
    rest, gain = np.full((2, len(BLENDSHAPES)), np.nan, np.float32)
    for index, name in enumerate(BLENDSHAPES):
        known = _SCALE.get(name.removesuffix("Left").removesuffix("Right"))
        if known is not None:
            rest[index], gain[index] = known[0], 1.0 / known[1]
    return rest, gain
