"""How far the head's displacement reaches: far on the person, little into the background."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.rig.head_rig import Floats

_SIDE = 128
"""Side of the image that is segmented, pixels: the reach is smooth, and GrabCut's time grows with
the number of pixels."""
_IN_BACKGROUND, _IN_PERSON = 0.3, 0.75
"""Fading distance of the head's displacement in rig units, outside the person and within."""
_OF_EXPRESSION = (0.2, 0.45)
"""The same of its expression."""
_EXPRESSION_FADES = 0.35
"""Distance from the face at which expression begins to fade, rig units; it ends at twice that."""


def displacement_reach(
    image: NDArray[np.uint8],
    head: NDArray[np.bool_],
    face: NDArray[np.bool_],
    scale: float,
    matte: Floats | None = None,
) -> tuple[Floats, Floats]:
    """Fading distances of displacement, in crop sides: of the head's motion, of its expression.

    Without a matte the person is separated from the background by GrabCut (Rother et al. 2004),
    seeded with the fitted head.

    Args:
        image: [s, s, 3] RGB crop.
        head: [s, s] where the fitted head lies.
        face: [s, s] the part of it whose own displacement counts.
        scale: crop sides per rig unit.
        matte: [s, s] share of each pixel that the person covers, if that is known.

    Returns:
        Two of [s, s].
    """
    side = _SIDE
    if matte is None:
        person = _cut_out(image, head, scale)
    else:
        person = cv2.resize(matte, (side, side), interpolation=cv2.INTER_AREA)
    person = cv2.GaussianBlur(person, (0, 0), 1.5)
    near = cv2.resize(face.astype(np.uint8), (side, side), interpolation=cv2.INTER_NEAREST)
    far = cv2.distanceTransform(1 - near, cv2.DIST_L2, 5) / (side * scale)
    still = np.clip((far - _EXPRESSION_FADES) / _EXPRESSION_FADES, 0.0, 1.0)
    reaches = []
    for background, own in ((_IN_BACKGROUND, _IN_PERSON), _OF_EXPRESSION):
        reaches.append(scale * (background + (own - background) * person))
    reaches[1] = reaches[1] * (1.0 - 0.95 * still)
    wide, tall = image.shape[1::-1]
    head_reach, expression_reach = (
        np.asarray(cv2.resize(r.astype(np.float32), (wide, tall))) for r in reaches
    )
    return head_reach, expression_reach


def _cut_out(image: NDArray[np.uint8], head: NDArray[np.bool_], scale: float) -> Floats:
    """[128, 128] 1 on the person, 0 on the background, as GrabCut tells them."""
    side = _SIDE
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    mesh = cv2.resize(head.astype(np.uint8), (side, side), interpolation=cv2.INTER_AREA) > 0
    radius = max(1, round(scale * side * 1.1))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    around = cv2.dilate(mesh.astype(np.uint8), kernel) > 0
    mask = np.full((side, side), cv2.GC_BGD, dtype=np.uint8)
    mask[around] = cv2.GC_PR_BGD
    inner = cv2.dilate(mesh.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    mask[inner] = cv2.GC_PR_FGD
    mask[cv2.erode(mesh.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0] = cv2.GC_FGD
    if mask.min() == cv2.GC_BGD and (mask == cv2.GC_FGD).any():
        cv2.setRNGSeed(0)
        models = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(small, mask, None, *models, 3, cv2.GC_INIT_WITH_MASK)
    return np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
