"""The folds of one portrait, and how deep they are in each frame.

Axis legend: ``h`` x ``w`` the surroundings of a fold, ``u`` blendshapes, ``n`` folds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.rig.head_rig import Floats


@dataclass(frozen=True, eq=False)
class Folds:
    """The folds of one portrait.

    Attributes:
        names: [n] of the folds.
        place: [n] row and column of the first pixel of each.
        shades: [n] change at full depth of all colours [h, w, 1] or of each [h, w, 3], as a share.
        blendshapes: [u, n] share of its depth that each blendshape gives at full activation.
        lit: how many of the last ones are no folds, but skin that leaves the shadow of its brow.
    """

    names: tuple[str, ...]
    place: tuple[tuple[int, int], ...]
    shades: tuple[Floats, ...]
    blendshapes: Floats
    lit: int = 0

    def depths(self, change: Floats, wrinkles: float = 1.0) -> Floats:
        """[..., n] depth of each fold, for changes [..., u] of the image's own activations.

        Skin shortens before it folds: the first third of a contraction folds it little.

        Args:
            change: [..., u] of the image's own activations.
            wrinkles: factor on the depth of folds.
        """
        depth = np.clip(np.maximum(change, 0.0) @ self.blendshapes, 0.0, 1.4)
        depth *= np.clip(depth / 0.4, 0.0, 1.0)
        folding = len(self.names) - self.lit
        depth[..., :folding] *= wrinkles
        return np.asarray(depth, np.float32)


NO_FOLDS = Folds((), (), (), np.zeros((len(BLENDSHAPES), 0), np.float32))
