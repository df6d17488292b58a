"""Puts a rendered crop back into the full picture, softly and only inside the face's square."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.errors import OptionError
from joyvasa_lib.face.crop import FaceCrop


class PasteBack:
    """Pastes frames of one crop; everything that does not depend on the frame is done once.

    Pixels outside the crop's square are the picture's own, bit for bit; where the mask is 1 and
    the crop has the picture's resolution, pixels are the frame's own, bit for bit.

    Args:
        crop: the crop that frames were rendered from.
        mask: [s, s] float in [0, 1], weight of the frame.

    Raises:
        OptionError: the mask does not have the crop's size.
    """

    def __init__(self, crop: FaceCrop, mask: NDArray[np.float32]) -> None:
        if mask.shape != (crop.size, crop.size):
            raise OptionError(f"The mask is {mask.shape}, the crop {crop.size} x {crop.size}")
        self.crop = crop
        height, width = crop.picture.shape[:2]
        top, left = max(crop.top, 0), max(crop.left, 0)
        bottom, right = min(crop.top + crop.side, height), min(crop.left + crop.side, width)
        self._box = (slice(top, bottom), slice(left, right))
        self._part = (
            slice(top - crop.top, bottom - crop.top),
            slice(left - crop.left, right - crop.left),
        )
        if crop.side != crop.size:
            mask = np.asarray(cv2.resize(mask, (crop.side, crop.side)), dtype=np.float32)
        weight = np.clip(mask[self._part], 0.0, 1.0)
        self._weight = np.ascontiguousarray(np.repeat(weight[..., None], 3, axis=2))
        self._under = crop.picture[self._box].astype(np.float32) * (1.0 - self._weight) + 0.5

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The full picture [h, w, 3] with one rendered frame [s, s, 3] in it."""
        crop = self.crop
        if crop.side != crop.size:
            method = cv2.INTER_CUBIC if crop.side > crop.size else cv2.INTER_AREA
            frame = cv2.resize(frame, (crop.side, crop.side), interpolation=method)
        result = crop.picture.copy()
        blended = cv2.multiply(frame[self._part], self._weight, dtype=cv2.CV_32F)
        result[self._box] = (blended + self._under).astype(np.uint8)
        return result
