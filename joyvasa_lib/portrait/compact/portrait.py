"""A portrait of the compact preset: the fitted head and the image read through it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.encode.appearance import Appearance
from joyvasa_lib.portrait.compact.encode.paint import Paint
from joyvasa_lib.portrait.model import Portrait
from joyvasa_lib.rig.fitting import HeadFit
from joyvasa_lib.rig.head_rig import Floats, bundled_rig


@dataclass(frozen=True, eq=False)
class CompactPortrait(Portrait):
    """A portrait of the compact preset.

    Attributes:
        fit: the rig fitted to the face: canonical shape, source expression and pose.
        appearance: the image read through the fit.
        blink_gain: [2] see :func:`~joyvasa_lib.rig.calibration.blink_gain`.
        gains: [52] see :func:`~joyvasa_lib.portrait.compact.encode.unit_gains.unit_gains`.
        lids: [2, v, 3] see :func:`~joyvasa_lib.rig.calibration.rest_of_blink`.
        seal: [52] see :func:`~joyvasa_lib.rig.calibration.lip_seal`.
        closing: [v, 3] see :func:`~joyvasa_lib.rig.calibration.rest_of_seal`.
        teeth: [v, 3] see :func:`~joyvasa_lib.portrait.compact.encode.source_teeth.place_teeth`.
        paint: what is painted where the image shows nothing.
    """

    fit: HeadFit
    appearance: Appearance
    blink_gain: Floats
    gains: Floats
    lids: Floats
    seal: Floats
    closing: Floats
    teeth: Floats
    paint: Paint

    @property
    def keypoints(self) -> Floats:
        """[k, 3] canonical keypoints of the neutral face in rig units."""
        return self.fit.shape[bundled_rig().keypoint_vertex]

    @property
    def square(self) -> NDArray[np.uint8]:
        """[s, s, 3] the crop, with a head that the image cuts off closed above it."""
        return self.appearance.image


def crop_mask(side: int, margin: float = 0.07) -> Floats:
    """[s, s] 1 inside, falling smoothly to 0 at the crop's border."""
    ramp = np.minimum(np.arange(side), np.arange(side)[::-1]) / (margin * side)
    ramp = np.clip(ramp, 0.0, 1.0)
    ramp = ramp * ramp * (3.0 - 2.0 * ramp)
    return np.asarray(np.minimum(ramp[:, None], ramp[None]), dtype=np.float32)
