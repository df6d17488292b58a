"""What happens to drawn motion before it leaves: plausible ranges, head gain, blinks.

Axis legend: ``t`` frames, ``c`` values of a frame in their own units (face units or expression,
scale, translation, rotation in degrees).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.motion.limits import Limits, clip_units, soft_limit
from joyvasa_lib.speech.blinks import BlinkTrack
from joyvasa_lib.speech.normalizer import MotionNormalizer

if TYPE_CHECKING:
    from joyvasa_lib.speech.motion_generator import GenerationOptions

Floats = NDArray[np.float32]
LIMITS = Limits()
LIDS = ("eyeBlinkLeft", "eyeBlinkRight")


class Finisher:
    """Applied to consecutive pieces of one performance."""

    def __init__(self, normalizer: MotionNormalizer, options: GenerationOptions) -> None:
        """Remembers which channels are what."""
        self.normalizer, self.options = normalizer, options
        space = normalizer.space
        units = normalizer.layout == "units"
        self.face = len(space.face_unit_names) if units else 3 * space.keypoint_count
        self.units = units
        self._lids = [space.face_unit_names.index(name) for name in LIDS] if units else []
        placed = units and options.blinks == "placed"
        self._blinks = BlinkTrack(options.seed, normalizer.fps) if placed else None

    def __call__(self, values: Floats) -> Floats:
        """Returns values [t, c] ready to become a motion."""
        values = values.copy()
        face, gain = self.face, np.float32(self.options.head_motion)
        if self.units:
            if self._blinks is not None:
                values[:, self._lids] = self._blinks(len(values))[:, None]
            values[:, :face] = clip_units(values[:, :face], highest=LIMITS.units)
        pose = values[:, face : face + 7]
        pose[:, :1] = 1.0 + (pose[:, :1] - 1.0) * gain if self.units else pose[:, :1]
        pose[:, 1:4] *= gain
        pose[:, 4:7] *= gain
        if self.units:
            for axis, limit in enumerate((LIMITS.pitch, LIMITS.yaw, LIMITS.roll)):
                pose[:, 4 + axis] = soft_limit(pose[:, 4 + axis], limit, knee=LIMITS.knee)
        return values
