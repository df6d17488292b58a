"""Level of the speech in a recording, by which every voice is brought to one reference level.

Axis legend: ``n`` samples at 16 kHz.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FRAME = 320
"""Samples of one 20 ms energy frame at 16 kHz."""
ACTIVE_RANGE_DB = 20.0
"""Frames at most this far below the 95th percentile count as speech."""
SILENCE_DB = -75.0
"""Lowest level: silence is not amplified any further."""
REFERENCE_DB = -20.0
"""Level that the encoder expects, as root mean square relative to full scale."""


def speech_level(waveform: NDArray[np.float32]) -> float:
    """Returns the level of the active part of a waveform.

    Args:
        waveform: float [n], 16 kHz.

    Returns:
        Root mean square over active frames in decibels relative to full scale, at least
        ``SILENCE_DB``. Active frames lie within 20 dB of the 95th percentile, after ITU-T P.56's
        idea of the active speech level.
    """
    whole = len(waveform) // FRAME * FRAME
    if whole == 0:
        return SILENCE_DB
    frames = waveform[:whole].reshape(-1, FRAME).astype(np.float64)
    energy = np.mean(np.square(frames), axis=1)
    threshold = np.quantile(energy, 0.95) * 10.0 ** (-ACTIVE_RANGE_DB / 10.0)
    active = energy[energy >= threshold]
    return max(SILENCE_DB, float(10.0 * np.log10(np.mean(active) + 1e-20)))


class LevelTracker:
    """Follows the level of a speaker from window to window and gives the gain to apply.

    So that a pause is not amplified to the level of speech, the level falls by at most 2 dB a
    window; it rises at once.
    """

    def __init__(self, release_db: float = 2.0) -> None:
        """Starts without a level; ``release_db`` is its largest fall per window."""
        self.release_db = release_db
        self._level: float | None = None

    def gain(self, waveform: NDArray[np.float32]) -> float:
        """Returns the factor that brings this window (float [n]) to the reference level."""
        level = speech_level(waveform)
        if self._level is not None:
            level = max(level, self._level - self.release_db)
        self._level = level
        return float(10.0 ** ((REFERENCE_DB - level) / 20.0))
