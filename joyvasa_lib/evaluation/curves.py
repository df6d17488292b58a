"""Curves over time: how they agree, lag, and shake; and how loud a sound is in each frame.

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
"""Samples of a loudness step: 10 ms."""
QUIET_DB = 25.0
"""Decibels below the loudest twentieth from which a frame counts as silent."""
JITTER_HZ = 6.0
"""Frequency above which people's heads have nothing: what is there shakes."""


@dataclass(frozen=True)
class Agreement:
    """How well one curve follows another.

    Attributes:
        correlation: Pearson's, as they are.
        best_correlation: the highest over all lags.
        lag_ms: milliseconds by which the first comes after the second at the best lag.
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
    """Compares two curves at all lags up to ``longest`` seconds, to a fraction of a frame.

    Args:
        made: [t] the curve that is judged.
        truth: [t] what it should be; the longer one is cut.
        fps: frames a second of both.
        longest: largest lag in seconds, either way.
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
    """Root mean square of :func:`fast_part`, in the curve's own unit."""
    fast = fast_part(curve, fps, above)
    return float(np.sqrt(np.mean(np.square(fast)))) if len(fast) else 0.0


def fast_part(curve: ArrayLike, fps: float, above: float = JITTER_HZ) -> Curve:
    """What a curve [t] has above a frequency in Hz; what is left after subtracting it is calm."""
    values = filled(curve)
    if len(values) < 4 or fps <= 2.0 * above:
        return np.zeros(len(values))
    # Without the line between its ends and mirrored in a point, the curve closes to a circle.
    values = values - np.linspace(values[0], values[-1], len(values))
    spectrum = np.fft.rfft(np.concatenate([values, -values[::-1]]))
    spectrum[np.fft.rfftfreq(2 * len(values), 1.0 / fps) <= above] = 0.0
    return np.asarray(np.fft.irfft(spectrum)[: len(values)])


def filled(curve: ArrayLike) -> Curve:
    """The curve [t] with NaN replaced by straight lines between its neighbours."""
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
    """How loud the sound is in each frame, decibels relative to full scale [t], at least -100.

    Args:
        blocks: consecutive pieces of sound, float32 [n], 16 kHz mono.
        n_frames: number of frames; those after the end of the sound are silent.
        fps: frames a second.
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
