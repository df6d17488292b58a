"""Curves over time: agreement, lag, jitter and loudness.

Axis legend: ``t`` frames, ``h`` steps of 10 ms.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joyvasa_lib.media.audio import SAMPLE_RATE

Curve = NDArray[np.float64]

STEP = 160
"""Samples per step of loudness: 10 ms."""
QUIET_DB = 25.0
"""Decibels below the 95th percentile from which a frame counts as silent."""
JITTER_HZ = 6.0
"""Frequency above which people's heads do not move: motion above it is jitter."""


@dataclass(frozen=True)
class Agreement:
    """How well one curve follows another.

    Attributes:
        correlation: Pearson's, without lag.
        best_correlation: the highest over all lags.
        lag_ms: lag of the first curve behind the second at that correlation, milliseconds.
    """

    correlation: float
    best_correlation: float
    lag_ms: float


def correlation(a: ArrayLike, b: ArrayLike) -> float:
    """Pearson's correlation over the frames where both are finite; NaN where one is constant."""
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    both = np.isfinite(x) & np.isfinite(y)
    if both.sum() < 3 or np.ptp(x[both]) < 1e-9 or np.ptp(y[both]) < 1e-9:
        return float("nan")
    return float(np.corrcoef(x[both], y[both])[0, 1])


def agreement(made: ArrayLike, truth: ArrayLike, fps: float, longest: float = 0.4) -> Agreement:
    """Compares two curves at all lags up to ``longest`` seconds, with sub-frame resolution.

    Args:
        made: [t] the curve that is measured.
        truth: [t] the reference; the longer curve is cut.
        fps: frames per second of both.
        longest: largest lag in seconds, in both directions.
    """
    a, b = np.asarray(made, np.float64), np.asarray(truth, np.float64)
    n = min(len(a), len(b))
    a, b = a[:n], b[:n]
    reach = min(round(longest * fps), max(n - 3, 0))
    values = np.array(
        [
            correlation(a[max(lag, 0) : n + min(lag, 0)], b[max(-lag, 0) : n - max(lag, 0)])
            for lag in range(-reach, reach + 1)
        ]
    )
    if np.isnan(values).all():
        return Agreement(float("nan"), float("nan"), float("nan"))
    best = int(np.nanargmax(values))
    shift = 0.0
    if 0 < best < len(values) - 1 and np.isfinite(values[best - 1 : best + 2]).all():
        before, top, after = values[best - 1 : best + 2]  # the parabola through three points
        bend = before - 2.0 * top + after
        shift = 0.5 * (before - after) / bend if bend < -1e-12 else 0.0
    lag_ms = 1000.0 * (best - reach + shift) / fps
    return Agreement(float(values[reach]), float(values[best]), float(lag_ms))


def shaking(curve: ArrayLike, fps: float, above: float = JITTER_HZ) -> float:
    """Root mean square of :func:`fast_part`, in the unit of the curve."""
    fast = fast_part(curve, fps, above)
    return float(np.sqrt(np.mean(np.square(fast)))) if len(fast) else 0.0


def fast_part(curve: ArrayLike, fps: float, above: float = JITTER_HZ) -> Curve:
    """The part of a curve [t] above a frequency in hertz."""
    values = filled(curve)
    if len(values) < 4 or fps <= 2.0 * above:
        return np.zeros(len(values))
    # Subtracting the line between its ends and appending its odd reflection makes it periodic.
    values = values - np.linspace(values[0], values[-1], len(values))
    spectrum = np.fft.rfft(np.concatenate([values, -values[::-1]]))
    spectrum[np.fft.rfftfreq(2 * len(values), 1.0 / fps) <= above] = 0.0
    return np.asarray(np.fft.irfft(spectrum)[: len(values)])


def filled(curve: ArrayLike) -> Curve:
    """The curve [t] with NaN replaced by linear interpolation; the ends are held."""
    values = np.array(curve, dtype=np.float64)
    known = np.isfinite(values)
    if known.any() and not known.all():
        frames = np.arange(len(values))
        values[~known] = np.interp(frames[~known], frames[known], values[known])
    return values


def runs(mask: ArrayLike) -> list[tuple[int, int]]:
    """First frame and frame after the last of each run of True in a mask [t]."""
    padded = np.concatenate([[False], np.asarray(mask, dtype=bool), [False]])
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def loudness(blocks: Iterable[NDArray[np.float32]], n_frames: int, fps: float) -> Curve:
    """Loudness of each frame [t] in decibels relative to full scale, at least -100.

    Args:
        blocks: consecutive pieces of a mono waveform at 16 kHz, float32 [n].
        n_frames: number of frames; those after the end of the waveform are silent.
        fps: frames per second.
    """
    energies: list[Curve] = []
    rest: NDArray[np.float32] = np.zeros(0, np.float32)
    for block in blocks:
        rest = np.concatenate([rest, block])
        whole = len(rest) // STEP
        steps = rest[: whole * STEP].reshape(whole, STEP).astype(np.float64)
        energies.append(np.square(steps).mean(axis=1))
        rest = rest[whole * STEP :]
    total = np.concatenate([[0.0], np.cumsum(np.concatenate([*energies, [0.0]]))])
    edges = np.arange(n_frames + 1) / fps * (SAMPLE_RATE / STEP)
    sums = np.interp(edges, np.arange(len(total)), total)
    energy = np.diff(sums) / np.maximum(np.diff(edges), 1e-9)
    return np.asarray(10.0 * np.log10(np.maximum(energy, 1e-10)))


def silent_frames(levels: ArrayLike, fps: float, shortest: float = 0.2) -> NDArray[np.bool_]:
    """Mask [t] of the pauses of at least ``shortest`` seconds in a loudness curve [t] in dB."""
    values = np.asarray(levels, np.float64)
    mask = np.zeros(len(values), dtype=bool)
    if len(values) == 0:
        return mask
    for start, stop in runs(values < np.quantile(values, 0.95) - QUIET_DB):
        mask[start:stop] = stop - start >= shortest * fps
    return mask
