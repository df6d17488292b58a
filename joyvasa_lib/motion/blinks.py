"""Blinks placed by rule, for models whose own are too rare or too soft.

A denoiser trained on little data averages blinks away: nothing in the audio says when they come.
People blink 10 to 30 times a minute while they speak; short intervals are more frequent than long
ones, and the eyelids close about twice as fast as they open.

Axis legend: ``t`` frames.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.motion.data import FPS

MEAN_INTERVAL = 3.6
"""Seconds from blink to blink: 17 a minute, between reading and conversation (Bentivoglio 1997)."""
SHORTEST_INTERVAL = 1.2
"""Seconds; closer blinks look like fluttering."""
CLOSING, CLOSED, OPENING = 0.08, 0.05, 0.16
"""Seconds of the three phases."""


class BlinkTrack:
    """An endless, seeded sequence of blinks, read piece by piece."""

    def __init__(self, seed: int, fps: float = FPS) -> None:
        """Starts at frame 0; the first blink starts within one mean interval."""
        self._rng = np.random.default_rng((seed, 0xB11))
        self._fps = fps
        self._frame = 0
        self._blinks: list[tuple[float, float, float]] = []  # start, stretch, depth
        self._next = float(self._rng.uniform(0.6, MEAN_INTERVAL))

    def __call__(self, frames: int) -> NDArray[np.float32]:
        """Returns the closure of the eyelids in the next frames [t], 0 open to 1 closed."""
        times = (self._frame + np.arange(frames)) / self._fps
        self._frame += frames
        while self._next < self._frame / self._fps:
            stretch, depth = self._rng.uniform(0.85, 1.2), self._rng.uniform(0.93, 1.0)
            self._blinks.append((self._next, float(stretch), float(depth)))
            spread = MEAN_INTERVAL - SHORTEST_INTERVAL
            self._next += SHORTEST_INTERVAL + float(self._rng.gamma(2.0, spread / 2.0))
        curve = np.zeros(frames)
        for start, stretch, depth in self._blinks:
            curve = np.maximum(curve, depth * blink_shape((times - start) / stretch))
        length = 1.2 * (CLOSING + CLOSED + OPENING)
        self._blinks = [b for b in self._blinks if b[0] + length > self._frame / self._fps]
        return curve.astype(np.float32)


def blink_shape(time: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the closure of the eyelids [t] in [0, 1] at times in seconds after a blink starts."""
    closing = np.clip(time / CLOSING, 0.0, 1.0)
    opening = np.clip((time - CLOSING - CLOSED) / OPENING, 0.0, 1.0)
    return 0.5 * (np.cos(np.pi * opening) - np.cos(np.pi * closing))
