"""The head of a portrait under blendshapes and a head pose: where its vertices go.

Axis legend: ``b`` frames, ``v`` vertices, ``u`` blendshapes.
"""

from __future__ import annotations

import numpy as np

from joyvasa_lib.concurrency import steady_products
from joyvasa_lib.motion.driving.pose import Pose
from joyvasa_lib.motion.keypoints import rotation_angles, rotation_matrix
from joyvasa_lib.portrait.compact.mouth_corners import corner_closing
from joyvasa_lib.portrait.compact.portrait import CompactPortrait
from joyvasa_lib.portrait.compact.render.compositor import DrivenHeads
from joyvasa_lib.rig.calibration import BLINK, JAW, applied_blendshapes
from joyvasa_lib.rig.eyelids import closing_order, lid_stretch, under_lashes
from joyvasa_lib.rig.fitting import HeadFit
from joyvasa_lib.rig.head_rig import Floats, HeadRig

_PAINT_WITHIN = 0.3
"""Share of a blink within which skin that the lid reaches is painted over the open eye."""
_LASHES_FROM, _LASHES_WITHIN = 0.78, 0.12
"""Share of a blink from which on the lashes' shadow falls on the skin below, and within which it
becomes whole."""


class HeadDriver:
    """Moves the vertices of portraits of one rig.

    Attributes:
        lid_stretch: [v] see :func:`~joyvasa_lib.rig.eyelids.lid_stretch`.
    """

    def __init__(self, rig: HeadRig) -> None:
        """Measures the eyelids of the rig."""
        self.rig = rig
        self.lid_stretch = lid_stretch(rig)
        self._closing_order = closing_order(rig)
        self._under_lashes = under_lashes(rig)
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
        applied = applied_blendshapes(blendshapes, fit.blendshapes, portrait.blink_gain)
        # The image's own jaw has lifted its lip already; lips that are replaced meet instead.
        rest = applied_blendshapes(fit.blendshapes, fit.blendshapes, portrait.blink_gain)
        applied = applied + replaced * portrait.seal + (1.0 - replaced) * (fit.blendshapes - rest)
        own = replaced * (portrait.teeth + portrait.closing) + (1.0 - replaced) * fit.parting
        shape = fit.shape + own + np.tensordot(applied, self.rig.blendshapes, 1)
        shape += np.tensordot(_closing(fit, blendshapes), portrait.lids, 1)
        shape += corner_closing(
            self.rig, blendshapes[:, JAW] - (1.0 - replaced) * fit.blendshapes[JAW]
        )
        return self._posed(portrait, shape, pose)

    def driven_heads(
        self, portrait: CompactPortrait, blendshapes: Floats, pose: Pose, vertices: Floats
    ) -> DrivenHeads:
        """What is drawn of the driven head, and how much of its eyelids has to be painted.

        Args:
            portrait: whose head.
            blendshapes: [b, u] activations of the result.
            pose: [b] head pose of the result.
            vertices: [b, v, 3] result of :meth:`vertices`.
        """
        fit = portrait.fit
        closed = _closing(fit, blendshapes)[:, self._eye_side]
        painted = self.lid_stretch * np.minimum(closed / _PAINT_WITHIN, 1.0)
        lashes = np.clip((closed - _LASHES_FROM) / _LASHES_WITHIN, 0.0, 1.0)
        painted = np.maximum(painted, self._under_lashes * lashes)
        late = self._closing_order * (1.0 - _PAINT_WITHIN)
        expressed = fit.shape + fit.parting + np.tensordot(fit.blendshapes, self.rig.blendshapes, 1)
        return DrivenHeads(
            vertices,
            posed=self._posed(portrait, expressed[None], pose),
            trust=np.asarray(1.0 - painted, np.float32),
            shut=np.clip((closed - late) / _PAINT_WITHIN, 0.0, 1.0).astype(np.float32),
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
