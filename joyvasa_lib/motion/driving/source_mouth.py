"""How much of an image's own mouth a change of its expression replaces.

A change of a single image is added to what the image shows. Where the two contradict each other,
as a frown and a smile do, the change replaces the image's own expression.

Axis legend: ``u`` blendshapes.
"""

from __future__ import annotations

import numpy as np

from joyvasa_lib.motion.space import Floats, MotionSpace

_FULL_EFFECT = 3.0
"""One over the activation of a change from which on it may replace all of the mouth."""
_LIKE, _UNLIKE = 0.75, 0.25
"""Cosine between the deformations of own and added mouth from which on the own one stays, and
below which all of it is replaced."""
_HARDLY_PRESSED = 0.1
"""Activation up to which lips are not pressed, and from twice of which on they are: a smile rolls
the lower lip that far."""
_PRESSING = ("mouthPressLeft", "mouthPressRight", "mouthRollUpper", "mouthRollLower")


def replaced_share(own: Floats, change: Floats, space: MotionSpace) -> float:
    """The share of an image's own mouth expression that a change of it replaces.

    0 without a change of the mouth or under one that resembles it, 1 under a strong one that does
    not: a frown is not added to a smile, and pressed lips show no teeth.

    Args:
        own: [u] activations of the image.
        change: [u] what is added to them.
        space: names the blendshapes.

    Returns:
        A number in [0, 1].
    """
    mouth = space.region_blendshapes("mouth")
    assert space.blendshape_basis is not None
    basis = space.blendshape_basis[mouth].reshape(len(mouth), -1)
    before, added = np.maximum(own[mouth], 0.0) @ basis, change[mouth] @ basis
    length = float(np.linalg.norm(before) * np.linalg.norm(added))
    likeness = float(before @ added) / length if length > 1e-6 else 1.0
    strength = min(1.0, _FULL_EFFECT * float(np.abs(change[mouth]).max(initial=0.0)))
    unlike = min(max((_LIKE - likeness) / (_LIKE - _UNLIKE), 0.0), 1.0)
    pressed = float(change[space.blendshape_indices(_PRESSING)].max(initial=0.0))
    pressed *= min(max(pressed / _HARDLY_PRESSED - 1.0, 0.0), 1.0)
    return max(strength * unlike, min(1.0, _FULL_EFFECT * pressed))


def replaced_mouth(own: Floats, change: Floats, space: MotionSpace) -> Floats:
    """[u] what a change takes away from an image's own mouth blendshapes.

    Their :func:`replaced_share`; less where the change itself raises the blendshape.

    Args:
        own: [u] activations of the image.
        change: [u] what is added to them.
        space: names the blendshapes.
    """
    mouth = space.region_blendshapes("mouth")
    taken = np.zeros(len(own), np.float32)
    taken[mouth] = replaced_share(own, change, space) * np.maximum(own[mouth], 0.0)
    raised = np.maximum(change, 0.0) / np.maximum(own, 1e-6)
    return np.asarray(taken * np.maximum(1.0 - raised, 0.0), dtype=np.float32)
