"""Temporal smoothing: filters for curves [t, c], and their use on a motion.

Axis legend: ``t`` frames, ``c`` channels. All filters treat channels independently.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joyvasa_lib.checks import checked_choice, checked_float, checked_int
from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion.data import MotionT
from joyvasa_lib.motion.operations.one_euro import low_pass, one_euro

Curves = NDArray[np.float64]


def exponential(curves: ArrayLike, *, alpha: float = 0.3) -> Curves:
    """Exponential moving average ``y_0 = x_0, y_i = alpha x_i + (1 - alpha) y_{i-1}``.

    It lags by ``(1 - alpha) / alpha`` frames. JoyVASA smooths the head pose with ``alpha=0.01``,
    which keeps the head almost still.

    Args:
        curves: [t, c].
        alpha: weight of the new frame, in (0, 1].

    Raises:
        MotionError: ``alpha`` outside its range.
    """
    x = np.asarray(curves, dtype=np.float64)
    alpha = checked_float("alpha", alpha, above=0.0, most=1.0, error=MotionError)
    if len(x) == 0:
        return x
    return low_pass(x, np.full((len(x), 1), alpha), x[0])


def trailing_median(curves: ArrayLike, *, window: int = 3) -> Curves:
    """Median of each frame and up to ``window - 1`` before it (fewer at the start), [t, c]."""
    x, window = _whole_frames(curves, window)
    ramp = [np.median(x[: i + 1], axis=0) for i in range(min(window - 1, len(x)))]
    if len(x) < window:
        return np.asarray(ramp).reshape(x.shape)
    rest = np.median(np.lib.stride_tricks.sliding_window_view(x, window, axis=0), axis=-1)
    return np.concatenate([*(row[None] for row in ramp), rest])


def trailing_mean(curves: ArrayLike, *, window: int = 10) -> Curves:
    """Mean of each frame and up to ``window - 1`` before it (fewer at the start), [t, c]."""
    x, window = _whole_frames(curves, window)
    total = np.concatenate([np.zeros((1, x.shape[1])), np.cumsum(x, axis=0)])
    end = np.arange(1, len(x) + 1)
    start = np.maximum(end - window, 0)
    return np.asarray((total[end] - total[start]) / (end - start)[:, None])


def savitzky_golay(curves: ArrayLike, *, window: int = 7, order: int = 3) -> Curves:
    """Local polynomial fit (Savitzky & Golay 1964); no lag, keeps polynomials of ``order``.

    Args:
        curves: [t, c].
        window: odd number of frames; shortened where the motion is shorter.
        order: degree of the polynomial, below ``window``.

    Raises:
        MotionError: an even window, or an order that does not fit it.
    """
    from scipy.signal import savgol_filter

    x = np.asarray(curves, dtype=np.float64)
    window = checked_int("window", window, least=1, error=MotionError)
    order = checked_int("order", order, least=0, error=MotionError)
    if window % 2 == 0 or order >= window:
        raise MotionError(
            f"window must be odd and greater than order; got window={window}, order={order}"
        )
    window = min(window, len(x) - (len(x) + 1) % 2)
    if window <= order:
        return x
    return np.asarray(savgol_filter(x, window, order, axis=0))


def whittaker(curves: ArrayLike, *, fps: float, cutoff: float = 5.0) -> Curves:
    """Penalised least squares ``argmin |y - x|^2 + lambda |second difference of y|^2``.

    This is the Kalman (Rauch-Tung-Striebel) smoother of a point with random acceleration, solved
    at once as a banded system (Whittaker 1923). No lag; keeps straight lines.

    Args:
        curves: [t, c].
        fps: frames a second.
        cutoff: frequency in Hz that is halved, below ``fps / 2``.

    Raises:
        MotionError: a cutoff outside (0, fps / 2).
    """
    from scipy.linalg import solveh_banded

    x = np.asarray(curves, dtype=np.float64)
    cutoff = checked_float("cutoff", cutoff, above=0.0, error=MotionError)
    if not cutoff < fps / 2:
        raise MotionError(f"cutoff must lie between 0 and {fps / 2:g} Hz at {fps:g} fps: {cutoff}")
    if len(x) < 3:
        return x
    penalty = (2.0 * math.sin(math.pi * cutoff / fps)) ** -4
    bands = np.zeros((3, len(x)))  # lower form of D'D, D the second-difference matrix
    for i, a in enumerate((1.0, -2.0, 1.0)):
        for j, b in enumerate((1.0, -2.0, 1.0)[: i + 1]):
            bands[i - j, j : j + len(x) - 2] += a * b
    bands *= penalty
    bands[0] += 1.0
    return np.asarray(solveh_banded(bands, x, lower=True))


def _one_euro(curves: ArrayLike, *, fps: float, **options: Any) -> Curves:
    """One-euro with speeds in standard deviations a second: one ``beta`` fits all channels."""
    x = np.asarray(curves, dtype=np.float64)
    spread = x.std(axis=0) if len(x) else np.ones(x.shape[1])
    spread = np.where(spread > 0.0, spread, 1.0)
    return one_euro(x / spread, fps=fps, **{"zero_phase": True, **options}) * spread


_METHODS: dict[str, tuple[Callable[..., Curves], bool, tuple[str, ...]]] = {
    "one-euro": (_one_euro, True, ("min_cutoff", "beta", "derivative_cutoff", "zero_phase")),
    "ema": (exponential, False, ("alpha",)),
    "median": (trailing_median, False, ("window",)),
    "mean": (trailing_mean, False, ("window",)),
    "savgol": (savitzky_golay, False, ("window", "order")),
    "whittaker": (whittaker, True, ("cutoff",)),
}
"""Method: function, whether it needs the frame rate, its options."""

_PARTS = {"expression": ("expression",), "pose": ("rotation", "translation", "scale")}


def smooth_motion(
    motion: MotionT,
    method: str = "one-euro",
    *,
    parts: Sequence[str] = ("expression", "pose"),
    **options: Any,
) -> MotionT:
    """A motion with less jitter.

    Args:
        motion: any motion.
        method: ``"one-euro"`` (zero phase; speeds count in standard deviations of a channel),
            ``"savgol"``, ``"whittaker"`` (Kalman smoother), or the causal, lagging ``"ema"``,
            ``"median"``, ``"mean"``.
        parts: ``"expression"``, ``"pose"`` or both. JoyVASA smooths the pose only.
        **options: of the method's own function.

    Raises:
        MotionError: unknown method, part or option, or an option outside its range.
    """
    checked_choice("The smoothing method", method, _METHODS, error=MotionError)
    function, needs_fps, allowed = _METHODS[method]
    if unknown := sorted(set(options) - set(allowed)):
        raise MotionError(
            f"Smoothing {method!r} has no option {unknown[0]!r}; it has {', '.join(allowed)}"
        )
    if isinstance(parts, str):
        parts = (parts,)
    if not isinstance(parts, Collection) or isinstance(parts, np.ndarray):
        raise MotionError(f"parts must be 'expression', 'pose' or both, not {parts!r}")
    for part in parts:
        checked_choice("A part of a motion", part, _PARTS, error=MotionError)
    if needs_fps:
        options["fps"] = motion.fps
    smoothed: dict[str, Any] = {}
    for name in (name for part in parts for name in _PARTS[part]):
        curves = np.asarray(getattr(motion, name), dtype=np.float64)
        flat = curves.reshape(len(curves), math.prod(curves.shape[1:]))
        if name == "rotation":
            flat = np.unwrap(flat, period=360.0, axis=0)
        smoothed[name] = function(flat, **options).reshape(curves.shape).astype(np.float32)
    return replace(motion, **smoothed)


def _whole_frames(curves: ArrayLike, window: int) -> tuple[Curves, int]:
    """The curves, and the window at most as long as they are, which changes nothing."""
    x = np.asarray(curves, dtype=np.float64)
    frames = checked_int("window", window, least=1, error=MotionError)
    return x, min(frames, len(x) + 1)
