"""``LiveFrame``: what an avatar shows and says in one moment.

Axis legend: ``h`` and ``w`` pixels, ``n`` samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class LiveFrame:
    """An image, the sound that goes with it, and when both are due.

    Attributes:
        image: [h, w, 3] uint8 RGB; shared with later frames, so copy before drawing on it.
        audio: [n] float32 in [-1, 1], the avatar's own speech while this frame is shown, at the
            rate at which it was pushed; empty where the avatar does not speak.
        sample_rate: samples a second of ``audio``.
        time: presentation time in seconds, from the first frame on.
        periods: frame periods that the frame stands for; more than 1 where frames were dropped,
            whose sound is in ``audio``.
        speaking: whether the avatar speaks.
        listening: whether it listens to somebody who speaks, or spoke a moment ago.
        utterance_start: whether an utterance begins with this frame.
        utterance_end: whether an utterance ends with this frame, by itself or by interruption.
        repeated: whether the image is that of the frame before, since none was ready.
    """

    image: NDArray[np.uint8]
    audio: NDArray[np.float32]
    sample_rate: int
    time: float
    periods: int = 1
    speaking: bool = False
    listening: bool = False
    utterance_start: bool = False
    utterance_end: bool = False
    repeated: bool = False

    @property
    def idle(self) -> bool:
        """Whether the avatar neither speaks nor listens."""
        return not (self.speaking or self.listening)

    def pcm16(self) -> bytes:
        """The sound as 16-bit little-endian samples, as it may have been pushed."""
        return np.clip(np.rint(self.audio * 32768.0), -32768, 32767).astype("<i2").tobytes()
