"""An encoded portrait with its place in the image: what is rendered, and where it belongs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.face.crop import FaceCrop
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
    """

    portrait: Portrait
    crop: FaceCrop

    def frame_size(self, paste_back: bool) -> tuple[int, int]:
        """Width and height of rendered frames in pixels: of the whole image, or of the crop."""
        if not paste_back:
            return self.portrait.size, self.portrait.size
        height, width = self.crop.full_image.shape[:2]
        return width, height


PortraitSource: TypeAlias = "ImageSource | EncodedPortrait"
"""What a pipeline takes as a portrait: an image, or what it encoded from one."""


def paste_back_of(model: PortraitModel, encoded: EncodedPortrait) -> PasteBack:
    """What puts rendered crops of a portrait back into its image."""
    unchanged = "source" if model.keeps_source else "frame"
    return PasteBack(encoded.crop, encoded.portrait.mask, unchanged)


def render_frames(
    model: PortraitModel,
    encoded: EncodedPortrait,
    motions: Iterable[Motion],
    *,
    paste_back: bool = True,
    batch_size: int = 8,
    driving: DrivingOptions | None = None,
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

    Yields:
        [h, w, 3] uint8 RGB.
    """
    paste = paste_back_of(model, encoded) if paste_back else None
    reference: Motion | None = None  # rest of the whole performance, not of each piece
    for motion in motions:
        if reference is None and len(motion) and motion.reference == "absolute":
            reference = motion[:1]
        batches = model.render(
            encoded.portrait, motion, batch_size=batch_size, reference=reference, driving=driving
        )
        for batch in batches:
            for frame in batch:
                yield frame if paste is None else paste(frame)
