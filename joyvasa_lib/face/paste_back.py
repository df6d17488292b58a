"""Puts a rendered crop back into the full image, softly and only inside the face's square."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.errors import OptionError
from joyvasa_lib.face.crop import FaceCrop

Pixels = NDArray[np.uint8]

_FULL = 256
"""Weights are in 1/256, so that 0 and 1 are exact and a blend fits 16 bits."""
_SAME, _OTHER = 2, 10
"""Grey levels up to which a pixel counts as unchanged, and from which as changed."""


class PasteBack:
    """Pastes frames of one crop; everything that does not depend on the frame is done once.

    Pixels outside the crop's square are the image's own, bit for bit. So are pixels inside that
    the rendering left as they were, although the crop may have fewer of them than the image.
    Where the mask is 1 and the crop has the image's resolution, pixels are the frame's, bit for
    bit.

    Args:
        crop: the crop that frames were rendered from; it may be turned.
        mask: [s, s] float in [0, 1], weight of the frame.
        unchanged: what shows where a frame does not differ from the crop, if the crop is not in
            the image's own pixels: the ``"source"`` image with its finer detail, or the
            ``"frame"``.

    Raises:
        OptionError: the mask does not have the crop's size, or ``unchanged`` has another value.
    """

    def __init__(
        self, crop: FaceCrop, mask: NDArray[np.floating], unchanged: str = "source"
    ) -> None:
        if mask.shape != (crop.size, crop.size):
            raise OptionError(f"The mask is {mask.shape}, the crop {crop.size} x {crop.size}")
        if unchanged not in ("source", "frame"):
            raise OptionError(f"unchanged must be 'source' or 'frame', not {unchanged!r}")
        self.crop = crop
        native = crop.square is not None and crop.square.side == crop.size
        self._keep_source = unchanged == "source" and not native
        whole = _seen_box(crop)
        clean = np.clip(np.nan_to_num(mask), 0.0, 1.0)
        weight = np.rint(
            _FULL * _to_image(clean.astype(np.float32), crop, whole, cv2.BORDER_CONSTANT)
        )
        self._box, self._weight = _tight(whole, weight.astype(np.uint16))
        under = self._colours(crop.full_image)[self._slices].astype(np.uint16)
        if self._keep_source:
            self._weight = self._weight[..., 0]
            self._under = under
        else:
            self._weight = _repeat(self._weight[..., 0], under.shape[2])
            self._under = under * (_FULL - self._weight) + _FULL // 2

    def __call__(self, frame: Pixels, out: Pixels | None = None) -> Pixels:
        """The full image with one rendered frame in it.

        Args:
            frame: [s, s, 3] uint8 RGB, the rendered crop.
            out: a result of an earlier call to write into, which saves copying the image.

        Returns:
            uint8 of the image's shape; alpha is the image's.

        Raises:
            OptionError: the frame is not a uint8 image of the crop's size, or ``out`` has
                another shape than the image.
        """
        crop = self.crop
        if frame.shape != (crop.size, crop.size, 3) or frame.dtype != np.uint8:
            raise OptionError(
                f"A frame is uint8 of shape ({crop.size}, {crop.size}, 3), not {frame.dtype} of "
                f"shape {frame.shape}"
            )
        if out is None:
            out = crop.full_image.copy()
        elif out.shape != crop.full_image.shape or out.dtype != np.uint8:
            raise OptionError(
                f"out must be uint8 of the image's shape {crop.full_image.shape}, not {out.dtype} "
                f"of shape {out.shape}"
            )
        if self._weight.size == 0:
            return out
        target = self._colours(out)
        pixels = frame if target.shape[2] == 3 else cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        patch = _to_image(np.asarray(pixels), crop, self._box)
        weight = self._weight
        under = self._under
        if self._keep_source:
            change = _to_image(self._change(frame), crop, self._box)
            both = cv2.multiply(weight, change[..., 0], scale=1.0 / _FULL)
            weight = _repeat(np.asarray(both), target.shape[2])
            under = under * (_FULL - weight)
            under += _FULL // 2
        blended = patch * weight
        blended += under
        blended >>= 8
        target[self._slices] = blended
        return out

    @property
    def _slices(self) -> tuple[slice, slice]:
        left, top, right, bottom = self._box
        return slice(top, bottom), slice(left, right)

    @staticmethod
    def _colours(full_image: Pixels) -> Pixels:
        """A view [h, w, 1 or 3] without alpha."""
        return full_image[..., None] if full_image.ndim == 2 else full_image[..., :3]

    def _change(self, frame: Pixels) -> NDArray[np.uint16]:
        """[s, s] how far a pixel, or one near it, differs from the crop's: 0 to 256."""
        red, green, blue = cv2.split(cv2.absdiff(frame, self.crop.image))
        largest = cv2.max(cv2.max(red, green), blue)
        grown = cv2.blur(cv2.dilate(largest, np.ones((5, 5), np.uint8)), (5, 5))
        return np.asarray(_CHANGE[grown])


def _repeat(weight: NDArray[np.uint16], channels: int) -> NDArray[np.uint16]:
    """Weights [h, w] for each channel [h, w, channels]; much faster than broadcasting them."""
    if channels == 1 or weight.size == 0:
        return weight[..., None].repeat(channels, 2)
    return np.asarray(cv2.merge([weight] * channels))


_CHANGE = np.rint(_FULL * np.clip((np.arange(256) - _SAME) / (_OTHER - _SAME), 0.0, 1.0)).astype(
    np.uint16
)


def border_mask(size: int, width: float | None = None) -> NDArray[np.float32]:
    """A mask [size, size] that is 1 inside and falls off towards the crop's border.

    The closed form of the mask that LivePortrait ships for its 512-pixel crops.

    Args:
        size: side of the crop in pixels.
        width: of the soft border in pixels; a 32nd of the side by default.
    """
    width = size / 32 if width is None else width
    if size < 1 or not width > 0:
        raise OptionError(f"A mask of size {size} cannot have a border of {width} pixels")
    place = np.arange(size)
    beyond = np.maximum(np.maximum(width - place, place - (size - width)), 0.0)
    distance = np.hypot(beyond[:, None], beyond[None])
    return np.clip(1.0 - distance / width, 0.0, 1.0).astype(np.float32)


def paste_back_liveportrait(
    frame: Pixels, matrix: NDArray[np.floating], full_image: Pixels, mask: Pixels
) -> Pixels:
    """The paste-back of LivePortrait's published code, number for number; for comparisons.

    It works on the whole image, blurs by warping and truncates instead of rounding;
    :class:`PasteBack` does not.

    Args:
        frame: [s, s, 3] uint8 RGB, the rendered crop.
        matrix: [3, 3] homogeneous map from crop pixels to image pixels.
        full_image: [h, w, 3] uint8 RGB.
        mask: [s, s, 3] uint8, 255 where the frame shows.

    Returns:
        [h, w, 3] uint8 RGB.
    """
    weight = warp_to_image(mask, matrix, full_image).astype(np.float32) / 255.0
    patch = warp_to_image(frame, matrix, full_image)
    mixed = weight * patch + (1.0 - weight) * full_image
    return np.clip(mixed, 0.0, 255.0).astype(np.uint8)


def warp_to_image(image: Pixels, matrix: NDArray[np.floating], full_image: Pixels) -> Pixels:
    """A crop's image [s, s, c] as it lies in the image: [h, w, c], zero elsewhere.

    Args:
        image: [s, s, c] uint8.
        matrix: [3, 3] homogeneous map from crop pixels to image pixels.
        full_image: [h, w, ...], of which only the size matters.
    """
    height, width = full_image.shape[:2]
    return np.asarray(
        cv2.warpAffine(
            image, np.asarray(matrix, dtype=np.float32)[:2], (width, height), flags=cv2.INTER_LINEAR
        ),
        dtype=np.uint8,
    )


_Box = tuple[int, int, int, int]
"""Left, top, right, bottom of a part of the image."""


def _seen_box(crop: FaceCrop) -> _Box:
    """The part of the image that the crop shows; empty where they do not meet."""
    height, width = crop.full_image.shape[:2]
    if crop.square is not None:
        square = crop.square
        low = np.array([square.left, square.top])
        high = low + square.side
    else:
        inverse = np.linalg.inv(crop.matrix)
        ends = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * crop.size - 0.5
        corners = ends @ inverse[:2, :2].T + inverse[:2, 2]
        low, high = np.floor(corners.min(0)).astype(int), np.ceil(corners.max(0)).astype(int) + 1
    left, top = (int(max(value, 0)) for value in low)
    right, bottom = int(min(high[0], width)), int(min(high[1], height))
    return left, top, max(left, right), max(top, bottom)


def _to_image(
    image: NDArray[Any], crop: FaceCrop, box: _Box, border: int = cv2.BORDER_REPLICATE
) -> NDArray[Any]:
    """A crop's image [s, s(, c)] in the image's pixels of a box: [h, w, c]."""
    left, top, right, bottom = box
    wide, tall = right - left, bottom - top
    if wide == 0 or tall == 0:
        return np.zeros((tall, wide, image[0, 0].size), image.dtype)
    if crop.square is not None:
        square = crop.square
        if square.side != crop.size:
            method = cv2.INTER_CUBIC if square.side > crop.size else cv2.INTER_AREA
            if image.dtype != np.uint8:
                method = cv2.INTER_LINEAR  # weights must not overshoot
            image = cv2.resize(image, (square.side, square.side), interpolation=method)
        x, y = left - square.left, top - square.top
        part = image[y : y + tall, x : x + wide]
    else:
        matrix = crop.matrix @ np.array([[1.0, 0.0, left], [0.0, 1.0, top], [0.0, 0.0, 1.0]])
        if crop.scale > 1.5:  # the image has fewer pixels: average first, a warp would alias
            size = max(1, round(crop.size / crop.scale))
            factor = size / crop.size
            image = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
            offset = factor / 2 - 0.5
            matrix = np.diag([factor, factor, 1.0]) @ matrix
            matrix[:2, 2] += offset
        part = cv2.warpAffine(
            image,
            matrix[:2],
            (wide, tall),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=border,
        )
    return np.asarray(part if part.ndim == 3 else part[..., None])


def _tight(box: _Box, weight: NDArray[np.uint16]) -> tuple[_Box, NDArray[np.uint16]]:
    """The part of a box in which some weight is above 0."""
    rows, columns = (np.flatnonzero(weight[..., 0].any(axis)) for axis in (1, 0))
    if not len(rows):
        return (box[0], box[1], box[0], box[1]), weight[:0, :0]
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    part = np.ascontiguousarray(weight[top:bottom, left:right])
    return (
        int(box[0] + left),
        int(box[1] + top),
        int(box[0] + right),
        int(box[1] + bottom),
    ), part
