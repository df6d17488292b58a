"""An encoded portrait with its place in the image: what is rendered, and where it belongs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.face.output_size import (
    MAX_SIZE,
    checked_max_size,
    fit_crop,
    fitted_size,
    scaled,
)
from joyvasa_lib.face.paste_back import PasteBack
from joyvasa_lib.media.image import ImageSource
from joyvasa_lib.motion import Motion
from joyvasa_lib.motion.driving.options import DrivingOptions
from joyvasa_lib.portrait.model import Portrait, PortraitModel

Frames = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class EncodedPortrait:
    """A portrait encoded once, with its place in the image.

    Attributes:
        portrait: what the portrait model made of the crop.
        crop: the crop, the image it was cut from, and the face.
        warnings: what makes a good result doubtful, one sentence each.
    """

    portrait: Portrait
    crop: FaceCrop
    warnings: tuple[str, ...] = ()

    @property
    def at_rest(self) -> Frames:
        """[s, s, 3] the square around the face where nothing moves, a copy."""
        own = self.portrait.square
        return (self.crop.image if own is None else own).copy()

    def frame_size(self, paste_back: bool, max_size: int | None = MAX_SIZE) -> tuple[int, int]:
        """Width and height of rendered frames in pixels: of the whole image, or of the crop.

        Args:
            paste_back: whether frames are the whole image or the square around the face.
            max_size: pixels of the longer side that frames are scaled to if theirs is longer;
                None for no limit.

        Raises:
            OptionError: ``max_size`` is neither None nor a whole number of at least 64.
        """
        height, width = self.crop.full_image.shape[:2]
        size = (width, height) if paste_back else (self.portrait.size, self.portrait.size)
        return fitted_size(size, checked_max_size(max_size))


PortraitSource: TypeAlias = "ImageSource | EncodedPortrait"
"""What a pipeline takes as a portrait: an image, or what it encoded from one."""


def paste_back_of(
    model: PortraitModel, encoded: EncodedPortrait, size: tuple[int, int] | None = None
) -> PasteBack:
    """What puts rendered crops of a portrait back into its image.

    Args:
        model: what encoded the portrait.
        encoded: the portrait.
        size: width and height that the image is scaled to; its own if None.
    """
    unchanged = "source" if model.keeps_source else "frame"
    crop = encoded.crop if size is None else fit_crop(encoded.crop, size)
    return PasteBack(crop, encoded.portrait.mask, unchanged)


def frame_renderer(
    model: PortraitModel,
    encoded: EncodedPortrait,
    *,
    paste_back: bool = True,
    driving: DrivingOptions | None = None,
    max_size: int | None = MAX_SIZE,
) -> Callable[[Motion], Frames]:
    """What renders single frames of a portrait, in any order.

    Args:
        model: what encoded the portrait.
        encoded: the portrait.
        paste_back: whether frames are the whole image or the square around the face.
        driving: how motion is combined with what the portrait shows.
        max_size: see :meth:`EncodedPortrait.frame_size`.

    Returns:
        From a motion of one frame, relative to the source, to [h, w, 3] uint8 RGB.
    """
    size = encoded.frame_size(paste_back, max_size)
    paste = paste_back_of(model, encoded, size) if paste_back else None

    def render(motion: Motion) -> Frames:
        batch = next(model.render(encoded.portrait, motion, batch_size=1, driving=driving))
        return scaled(batch[0], size) if paste is None else paste(batch[0])

    return render


def render_frames(
    model: PortraitModel,
    encoded: EncodedPortrait,
    motions: Iterable[Motion],
    *,
    paste_back: bool = True,
    batch_size: int = 8,
    driving: DrivingOptions | None = None,
    max_size: int | None = MAX_SIZE,
) -> Iterator[Frames]:
    """Frames of a portrait under consecutive pieces of one motion, one after the other.

    Args:
        model: what encoded the portrait.
        encoded: the portrait.
        motions: pieces of a motion in the model's space. The head of an absolute one drives by its
            changes from the first frame of all.
        paste_back: whether frames are the whole image or the square around the face.
        batch_size: frames rendered together.
        driving: how the motion is combined with what the portrait shows.
        max_size: see :meth:`EncodedPortrait.frame_size`.

    Yields:
        [h, w, 3] uint8 RGB.
    """
    size = encoded.frame_size(paste_back, max_size)
    paste = paste_back_of(model, encoded, size) if paste_back else None
    reference: Motion | None = None  # rest of the whole performance, not of each piece
    for motion in motions:
        if reference is None and len(motion) and motion.reference == "absolute":
            reference = motion[:1]
        batches = model.render(
            encoded.portrait, motion, batch_size=batch_size, reference=reference, driving=driving
        )
        for batch in batches:
            for frame in batch:
                yield scaled(frame, size) if paste is None else paste(frame)
