"""The mean head, as if it had been fitted to the middle of a crop."""

from __future__ import annotations

import numpy as np

from joyvasa_lib.rig.fitting import HeadFit
from joyvasa_lib.rig.head_rig import bundled_rig


def mean_head(side: int, scale: float) -> HeadFit:
    """From in front, without expression; ``side`` in pixels, ``scale`` in pixels per rig unit."""
    rig = bundled_rig()
    return HeadFit(
        identity=np.zeros(len(rig.identity), np.float32),
        blendshapes=np.zeros(len(rig.blendshapes), np.float32),
        rotation=np.eye(3, dtype=np.float32),
        scale=scale,
        translation=np.array([side / 2, side / 2, 0.0], np.float32),
        shape=rig.mean.astype(np.float32),
        parting=np.zeros_like(rig.mean),
        residual=0.0,
    )
