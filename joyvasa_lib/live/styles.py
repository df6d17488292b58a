"""``StyleRamp``: a speaking style that may be changed while somebody speaks.

Axis legend: ``s`` dials.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.motion.data import FPS
from joyvasa_lib.speech.style import CHANGING, SpeakingStyle, StyleLike, style_track

Floats = NDArray[np.float32]


class StyleRamp:
    """Dials that go from one style to the next within half a second of speech."""

    def __init__(self, style: StyleLike | None = None) -> None:
        """Starts with a style; None leaves it to the model.

        Raises:
            OptionError: it is none, or changes over time.
        """
        self._before = self._after = self._read(style)
        self._frames = 0.0  # of speech since the last change

    @property
    def dials(self) -> Floats | None:
        """[s] at the moment; None leaves the style to the model."""
        if self._before is None or self._after is None:
            return self._after
        share = np.float32(min(self._frames / (CHANGING * FPS), 1.0))
        return self._before + share * (self._after - self._before)

    def become(self, style: StyleLike | None) -> None:
        """Goes over to another style.

        Raises:
            OptionError: it is none, or changes over time.
        """
        after = self._read(style)
        before = self.dials
        if before is None and after is not None:
            before = SpeakingStyle().array()
        self._before, self._after, self._frames = before, after, 0.0

    def advance(self, frames: int) -> None:
        """So many frames of speech were drawn."""
        self._frames += frames

    @staticmethod
    def _read(style: StyleLike | None) -> Floats | None:
        if style is None:
            return None
        return style_track(style).styles[0].array()
