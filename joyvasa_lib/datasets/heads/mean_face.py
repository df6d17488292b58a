"""The mean face mesh: the mean of what MediaPipe's landmarker finds on rendered heads.

Axis legend: ``n`` heads and their mirror images.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from tqdm import tqdm

from joyvasa_lib.datasets.heads.drawing.appearance import random_appearance
from joyvasa_lib.datasets.heads.drawing.renderer import HeadRenderer
from joyvasa_lib.datasets.heads.drawing.texture import SkinMap
from joyvasa_lib.datasets.heads.shape import random_shape
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.motion.keypoints import rotation_matrix
from joyvasa_lib.rig.fitting import similarity
from joyvasa_lib.rig.head_rig import bundled_rig

_SIDE = 320
"""Side of the rendered images, pixels."""
_SCALE = 46.0
"""Pixels per rig unit: the face fills half of the image, as the detector expects."""
_ROUNDS = 4
"""Rounds of alignment and mean."""


def mean_face_mesh(heads: int = 60, seed: int = 0, progress: bool = False) -> NDArray[np.float32]:
    """[478, 3] the mean mesh: frontal, mirror-symmetric, mean 0, mean square radius 1.

    Args:
        heads: rendered heads, all different, looking ahead with closed mouths.
        seed: of the first head.
        progress: whether to show a bar.
    """
    rig, detector, found = bundled_rig(), MediaPipeFaceDetector(), []
    skin = SkinMap(rig)
    for number in tqdm(range(heads), unit="head", disable=not progress):
        random = np.random.default_rng((seed, number))
        renderer = HeadRenderer(rig, random_appearance(rig, skin, random), _SIDE)
        turn = rotation_matrix(random.normal(0.0, 3.0, 3))
        head = _SCALE * random_shape(rig, random) @ turn + np.array([_SIDE / 2, _SIDE / 2, 0.0])
        image = renderer.render(head.astype(np.float32)).image
        for full_image in (image, np.ascontiguousarray(image[:, ::-1])):
            faces = detector.detect(full_image)
            if faces:
                found.append(faces[0].landmarks.astype(np.float64))
    return _symmetric(_aligned_mean(np.stack(found)))


def _aligned_mean(meshes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Generalised Procrustes mean [478, 3] of meshes [n, 478, 3]."""
    mean = _unit(np.mean([_unit(mesh) for mesh in meshes], axis=0))
    for _ in range(_ROUNDS):
        fitted = []
        for mesh in meshes:
            rotation, scale, shift = similarity(mesh, mean, np.ones(len(mean)))
            fitted.append(scale * mesh @ rotation + shift)
        mean = _unit(np.median(fitted, axis=0))
    return mean


def _unit(mesh: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = mesh - mesh.mean(0)
    return np.asarray(centred / np.sqrt((centred**2).sum(1).mean()))


def _partners(mesh: NDArray[np.float64]) -> NDArray[np.intp]:
    """[478] number of each point's mirror image: the cheapest one-to-one assignment."""
    distance = np.linalg.norm(mesh[:, None] - mesh[None] * [-1.0, 1.0, 1.0], axis=-1)
    return np.asarray(linear_sum_assignment(distance**2)[1])


def _symmetric(mesh: NDArray[np.float64]) -> NDArray[np.float32]:
    """The mesh [478, 3] made exactly mirror-symmetric."""
    pairs = _partners(mesh)
    return _unit((mesh + mesh[pairs] * [-1.0, 1.0, 1.0]) / 2).astype(np.float32)
