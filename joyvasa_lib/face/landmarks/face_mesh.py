"""MediaPipe's mesh of 468 landmarks on one face whose place is roughly known.

Kartynnik et al. 2019, arXiv 1907.06724. Besides the landmarks the network says how sure it is that
there is a face; that logit tells more than the detector's confidence: over 16 on most upright faces
of people, paintings and statues, under 9 on nearly all that stand on their head and on animals.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.face.landmarks.blaze_face import onnx_session
from joyvasa_lib.face.sampling import sample, upright_matrix
from joyvasa_lib.rig.regions import OUTER_EYE_CORNERS

Floats = NDArray[np.floating]

PRESENT, CERTAIN = 2.2, 9.0
"""Logits from which there is a face, and from which it surely is one."""
_BEYOND_DOUBT = 16.0
"""Logit from which it surely is not upside down."""
_ASSETS = Path(__file__).parent / "assets"
_SIDE = 192
"""Input side of the network."""
_SCALE = 1.35
"""Side of the network's square over the larger side of the landmarks' box."""
_MOVED, _TURNED = 0.02, 0.03
"""Shift in sides and turn in radians below which a further look changes nothing."""


@dataclass(frozen=True, eq=False)
class MeshFit:
    """The mesh on a face.

    Attributes:
        points: [468, 3] x, y in image pixels, z in the same scale, smaller is nearer.
        presence: logit that there is a face.
    """

    points: NDArray[np.float32]
    presence: float

    @property
    def box(self) -> NDArray[np.float32]:
        """[4] left, top, right, bottom of the points."""
        flat = self.points[:, :2]
        return np.concatenate([flat.min(0), flat.max(0)])

    @property
    def score(self) -> float:
        """Confidence in [0, 1] that there is a face."""
        return float(1.0 / (1.0 + np.exp(-np.clip(self.presence, -80.0, 80.0))))


@dataclass(frozen=True, eq=False)
class _Place:
    """A square of the image, turned clockwise by radians, for the network to look at."""

    centre: Floats
    side: float
    roll: float

    def near(self, other: _Place) -> bool:
        turned = abs((self.roll - other.roll + np.pi) % (2 * np.pi) - np.pi)
        moved = max(*np.abs(self.centre - other.centre), abs(self.side - other.side))
        return bool(turned < _TURNED and moved < _MOVED * self.side)


def fit_mesh(
    image: NDArray[np.uint8],
    centre: Floats,
    side: float,
    roll: float,
    fewest: int = 3,
    most: int = 6,
) -> MeshFit:
    """The mesh of a face, looked at again on crops cut by its own landmarks, where it is better.

    Args:
        image: [h, w, 3] uint8 RGB.
        centre: [2] x, y of the square to look at first, in image pixels.
        side: of that square; about half as large again as the face from brows to chin.
        roll: radians by which the face is turned clockwise.
        fewest: looks to take at least.
        most: looks to take while the square still moves.
    """
    place = _Place(np.asarray(centre, dtype=np.float64), side, roll)
    fit = _look(image, place)
    for look in range(1, most):
        following = place_of(fit)
        if look >= fewest and (following.near(place) or fit.presence < PRESENT):
            break
        again = _look(image, following)
        if look >= fewest and again.presence < min(fit.presence, CERTAIN):
            break  # it is slipping off the face
        fit, place = again, following
    return fit


def fit_mesh_either_way(
    image: NDArray[np.uint8], centre: Floats, side: float, roll: float
) -> MeshFit:
    """The mesh of a face that may be upside down to what ``roll`` says: see :func:`fit_mesh`."""
    fit = fit_mesh(image, centre, side, roll)
    if fit.presence < _BEYOND_DOUBT:
        turned = fit_mesh(image, centre, side, roll + np.pi)
        if turned.presence >= max(CERTAIN, fit.presence):
            return turned
    return fit


def place_of(fit: MeshFit) -> _Place:
    """The square in which the network should look at a face that it found."""
    box = fit.box.astype(np.float64)
    eyes = fit.points[OUTER_EYE_CORNERS[1]] - fit.points[OUTER_EYE_CORNERS[0]]
    side = float(max(box[2:] - box[:2])) * _SCALE
    return _Place((box[:2] + box[2:]) / 2, side, float(np.arctan2(eyes[1], eyes[0])))


@lru_cache(maxsize=1)
def mean_mesh() -> NDArray[np.float32]:
    """[468, 3] a frontal, upright, mirror-symmetric face: mean 0, mean square radius 1.

    The mean of what the network finds on rendered heads and on their mirror images
    (``joyvasa datasets mean-face``); x right, y down, z away from the viewer.
    """
    mesh: NDArray[np.float32] = np.load(_ASSETS / "mean_mesh.npy")
    mesh.flags.writeable = False
    return mesh


def _look(image: NDArray[np.uint8], place: _Place) -> MeshFit:
    side = max(place.side, 8.0)
    matrix = upright_matrix(place.centre, side, place.roll, _SIDE)
    crop = sample(image, matrix, _SIDE)
    points, presence = onnx_session("mediapipe_face_mesh_468.onnx").run(
        ["conv2d_20", "conv2d_30"], {"input_1": (crop.astype(np.float32) / 255.0)[None]}
    )
    local = points.reshape(468, 3).astype(np.float64)
    inverse = np.linalg.inv(matrix)
    flat = local[:, :2] @ inverse[:2, :2].T + inverse[:2, 2]
    depth = local[:, 2:] * (side / _SIDE)
    found = np.concatenate([flat, depth], 1).astype(np.float32)
    return MeshFit(found, float(presence.ravel()[0]))
