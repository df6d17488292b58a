"""The named emotion that a vector is most like."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.emotion.prototypes import BASIC, NEUTRAL, Prototype
from joyvasa_lib.emotion.vector import EmotionVector

_ONE_SIDED = 2.5
"""Weight of a difference of the sides: landmarks show a smile on one side as one on both, weaker on
the other. Contempt is told from happiness by that difference."""


def nearest_emotion(
    emotion: EmotionVector, among: Mapping[str, Prototype] = BASIC
) -> tuple[str, float]:
    """The named emotion whose direction is nearest, and the level at which it fits best.

    Contempt on the left counts as contempt.

    Args:
        emotion: any vector.
        among: named emotions to choose from.

    Returns:
        Name and level in [0, 1]; ``("neutral", 0.0)`` where no unit is above zero or nothing fits.
    """
    if not (emotion.vector > 0.0).any():
        return NEUTRAL.name, 0.0
    given = _compared(emotion)
    found = []
    for name, one in among.items():
        for shown in (one.emotion, one.emotion.mirrored()):
            wanted = _compared(shown)
            likeness = float(given @ wanted) / float(np.linalg.norm(wanted))
            level = float(emotion.vector @ shown.vector) / float(shown.vector @ shown.vector)
            found.append((likeness, name, level))
    likeness, name, level = max(found)
    if likeness <= 0.0:
        return NEUTRAL.name, 0.0
    return name, min(max(level, 0.0), 1.0)


def _compared(emotion: EmotionVector) -> NDArray[np.float64]:
    """The vector with differences of the sides counted more."""
    other = emotion.mirrored().vector
    return np.asarray(0.5 * (emotion.vector + other) + 0.5 * _ONE_SIDED * (emotion.vector - other))
