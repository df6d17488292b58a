"""Fits the head rig to the landmarks of a face: the compact preset's motion extractor.

Weak-perspective camera with row vectors: ``image = scale * (shape @ R) + translation``. Pose has
a closed form (Procrustes); identity and blendshapes are linear given the pose, so the fit
alternates the two (a Gauss-Newton scheme with the pose eliminated) and takes tens of milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.concurrency import steady_products
from joyvasa_lib.errors import NoFaceError
from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.rig.correction import meet_contours, spread_residuals
from joyvasa_lib.rig.head_rig import Floats, HeadRig
from joyvasa_lib.rig.lips import lip_parting
from joyvasa_lib.rig.regions import IRISES, LIPS

_DEPTH_WEIGHT = 0.25
"""Weight of z against x and y: MediaPipe infers depth from one image, less surely than the rest."""
_IDENTITY_PRIOR, _BLENDSHAPE_PRIOR = 0.010, 0.025
"""Ridge on identity and on activations in rig units per landmark. Ambiguous shapes go to identity,
whose prior is weaker, so that a neutral face is fitted as neutral."""
_EXPECTED_PRIOR = 0.10
"""Ridge, in the same unit, that pulls activations to what scores suggest."""
_MOST_IDENTITY = 3.0
"""Standard deviations within which identity weights are kept."""
_JAW_PRIOR = 4.0
"""Factor on the ridge of the jaw: a single image cannot tell a long chin from an open jaw, and is
taken to show the chin unless the lips part."""
_MOST_ROUNDS = 12
"""Most changes of the active set in a bounded fit."""
_IRIS_WEIGHT = 2.0
"""Weight of the centre of an iris against the other landmarks."""
_LIP_WEIGHT = 2.0
"""Weight of the landmarks of the lips against the others: speech is read from them."""
NOT_FITTED = ("cheekPuff", "tongueOut", "jawForward", "mouthShrugLower", "mouthShrugUpper")
"""Blendshapes that the landmarks cannot tell from others; they stay at zero in a fit."""


@dataclass(frozen=True, eq=False)
class HeadFit:
    """A head rig fitted to one face.

    Attributes:
        identity: [64] identity weights, standard deviations.
        blendshapes: [52] blendshape activations in [0, 1].
        rotation: [3, 3] row-vector rotation.
        scale: pixels per rig unit.
        translation: [3] pixels of the crop (z relative).
        shape: [v, 3] personal neutral head in rig units: the rig's identity plus the smooth
            correction that puts every landmark vertex on its landmark.
        parting: [v, 3] rig units by which the lips are parted farther than the blendshapes part
            them; it belongs to the image, a driven mouth does not keep it.
        residual: root-mean-square landmark distance before that correction, pixels.
    """

    identity: Floats
    blendshapes: Floats
    rotation: Floats
    scale: float
    translation: Floats
    shape: Floats
    parting: Floats
    residual: float

    def project(self, vertices: Floats) -> Floats:
        """Crop pixels [..., v, 3] of canonical vertices [..., v, 3] under the fitted pose."""
        return np.asarray(self.scale * (vertices @ self.rotation) + self.translation, np.float32)


def similarity(
    model: NDArray[np.float64], points: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float, NDArray[np.float64]]:
    """Rotation, scale, shift that take ``model`` to ``points``, both [n, 3] (Umeyama 1991).

    Row vectors: ``points = scale * model @ rotation + shift``; ``weight`` [n] counts the points.
    """
    w = weight / weight.sum()
    model_mean, point_mean = w @ model, w @ points
    a, b = model - model_mean, points - point_mean
    u, s, vt = np.linalg.svd((a * w[:, None]).T @ b)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = (u * sign) @ vt
    scale = float((s * sign).sum() / (w @ (a**2).sum(1)))
    return rotation, scale, point_mean - scale * model_mean @ rotation


def box_least_squares(
    gram: NDArray[np.float64],
    right: NDArray[np.float64],
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Minimises ``x^T gram x / 2 - right^T x`` inside a box by an active-set iteration.

    Fifteen to twenty times as fast as ``scipy.optimize.lsq_linear``, whose ``bvls`` frees one
    variable at a time; the results agree to rounding.
    """
    x = np.clip(np.zeros_like(right), lower, upper)
    free = np.ones(len(x), dtype=bool)
    for _ in range(_MOST_ROUNDS):
        residual = right - gram[:, ~free] @ x[~free]
        x[free] = np.linalg.solve(gram[np.ix_(free, free)], residual[free])
        outside = free & ((x < lower) | (x > upper))
        x = np.clip(x, lower, upper)
        gradient = gram @ x - right
        release = ~free & (((x <= lower) & (gradient < -1e-9)) | ((x >= upper) & (gradient > 1e-9)))
        if not outside.any() and not release.any():
            break
        free = (free & ~outside) | release
    return x


def _correspondence(
    rig: HeadRig, points: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]:
    """Vertices [n], weights [n] and places [n, 3] of the landmarks that the rig knows."""
    used = rig.landmark_weight > 0
    weight = rig.landmark_weight[used].astype(np.float64)
    weight[np.isin(np.flatnonzero(used), LIPS)] *= _LIP_WEIGHT
    vertex, mesh = rig.landmark_vertex[used], points[: len(used)][used]
    if len(points) == len(used):
        return vertex, weight, mesh
    centres = points[[iris[0] for iris in IRISES]]
    return (
        np.concatenate([vertex, rig.iris_vertex]),
        np.concatenate([weight, np.full(len(centres), _IRIS_WEIGHT)]),
        np.concatenate([mesh, centres]),
    )


@steady_products()
def fit_head(
    rig: HeadRig,
    landmarks: NDArray[np.float32],
    *,
    identity: Floats | None = None,
    expected: Floats | None = None,
    iterations: int = 8,
    correct: bool = True,
) -> HeadFit:
    """Fits pose, identity and blendshapes to one face.

    Args:
        rig: the head model.
        landmarks: [468 or 478, 3] MediaPipe mesh points in pixels, z in the same scale, smaller
            nearer; the last ten of 478 are the irises, whose centres tell the gaze.
        identity: [64] known identity weights (other frames of one person); fitted when None.
        expected: [52] activations to prefer where landmarks leave a choice, NaN for none;
            such as what a network that scores blendshapes suggests.
        iterations: alternations of pose and shape.
        correct: whether ``shape`` gets the smooth correction onto the landmarks.

    Raises:
        NoFaceError: the landmarks are not finite or collapse to a point.
    """
    vertex, weight, points = _correspondence(rig, check_landmarks(landmarks))

    mean = rig.mean[vertex].astype(np.float64)
    # Indexing lays vertices first; products of these would copy them every time.
    id_basis = np.ascontiguousarray(rig.identity[:, vertex], np.float64)
    blendshape_basis = np.ascontiguousarray(rig.blendshapes[:, vertex], np.float64)
    free = np.array([name not in NOT_FITTED for name in BLENDSHAPES])
    n_id = len(id_basis) if identity is None else 0
    w_id = np.zeros(len(id_basis)) if identity is None else np.asarray(identity, np.float64)
    w_blendshape = np.zeros(len(blendshape_basis))

    axis_weight = np.array([1.0, 1.0, _DEPTH_WEIGHT])
    row_weight = (np.sqrt(weight)[:, None] * axis_weight).ravel()
    if identity is None:
        free[BLENDSHAPES.index("mouthClose")] = False  # it undoes an open jaw
    blendshape_prior = np.full(len(BLENDSHAPES), _BLENDSHAPE_PRIOR)
    if identity is None:
        blendshape_prior[BLENDSHAPES.index("jawOpen")] *= _JAW_PRIOR
    preferred = np.zeros(len(BLENDSHAPES))
    if expected is not None:
        known = ~np.isnan(expected)
        preferred[known] = expected[known]
        blendshape_prior[known] = _EXPECTED_PRIOR
    prior = np.concatenate([np.full(n_id, _IDENTITY_PRIOR), blendshape_prior[free]])
    prior = prior**2 * len(vertex)
    pull = prior * np.concatenate([np.zeros(n_id), preferred[free]])
    lower = np.concatenate([np.full(n_id, -_MOST_IDENTITY), np.zeros(int(free.sum()))])
    upper = np.concatenate([np.full(n_id, _MOST_IDENTITY), np.full(int(free.sum()), 1.0)])
    for _ in range(iterations):
        model = (
            mean + np.tensordot(w_id, id_basis, 1) + np.tensordot(w_blendshape, blendshape_basis, 1)
        )
        rotation, scale, translation = similarity(model, points, weight)
        # Points in the head's frame, where the shape is linear in identity and activations.
        target = ((points - translation) / scale) @ rotation.T - mean
        if identity is not None:
            target = target - np.tensordot(w_id, id_basis, 1)
        bases = [id_basis] if identity is None else []
        columns = np.concatenate([*bases, blendshape_basis[free]])
        # The depth axis of the image is row-weighted in the image's frame.
        rows = (columns @ rotation).reshape(len(columns), -1).T * row_weight[:, None]
        right = (target @ rotation).ravel() * row_weight
        solution = box_least_squares(
            rows.T @ rows + np.diag(prior), rows.T @ right + pull, lower, upper
        )
        if identity is None:
            w_id = solution[:n_id]
        w_blendshape[free] = solution[n_id:]
    model = mean + np.tensordot(w_id, id_basis, 1) + np.tensordot(w_blendshape, blendshape_basis, 1)
    rotation, scale, translation = similarity(model, points, weight)
    difference = points - (scale * model @ rotation + translation)
    residual = float(np.sqrt((weight @ (difference[:, :2] ** 2).sum(1)) / weight.sum()))

    shape = rig.shape(w_id.astype(np.float32), np.zeros(len(w_blendshape), np.float32))
    parting = np.zeros_like(shape)
    if correct:
        skin = ~np.isin(vertex, rig.iris_vertex)
        flat = difference[skin] * np.array([1.0, 1.0, 0.0])
        canonical = (flat @ rotation.T) / scale * np.minimum(weight[skin], 1.0)[:, None]
        shape = shape + spread_residuals(rig, vertex[skin], canonical)
        expressed = shape + np.tensordot(w_blendshape, rig.blendshapes, 1)
        seen = ((np.asarray(landmarks) - translation) / scale) @ rotation.T
        contours = meet_contours(rig, np.asarray(expressed, np.float32), seen)
        shape, expressed = shape + contours, expressed + contours
        parting = lip_parting(rig, expressed, seen)
    return HeadFit(
        identity=w_id.astype(np.float32),
        blendshapes=w_blendshape.astype(np.float32),
        rotation=rotation.astype(np.float32),
        scale=scale,
        translation=translation.astype(np.float32),
        shape=np.asarray(shape, np.float32),
        parting=parting,
        residual=residual,
    )


@steady_products()
def fit_pose(
    rig: HeadRig, landmarks: NDArray[np.float32], identity: Floats, blendshapes: Floats
) -> HeadFit:
    """The pose in which a known head in a known expression is seen.

    Args:
        rig: the head model.
        landmarks: [468 or 478, 3] MediaPipe mesh points in pixels; see :func:`fit_head`.
        identity: [64] the person's.
        blendshapes: [52] what the face does.

    Raises:
        NoFaceError: the landmarks are not finite or collapse to a point.
    """
    vertex, weight, points = _correspondence(rig, check_landmarks(landmarks))
    shape = rig.shape(identity, np.zeros(len(blendshapes), np.float32))
    model = shape[vertex] + np.tensordot(blendshapes, rig.blendshapes[:, vertex], 1)
    rotation, scale, translation = similarity(model.astype(np.float64), points, weight)
    difference = points - (scale * model @ rotation + translation)
    return HeadFit(
        identity=identity,
        blendshapes=blendshapes,
        rotation=rotation.astype(np.float32),
        scale=scale,
        translation=translation.astype(np.float32),
        shape=shape,
        parting=np.zeros_like(shape),
        residual=float(np.sqrt((weight @ (difference[:, :2] ** 2).sum(1)) / weight.sum())),
    )


def check_landmarks(landmarks: NDArray[np.float32]) -> NDArray[np.float64]:
    """The landmarks [468 or 478, 3] of a face as float64.

    Raises:
        NoFaceError: they are others, not finite, or collapse to a point.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    if (
        points.shape not in ((468, 3), (478, 3))
        or not np.isfinite(points).all()
        or np.ptp(points[:, :2]) < 8
    ):
        raise NoFaceError(
            "The face landmarks are unusable: 468 or 478 finite points of a face are needed"
        )
    return points
