"""Post-processing of generated motion: a smooth head pose, plausible ranges, living eyes.

Axis legend: ``t`` frames, ``c`` values of a frame in their own units (blendshapes or expression,
scale, translation, rotation in degrees).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.motion.living.eyes import EYE_BLENDSHAPES, EyeTrack
from joyvasa_lib.motion.operations.limits import Limits, clip_blendshapes, soft_limit
from joyvasa_lib.speech.diffusion.normalizer import MotionNormalizer
from joyvasa_lib.speech.head import HeadShape
from joyvasa_lib.speech.options import GenerationOptions

Floats = NDArray[np.float32]
LIMITS = Limits()
_LIDS, _LOOKS = EYE_BLENDSHAPES[:2], EYE_BLENDSHAPES[2:]
_PARTS_LIPS = ("jawOpen", "mouthFunnel", "mouthLowerDownLeft")
_SPEAKS = 0.06
"""Sum of the activations that part the lips from which on a mouth speaks."""
_RAISES = ("browInnerUp", "browOuterUpLeft", "browOuterUpRight")
_HIGHEST_RAISE, _RAISE_BENDS = 0.6, 0.4
"""Activation that brows do not pass on an accent, and the share of it from which on it bends: more
is surprise."""
HEAD_SPREAD, EXTRACTED_SPREAD = 1.0, 2.0
"""Standard deviation in frames of the filter on the head pose: heads move below 4 Hz. Models of
poses that were extracted from images have learned their trembling, too, and need more of it."""


class PostProcessor:
    """Processes consecutive pieces of one performance, :attr:`reach` frames late.

    Attributes:
        reach: frames of the filter on each side, which is also the delay of a stream.
    """

    def __init__(self, normalizer: MotionNormalizer, options: GenerationOptions) -> None:
        """Finds the channels of each part."""
        space = normalizer.space
        self._by_name = normalizer.layout == "units"
        self._face = len(space.blendshape_names) if self._by_name else 3 * space.keypoint_count
        names = list(space.blendshape_names) if self._by_name else []
        chosen = (_LIDS if options.blinks == "placed" else ()) + (
            _LOOKS if options.gaze == "placed" else ()
        )
        self._placed = [EYE_BLENDSHAPES.index(name) for name in chosen if names]
        self._eyes = [names.index(name) for name in chosen if names]
        self._raises = [names.index(name) for name in _RAISES if names]
        self._lips = [names.index(name) for name in _PARTS_LIPS if names]
        self._eye_track = EyeTrack(options.seed, normalizer.fps)
        self._smooth = options.smooth_pose
        self._spread = HEAD_SPREAD if self._by_name else EXTRACTED_SPREAD
        self.reach = math.ceil(2.5 * self._spread)
        self._head = HeadShape(
            options.head_motion,
            options.head_limit,
            options.head_pose,
            options.head_from,
            fps=normalizer.fps,
            absolute=normalizer.reference == "absolute",
            within_image=self._by_name,
        )
        self._held: Floats | None = None

    def push(self, values: Floats, last: bool = False, ahead: Floats | None = None) -> Floats:
        """Takes the next frames; returns those that are finished, at the end all.

        Args:
            values: [t, c].
            last: whether no frames follow.
            ahead: what is expected to follow [r, c]. Then no frame waits for those after it.
        """
        if self._held is None:
            self._held = np.repeat(values[:1], self.reach, axis=0)
        if ahead is not None:
            known = np.concatenate([self._held, values, ahead[: self.reach]])
            missing = max(0, self.reach - len(ahead))
            known = np.concatenate([known, np.repeat(known[-1:], missing, axis=0)])
            self._held = known[len(values) : len(values) + self.reach]
            return self._finish(known, len(values))
        held = np.concatenate([self._held, values])
        if last:
            held = np.concatenate([held, np.repeat(held[-1:], self.reach, axis=0)])
        ready = max(0, len(held) - 2 * self.reach)
        self._held = held[ready:]
        return self._finish(held, ready)

    def _finish(self, held: Floats, ready: int) -> Floats:
        values = held[self.reach : self.reach + ready].copy()
        if ready == 0:
            return values
        face = self._face
        if self._smooth:
            values[:, face : face + 7] = smooth(held[:, face : face + 7], self._spread, self.reach)
        values[:, face : face + 7] = self._head(values[:, face : face + 7])
        if not self._by_name:
            return values
        values[:, :face] = clip_blendshapes(values[:, :face], highest=LIMITS.blendshapes)
        values[:, self._raises] = soft_limit(
            values[:, self._raises], _HIGHEST_RAISE, knee=_RAISE_BENDS
        )
        if self._eyes:
            rotation = self._head.change(values[:, face : face + 7])
            speaking = values[:, self._lips].sum(axis=1) > _SPEAKS
            values[:, self._eyes] = self._eye_track(rotation, speaking)[:, self._placed]
        return values


def smooth(values: Floats, spread: float, reach: int) -> Floats:
    """Returns the Gaussian average over ``2 reach + 1`` frames of [t, c]: [t - 2 reach, c]."""
    offsets = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * (offsets / spread) ** 2)
    kernel /= kernel.sum()
    windows = np.lib.stride_tricks.sliding_window_view(values, len(kernel), axis=0)
    return np.asarray(windows @ kernel, np.float32)
