"""The head of a portrait under blendshapes and a head pose: where its vertices go.

Axis legend: ``b`` frames, ``v`` vertices, ``u`` blendshapes.
"""

from __future__ import annotations

import numpy as np

from joyvasa_lib.concurrency import steady_products
from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.motion.driving.pose import Pose
from joyvasa_lib.motion.keypoints import rotation_angles, rotation_matrix
from joyvasa_lib.portrait.compact.brow_lift import brow_lift
from joyvasa_lib.portrait.compact.lips.mouth_corners import corner_closing
from joyvasa_lib.portrait.compact.lips.opening import mouth_rounding
from joyvasa_lib.portrait.compact.lips.rounded_lip import lip_rounding
from joyvasa_lib.portrait.compact.portrait import CompactPortrait
from joyvasa_lib.portrait.compact.render.compositor import DrivenHeads
from joyvasa_lib.rig.calibration import BLINK, JAW, applied_blendshapes
from joyvasa_lib.rig.eyelids import above_irises, closing_order, lid_following, under_lashes
from joyvasa_lib.rig.fitting import HeadFit
from joyvasa_lib.rig.head_rig import Floats, HeadRig

_UNCOVERING = tuple(
    tuple(
        BLENDSHAPES.index(f"eye{name}{side}")
        for name in ("Wide", "LookUp", "LookDown", "LookIn", "LookOut")
    )
    for side in ("Left", "Right")
)
"""Blendshapes that uncover the left and the right eyeball."""
_FUNNEL = BLENDSHAPES.index("mouthFunnel")
_BROW_UP = BLENDSHAPES.index("browInnerUp")
_BROWS_DOWN = [BLENDSHAPES.index("browDownLeft"), BLENDSHAPES.index("browDownRight")]
_PRESS = [BLENDSHAPES.index("mouthPressLeft"), BLENDSHAPES.index("mouthPressRight")]
_ROLLS = [BLENDSHAPES.index("mouthRollLower"), BLENDSHAPES.index("mouthRollUpper")]
_ROLL_IN = np.array([0.8, 0.5], np.float32)
"""How far the lower and the upper lip roll in as they are pressed: less of their red shows."""
_COUNTERS = 1.0
"""Share that is given back of what lowered brows take from inner brows that rise with them: 1+4 of
FACS raises the inner brows and draws them together."""
_PAINT_WITHIN = 0.3
"""Share of a blink within which skin that the lid reaches is painted over the open eye."""
_BARE_WITHIN, _HARDLY = 0.2, 1e-3
"""Activation of a widened or turned eye within which what its lids covered is shown whole, and the
share of that on an eye that does not move."""
_LASHES_FROM, _LASHES_WITHIN = 0.78, 0.12
"""Share of a blink from which on lashes and their shadow lie on the skin below, and within which
they are whole."""


class HeadDriver:
    """Moves the vertices of portraits of one rig."""

    def __init__(self, rig: HeadRig) -> None:
        """Measures the eyelids of the rig."""
        self.rig = rig
        self._above = above_irises(rig)
        self._closing_order = closing_order(rig)
        self._under_lashes = under_lashes(rig)
        self._lid_following = lid_following(rig)
        left = rig.mean[:, 0] > 0  # the person's left is on the image's right
        self._eye_side = np.where(left, 0, 1)

    @steady_products()
    def vertices(
        self, portrait: CompactPortrait, blendshapes: Floats, pose: Pose, replaced: float = 1.0
    ) -> Floats:
        """Crop pixels [b, v, 3] of the driven head.

        Args:
            portrait: whose head.
            blendshapes: [b, u] activations of the result, the portrait's own included.
            pose: [b] head pose of the result, in crop pixels.
            replaced: share in [0, 1] of the image's own parted lips that the blendshapes replace;
                1 under an absolute mouth, whose lips have to meet.
        """
        fit = portrait.fit
        applied = applied_blendshapes(
            blendshapes, fit.blendshapes, portrait.blink_gain, portrait.gains
        )
        applied[:, _BROW_UP] += _COUNTERS * np.minimum(
            np.maximum(applied[:, _BROW_UP], 0.0), np.maximum(applied[:, _BROWS_DOWN].min(1), 0.0)
        )
        pressed = (applied - fit.blendshapes)[:, _PRESS].mean(axis=1, keepdims=True)
        applied[:, _ROLLS] += _ROLL_IN * np.maximum(pressed, 0.0)
        # The image's own jaw has lifted its lip already; lips that are replaced meet instead.
        rest = applied_blendshapes(fit.blendshapes, fit.blendshapes, portrait.blink_gain)
        applied = applied + replaced * portrait.seal + (1.0 - replaced) * (fit.blendshapes - rest)
        own = replaced * (portrait.teeth + portrait.closing) + (1.0 - replaced) * fit.parting
        shape = fit.shape + own + np.tensordot(applied, self.rig.blendshapes, 1)
        closing = _closing(fit, blendshapes)
        shape += np.tensordot(closing, portrait.lids, 1)
        change = applied - fit.blendshapes
        for closed, following in zip(closing.T, self._lid_following, strict=True):
            shape[..., 1] += closed[:, None] * (change @ following)
        shape += brow_lift(self.rig, change)
        shape += corner_closing(
            self.rig, blendshapes[:, JAW] - (1.0 - replaced) * fit.blendshapes[JAW]
        )
        own_funnel = (1.0 - replaced) * fit.blendshapes[_FUNNEL]
        shape += lip_rounding(self.rig, blendshapes[:, _FUNNEL] - own_funnel)
        shape[..., 1] += mouth_rounding(self.rig, shape)
        if replaced < 1.0:  # the image's own lips are as they are
            parted = (
                fit.shape + fit.parting + np.tensordot(fit.blendshapes, self.rig.blendshapes, 1)
            )
            shape[..., 1] -= (1.0 - replaced) * mouth_rounding(self.rig, parted[None])
        return self._posed(portrait, shape, pose)

    def driven_heads(
        self,
        portrait: CompactPortrait,
        blendshapes: Floats,
        pose: Pose,
        vertices: Floats,
        wrinkles: float = 1.0,
    ) -> DrivenHeads:
        """What is drawn of the driven head, and how much of its eyelids has to be painted.

        Args:
            portrait: whose head.
            blendshapes: [b, u] activations of the result.
            pose: [b] head pose of the result.
            vertices: [b, v, 3] result of :meth:`vertices`.
            wrinkles: factor on the depth of the skin's folds.
        """
        fit = portrait.fit
        closing = _closing(fit, blendshapes)
        closed = closing[:, self._eye_side]
        lashes = np.clip((closed - _LASHES_FROM) / _LASHES_WITHIN, 0.0, 1.0)
        arriving = np.where(self._above, np.minimum(closed / _PAINT_WITHIN, 1.0), lashes)
        painted = np.maximum(portrait.paint.eyelids * arriving, self._under_lashes * lashes)
        opened = np.maximum(_opening(fit, blendshapes), _HARDLY) * portrait.appearance.eyes.known
        late = self._closing_order * (1.0 - _PAINT_WITHIN)
        expressed = fit.shape + fit.parting + np.tensordot(fit.blendshapes, self.rig.blendshapes, 1)
        return DrivenHeads(
            vertices,
            posed=self._posed(portrait, expressed[None], pose),
            trust=np.asarray(1.0 - painted, np.float32),
            shut=np.clip((closed - late) / _PAINT_WITHIN, 0.0, 1.0).astype(np.float32),
            opened=opened[:, self._eye_side].astype(np.float32),
            closed=closing.astype(np.float32),
            folds=portrait.appearance.folds.depths(blendshapes - fit.blendshapes, wrinkles),
            tolerance=0.25 * fit.scale,
        )

    def _posed(self, portrait: CompactPortrait, shape: Floats, pose: Pose) -> Floats:
        """Crop pixels [b, v, 3] of heads [b or 1, v, 3] in rig units under a pose."""
        turned = shape @ rotation_matrix(pose.rotation)
        moved = pose.scale[:, None] * turned + pose.translation[:, None]
        follow = self.rig.head_weight[:, None]
        still = portrait.fit.project(shape)
        return np.asarray(still * (1 - follow) + moved * follow, dtype=np.float32)


def source_pose(fit: HeadFit) -> Pose:
    """The head pose that an image shows, in crop pixels."""
    return Pose(rotation_angles(fit.rotation), fit.translation, np.array([fit.scale]))


def _closing(fit: HeadFit, blendshapes: Floats) -> Floats:
    """[b, 2] how far the person's left and right eye have closed from how the image shows them."""
    own = fit.blendshapes[BLINK]
    return np.clip((blendshapes[:, BLINK] - own) / np.maximum(1.0 - own, 0.2), 0.0, 1.0)


def _opening(fit: HeadFit, blendshapes: Floats) -> Floats:
    """[b, 2] share in [0, 1] to which the left and right eyeball show what lids covered."""
    moved = np.abs(blendshapes - fit.blendshapes)
    uncovering = np.stack([moved[:, list(side)].sum(1) for side in _UNCOVERING], 1)
    return np.clip(uncovering / _BARE_WITHIN, 0.0, 1.0)
