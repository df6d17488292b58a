"""Motion: the latent that speech generation makes and portrait rendering consumes.

:class:`Motion` and :class:`MotionSpace`; the pose formula; driving, which applies a motion to a
source portrait; gains, limits, temporal smoothing, retiming, files and plots. Importing it loads
NumPy only.
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
