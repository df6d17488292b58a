"""Fits a change of an image's own expression to what the image shows already.

A frown replaces an image's smile instead of being added to it; a smile is added as far as the
corners of the mouth can still rise, and parted lips keep showing the teeth that they show.

Axis legend: ``u`` blendshapes.
"""

from __future__ import annotations

import numpy as np

from joyvasa_lib.motion import Motion
from joyvasa_lib.motion.driving.source_mouth import replaced_mouth, replaced_share
from joyvasa_lib.portrait.compact.encode.source_smile import SMILE, own_smile
from joyvasa_lib.rig.calibration import JAW
from joyvasa_lib.rig.fitting import HeadFit
from joyvasa_lib.rig.head_rig import Floats, HeadRig
from joyvasa_lib.rig.lips import eye_distance, lip_edges, lip_opening


def fit_change(rig: HeadRig, fit: HeadFit, change: Motion) -> tuple[Motion, float]:
    """The change as far as the face has room for it.

    Args:
        rig: the head model.
        fit: the rig fitted to the image.
        change: one frame of blendshapes, to be added to the fit's.

    Returns:
        The change, and the share in [0, 1] of the image's own parted lips that it replaces.
    """
    own, added = fit.blendshapes, change.blendshapes[0]
    replaced = replaced_share(own, added, change.space)
    added = added - replaced_mouth(own, added, change.space)
    both = max(float(added[SMILE].min()), 0.0)  # a smile of one side does not count
    added[SMILE] -= own_smile(rig, fit) * both
    if replaced < 1.0:  # a smile that widens still shows the teeth that it shows
        added[JAW] += (1.0 - replaced) * _jaw_against_closing(rig, fit, added)
    return change.with_blendshapes(added[None]), replaced


def _jaw_against_closing(rig: HeadRig, fit: HeadFit, added: Floats) -> float:
    """Activation of the jaw that undoes what a change [u] closes of an image's parted lips."""
    opening = lip_opening(rig)
    shape = fit.shape + fit.parting + np.tensordot(fit.blendshapes, rig.blendshapes, 1)
    upper, lower = lip_edges(rig)
    own = float((shape[lower, 1] - shape[upper, 1]).mean()) / eye_distance(rig)
    return float(min(max(-(added @ opening), 0.0), max(own, 0.0)) / opening[JAW])
