"""The motion of one person over a sequence of crops, by fitting the head rig to each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from joyvasa_lib.errors import NoFaceError
from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.face.eyes import EyeWatch
from joyvasa_lib.face.landmarks.blendshape_scores import blendshape_scores
from joyvasa_lib.motion import Motion, MotionSpace
from joyvasa_lib.motion.keypoints import rotation_angles
from joyvasa_lib.portrait.compact.expectation import expected_blendshapes
from joyvasa_lib.rig.calibration import BLINK
from joyvasa_lib.rig.fitting import fit_head
from joyvasa_lib.rig.head_rig import Floats, HeadRig

_OPEN_EYE, _CLOSED_EYE = 0.3, 0.8
"""Closure seen in the pixels of an eye below which it counts as open, and above which as closed."""


def expected_expression(landmarks: Floats) -> Floats | None:
    """[52] activations that the scores of a face suggest; None where it has no irises."""
    if len(landmarks) != 478:
        return None
    return expected_blendshapes(blendshape_scores(landmarks))


def read_motion(rig: HeadRig, crops: Iterator[FaceCrop], fps: float, space: MotionSpace) -> Motion:
    """Blendshapes and head pose of every crop; the first crop decides identity.

    The landmarks of a blinking eye stay apart, so eyelids are read from the pixels. Place and size
    are relative to the first crop, wherever the others are cut.

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
    eyes = EyeWatch(fps)
    blendshapes: list[Floats] = []
    rotation: list[Floats] = []
    translation: list[Floats] = []
    scale: list[Floats] = []
    for crop in crops:
        first = first or crop
        eyes.see(crop.image, replace(crop.face, landmarks=crop.landmarks))
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
    closed = np.clip((eyes.closure() - _OPEN_EYE) / (_CLOSED_EYE - _OPEN_EYE), 0.0, 1.0)
    activations[:, BLINK] = np.maximum(activations[:, BLINK], closed[:, None])
    return Motion.from_blendshapes(
        activations,
        rotation=np.stack(rotation),
        translation=np.stack(translation),
        scale=np.stack(scale),
        fps=fps,
        space=space,
        reference="absolute",
    )
