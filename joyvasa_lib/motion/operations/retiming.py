"""Another frame rate or length: cubic convolution, widened where frames get fewer.

Axis legend: ``t`` input frames, ``n`` output frames, ``c`` channels.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.checks import checked_choice, checked_float, checked_int
from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion.arguments import MOST_FRAMES, checked_fps
from joyvasa_lib.motion.data import MotionT

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


def retime(
    motion: MotionT,
    *,
    fps: float | None = None,
    n_frames: int | None = None,
    interpolation: str = "cubic",
) -> MotionT:
    """The motion at another frame rate or of another length.

    Args:
        motion: at least one frame.
        fps: another frame rate at the same speed, ``round(duration * fps)`` frames.
        n_frames: exactly so many frames, at ``fps`` or else at the present rate: the performance
            is stretched or compressed to fit.
        interpolation: ``"cubic"`` or ``"linear"``.

    Raises:
        MotionError: neither is given, a value is not positive, or the motion is empty.
    """
    if fps is None and n_frames is None:
        raise MotionError("retime needs fps=..., n_frames=..., or both")
    rate = motion.fps if fps is None else checked_fps(fps)
    if n_frames is None:
        frames = checked_float("duration * fps", motion.duration * rate, most=MOST_FRAMES,
                               error=MotionError)  # fmt: skip
        count, step = round(frames), motion.fps / rate
    else:
        count = checked_int("n_frames", n_frames, least=1, most=MOST_FRAMES, error=MotionError)
        step = len(motion) / count
    if count == len(motion) and step == 1.0:
        return replace(motion, fps=rate)
    curves = motion.vector.astype(np.float64)
    curves[:, -3:] = np.unwrap(curves[:, -3:], period=360.0, axis=0)
    vector = resample(curves, count, step, interpolation=interpolation)
    return type(motion).from_vector(
        vector, space=motion.space, fps=rate, reference=motion.reference
    )


def resample(
    curves: Curves,
    n_frames: int,
    step: float,
    *,
    interpolation: str = "cubic",
    first_output: int = 0,
    first_input: int = 0,
) -> NDArray[np.float32]:
    """Curves at other points in time, frame centres on frame centres.

    Output frame j lies at input position ``(j + 0.5) * step - 0.5``; beyond the ends the first and
    last frame are held. With ``step > 1`` the kernel is widened by ``step``, which removes the
    frequencies that fewer frames cannot represent.

    Args:
        curves: [t, c], t >= 1.
        n_frames: number of output frames.
        step: input frames per output frame.
        interpolation: ``"cubic"`` (Keys 1981; exact for quadratics) or ``"linear"``.
        first_output: number of the first output frame, where curves come in parts.
        first_input: number of ``curves[0]``; parts must overlap by :func:`reach` frames.

    Returns:
        [n, c] float32.

    Raises:
        MotionError: no input frames, a step that is not positive, or unknown interpolation.
    """
    checked_choice("interpolation", interpolation, _KERNELS, error=MotionError)
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
    """Most input frames on either side of its position that an output frame depends on."""
    return math.ceil(_KERNELS[interpolation][1] * max(1.0, step)) + 1
