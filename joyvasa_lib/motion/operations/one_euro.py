"""The one-euro filter: still when slow, quick when fast (Casiez, Roussel & Vogel, CHI 2012).

Axis legend: ``t`` frames, ``c`` channels.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joyvasa_lib.checks import checked_float
from joyvasa_lib.errors import MotionError

Curves = NDArray[np.float64]


def _smoothing_factor(cutoff: Curves | float, fps: float) -> Curves:
    """Weight of a new sample in a first-order low-pass of that cutoff in Hz (paper's eq. 5)."""
    ratio = 2.0 * math.pi * np.asarray(cutoff, dtype=np.float64) / fps
    return np.asarray(ratio / (ratio + 1.0))


def low_pass(x: Curves, weights: Curves, start: Curves) -> Curves:
    """First-order low-pass ``y_i = y_{i-1} + w_i (x_i - y_{i-1})`` from ``y_{-1} = start``.

    Args:
        x: [t, c].
        weights: [t, c] or [t, 1] weight of each new sample.
        start: [c] output before the first frame.

    Returns:
        [t, c].
    """
    result = np.empty_like(x)
    y = start
    for target, sample, weight in zip(result, x, weights, strict=True):
        np.subtract(sample, y, out=target)
        target *= weight
        target += y
        y = target
    return result


class OneEuroFilter:
    """A causal one-euro filter that remembers where it was, for chunks of a stream.

    The derivative is taken from the raw samples, as in the authors' published code; it is thus
    a fixed linear filter, and the cutoffs of a whole chunk are known before its frames are run.

    Args:
        fps: frames a second.
        min_cutoff: cutoff in Hz at rest; lower is stiller.
        beta: cutoff in Hz added per unit of speed (curve units a second); higher lags less.
        derivative_cutoff: cutoff in Hz of the speed estimate.

    Raises:
        MotionError: an option that is not positive (``beta`` may be 0).
    """

    def __init__(
        self,
        fps: float,
        *,
        min_cutoff: float = 1.0,
        beta: float = 1.0,
        derivative_cutoff: float = 1.0,
    ) -> None:
        self.fps = checked_float("fps", fps, least=1e-9, error=MotionError)
        self.min_cutoff = checked_float("min_cutoff", min_cutoff, least=1e-9, error=MotionError)
        self.beta = checked_float("beta", beta, least=0.0, error=MotionError)
        derivative_cutoff = checked_float(
            "derivative_cutoff", derivative_cutoff, least=1e-9, error=MotionError
        )
        self._alpha_speed = float(_smoothing_factor(derivative_cutoff, fps))
        self._raw: Curves | None = None
        self._speed: Curves | None = None
        self._filtered: Curves | None = None

    def __call__(self, curves: ArrayLike) -> Curves:
        """Filters the next frames [t, c]; the first frame ever passes unchanged.

        Raises:
            MotionError: not two axes, or other channels than before.
        """
        x = np.asarray(curves, dtype=np.float64)
        if x.ndim != 2 or (self._raw is not None and x.shape[1] != len(self._raw)):
            raise MotionError(f"Curves must have shape [frames, channels]; got {x.shape}")
        if len(x) == 0:
            return x
        if self._raw is None or self._speed is None or self._filtered is None:
            self._raw, self._speed, self._filtered = x[0], np.zeros(x.shape[1]), x[0]
        change = np.diff(x, axis=0, prepend=self._raw[None]) * self.fps
        speed = low_pass(change, np.full((len(x), 1), self._alpha_speed), self._speed)
        alpha = _smoothing_factor(self.min_cutoff + self.beta * np.abs(speed), self.fps)
        result = low_pass(x, alpha, self._filtered)
        self._raw, self._speed, self._filtered = x[-1], speed[-1], result[-1]
        return result


def one_euro(
    curves: ArrayLike,
    *,
    fps: float,
    min_cutoff: float = 1.0,
    beta: float = 1.0,
    derivative_cutoff: float = 1.0,
    zero_phase: bool = False,
) -> Curves:
    """Filters whole curves.

    Args:
        curves: [t, c].
        fps: frames a second.
        min_cutoff: cutoff in Hz at rest.
        beta: cutoff in Hz added per unit of speed (curve units a second).
        derivative_cutoff: cutoff in Hz of the speed estimate.
        zero_phase: the mean of filtering forwards and backwards in time, which has no lag and
            treats both directions of time alike.

    Returns:
        [t, c] float64.

    Raises:
        MotionError: as for :class:`OneEuroFilter`.
    """

    def run(values: Curves) -> Curves:
        return OneEuroFilter(
            fps, min_cutoff=min_cutoff, beta=beta, derivative_cutoff=derivative_cutoff
        )(values)

    x = np.asarray(curves, dtype=np.float64)
    if not zero_phase:
        return run(x)
    both = run(np.concatenate([x, x[::-1]], axis=1))  # one pass serves both directions
    n_channels = x.shape[1]
    return np.asarray((both[:, :n_channels] + both[::-1, n_channels:]) / 2.0)
