"""MediaPipe's 478 landmarks, irises included, on one face whose place is roughly known.

Attention mesh, Grishchenko et al. 2020, arXiv 2006.10962: the mesh of 468 points (Kartynnik et al.
2019, arXiv 1907.06724) with lips and eyelids refined, and five points on each iris. Besides the
landmarks the network says how sure it is that there is a face; that logit tells more than the
detector's confidence: over 14 on most upright faces of people, paintings and statues, under 7 on
nearly all that stand on their head and on animals.

Axis legend: ``n`` = 478 landmarks.
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

COUNT = 478
"""Landmarks of a face."""
PRESENT, CERTAIN = 3.0, 9.0
"""Logits from which there is a face, and from which it surely is one."""
_BEYOND_DOUBT = 14.0
"""Logit from which it surely is not upside down: a profile on its head reaches 12, the profile
itself 4."""
_ASSETS = Path(__file__).parent / "assets"
_SIDE = 256
"""Input side of the network."""
_SCALE = 1.5
"""Side of the network's square over the larger side of the landmarks' box, as it was trained."""
_SCALES = (1.3, 1.5, 1.8, 2.2)
"""Such sides to try on a still image. A square cut around landmarks that end above the chin hides
the chin from the next look; a wider one shows it."""
_BESIDE = (1.35, 1.65)
"""Scales of the second and third look at each frame of a video: a square a little smaller than the
network's own and one a little larger."""
_LARGER = 1.2
"""Factor on a square that did not show a face."""
_LOOKS = 3
"""Looks taken from each of these squares: the first and two at the network's own scale."""
_MOVED, _TURNED = 0.02, 0.03
"""Shift in sides and turn in radians below which a further look changes nothing."""


@dataclass(frozen=True, eq=False)
class LandmarkFit:
    """The landmarks of a face.

    Attributes:
        points: [n, 3] x, y in image pixels, z in the same scale, smaller is nearer.
        presence: logit that there is a face.
        spread: [n] distance in image pixels by which looks from squares of different sizes
            disagree, root mean square; None where only one was taken.
    """

    points: NDArray[np.float32]
    presence: float
    spread: NDArray[np.float32] | None = None

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


def fit_landmarks(
    image: NDArray[np.uint8],
    centre: Floats,
    side: float,
    roll: float,
    fewest: int = 3,
    most: int = 6,
) -> LandmarkFit:
    """The landmarks of a face, looked at again on crops cut by its own landmarks.

    Args:
        image: [h, w, 3] uint8 RGB.
        centre: [2] x, y of the square to look at first, in image pixels.
        side: of that square; about half as large again as the face from brows to chin.
        roll: radians by which the face is turned clockwise.
        fewest: looks to take at least.
        most: looks to take while the square still moves.
    """
    return _settle(image, _Place(np.asarray(centre, dtype=np.float64), side, roll), fewest, most)


def fit_landmarks_either_way(
    image: NDArray[np.uint8], centre: Floats, side: float, roll: float
) -> LandmarkFit:
    """As :func:`fit_landmarks`, for a face that may be upside down to what ``roll`` says.

    Where neither way shows a face for certain, both are tried on a larger square.
    """
    fit = fit_landmarks(image, centre, side, roll)
    if fit.presence >= _BEYOND_DOUBT:
        return fit
    for larger in (1.0, _LARGER):
        ways = [(larger * side, roll + np.pi)]
        if larger > 1.0:
            ways.append((larger * side, roll))
        for other_side, other_roll in ways:
            other = fit_landmarks(image, centre, other_side, other_roll)
            least = CERTAIN if other_roll == roll else _BEYOND_DOUBT
            if other.presence >= max(least, fit.presence):
                fit = other
        if fit.presence >= CERTAIN:
            break
    return fit


def fit_from_several_squares(image: NDArray[np.uint8], fit: LandmarkFit) -> LandmarkFit:
    """The best of looks from squares of several sizes, and how far they disagree.

    The look with the highest presence is kept.

    Args:
        image: [h, w, 3] uint8 RGB.
        fit: landmarks that show where the face is.
    """
    fits = [_settle(image, place_of(fit, scale), fewest=_LOOKS, most=_LOOKS) for scale in _SCALES]
    best = max([fit, *fits], key=lambda one: one.presence)
    apart = np.stack([one.points[:, :2] - best.points[:, :2] for one in fits])
    spread = np.sqrt(np.square(apart).sum(-1).mean(0))
    return LandmarkFit(best.points, best.presence, spread.astype(np.float32))


def fit_in_video(image: NDArray[np.uint8], before: LandmarkFit) -> LandmarkFit:
    """The landmarks of a face in the next frame of a video.

    The mean of looks from three squares: the network's noise, which a face of few pixels makes
    large, differs between them. Where the face is doubtful, squares of several sizes are tried.

    Args:
        image: [h, w, 3] uint8 RGB.
        before: the landmarks of the frame before.
    """
    fit = _settle(image, place_of(before), fewest=1, most=5)
    if fit.presence < CERTAIN:
        return fit_from_several_squares(image, fit) if fit.presence >= PRESENT else fit
    looks = [fit, *(_look(image, place_of(fit, scale)) for scale in _BESIDE)]
    certain = [look for look in looks if look.presence >= CERTAIN]
    points = np.mean([look.points for look in certain], axis=0)
    return LandmarkFit(points.astype(np.float32), min(look.presence for look in certain))


def place_of(fit: LandmarkFit, scale: float = _SCALE) -> _Place:
    """The square in which the network should look at a face that it found.

    Args:
        fit: the face.
        scale: side of the square over the larger side of the landmarks' box.
    """
    box = fit.box.astype(np.float64)
    eyes = fit.points[OUTER_EYE_CORNERS[1]] - fit.points[OUTER_EYE_CORNERS[0]]
    side = float(max(box[2:] - box[:2])) * scale
    return _Place((box[:2] + box[2:]) / 2, side, float(np.arctan2(eyes[1], eyes[0])))


@lru_cache(maxsize=1)
def mean_mesh() -> NDArray[np.float32]:
    """[n, 3] a frontal, upright, mirror-symmetric face: mean 0, mean square radius 1.

    The mean of what the network finds on rendered heads and on their mirror images
    (``joyvasa datasets mean-face``); x right, y down, z away from the viewer.
    """
    mesh: NDArray[np.float32] = np.load(_ASSETS / "mean_mesh.npy")
    mesh.flags.writeable = False
    return mesh


def _settle(image: NDArray[np.uint8], place: _Place, fewest: int, most: int) -> LandmarkFit:
    """Looks again on the square of the landmarks just found, until it stands still."""
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


def _look(image: NDArray[np.uint8], place: _Place) -> LandmarkFit:
    side = max(place.side, 8.0)
    matrix = upright_matrix(place.centre, side, place.roll, _SIDE)
    crop = sample(image, matrix, _SIDE)
    points, presence = onnx_session("mediapipe_face_landmarks_478.onnx").run(
        ["Identity", "Identity_1"], {"input_12": (crop.astype(np.float32) / 255.0)[None]}
    )
    local = points.reshape(COUNT, 3).astype(np.float64)
    inverse = np.linalg.inv(matrix)
    # The network counts from the corner of the first pixel, this library from its centre.
    flat = (local[:, :2] - 0.5) @ inverse[:2, :2].T + inverse[:2, 2]
    depth = local[:, 2:] * (side / _SIDE)
    found = np.concatenate([flat, depth], 1).astype(np.float32)
    return LandmarkFit(found, float(presence.ravel()[0]))
