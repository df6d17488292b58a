"""The motion room: the latent that speech generation makes and portrait rendering consumes.

What is here: :class:`Motion` and :class:`MotionSpace`; the pose formula; how motion meets a source
portrait; gains, limits, smoothing, retiming, files and plots. Light to import: NumPy only.
"""

from __future__ import annotations

from joyvasa_lib.motion.blendshapes import BLENDSHAPES, REGIONS
from joyvasa_lib.motion.motion import Motion
from joyvasa_lib.motion.space import (
    LIVEPORTRAIT_21,
    MotionSpace,
    get_space,
    register_space,
)

__all__ = [
    "BLENDSHAPES",
    "LIVEPORTRAIT_21",
    "REGIONS",
    "Motion",
    "MotionSpace",
    "get_space",
    "register_space",
]
