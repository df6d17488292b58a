"""Makes rule-based face curves more like people: articulation leads, lips close, blinks close.

Curves animated from phoneme times alone follow the sound, leave the lips ajar on /p b m/ and blink
too briefly; what is changed here is what measurements against real talking videos asked for.

Axis legend: ``t`` frames at 25 Hz, ``s`` steps at 50 Hz, 59 channels: 52 face units, scale,
translation, rotation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from joyvasa_lib.motion.face_units import FACE_UNITS, REGIONS

Floats = NDArray[np.float32]

LEAD_FRAMES = 2
"""Visible articulation leads the sound by about 80 ms."""
RESTING_JAW = 0.1
"""Jaw opening that the rules leave in silence."""
_APART = ("jawOpen", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft",
          "mouthUpperUpRight", "mouthFunnel")  # fmt: skip
_BLINK = ("eyeBlinkLeft", "eyeBlinkRight")


def humanise(
    values: Floats, phonemes: NDArray[np.integer], closures: list[int], lead: int = LEAD_FRAMES
) -> tuple[Floats, NDArray[np.uint8]]:
    """Applies lead, lip closure, resting jaw and full blinks to animated curves.

    Args:
        values: [t, 59] face units and pose.
        phonemes: [s] class of each 20 ms step.
        closures: classes that close the lips.
        lead: frames by which the mouth leads.

    Returns:
        The new values [t, 59], and the phonemes [2 t] moved by the same lead, so that they still
        mark what the mouth does.
    """
    frames = len(values)
    steps = np.zeros(2 * frames, dtype=np.uint8)
    steps[: min(len(phonemes), 2 * frames)] = phonemes[: 2 * frames]
    steps = np.concatenate([steps[2 * lead :], np.zeros(2 * lead, np.uint8)])
    result = values.astype(np.float32).copy()

    mouth = [FACE_UNITS.index(name) for name in REGIONS["mouth"]]
    moved = np.concatenate([values[lead:, mouth], np.repeat(values[-1:, mouth], lead, 0)])
    result[:, mouth] = moved[:frames]
    jaw = FACE_UNITS.index("jawOpen")
    result[:, jaw] = np.maximum(result[:, jaw] - RESTING_JAW, 0.0) / (1.0 - RESTING_JAW)
    result[:, mouth] = gaussian_filter1d(result[:, mouth], 0.5, axis=0)

    closed = np.isin(steps, closures).reshape(frames, 2).max(1).astype(np.float32)
    closed = np.minimum(gaussian_filter1d(closed, 0.6) * 1.3, 1.0)
    apart = [FACE_UNITS.index(name) for name in _APART]
    result[:, apart] *= (1.0 - 0.92 * closed)[:, None]
    for name in ("mouthPressLeft", "mouthPressRight"):
        index = FACE_UNITS.index(name)
        result[:, index] = np.maximum(result[:, index], 0.4 * closed)

    for name in _BLINK:
        index = FACE_UNITS.index(name)
        longer = maximum_filter1d(result[:, index], 3)
        result[:, index] = np.minimum(gaussian_filter1d(longer, 0.5) * 1.2, 1.0)
    return result, steps
