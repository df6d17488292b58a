"""How far the head's movement carries: far through hair and neck, hardly into the background."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.head_rig import Floats

_SIDE = 128
_IN_BACKGROUND, _IN_PERSON = 0.3, 0.75
"""Fading distance of displacement in rig units, outside the person and within."""


def displacement_reach(photo: NDArray[np.uint8], head: NDArray[np.bool_], scale: float) -> Floats:
    """Fading distance of the head's displacement [s, s], in crop sides.

    The person is separated from the background by GrabCut (Rother et al. 2004), seeded with the
    fitted head.

    Args:
        photo: [s, s, 3] RGB crop.
        head: [s, s] where the fitted head lies.
        scale: crop sides per rig unit.
    """
    side = _SIDE
    small = cv2.resize(photo, (side, side), interpolation=cv2.INTER_AREA)
    mesh = cv2.resize(head.astype(np.uint8), (side, side), interpolation=cv2.INTER_AREA) > 0
    radius = max(1, round(scale * side * 1.1))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    near = cv2.dilate(mesh.astype(np.uint8), kernel) > 0
    mask = np.full((side, side), cv2.GC_BGD, dtype=np.uint8)
    mask[near] = cv2.GC_PR_BGD
    inner = cv2.dilate(mesh.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    mask[inner] = cv2.GC_PR_FGD
    mask[cv2.erode(mesh.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0] = cv2.GC_FGD
    if mask.min() == cv2.GC_BGD and (mask == cv2.GC_FGD).any():
        cv2.setRNGSeed(0)
        models = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(small, mask, None, *models, 3, cv2.GC_INIT_WITH_MASK)
    person = np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    person = cv2.GaussianBlur(person, (0, 0), 1.5)
    reach = scale * (_IN_BACKGROUND + (_IN_PERSON - _IN_BACKGROUND) * person)
    return np.asarray(cv2.resize(reach, photo.shape[:2][::-1]), dtype=np.float32)
