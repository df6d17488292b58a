"""Measures of the expression on a face mesh: lips, brows, eyelids and nose, without head motion.

All measures are in distances of the outer eye corners, in the head's own frame
(:func:`~joyvasa_lib.evaluation.track.in_head_frame`), and increase with what they are named after.

Axis legend: ``n`` mesh points.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.evaluation.track import in_head_frame
from joyvasa_lib.rig.regions import (
    CHIN,
    EYE_CORNERS,
    INNER_BROWS,
    LEFT_EYE,
    LIP_MIDDLES,
    MIDDLE_INNER_LOWER_LIP,
    MIDDLE_INNER_UPPER_LIP,
    MOUTH_CORNERS,
    NOSE_BASE,
    NOSTRILS,
    OUTER_BROWS,
    OUTER_EYE_CORNERS,
    OUTER_LOWER_LIP,
    OUTER_UPPER_LIP,
    RIGHT_EYE,
)

Points = NDArray[np.float64]

_UPPER_EYELIDS = tuple(sorted(RIGHT_EYE.upper_middle + LEFT_EYE.upper_middle))
_LOWER_EYELIDS = tuple(sorted(RIGHT_EYE.lower_middle + LEFT_EYE.lower_middle))
_UPPER_OUTLINE, _LOWER_OUTLINE = OUTER_UPPER_LIP[4:7], OUTER_LOWER_LIP[4:7]
"""Outer edges of the lips: right of the middle, the middle, left of it."""
_MOUTH_REACH = 1.1
"""Half the side of the window in which lips are followed, in widths of the mouth."""
_ZOOM = 2
"""Magnification at which the flow of the lips is computed."""


@dataclass(frozen=True)
class FaceMeasures:
    """Measures of one face.

    Attributes:
        smile: height of the mouth corners over the middle of the lips' outlines, plus half their
            distance.
        corner_drop: depth of the mouth corners below the middle of the lips.
        one_corner: by how much the person's right mouth corner lies farther up and out than the
            left one.
        inner_brow: height of the inner brows over the eye corners.
        outer_brow: height of the outer brows over the eye corners.
        brow_drop: depth of the inner and outer brows, relative to the eye corners.
        eyelids: distance of upper and lower eyelids.
        nose: height of the nostrils' wings, relative to the eye corners.
        jaw: distance of nose and chin.
        aperture: distance of the inner edges of the lips.
    """

    smile: float
    corner_drop: float
    one_corner: float
    inner_brow: float
    outer_brow: float
    brow_drop: float
    eyelids: float
    nose: float
    jaw: float
    aperture: float


NAMES = tuple(field.name for field in fields(FaceMeasures))


def measure_face(landmarks: NDArray[np.floating]) -> FaceMeasures:
    """Measures the expression of a face.

    Args:
        landmarks: [468 or 478, 3] MediaPipe mesh points in pixels.
    """
    own, _ = in_head_frame(np.asarray(landmarks, dtype=np.float64))

    def height(points: tuple[int, ...]) -> float:
        return -float(own[list(points), 1].mean())

    right, left = own[list(MOUTH_CORNERS)]
    nose = own[NOSE_BASE]
    lift = height(MOUTH_CORNERS) - height(LIP_MIDDLES)
    eyes = height(EYE_CORNERS[0] + EYE_CORNERS[1])
    return FaceMeasures(
        smile=lift + 0.5 * float(left[0] - right[0]),
        corner_drop=-lift,
        one_corner=float((nose - right)[:2].sum() - (left[0] - nose[0]) - (nose[1] - left[1])),
        inner_brow=height(INNER_BROWS) - eyes,
        outer_brow=height(OUTER_BROWS) - eyes,
        brow_drop=eyes - height(INNER_BROWS + OUTER_BROWS),
        eyelids=height(_UPPER_EYELIDS) - height(_LOWER_EYELIDS),
        nose=height(NOSTRILS) - eyes,
        jaw=height((NOSE_BASE,)) - height(CHIN),
        aperture=height(MIDDLE_INNER_UPPER_LIP) - height(MIDDLE_INNER_LOWER_LIP),
    )


def follow_points(
    before: NDArray[np.uint8], after: NDArray[np.uint8], points: NDArray[np.floating]
) -> Points:
    """Positions of points of one image in another image of the same face, by dense optical flow.

    The face mesh is biased towards usual faces: it hardly shows raised eyelids or a wrinkled nose.
    Optical flow (DIS, Kroeger et al. 2016) follows the pixels themselves, but needs two images that
    differ little, such as one frame with and without an emotion.

    Args:
        before: [h, w, 3] uint8 RGB.
        after: the other image, of the same size.
        points: [n, 2 or more] x, y in pixels of ``before``; other columns are copied.

    Returns:
        [n, 2 or more] float64.
    """
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (before, after)]
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(*grey, None)
    moved = np.array(points, dtype=np.float64)
    x, y = (moved[:, axis].astype(np.float32)[None] for axis in (0, 1))
    shift = cv2.remap(flow, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0]
    moved[:, :2] += shift
    return moved


def lips_parted(
    before: NDArray[np.uint8], after: NDArray[np.uint8], landmarks: NDArray[np.floating]
) -> float:
    """Increase of the lips' opening from one image to another, in distances of the eye corners.

    The opening of closed lips on the mesh depends on the rest of the face: it differs by 0.02 and
    more between a smile and a frown. Here optical flow follows the outlines of both lips from one
    image to the other, so unchanged lips give 0 under any brows. Accuracy: up to 0.015 too small
    for lips that a smile thins, and at least two thirds of an opening of 0.05 to 0.1 by the jaw.

    Args:
        before: [h, w, 3] uint8 RGB.
        after: an image of the same size with another expression.
        landmarks: [468 or 478, 3] MediaPipe mesh points of ``before`` in pixels.
    """
    mesh = np.asarray(landmarks, dtype=np.float64)
    corners = mesh[list(MOUTH_CORNERS), :2]
    centre, reach = corners.mean(axis=0), _MOUTH_REACH * np.linalg.norm(corners[1] - corners[0])
    limits = np.array(before.shape[1::-1])
    low, high = (np.clip(np.rint(centre + way * reach), 0, limits).astype(int) for way in (-1, 1))
    near = [
        cv2.resize(
            image[low[1] : high[1], low[0] : high[0]],
            None,
            fx=_ZOOM,
            fy=_ZOOM,
            interpolation=cv2.INTER_CUBIC,
        ).astype(np.uint8)
        for image in (before, after)
    ]
    lips = (mesh[list(_UPPER_OUTLINE + _LOWER_OUTLINE), :2] - low + 0.5) * _ZOOM - 0.5
    shift = (follow_points(near[0], near[1], lips) - lips) / _ZOOM
    down = mesh[CHIN[0], :2] - mesh[NOSE_BASE, :2]
    upper, lower = (shift @ (down / np.linalg.norm(down))).reshape(2, -1).mean(axis=1)
    right, left = mesh[list(OUTER_EYE_CORNERS)]
    return float((lower - upper) / np.linalg.norm(left - right))
