"""MediaPipe's scores of 52 blendshapes, read from the landmarks of a face.

The network sees places alone, no pixels (Grishchenko et al. 2022, arXiv 2309.05782). Its scores
answer to brows, eyelids and gaze more surely than distances of landmarks do, and hardly ever to
``cheekPuff``, ``cheekSquint`` and ``noseSneer``.

Axis legend: ``t`` faces, ``n`` = 478 landmarks, ``u`` = 52 blendshapes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.errors import OptionError
from joyvasa_lib.face.landmarks.blaze_face import onnx_session
from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.rig.regions import SCORED_POINTS

_COUNT = 478


def blendshape_scores(landmarks: NDArray[np.floating]) -> NDArray[np.float32]:
    """How strongly a face shows each blendshape, whatever its size and place.

    Args:
        landmarks: [t, n, 2 or 3] or [n, 2 or 3], in pixels of an upright image.

    Returns:
        [t, u] or [u] scores in [0, 1], in the order of
        :data:`~joyvasa_lib.motion.blendshapes.BLENDSHAPES`; ``tongueOut`` is 0.

    Raises:
        OptionError: these are not 478 landmarks.
    """
    points = np.asarray(landmarks, dtype=np.float32)
    if points.ndim not in (2, 3) or points.shape[-2] != _COUNT or points.shape[-1] not in (2, 3):
        raise OptionError(
            f"Blendshapes are scored from {_COUNT} landmarks, not an array of shape {points.shape}"
        )
    session = onnx_session("mediapipe_face_blendshapes.onnx")
    faces = points.reshape(-1, *points.shape[-2:])[:, list(SCORED_POINTS), :2]
    scores = np.zeros((len(faces), len(BLENDSHAPES)), np.float32)
    for row, face in zip(scores, faces, strict=True):
        (found,) = session.run(None, {session.get_inputs()[0].name: face[None]})
        row[:-1] = found.ravel()[1:]  # the first is "neutral"; the last of ours is "tongueOut"
    return scores.reshape(*points.shape[:-2], len(BLENDSHAPES))
