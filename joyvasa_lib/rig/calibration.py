"""Makes the rig's eyelids and lips meet on one person's face.

The rig's blink closes the mean eye; a large eye stays open and the eyelids of a small one cross.
Likewise a face that was fitted while smiling keeps a gap between the lips when the smile is taken
away. Both are measured on the fitted head and corrected along the rig's own blendshapes.
"""

from __future__ import annotations

import numpy as np

from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.rig.eyelids import lid_closing
from joyvasa_lib.rig.fitting import HeadFit
from joyvasa_lib.rig.head_rig import Floats, HeadRig, Ints
from joyvasa_lib.rig.lips import lip_closing, lip_edges
from joyvasa_lib.rig.regions import EYES

_OVERLAP = 0.012
"""Rig units by which the edges of closed lips and eyelids overlap, so that no gap shows."""
_LID_OVERLAP = 0.04
"""Rig units by which the upper eyelid covers the edge of the lower one."""
_LEAST_TO_CLOSE = 0.2
"""Part of a blink that is assumed to remain on eyes that the fit takes for nearly closed."""
_LEAST_GAIN, _MOST_GAIN = 0.3, 2.2
"""Limits of the gain of a blink: beyond them the fit of the eye is not credible."""
_SEAL_RIDGE, _MOST_SEAL = 0.01, 0.8
"""Ridge that shares the closing of the lips out among the blendshapes, and the most of each."""
_BLINK = ("eyeBlinkLeft", "eyeBlinkRight")
BLINK = [BLENDSHAPES.index(name) for name in _BLINK]
JAW = BLENDSHAPES.index("jawOpen")
_LIFT = [BLENDSHAPES.index("mouthUpperUpLeft"), BLENDSHAPES.index("mouthUpperUpRight")]
UPPER_LIP_FOLLOWS_JAW = 0.21
"""The rig's jaw alone hides the upper teeth; people's upper lip lifts a little as the jaw opens."""
_STRETCH = [BLENDSHAPES.index("mouthStretchLeft"), BLENDSHAPES.index("mouthStretchRight")]
_PUCKER = BLENDSHAPES.index("mouthPucker")
_WIDTH_FOLLOWS_JAW, _IF_ROUNDED = 0.6, 0.5
"""The rig's jaw alone draws the corners of the mouth inwards; people's mouths stay as wide, or
widen, as they open to speak: stretch for each activation of the jaw, and its share on lips that are
rounded."""
_SEALING = (
    "jawOpen",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthShrugLower",
    "mouthClose",
)
"""Blendshapes that bring the lips together or apart."""


def _gap(shape: Floats, upper: Ints, lower: Ints) -> Floats:
    """Vertical distance of pairs of vertices in rig units, positive when open; [..., n]."""
    return np.asarray(shape[..., lower, 1] - shape[..., upper, 1], dtype=np.float32)


def applied_blendshapes(
    blendshapes: Floats, own: Floats, gain: Floats, gains: Floats | None = None
) -> Floats:
    """What is put on the rig: blinks that close the eye, a lip that follows the jaw.

    Args:
        blendshapes: [..., 52] activations of the motion.
        own: [52] activations of the portrait itself.
        gain: [2] see :func:`blink_gain`.
        gains: [52] factor on the change of each blendshape from the portrait's own; None for 1.

    Returns:
        [..., 52] a copy; affine in ``blendshapes`` but for the jaw of rounded lips.
    """
    applied = blendshapes.copy() if gains is None else own + (blendshapes - own) * gains
    applied[..., BLINK] = own[BLINK] + (blendshapes[..., BLINK] - own[BLINK]) * gain
    applied[..., _LIFT] += UPPER_LIP_FOLLOWS_JAW * blendshapes[..., [JAW]]
    rounded = np.clip(blendshapes[..., [_PUCKER]], 0.0, 1.0)
    width = _WIDTH_FOLLOWS_JAW * (1.0 + rounded * (_IF_ROUNDED - 1.0))
    applied[..., _STRETCH] += width * blendshapes[..., [JAW]]
    return applied


def blink_gain(rig: HeadRig, fit: HeadFit) -> Floats:
    """[2] factor on the change of each blink, so that a full blink just closes the eye.

    Args:
        rig: the head model.
        fit: the rig fitted to the face.
    """
    gains = []
    for name, eye in zip(_BLINK, EYES, strict=True):
        index = rig.blendshape_index(name)
        upper, lower = (
            rig.landmark_vertex[list(ids)] for ids in (eye.upper_middle, eye.lower_middle)
        )
        now = fit.shape + np.tensordot(fit.blendshapes, rig.blendshapes, 1)
        opening = float(_gap(np.asarray(now, np.float32), upper, lower).mean())
        per_blink = -float(_gap(rig.blendshapes[index], upper, lower).mean())
        left = max(1.0 - float(fit.blendshapes[index]), _LEAST_TO_CLOSE)
        gain = (opening + _OVERLAP) / (left * per_blink)
        gains.append(np.clip(gain, _LEAST_GAIN, _MOST_GAIN))
    return np.array(gains, dtype=np.float32)


def lip_seal(rig: HeadRig, fit: HeadFit) -> Floats:
    """[52] change of activations that closes the lips of the person's neutral face."""
    names = [rig.blendshape_index(name) for name in _SEALING]
    upper, lower = lip_edges(rig)
    opening = _gap(fit.shape, upper, lower) + _OVERLAP
    effect = _gap(rig.blendshapes[names], upper, lower).T
    seal = np.zeros(len(rig.blendshapes), dtype=np.float32)
    ridge = _SEAL_RIDGE * np.eye(len(names))
    change = np.linalg.solve(effect.T @ effect + ridge, -effect.T @ opening)
    seal[names] = np.clip(change, -_MOST_SEAL, _MOST_SEAL)
    return seal


def rest_of_seal(rig: HeadRig, fit: HeadFit, seal: Floats) -> Floats:
    """[v, 3] displacement that closes what a seal of the lips leaves open, rig units.

    Blendshapes close the lips as a whole; the gap of a smile differs from corner to corner.

    Args:
        rig: the head model.
        fit: the rig fitted to the face.
        seal: [52] see :func:`lip_seal`.
    """
    sealed = fit.shape + np.tensordot(seal, rig.blendshapes, 1)
    shown = fit.shape + fit.parting + np.tensordot(fit.blendshapes, rig.blendshapes, 1)
    return lip_closing(rig, np.asarray(sealed, np.float32), np.asarray(shown, np.float32), _OVERLAP)


def rest_of_blink(rig: HeadRig, fit: HeadFit, gain: Floats) -> Floats:
    """[2, v, 3] displacement that closes what blinks leave open, rig units.

    Args:
        rig: the head model.
        fit: the rig fitted to the face.
        gain: [2] see :func:`blink_gain`.
    """
    shut = fit.blendshapes.copy()
    shut[BLINK] += gain * (1.0 - shut[BLINK])
    head = fit.shape + np.tensordot(shut, rig.blendshapes, 1)
    return lid_closing(rig, np.asarray(head, np.float32), _LID_OVERLAP)
