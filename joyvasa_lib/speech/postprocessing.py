"""What happens to drawn motion before it leaves: a calm head, plausible ranges, blinks.

Axis legend: ``t`` frames, ``c`` values of a frame in their own units (blendshapes or expression,
scale, translation, rotation in degrees).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.motion.blinks import BlinkTrack
from joyvasa_lib.motion.operations.limits import Limits, clip_blendshapes, soft_limit
from joyvasa_lib.speech.diffusion.normalizer import MotionNormalizer
from joyvasa_lib.speech.options import GenerationOptions

Floats = NDArray[np.float32]
LIMITS = Limits()
LIDS = ("eyeBlinkLeft", "eyeBlinkRight")
HEAD_SPREAD = 2.0
"""Standard deviation in frames of the filter on the head: heads have nothing above 2 Hz."""
REACH = 5
"""Frames of the filter on each side, and so the delay of a stream that it costs."""


class PostProcessor:
    """Applied to consecutive pieces of one performance; holds back a few frames to look ahead."""

    def __init__(self, normalizer: MotionNormalizer, options: GenerationOptions) -> None:
        """Remembers which channels are what."""
        space = normalizer.space
        self._units = normalizer.layout == "units"
        self._face = len(space.blendshape_names) if self._units else 3 * space.keypoint_count
        self._lids = [space.blendshape_names.index(name) for name in LIDS] if self._units else []
        placed = self._units and options.blinks == "placed"
        self._blinks = BlinkTrack(options.seed, normalizer.fps) if placed else None
        self._gain = np.float32(options.head_motion)
        self._smooth = options.smooth_pose
        self._absolute = normalizer.reference == "absolute"
        self._first: Floats | None = None  # pose of the first frame, where poses are absolute
        self._held: Floats | None = None

    def push(self, values: Floats, last: bool = False) -> Floats:
        """Takes the next frames [t, c]; returns the finished ones, at the last piece all."""
        if self._held is None:
            self._held = np.repeat(values[:1], REACH, axis=0)
        held = np.concatenate([self._held, values])
        if last:
            held = np.concatenate([held, np.repeat(held[-1:], REACH, axis=0)])
        ready = max(0, len(held) - 2 * REACH)
        self._held = held[ready:]
        return self._finish(held, ready)

    def _finish(self, held: Floats, ready: int) -> Floats:
        values = held[REACH : REACH + ready].copy()
        if ready == 0:
            return values
        face = self._face
        if self._smooth:
            values[:, face : face + 7] = smooth(held[:, face : face + 7])
        if not self._units:
            return self._with_head_gain(values)
        if self._blinks is not None:
            values[:, self._lids] = self._blinks(ready)[:, None]
        values[:, :face] = clip_blendshapes(values[:, :face], highest=LIMITS.blendshapes)
        values = self._with_head_gain(values)
        for axis, limit in enumerate((LIMITS.pitch, LIMITS.yaw, LIMITS.roll)):
            column = face + 4 + axis
            values[:, column] = soft_limit(values[:, column], limit, knee=LIMITS.knee)
        return values

    def _with_head_gain(self, values: Floats) -> Floats:
        face = self._face
        if self._absolute:  # what moves is the change from the first frame
            pose = values[:, face : face + 7]
            self._first = pose[0].copy() if self._first is None else self._first
            if self._gain != 1.0:
                pose[:] = self._first + self._gain * (pose - self._first)
            return values
        if self._units:  # poses of the compact preset are relative to the portrait's own
            values[:, face] = 1.0 + (values[:, face] - 1.0) * self._gain
        values[:, face + 1 : face + 7] *= self._gain
        return values


def smooth(values: Floats) -> Floats:
    """Returns the Gaussian average over ``2 REACH + 1`` frames of [t, c]: [t - 2 REACH, c]."""
    offsets = np.arange(-REACH, REACH + 1)
    kernel = np.exp(-0.5 * (offsets / HEAD_SPREAD) ** 2)
    kernel /= kernel.sum()
    windows = np.lib.stride_tricks.sliding_window_view(values, len(kernel), axis=0)
    return np.asarray(windows @ kernel, np.float32)
