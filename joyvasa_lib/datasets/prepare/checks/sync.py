"""Whether lips and audio match in time, measured from a curve of each.

The opening of the lips is correlated with the loudness of what lips shape at all shifts. Shifts of
more than a second, where any agreement is chance, tell the spread of chance: the peak is measured
in deviations of it. A few seconds of speech seldom suffice, and then the lag is unknown.

Axis legend: ``t`` frames, ``l`` shifts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Curve = NDArray[np.float64]

SHORTEST = 4.0
"""Seconds; shorter stretches have no shifts of more than a second that are not also others."""
_NEAR, _FAR = 0.6, 1.0
"""Seconds within which a shift is looked for, and from which agreement is chance."""
_CERTAIN = 5.0
"""Deviations of chance by which a peak must stand out to be believed at all."""
_BETTER = 3.0
"""Deviations by which it must exceed what is reached without a shift to be called out of step."""
_UNRELATED = 2.5
"""Deviations below which, given time, lips and audio have no relation."""
_ENOUGH = 90.0
"""Seconds of speech from which it is held against a recording that nothing agrees."""


@dataclass(frozen=True)
class Sync:
    """How lips and audio match in time.

    Attributes:
        seconds: of speech it rests on.
        lag_ms: milliseconds by which the lips come after the audio; None where too little agrees.
        agreement: correlation at that lag; the highest one where there is no lag.
        certainty: by how many deviations of chance the peak stands out.
        in_step: whether the two go together, as far as can be told.
    """

    seconds: float
    lag_ms: float | None
    agreement: float
    certainty: float
    in_step: bool


def measure_sync(
    stretches: Iterable[tuple[Curve, Curve]], fps: float, most_ms: float = 150.0
) -> Sync | None:
    """Judges the stretches of one recording together.

    Out of step is what has its peak, sure by five deviations, beyond ``most_ms`` and three
    deviations above the best within it; or what in a minute and a half agrees nowhere.

    Args:
        stretches: opening of the lips [t] and loudness of lip sounds [t] of each.
        fps: frames a second of both.
        most_ms: largest shift that still is in step; viewers mind 90 to 185 ms (ITU-R BT.1359).

    Returns:
        The judgement, or None where no stretch lasts four seconds.
    """
    total, frames = np.zeros(2 * round(2 * _FAR * fps) + 1), 0
    for opening, loudness in stretches:
        if len(opening) < SHORTEST * fps:
            continue
        total += len(opening) * _at_all_shifts(opening, loudness, len(total) // 2)
        frames += len(opening)
    if frames == 0:
        return None
    curve = total / frames
    shift = (np.arange(len(curve)) - len(curve) // 2) * 1000.0 / fps
    far, near = np.abs(shift) >= 1000.0 * _FAR, np.abs(shift) <= 1000.0 * _NEAR
    chance = max(float(np.sqrt(np.square(curve[far]).mean())), 1e-6)
    best = int(np.where(near, curve, -np.inf).argmax())
    peak = float(curve[best])
    without = float(curve[np.abs(shift) <= most_ms].max())
    certainty, seconds = peak / chance, frames / fps
    if certainty < _CERTAIN:
        related = certainty >= _UNRELATED or seconds < _ENOUGH
        return Sync(seconds, None, peak, certainty, related)
    lag = float(shift[best]) + _vertex(curve, best) * 1000.0 / fps
    late = abs(lag) > most_ms and peak - without > _BETTER * chance
    return Sync(seconds, lag, peak, certainty, not late)


def _at_all_shifts(lips: Curve, loudness: Curve, reach: int) -> Curve:
    """Correlation [l] of lips with loudness ``l`` frames earlier, wrapped around the ends."""
    a, b, size = _standard(lips), _standard(loudness), len(lips)
    full = np.fft.irfft(np.fft.rfft(a) * np.conj(np.fft.rfft(b)), size) / size
    return np.asarray(full[np.arange(-reach, reach + 1) % size])


def _standard(curve: Curve) -> Curve:
    """The curve with mean 0 and deviation 1; zeros where it is constant."""
    return np.asarray((curve - curve.mean()) / max(float(curve.std()), 1e-9))


def _vertex(curve: Curve, peak: int) -> float:
    """Place of the top of the parabola through a peak and its neighbours, relative to the peak."""
    before, top, after = curve[peak - 1 : peak + 2]
    bend = before - 2.0 * top + after
    return float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < -1e-12 else 0.0
