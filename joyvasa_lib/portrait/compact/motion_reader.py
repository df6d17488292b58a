"""The motion of one person over a sequence of crops, by fitting the head rig to each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from joyvasa_lib.errors import NoFaceError
from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.face.landmarks.blendshape_scores import blendshape_scores
from joyvasa_lib.motion import Motion, MotionSpace
from joyvasa_lib.motion.keypoints import rotation_angles
from joyvasa_lib.portrait.compact.expectation import expected_blendshapes
from joyvasa_lib.rig.calibration import BLINK
from joyvasa_lib.rig.fitting import fit_head
from joyvasa_lib.rig.head_rig import Floats, HeadRig

_DEEPEST, _A_BLINK = 0.995, 0.6
"""Quantile of the closing of an eye over a video that is its deepest, and from which activation on
that is a blink: blinks of people and portraits are read as 0.6 and more, narrowed eyes as less."""


def expected_expression(landmarks: Floats) -> Floats | None:
    """[52] activations that the scores of a face suggest; None where it has no irises."""
    if len(landmarks) != 478:
        return None
    return expected_blendshapes(blendshape_scores(landmarks))


def read_motion(rig: HeadRig, crops: Iterator[FaceCrop], fps: float, space: MotionSpace) -> Motion:
    """Blendshapes and head pose of every crop; the first crop decides identity.

    Place and size are relative to the first crop, wherever the others are cut.

    Args:
        rig: the head model.
        crops: of one person.
        fps: frames a second.
        space: of the blendshapes.

    Returns:
        One frame for each crop, ``reference="absolute"``.

    Raises:
        NoFaceError: there is no crop, or one has no usable landmarks.
    """
    first: FaceCrop | None = None
    identity: Floats | None = None
    blendshapes: list[Floats] = []
    rotation: list[Floats] = []
    translation: list[Floats] = []
    scale: list[Floats] = []
    for crop in crops:
        first = first or crop
        landmarks = replace(crop, matrix=first.matrix).landmarks
        fit = fit_head(
            rig,
            landmarks,
            identity=identity,
            expected=expected_expression(landmarks),
            correct=False,
        )
        identity = fit.identity if identity is None else identity
        shift = (fit.translation - first.size / 2) / fit.scale
        blendshapes.append(fit.blendshapes)
        rotation.append(rotation_angles(fit.rotation))
        translation.append(shift * np.array([1.0, 1.0, 0.0], np.float32))
        scale.append(np.array([fit.scale / first.size], np.float32))
    if first is None:
        raise NoFaceError("There is no frame to extract motion from")
    activations = np.stack(blendshapes)
    activations[:, BLINK] = _whole_blinks(activations[:, BLINK])
    return Motion.from_blendshapes(
        activations,
        rotation=np.stack(rotation),
        translation=np.stack(translation),
        scale=np.stack(scale),
        fps=fps,
        space=space,
        reference="absolute",
    )


def _whole_blinks(closing: Floats) -> Floats:
    """[t, 2] closing of the eyes, in which the deepest of a blink closes an eye.

    Landmarks of closed eyes stay a little apart, farther on one person than on another.
    """
    deepest = np.quantile(closing, _DEEPEST, axis=0)
    whole = np.where(deepest > _A_BLINK, np.minimum(deepest, 1.0), 1.0)
    return np.asarray(np.minimum(closing / whole, 1.0), np.float32)
