"""Action units of LivePortrait's 21 keypoints, from the sliders of its published demo.

The demo of LivePortrait (Guo et al. 2024, arXiv 2407.03168; the authors' repository, "retargeting"
page) publishes what each of its expression sliders adds to the expression deformation, and the
slider's range. An action unit at intensity 1 is a slider at the end of its range, or the share of
it noted below. The assignment of sliders to units is this library's reading.

The sliders do not distinguish sides, so a unit of one side has half the effect of both, and units
that are not listed are unknown. A basis fitted to labelled motions has both
(:class:`~joyvasa_lib.emotion.maps.fitted.EmotionBasis`).
"""

from __future__ import annotations

import numpy as np

from joyvasa_lib.emotion.action_units import resolve_components
from joyvasa_lib.emotion.maps.linear import LinearUnitMap
from joyvasa_lib.motion.space import LIVEPORTRAIT_21, Floats

_X, _Y, _Z = 0, 1, 2
_Slider = dict[tuple[int, int], float]
"""(keypoint, axis): what the slider adds per step; the y axis points down."""

_SMILE: _Slider = {
    (20, _Y): -0.01,
    (14, _Y): -0.02,
    (17, _Y): 0.0065,
    (17, _Z): 0.003,
    (3, _Y): -0.0035,
    (7, _Y): -0.0035,
}
_SMILING_EYES: _Slider = {(13, _Y): -0.00275, (16, _Y): -0.00275}
"""The part of the smile slider at the eyes, which is the cheek raiser (AU6)."""
_LIP_OPEN: _Slider = {(19, _Y): 0.001, (19, _Z): 0.0001, (17, _Y): -0.0001}
"""Without its 0.05 degrees of pitch, which are head pose."""
_GRIN: _Slider = {(20, _Z): -0.001, (20, _Y): -0.001, (14, _Y): -0.001}
_PURSE: _Slider = {(14, _Y): 0.001, (3, _Y): -0.0005, (7, _Y): -0.0005, (17, _Z): -0.0005}
_POUT: _Slider = {(19, _X): 1.0}
_BROW_UP: _Slider = {(1, _Y): 0.001, (2, _Y): -0.001}
_BROW_DOWN: _Slider = {(1, _X): -0.001, (2, _X): 0.001, (1, _Y): 0.0003, (2, _Y): -0.0003}
_EYELIDS: _Slider = {
    (11, _Y): -0.001,
    (13, _Y): 0.0003,
    (15, _Y): -0.001,
    (16, _Y): 0.0003,
    (1, _Y): -0.00025,
    (2, _Y): 0.00025,
}
_LOOK_LEFT: _Slider = {(11, _X): 0.0007, (15, _X): 0.001}
_LOOK_RIGHT: _Slider = {(11, _X): 0.001, (15, _X): 0.0007}
_LOOK_UP: _Slider = {(11, _Y): -0.001, (15, _Y): -0.001}

_SMILE_END, _SMILE_START = 1.3, -0.3
_LIP_OPEN_END, _GRIN_END, _PURSE_END, _POUT_END = 120.0, 15.0, 15.0, 0.09
_BROW_END, _BROW_START = 30.0, -30.0
_EYELIDS_CLOSED = -39.0
"""The wink slider ends at 39, which moves the eyelid as -39 of the eyelid slider does."""
_EYELIDS_WIDE = 20.0
"""Half of the way to closed, because the demo publishes no range of the eyelid slider."""
_LOOK_ACROSS_END, _LOOK_UP_END = 30.0, 63.0

_UNITS: dict[str, tuple[tuple[_Slider, float], ...]] = {
    "AU1": ((_BROW_UP, 0.5 * _BROW_END),),  # inner and outer brow share one slider
    "AU2": ((_BROW_UP, 0.5 * _BROW_END),),
    "AU4": ((_BROW_DOWN, _BROW_START),),
    "AU5": ((_EYELIDS, _EYELIDS_WIDE),),
    "AU6": ((_SMILING_EYES, _SMILE_END),),
    "AU12": ((_SMILE, _SMILE_END),),
    "AU15": ((_SMILE, _SMILE_START),),
    "AU18": ((_PURSE, _PURSE_END),),
    "AU20": ((_GRIN, _GRIN_END),),
    "AU22": ((_PURSE, _PURSE_END),),  # the slider does not distinguish pucker and funnel
    "AU25": ((_LIP_OPEN, 0.25 * _LIP_OPEN_END),),
    "AU26": ((_LIP_OPEN, 0.4 * _LIP_OPEN_END),),  # the share that the jaw has in ARKit's equivalent
    "AU27": ((_LIP_OPEN, _LIP_OPEN_END),),
    "AU30_left": ((_POUT, _POUT_END),),
    "AU30_right": ((_POUT, -_POUT_END),),
    "AU43": ((_EYELIDS, _EYELIDS_CLOSED),),
    "AU61": ((_LOOK_LEFT, _LOOK_ACROSS_END),),
    "AU62": ((_LOOK_RIGHT, -_LOOK_ACROSS_END),),
    "AU63": ((_LOOK_UP, _LOOK_UP_END), (_EYELIDS, -0.5 * _LOOK_UP_END)),
    "AU64": ((_LOOK_UP, -_LOOK_UP_END), (_EYELIDS, 0.5 * _LOOK_UP_END)),
}
"""Sliders and their values at intensity 1 of both sides of the unit."""


def liveportrait_unit_map() -> LinearUnitMap:
    """The linear map of the 21-keypoint space, in expression deformation at intensity 1."""
    rows: dict[str, Floats] = {}
    for name, sliders in _UNITS.items():
        moved = np.zeros((LIVEPORTRAIT_21.keypoint_count, 3), np.float32)
        for slider, value in sliders:
            for place, amount in slider.items():
                moved[place] += amount * value
        components = resolve_components(name)
        share = np.asarray(moved / len(components), np.float32)
        rows |= dict.fromkeys(components, share)
    return LinearUnitMap(LIVEPORTRAIT_21, tuple(rows), np.stack(list(rows.values())))
