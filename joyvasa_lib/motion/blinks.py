"""What a blink is: eyelids close about twice as fast as they open.

Axis legend: ``t`` frames.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MEAN_INTERVAL = 3.6
"""Seconds from blink to blink of somebody at rest: 17 a minute (Bentivoglio et al. 1997)."""
SHORTEST_INTERVAL = 1.2
"""Seconds; closer blinks look like fluttering."""
CLOSING, CLOSED, OPENING = 0.08, 0.05, 0.16
"""Seconds of the three phases."""


def blink_shape(time: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the closure of the eyelids [t] in [0, 1] at times in seconds after a blink starts."""
    closing = np.clip(time / CLOSING, 0.0, 1.0)
    opening = np.clip((time - CLOSING - CLOSED) / OPENING, 0.0, 1.0)
    return 0.5 * (np.cos(np.pi * opening) - np.cos(np.pi * closing))
