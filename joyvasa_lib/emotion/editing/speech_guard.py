"""Protects the mouth's speech from an emotion.

A plain sum costs lip sync: an emotion's jaw drop or raised lip opens lips that a /p/ must close.
During speech the guard removes the part of mouth deformations along the lip-opening direction, so
that vowels keep their opening and closed lips stay closed. In longer pauses it lets part of it
through.

Axis legend: ``t`` frames, ``u`` blendshapes, ``k`` keypoints.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np

from joyvasa_lib.emotion.curve import Curve
from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.motion.operations.limits import reconcile_blendshapes
from joyvasa_lib.motion.space import LIVEPORTRAIT_21, MotionSpace

PAUSE = 0.36
"""Seconds of quiet lips on both sides that make a moment part of a pause."""
FADE = 0.2
"""Seconds over which protection fades in and out."""
NEAR = 0.08
"""Seconds on both sides within which the movement of lips is measured."""
_LOWER_SHARE = 0.8
"""Factor on the lower face's emotion during speech."""
_PAUSE_OPENING = 0.15
"""Factor on an emotion's lip opening in pauses; larger values hide the speech around them."""
_ROUNDING = 0.5
"""Share by which fully rounded lips reduce blendshapes that spread them."""
_PARTING = 0.015
"""Opening at full activation from which a blendshape counts as parting the lips."""
_PRESSING = ("mouthPressLeft", "mouthPressRight")
_HARDEST_PRESS = 0.6
"""Largest activation by which lips are pressed together."""
_FOLLOWING = "mouthShrugLower"
"""What lifts the lower lip to an upper lip that an emotion raises: the chin raiser."""
_FARTHEST_FOLLOWED = 1.0
"""Largest activation by which the lower lip follows, what the emotion itself lifts included."""
_WIDER, _PARTED = 0.4, 0.01
"""How much farther an emotion may open lips that speech has parted, relative to their opening above
the second, in distances of the eye corners: a raised upper lip is not seen above a jaw that takes
all of it back. Closed lips stay closed."""
_SPREADING = tuple(
    f"mouth{part}{side}" for part in ("Smile", "Dimple", "Stretch") for side in ("Left", "Right")
)


class SpeechGuard(Protocol):
    """Protects speech in motions of one space."""

    def openings(self, expression: Curve) -> Curve:
        """Lip opening [t] of expressions [t, k, 3]."""
        ...

    def need(self, openings: Curve, fps: float) -> Curve:
        """How much speech needs the lips, in [0, 1]: [t - 2 reach] for openings [t]."""
        ...

    def protect(self, expression: Curve, change: Curve, need: Curve) -> Curve:
        """The change [t, k, 3] of expressions [t, k, 3], less where speech needs [t] the lips."""
        ...


def reach(fps: float) -> int:
    """Frames on either side that the need of a frame depends on."""
    return sum(round(seconds * fps) for seconds in (PAUSE, FADE, NEAR))


def _spread_in_time(active: Curve, fps: float) -> Curve:
    """Activity in [0, 1], held for the length of a pause and faded: [t - 2 reach] for [t]."""
    near, pause, fade = (round(seconds * fps) for seconds in (NEAR, PAUSE, FADE))
    held = _around(active[near : len(active) - near], pause).max(axis=1)
    kernel = np.hanning(2 * fade + 3)[1:-1]
    return np.asarray((_around(held, fade) * (kernel / kernel.sum())).sum(axis=1))


def _around(values: Curve, frames: int) -> Curve:
    """Each value of [t] with its neighbours on both sides: [t - 2 frames, 2 frames + 1]."""
    return np.lib.stride_tricks.sliding_window_view(values, 2 * frames + 1)


def _opening_kept(need: Curve) -> Curve:
    """How far the lips' own opening is kept [t]; partly even in a pause."""
    return 1.0 - _PAUSE_OPENING * (1.0 - need)


def _ramp(values: Curve, low: float, high: float) -> Curve:
    """0 up to ``low``, 1 from ``high`` on, with a smooth transition."""
    x = np.clip((values - low) / (high - low), 0.0, 1.0)
    return np.asarray(x * x * (3.0 - 2.0 * x))


@dataclass(frozen=True, eq=False)
class BlendshapeGuard:
    """The guard of a space with ARKit's blendshapes; openings in distances of the eye corners.

    Attributes:
        space: the motion space.
        opening: [u] how far each blendshape opens the lips.
    """

    space: MotionSpace
    opening: Curve

    def openings(self, expression: Curve) -> Curve:
        """Distance of the lips' inner edges [t], never below 0."""
        return np.maximum(self._shown(self._activations(expression)) @ self.opening, 0.0)

    def need(self, openings: Curve, fps: float) -> Curve:
        """1 while the lips open and close, 0 in longer rests."""
        return _spread_in_time(_ramp(openings, 0.015, 0.04), fps)

    def protect(self, expression: Curve, change: Curve, need: Curve) -> Curve:
        """The change without its effect on the lips' opening, where speech needs them.

        The emotion's own jaw opening is removed. The effect of other blendshapes on the opening,
        such as a raised upper lip, is compensated by the jaw but for a share of the speech's own
        opening. Near a closure, where the jaw cannot compensate all of it, the lower lip rises,
        too; where that does not suffice, those blendshapes are reduced and the lips pressed
        together.
        """
        old = self._activations(expression)
        wanted = self._activations(change)
        kept = wanted.copy()
        share, lips = need[:, None], _opening_kept(need)
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
        # How far the jaw can close the lips: not at all where they already meet.
        aperture = np.maximum(self._shown(old) @ self.opening, 0.0)
        shown = np.maximum(old[:, jaw] - np.maximum(old[:, close], 0.0), 0.0)
        by_jaw_at_most = np.minimum(shown * self.opening[jaw], aperture)
        follows = self.space.blendshape_indices((_FOLLOWING,))
        by_lip_at_most = np.zeros(len(old))
        if len(follows):
            left = np.clip(_FARTHEST_FOLLOWED - kept[:, follows[0]], 0.0, _FARTHEST_FOLLOWED)
            by_lip_at_most = -left * min(float(self.opening[follows[0]]), 0.0)
        wider = _WIDER * np.maximum(aperture - _PARTED, 0.0)
        room = by_jaw_at_most + by_lip_at_most + wider
        # Blendshapes that part the lips are reduced where jaw and lower lip cannot compensate.
        parts = (effect > 0.0) & (self.opening[others] > _PARTING)
        opens = np.where(parts, effect, 0.0).sum(axis=1)
        spare = room - np.where(parts, 0.0, effect).sum(axis=1)
        allowed = 1.0 + lips * (np.clip(spare / np.maximum(opens, 1e-9), 0.0, 1.0) - 1.0)
        held = np.where(parts, allowed[:, None], 1.0)
        kept[:, others] *= held
        net = (effect * held).sum(axis=1)
        # A closed jaw stays closed.
        net = np.where(net < 0.0, net * _ramp(aperture, 0.0, 0.03), net)
        net = np.where(net > 0.0, np.maximum(net - wider, 0.0), net)
        by_jaw = np.minimum(net, by_jaw_at_most)
        kept[:, jaw] -= lips * by_jaw / self.opening[jaw]
        by_lip = np.clip(net - by_jaw, 0.0, by_lip_at_most)
        if by_lip_at_most.any():
            kept[:, follows] -= (lips * by_lip / self.opening[follows[0]])[:, None]
        press = self.space.blendshape_indices(_PRESSING)
        if len(press):
            by_lips = (net - by_jaw - by_lip) / -self.opening[press].sum()
            kept[:, press] += (lips * np.minimum(by_lips, _HARDEST_PRESS))[:, None]
        return np.asarray(change + self._expression(kept - wanted))

    def _activations(self, expression: Curve) -> Curve:
        flat = expression.reshape(len(expression), -1)
        return flat @ self.space.blendshape_projection.astype(np.float64)

    def _expression(self, activations: Curve) -> Curve:
        assert self.space.blendshape_basis is not None
        basis = self.space.blendshape_basis.reshape(activations.shape[1], -1).astype(np.float64)
        return (activations @ basis).reshape(len(activations), self.space.keypoint_count, 3)

    def _shown(self, activations: Curve) -> Curve:
        return reconcile_blendshapes(np.maximum(activations, 0.0), self.space).astype(np.float64)


@dataclass(frozen=True, eq=False)
class KeypointGuard:
    """The guard of a space without blendshapes: one direction of the keypoints opens the lips.

    Attributes:
        direction: [k, 3] of unit length.
        moving: range of the opening within 2 ``NEAR`` seconds from which lips count as speaking.
    """

    direction: Curve
    moving: float

    def openings(self, expression: Curve) -> Curve:
        """Position [t] along the direction, in the space's own unit of length."""
        return np.asarray(np.tensordot(expression, self.direction, 2))

    def need(self, openings: Curve, fps: float) -> Curve:
        """1 while the lips move, 0 in longer rests."""
        near = round(NEAR * fps)
        windows = _around(np.pad(openings, near, mode="edge"), near)
        swing = windows.max(axis=1) - windows.min(axis=1)
        return _spread_in_time(_ramp(swing, 0.3 * self.moving, self.moving), fps)

    def protect(self, expression: Curve, change: Curve, need: Curve) -> Curve:
        """The change without its component along the direction, where speech needs the lips."""
        along = _opening_kept(need) * np.tensordot(change, self.direction, 2)
        return np.asarray(change - along[:, None, None] * self.direction)


def _liveportrait_guard() -> KeypointGuard:
    """Keypoints 19 and 17, as the "lip open" slider of LivePortrait's published demo moves them."""
    direction = np.zeros((LIVEPORTRAIT_21.keypoint_count, 3))
    direction[19] = (0.0, 0.001, 0.0001)
    direction[17, 1] = -0.0001
    return KeypointGuard(direction / np.linalg.norm(direction), moving=0.008)


@lru_cache(maxsize=8)
def guard_of(space: MotionSpace) -> SpeechGuard:
    """The guard of a space.

    Raises:
        MotionError: the lip-opening direction of the space is not known.
    """
    if space == LIVEPORTRAIT_21:
        return _liveportrait_guard()
    if space.has_blendshapes and {"jawOpen", "mouthClose"} <= set(space.blendshape_names):
        from joyvasa_lib.rig.head_rig import bundled_rig
        from joyvasa_lib.rig.lips import lip_opening

        known = dict(zip(BLENDSHAPES, lip_opening(bundled_rig()), strict=True))
        return BlendshapeGuard(space, np.array([known.get(n, 0.0) for n in space.blendshape_names]))
    raise MotionError(
        f"The lip-opening direction of motion space {space.name!r} is not known, so speech cannot "
        "be protected; edit with protect_speech=False"
    )
