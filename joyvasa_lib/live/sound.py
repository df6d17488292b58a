"""Sound as it is pushed: checked, at its own rate to be played and at 16 kHz to be understood.

Axis legend: ``n`` samples.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.errors import MediaError
from joyvasa_lib.media.audio import LOUDEST_FLOAT, SAMPLE_RATE
from joyvasa_lib.media.resampling import checked_rate, mono_chunk

if TYPE_CHECKING:
    pass

Samples = NDArray[np.float32]
SoundSource = "NDArray[Any] | torch.Tensor | bytes | bytearray | memoryview"
"""Mono samples: floats in [-1, 1], integers over their type's range, or PCM16 as bytes."""


def checked_sound(samples: Any, sample_rate: Any) -> tuple[Samples, int]:
    """Samples [n] in [-1, 1], and their rate.

    Args:
        samples: see :data:`SoundSource`; none at all is allowed.
        sample_rate: samples a second, 2000 to 768000.

    Raises:
        MediaError: they are not mono, not of samples, not finite, beyond 4 (a little more than 1
            is clipped), or half of a 16-bit sample is missing.
        OptionError: the rate is not a whole number in the range.
    """
    rate = checked_rate(sample_rate)
    if isinstance(samples, bytes | bytearray | memoryview):
        data = bytes(samples)
        if len(data) % 2:
            raise MediaError(
                f"PCM16 has two bytes a sample, and {len(data)} bytes are odd; keep the last byte "
                "for the next push"
            )
        return (np.frombuffer(data, "<i2") / np.float32(32768.0)).astype(np.float32), rate
    if isinstance(samples, list | tuple) and not samples:
        samples = np.zeros(0, np.float32)
    sound = mono_chunk(samples)
    peak = float(np.abs(sound).max(initial=0.0))
    if not np.isfinite(peak):
        raise MediaError("The sound holds NaN or infinite samples; repair it before it is pushed")
    if peak > LOUDEST_FLOAT:
        raise MediaError(
            f"The sound's float samples reach {peak:.4g}; scale them to [-1, 1], or push integers"
        )
    return np.clip(sound, -1.0, 1.0), rate


class Resampler:
    """A mono waveform to 16 kHz, piece by piece."""

    def __init__(self, sample_rate: int) -> None:
        """Starts a waveform of a rate."""
        self._rate = sample_rate
        self._stream: Any = None
        self._taken = self._given = 0
        if sample_rate != SAMPLE_RATE:
            import soxr

            self._stream = soxr.ResampleStream(
                sample_rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ"
            )

    def __call__(self, samples: Samples, last: bool = False) -> Samples:
        """The next samples at 16 kHz; at the end as many as the whole lasts."""
        if self._stream is None:
            return samples
        self._taken += len(samples)
        made: Samples = self._stream.resample_chunk(samples, last=last)
        if last:
            missing = round(self._taken * SAMPLE_RATE / self._rate) - self._given
            made = np.pad(made[: max(0, missing)], (0, max(0, missing - len(made))))
        self._given += len(made)
        return made


class SoundQueue:
    """Pieces of a waveform in the order they came, taken in any other lengths."""

    def __init__(self) -> None:
        self._pieces: deque[Samples] = deque()
        self._waiting = 0

    def __len__(self) -> int:
        """Samples that wait."""
        return self._waiting

    def put(self, samples: Samples) -> None:
        """Adds samples [n] at the end."""
        if len(samples):
            self._pieces.append(samples)
            self._waiting += len(samples)

    def take(self, count: int) -> Samples:
        """Removes and returns the first samples, fewer where fewer wait."""
        taken: list[Samples] = []
        while count > 0 and self._pieces:
            piece = self._pieces.popleft()
            if len(piece) > count:
                self._pieces.appendleft(piece[count:])
                piece = piece[:count]
            taken.append(piece)
            count -= len(piece)
            self._waiting -= len(piece)
        return np.concatenate(taken) if taken else np.zeros(0, np.float32)
