"""Luminance: how light a colour is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Weights of red, green and blue in luminance (ITU-R BT.601)."""


def luminance(colour: NDArray[np.floating]) -> NDArray[np.floating]:
    """[...] luminance of RGB colours [..., 3]."""
    return np.asarray(colour @ LUMA)
