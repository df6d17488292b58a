"""How a driving motion is put on a source: blendshapes, as pure functions.

Axis legend: ``t`` frames, ``u`` blendshapes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion.blendshapes import REGIONS
from joyvasa_lib.motion.driving.options import BLENDSHAPE_OPTIONS, DrivingOptions
from joyvasa_lib.motion.operations.gains import BLINK_BLENDSHAPES
from joyvasa_lib.motion.operations.limits import (
    clip_blendshapes,
    highest_activations,
    reconcile_blendshapes,
)
from joyvasa_lib.motion.space import Floats, MotionSpace, get_space

SMILE_BLENDSHAPES = ("mouthSmileLeft", "mouthSmileRight")

_BROAD, _KEPT = (0.6, 0.9), (0.15, 0.4)
"""Smiles up to which and from which on the first and the second of these shares are kept, where
nobody chooses."""


def compose_blendshapes(
    source_blendshapes: ArrayLike,
    driving_blendshapes: ArrayLike,
    options: DrivingOptions | None = None,
    *,
    space: MotionSpace | None = None,
    highest: float | Floats | None = None,
) -> Floats:
    """Blendshape activations of the source under a driving motion.

    Args:
        source_blendshapes: [u] activations the portrait has.
        driving_blendshapes: [t, u] activations of the driving motion.
        options: how they are combined.
        space: names the blendshapes; the compact space if None.
        highest: limit of the activations, one or [u]; those near it approach it smoothly. None
            for :func:`~joyvasa_lib.motion.operations.limits.highest_activations`.

    Returns:
        [t, u] in [0, highest], with conflicts resolved as in
        :func:`~joyvasa_lib.motion.operations.limits.reconcile_blendshapes`.

    Raises:
        MotionError: shapes do not fit each other or the space.
        OptionError: an option that only keypoints have.
    """
    options = options or DrivingOptions()
    options.require(BLENDSHAPE_OPTIONS, "blendshapes")
    space = space or get_space()
    source = np.maximum(np.asarray(source_blendshapes, dtype=np.float32), 0.0)
    driving = np.asarray(driving_blendshapes, dtype=np.float32)
    n_blendshapes = len(space.blendshape_names)
    if source.shape != (n_blendshapes,) or driving.ndim != 2 or driving.shape[1] != n_blendshapes:
        raise MotionError(
            f"Space {space.name!r} needs source blendshapes [{n_blendshapes}] and driving "
            f"blendshapes [frames, {n_blendshapes}]; got {source.shape} and {driving.shape}"
        )
    base = source.copy()  # what of the source stays under the driving motion
    mouth = space.region_blendshapes("mouth")
    if options.expression == "absolute":
        base[:] = 0.0
        base[mouth] = source[mouth]
    if options.mouth != "relative":
        base[mouth] = 0.0
        smile = space.blendshape_indices(SMILE_BLENDSHAPES)
        base[smile] = _kept_smile(options, source[smile])
    composed = base + driving
    blink = space.blendshape_indices(BLINK_BLENDSHAPES)
    composed[:, blink] = np.minimum(np.maximum(source[blink], driving[:, blink]), 1.0)
    for region in REGIONS:
        if not options.drives(region):
            index = space.region_blendshapes(region)
            composed[:, index] = source[index]
    limit = highest_activations(space) if highest is None else highest
    return clip_blendshapes(reconcile_blendshapes(composed, space), highest=limit)


def _kept_smile(options: DrivingOptions, own: Floats) -> Floats:
    """What a mouth keeps of the source's own smile, whose two sides are given."""
    keep = options.keep_smile
    share = np.interp(own.mean(), _BROAD, _KEPT) if keep is None else keep
    return np.asarray(share * own, np.float32)
