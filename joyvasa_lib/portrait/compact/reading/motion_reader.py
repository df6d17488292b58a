"""The motion of one person over a sequence of crops.

What the face does is read from how its landmarks have moved since the first frame, against how they
move when that frame is animated; the head's pose is that of the head rig in this expression. On
landmarks without irises, and on faces that cannot be animated, the rig is fitted to each frame
alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from joyvasa_lib.errors import NoFaceError
from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.face.landmarks.blendshape_scores import blendshape_scores
from joyvasa_lib.face.landmarks.mediapipe import SCHEME
from joyvasa_lib.motion import Motion, MotionSpace
from joyvasa_lib.motion.keypoints import rotation_angles
from joyvasa_lib.portrait.compact.reading.expectation import expected_blendshapes
from joyvasa_lib.portrait.compact.reading.expression import ExpressionReader
from joyvasa_lib.rig.calibration import BLINK
from joyvasa_lib.rig.fitting import HeadFit, check_landmarks, fit_head, fit_pose
from joyvasa_lib.rig.head_rig import Floats, HeadRig

logger = logging.getLogger(__name__)

_DEEPEST, _A_BLINK = 0.995, 0.6
"""Quantile of the closing of an eye over a video that is its deepest, and from which activation on
that is a blink: blinks of people and portraits are read as 0.6 and more, narrowed eyes as less."""
_AT_ONCE = 256
"""Frames whose expressions are read together."""

MakeReader = Callable[[FaceCrop], ExpressionReader]
"""Makes the reader of the person whom a crop shows."""


def expected_expression(landmarks: Floats) -> Floats | None:
    """[52] activations that the scores of a face suggest; None where it has no irises."""
    if len(landmarks) != 478:
        return None
    return expected_blendshapes(blendshape_scores(landmarks))


def read_motion(
    rig: HeadRig,
    crops: Iterator[FaceCrop],
    fps: float,
    space: MotionSpace,
    make_reader: MakeReader,
) -> Motion:
    """Blendshapes and head pose of every crop; the first crop decides identity.

    Place and size are relative to the first crop, wherever the others are cut.

    Args:
        rig: the head model.
        crops: of one person.
        fps: frames a second.
        space: of the blendshapes.
        make_reader: makes the reader of expressions from the first crop.

    Returns:
        One frame for each crop, ``reference="absolute"``.

    Raises:
        NoFaceError: there is no crop, or one has no usable landmarks.
    """
    first = next(crops, None)
    if first is None:
        raise NoFaceError("There is no frame to extract motion from")
    rest = _fit(rig, first.landmarks)
    reader = _reader(make_reader, first)
    landmarks = [first.landmarks]
    for crop in crops:
        landmarks.append(replace(crop, matrix=first.matrix).landmarks)
        check_landmarks(landmarks[-1])
    if reader is None or any(len(points) != len(landmarks[0]) for points in landmarks):
        fits = [rest, *(_fit(rig, points, rest.identity) for points in landmarks[1:])]
    else:
        parts = [
            reader(np.stack(landmarks[start : start + _AT_ONCE]), landmarks[0])
            for start in range(0, len(landmarks), _AT_ONCE)
        ]
        fits = [
            fit_pose(rig, points, rest.identity, activations)
            for points, activations in zip(landmarks, np.concatenate(parts), strict=True)
        ]
    activations = np.stack([fit.blendshapes for fit in fits])
    activations[:, BLINK] = _whole_blinks(activations[:, BLINK])
    flat = np.array([1.0, 1.0, 0.0], np.float32)
    return Motion.from_blendshapes(
        activations,
        rotation=np.stack([rotation_angles(fit.rotation) for fit in fits]),
        translation=np.stack(
            [(fit.translation - first.size / 2) / fit.scale * flat for fit in fits]
        ),
        scale=np.array([[fit.scale / first.size] for fit in fits], np.float32),
        fps=fps,
        space=space,
        reference="absolute",
    )


def _reader(make_reader: MakeReader, first: FaceCrop) -> ExpressionReader | None:
    if first.face.scheme != SCHEME:
        return None
    try:
        return make_reader(first)
    except NoFaceError as error:
        logger.info("Expressions are read by fitting each frame alone: %s", error)
        return None


def _fit(rig: HeadRig, landmarks: Floats, identity: Floats | None = None) -> HeadFit:
    return fit_head(
        rig,
        landmarks,
        identity=identity,
        expected=expected_expression(landmarks),
        correct=False,
    )


def _whole_blinks(closing: Floats) -> Floats:
    """[t, 2] closing of the eyes, in which the deepest of a blink closes an eye.

    Landmarks of closed eyes stay a little apart, farther on one person than on another.
    """
    deepest = np.quantile(closing, _DEEPEST, axis=0)
    whole = np.where(deepest > _A_BLINK, np.minimum(deepest, 1.0), 1.0)
    return np.asarray(np.minimum(closing / whole, 1.0), np.float32)
