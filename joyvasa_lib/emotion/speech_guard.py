"""What speech needs of the mouth, kept from what an emotion does to it.

Naive editing costs lip sync: an emotion's jaw drop or raised lip opens lips that a /p/ must close.
Here, where speech goes on, mouth deformations lose their part along the lip-opening direction, so
that vowels keep their aperture and closures stay closures; in longer pauses some of it comes back.

Axis legend: ``t`` frames, ``u`` blendshapes, ``k`` keypoints.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.motion.operations.limits import reconcile_blendshapes
from joyvasa_lib.motion.space import LIVEPORTRAIT_21, MotionSpace

Curve = NDArray[np.float64]

PAUSE = 0.36
"""Seconds of quiet lips on either side from which on a moment belongs to a pause."""
FADE = 0.2
"""Seconds on either side over which the need of speech comes and goes."""
NEAR = 0.08
"""Seconds on either side within which lips that move are seen to."""
_LOWER_SHARE = 0.8
"""Share of the lower face's emotion that is left while speech goes on."""
_PAUSE_OPENING = 0.15
"""Share of an emotion's lip opening that comes back in pauses; more drowns speech."""
_ROUNDING = 0.5
"""Share by which fully rounded lips hold back what spreads them."""
_PARTING = 0.015
"""Opening at full activation from which on a unit is one that parts the lips."""
_PRESSING, _HARDEST_PRESS = ("mouthPressLeft", "mouthPressRight"), 0.6
_SPREADING = tuple(
    f"mouth{part}{side}" for part in ("Smile", "Dimple", "Stretch") for side in ("Left", "Right")
)


class SpeechGuard(Protocol):
    """Keeps a motion space's speech."""

    def openings(self, expression: Curve) -> Curve:
        """How open the lips are in each frame: [t] for expressions [t, k, 3]."""
        ...

    def need(self, openings: Curve, fps: float) -> Curve:
        """How much speech needs the lips: [t - 2 reach] in [0, 1] for openings [t]."""
        ...

    def protect(self, expression: Curve, change: Curve, need: Curve) -> Curve:
        """The change [t, k, 3] of expressions [t, k, 3] that leaves speech what it needs [t]."""
        ...


def reach(fps: float) -> int:
    """Frames that the need of a frame depends on, on either side."""
    return sum(round(seconds * fps) for seconds in (PAUSE, FADE, NEAR))


def _spread_in_time(active: Curve, fps: float) -> Curve:
    """Activity in [0, 1], held for a pause's length and faded: [t - 2 reach] for [t]."""
    near, pause, fade = (round(seconds * fps) for seconds in (NEAR, PAUSE, FADE))
    held = _around(active[near : len(active) - near], pause).max(axis=1)
    kernel = np.hanning(2 * fade + 3)[1:-1]
    return np.asarray((_around(held, fade) * (kernel / kernel.sum())).sum(axis=1))


def _around(values: Curve, frames: int) -> Curve:
    """Each value [t] with so many on either side: [t - 2 frames, 2 frames + 1]."""
    return np.lib.stride_tricks.sliding_window_view(values, 2 * frames + 1)


def _lips_held(need: Curve) -> Curve:
    """How far the lips' opening is kept as it is [t]: not wholly free even in a pause."""
    return 1.0 - _PAUSE_OPENING * (1.0 - need)


def _ramp(values: Curve, low: float, high: float) -> Curve:
    """0 up to ``low``, 1 from ``high`` on, smooth between."""
    x = np.clip((values - low) / (high - low), 0.0, 1.0)
    return np.asarray(x * x * (3.0 - 2.0 * x))


@dataclass(frozen=True, eq=False)
class UnitGuard:
    """The guard of a space with ARKit's blendshapes; openings in distances of the eye corners.

    Attributes:
        space: the motion space.
        opening: [u] how far each unit opens the lips.
    """

    space: MotionSpace
    opening: Curve

    def openings(self, expression: Curve) -> Curve:
        """Distance of the lips' inner edges [t], never below 0."""
        return np.maximum(self._shown(self._units(expression)) @ self.opening, 0.0)

    def need(self, openings: Curve, fps: float) -> Curve:
        """1 while lips open and close, 0 where they rest for longer."""
        return _spread_in_time(_ramp(openings, 0.015, 0.04), fps)

    def protect(self, expression: Curve, change: Curve, need: Curve) -> Curve:
        """The change without what would open or close the lips, where speech needs them.

        What an emotion's jaw does goes; what other units do to the opening, such as a raised
        upper lip, the jaw makes up for. As far as it cannot, near a closure, they are held back,
        and lips press together against what is left.
        """
        old = self._units(expression)
        wanted = self._units(change)
        kept = wanted.copy()
        share, lips = need[:, None], _lips_held(need)
        mouth = self.space.region_blendshapes("mouth")
        kept[:, mouth] *= 1.0 - (1.0 - _LOWER_SHARE) * share
        jaw, close = (
            self.space.blendshape_index("jawOpen"),
            self.space.blendshape_index("mouthClose"),
        )
        kept[:, [jaw, close]] *= 1.0 - lips[:, None]
        rounded = old[:, self.space.blendshape_indices(("mouthPucker", "mouthFunnel"))].sum(axis=1)
        spreading = self.space.blendshape_indices(_SPREADING)
        kept[:, spreading] *= 1.0 - _ROUNDING * share * np.clip(rounded, 0.0, 1.0)[:, None]

        others = np.setdiff1d(mouth, [jaw, close])
        before = np.maximum(old[:, others], 0.0)
        effect = (np.maximum(old + kept, 0.0)[:, others] - before) * self.opening[others]
        # How far the jaw can close the lips: not at all where they meet.
        aperture = np.maximum(self._shown(old) @ self.opening, 0.0)
        shown = np.maximum(old[:, jaw] - np.maximum(old[:, close], 0.0), 0.0)
        room = np.minimum(shown * self.opening[jaw], aperture)
        # What parts the lips is held back where that is not enough.
        parts = (effect > 0.0) & (self.opening[others] > _PARTING)
        opens = np.where(parts, effect, 0.0).sum(axis=1)
        spare = room - np.where(parts, 0.0, effect).sum(axis=1)
        allowed = 1.0 + lips * (np.clip(spare / np.maximum(opens, 1e-9), 0.0, 1.0) - 1.0)
        held = np.where(parts, allowed[:, None], 1.0)
        kept[:, others] *= held
        net = (effect * held).sum(axis=1)
        net = np.where(net < 0.0, net * _ramp(aperture, 0.0, 0.03), net)  # a closed jaw stays
        by_jaw = np.minimum(net, room)
        kept[:, jaw] -= lips * by_jaw / self.opening[jaw]
        press = self.space.blendshape_indices(_PRESSING)
        if len(press):
            by_lips = (net - by_jaw) / -self.opening[press].sum()
            kept[:, press] += (lips * np.minimum(by_lips, _HARDEST_PRESS))[:, None]
        return np.asarray(change + self._expression(kept - wanted))

    def _units(self, expression: Curve) -> Curve:
        flat = expression.reshape(len(expression), -1)
        return flat @ self.space.blendshape_projection.astype(np.float64)

    def _expression(self, units: Curve) -> Curve:
        assert self.space.blendshape_basis is not None
        basis = self.space.blendshape_basis.reshape(units.shape[1], -1).astype(np.float64)
        return (units @ basis).reshape(len(units), self.space.keypoint_count, 3)

    def _shown(self, units: Curve) -> Curve:
        return reconcile_blendshapes(np.maximum(units, 0.0), self.space).astype(np.float64)


@dataclass(frozen=True, eq=False)
class KeypointGuard:
    """The guard of a space without blendshapes: one direction of the keypoints opens the lips.

    Attributes:
        direction: [k, 3] of unit length.
        moving: range of the opening within a pause's length from which on lips are speaking.
    """

    direction: Curve
    moving: float

    def openings(self, expression: Curve) -> Curve:
        """Place along the direction [t], in the space's own units."""
        return np.asarray(np.tensordot(expression, self.direction, 2))

    def need(self, openings: Curve, fps: float) -> Curve:
        """1 while lips move, 0 where they keep still for longer."""
        near = round(NEAR * fps)
        windows = _around(np.pad(openings, near, mode="edge"), near)
        swing = windows.max(axis=1) - windows.min(axis=1)
        return _spread_in_time(_ramp(swing, 0.3 * self.moving, self.moving), fps)

    def protect(self, expression: Curve, change: Curve, need: Curve) -> Curve:
        """The change without its part along the direction, where speech needs it."""
        along = _lips_held(need) * np.tensordot(change, self.direction, 2)
        return np.asarray(change - along[:, None, None] * self.direction)


def _liveportrait_guard() -> KeypointGuard:
    """The published "lip open" slider's direction (LivePortrait's demo): keypoints 19 and 17."""
    direction = np.zeros((LIVEPORTRAIT_21.keypoint_count, 3))
    direction[19] = (0.0, 0.001, 0.0001)
    direction[17, 1] = -0.0001
    return KeypointGuard(direction / np.linalg.norm(direction), moving=0.008)


@lru_cache(maxsize=8)
def guard_of(space: MotionSpace) -> SpeechGuard:
    """The guard of a space.

    Raises:
        MotionError: nothing is known about the lips of the space.
    """
    if space == LIVEPORTRAIT_21:
        return _liveportrait_guard()
    if space.has_blendshapes and {"jawOpen", "mouthClose"} <= set(space.blendshape_names):
        from joyvasa_lib.rig.head_rig import bundled_rig
        from joyvasa_lib.rig.lip_opening import lip_opening

        known = dict(zip(BLENDSHAPES, lip_opening(bundled_rig()), strict=True))
        return UnitGuard(space, np.array([known.get(n, 0.0) for n in space.blendshape_names]))
    raise MotionError(
        f"Which way lips open in motion space {space.name!r} is not known, so speech cannot be "
        "protected; edit with protect_speech=False"
    )
