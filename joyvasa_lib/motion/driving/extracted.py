"""What is done to motion extracted from images before it drives another person.

Axis legend: ``t`` frames, ``u`` blendshapes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion.motion import Motion

REST = 0.1
"""Quantile of a blendshape over a motion that counts as the person's face at rest."""


def fill_gaps(motion: Motion, seen: Sequence[int], n_frames: int) -> Motion:
    """The motion of all frames of a video, where it is known for some of them.

    Values between two known frames are interpolated linearly; those of the first and the last
    known frame are held.

    Args:
        motion: [t] of the frames in which the face was seen.
        seen: [t] indices of these frames, increasing, from 0 on.
        n_frames: frames of the video.

    Raises:
        MotionError: the indices do not fit the motion or the video.
    """
    known = np.asarray(seen, dtype=np.int64)
    if len(known) != len(motion) or len(known) == 0 or (np.diff(known) <= 0).any():
        raise MotionError(
            f"A motion of {len(motion)} frames needs as many increasing frame numbers, "
            f"not {len(known)}"
        )
    if known[0] < 0 or known[-1] >= n_frames:
        raise MotionError(f"Frame {known[-1]} is not one of a video of {n_frames} frames")
    if len(known) == n_frames:
        return motion
    curves = motion.vector.astype(np.float64)
    curves[:, -3:] = np.unwrap(curves[:, -3:], period=360.0, axis=0)
    every = np.arange(n_frames)
    filled = np.stack([np.interp(every, known, curve) for curve in curves.T], axis=1)
    return Motion.from_vector(
        filled, space=motion.space, fps=motion.fps, reference=motion.reference
    )


def from_rest(motion: Motion, quantile: float = REST) -> Motion:
    """The motion with blendshapes relative to the driving person's face at rest.

    A fitted head explains part of a person's features (thin lips, high brows) as expression, which
    must not be given to somebody else. What changes over time is expression.

    Args:
        motion: extracted motion; without blendshapes, or relative to a source, it is returned as
            it is.
        quantile: of each blendshape over the motion, which is subtracted.

    Raises:
        MotionError: ``quantile`` is outside [0, 0.5].
    """
    if not 0.0 <= quantile <= 0.5:
        raise MotionError(f"quantile must lie in [0, 0.5], not {quantile}")
    if not motion.space.has_blendshapes or motion.reference != "absolute" or len(motion) == 0:
        return motion
    activations = motion.blendshapes
    rest = np.quantile(activations, quantile, axis=0).astype(np.float32)
    return motion.with_blendshapes(np.maximum(activations - np.maximum(rest, 0.0), 0.0))
