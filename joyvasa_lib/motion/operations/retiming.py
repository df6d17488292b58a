"""Curves at other points in time: cubic convolution, widened where frames get fewer.

Axis legend: ``t`` input frames, ``n`` output frames, ``c`` channels.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.errors import MotionError

Curves = NDArray[np.float32] | NDArray[np.float64]


def _catmull_rom(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cubic convolution kernel with a = -1/2 (Keys 1981, eq. 15); support (-2, 2)."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x**2 + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


def _triangle(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(1.0 - np.abs(x), 0.0)


_KERNELS = {"cubic": (_catmull_rom, 2.0), "linear": (_triangle, 1.0)}


def resample(
    curves: Curves,
    n_frames: int,
    step: float,
    *,
    interpolation: str = "cubic",
    first_output: int = 0,
    first_input: int = 0,
) -> NDArray[np.float32]:
    """Curves seen through another clock, frame centres on frame centres.

    Output frame j shows input position ``(j + 0.5) * step - 0.5``; beyond the ends the first and
    last frame are held. With ``step > 1`` the kernel is widened by ``step``, which takes out what
    the fewer frames could not show.

    Args:
        curves: [t, c], t >= 1.
        n_frames: number of output frames.
        step: input frames per output frame.
        interpolation: ``"cubic"`` (Keys 1981; exact for quadratics) or ``"linear"``.
        first_output: number of the first output frame, where curves are seen in parts.
        first_input: number of ``curves[0]``; parts must overlap by :func:`reach` frames.

    Returns:
        [n, c] float32.

    Raises:
        MotionError: no input frames, a step that is not positive, or unknown interpolation.
    """
    if interpolation not in _KERNELS:
        raise MotionError(
            f"interpolation must be one of {', '.join(_KERNELS)}, not {interpolation!r}"
        )
    if len(curves) == 0 and n_frames > 0:
        raise MotionError("A motion without frames cannot be retimed")
    if not (math.isfinite(step) and step > 0):
        raise MotionError(f"Retiming needs a positive time step, not {step}")
    kernel, support = _KERNELS[interpolation]
    width = max(1.0, step)
    position = (np.arange(first_output, first_output + n_frames) + 0.5) * step - 0.5
    first = np.ceil(position - support * width).astype(np.int64)
    taps = math.floor(2 * support * width) + 1
    weights = np.stack([kernel((first + i - position) / width) for i in range(taps)])
    weights /= weights.sum(axis=0)
    result = np.zeros((n_frames, curves.shape[1]))
    for i, weight in enumerate(weights):
        if weight.any():
            result += weight[:, None] * curves[np.clip(first + i - first_input, 0, len(curves) - 1)]
    return result.astype(np.float32)


def reach(step: float, *, interpolation: str = "cubic") -> int:
    """Input frames that an output frame looks at on either side of its position, at most."""
    return math.ceil(_KERNELS[interpolation][1] * max(1.0, step)) + 1
