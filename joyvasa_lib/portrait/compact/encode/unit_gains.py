"""How far a person's brows and eyelids have to move to be read as fully raised or lowered.

The rig moves every face by the same millimetres. On a low brow or a small eye that reads as more or
less than on another. Each blendshape of the upper face is therefore acted on the portrait's own
landmarks, the change of its score is read there, and the displacement is chosen that gives the
change that an extreme expression (FACS intensity E) is to give, between a least and a largest gain
that look natural on rendered portraits.

Axis legend: ``u`` 52 blendshapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from joyvasa_lib.face.landmarks.blendshape_scores import blendshape_scores
from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.rig.fitting import HeadFit
from joyvasa_lib.rig.head_rig import Floats, HeadRig


class _Wanted(NamedTuple):
    """The change of a blendshape's score at full activation, and the least and largest gain."""

    change: float
    least: float
    most: float


_UPPER_FACE: Mapping[str, _Wanted] = MappingProxyType(
    {
        "browInnerUp": _Wanted(0.88, 1.5, 2.4),
        "browOuterUp": _Wanted(0.75, 1.4, 2.3),
        "browDown": _Wanted(0.85, 1.3, 2.04),
        "eyeWide": _Wanted(0.6, 0.9, 1.3),
        "eyeSquint": _Wanted(0.6, 1.1, 2.1),
    }
)
_FIXED: Mapping[str, float] = MappingProxyType({"cheekSquint": 1.5})
"""Gains of blendshapes that landmarks do not tell."""
_PRESS = "mouthPress"
_PRESSES = ((0.03, 0.13, 0.3), (1.4, 0.75, 0.32))
"""Scores of a face at rest as pressing its lips, and the gain of its presses at each: lips that are
nearly read as pressed need less to be."""
_BEHIND_GLASSES = 0.45
"""Largest gain of all of them on a face with glasses, whose rims would bend with the skin."""
_STEPS = 4
"""Gains tried between the least and the largest."""


def unit_gains(
    rig: HeadRig, fit: HeadFit, landmarks: Floats | None, glasses: bool = False
) -> Floats:
    """[u] factor on the change of each blendshape from the portrait's own; 1 for most.

    Args:
        rig: the head model.
        fit: the rig fitted to the face.
        landmarks: [478, 3] of the crop in pixels; without them every face gets the mean of the
            least and the largest gain.
        glasses: whether the face wears some.
    """
    gains = np.ones(len(BLENDSHAPES), np.float32)
    for name, gain in _FIXED.items():
        gains[_members(name)] = gain
    own = None if landmarks is None or len(landmarks) < 478 else blendshape_scores(landmarks)
    for name, wanted in _UPPER_FACE.items():
        members = _members(name)
        gain = 0.5 * (wanted.least + wanted.most)
        if own is not None and landmarks is not None:
            gain = _gain(rig, fit, landmarks, own, members, wanted)
        gains[members] = gain
    if own is not None:
        press = _members(_PRESS)
        gains[press] = np.interp(own[press].mean(), *_PRESSES)
    if glasses:
        moved = [index for name in (*_FIXED, *_UPPER_FACE) for index in _members(name)]
        gains[moved] = np.minimum(gains[moved], _BEHIND_GLASSES)
    return gains


def _gain(
    rig: HeadRig,
    fit: HeadFit,
    landmarks: Floats,
    own: Floats,
    members: list[int],
    wanted: _Wanted,
) -> float:
    """The gain with which the score changes as wanted, or the nearest that is allowed."""
    moved = rig.blendshapes[members].sum(0)[rig.landmark_vertex] * rig.landmark_weight[:, None]
    moved = fit.scale * (moved @ fit.rotation)
    tried = np.linspace(wanted.least, wanted.most, _STEPS)
    changes = []
    for gain in tried:
        acted = landmarks.copy()
        acted[: len(moved)] += gain * moved
        changes.append(float((blendshape_scores(acted) - own)[members].mean()))
    # A score that is high already cannot change by as much.
    room = max(1.0 - float(own[members].mean()), 0.2)
    return float(np.interp(min(wanted.change, 0.9 * room), np.maximum.accumulate(changes), tried))


def _members(name: str) -> list[int]:
    """Indices of a blendshape, or of its two sides."""
    return [
        index
        for index, found in enumerate(BLENDSHAPES)
        if found in (name, f"{name}Left", f"{name}Right")
    ]
