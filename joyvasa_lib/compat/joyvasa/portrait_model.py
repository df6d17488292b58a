"""Stage one as JoyVASA's published code runs it: its driving rules, its crops, its pixel values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from joyvasa_lib.compat.joyvasa.crop import (
    StretchedCrop,
    crop_black,
    crop_stretched,
    stretch_to_square,
)
from joyvasa_lib.compat.joyvasa.driving import drive_as_joyvasa, published_options
from joyvasa_lib.documents import read_json
from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.motion import Motion
from joyvasa_lib.motion.driving.options import DrivingOptions
from joyvasa_lib.portrait.liveportrait.driving_file import DRIVING
from joyvasa_lib.portrait.liveportrait.model import LivePortraitModel
from joyvasa_lib.portrait.liveportrait.portrait import LivePortraitPortrait, first_frame
from joyvasa_lib.portrait.model import Portrait

Frames = NDArray[np.uint8]


class JoyVASAPortraitModel(LivePortraitModel):
    """LivePortrait's networks under the published code's rules, to compare numbers.

    Crops are black beyond the image, a whole image that is not square is stretched, driving follows
    :mod:`~joyvasa_lib.compat.joyvasa.driving`, and pixel values are truncated. A change of a single
    image (``render_change``), which the published code does not have, follows the usual rules.
    """

    def crop(
        self, full_image: Frames, face: Face, *, whole: bool = False, most: int | None = None
    ) -> FaceCrop:
        """The square that the published code sees.

        Raises:
            NoFaceError: the face is too small to animate, or has no finite place.
        """
        return (crop_stretched if whole else crop_black)(full_image, face, self.size)

    def encode(self, crop: FaceCrop) -> LivePortraitPortrait:
        """Appearance and motion of the image; a stretched one is replaced as a whole.

        Raises:
            OptionError: the crop has another size than rendered frames, or landmarks of an
                unknown set.
        """
        portrait = super().encode(crop)
        if not isinstance(crop, StretchedCrop):
            return portrait
        return replace(portrait, mask=np.ones((self.size, self.size), np.float32))

    def network_pixels(self, crop: FaceCrop, side: int) -> Frames:
        """[side, side, 3] uint8, a crop in the size that the networks see."""
        if isinstance(crop, StretchedCrop):
            return stretch_to_square(crop.full_image, side)
        return super().network_pixels(crop, side)

    def check_driving(self, driving: DrivingOptions) -> None:
        """Refuses options that the published code does not have.

        Raises:
            OptionError: there is one.
        """
        published_options(driving, animal=self.subject == "animal")

    def _render(
        self,
        portrait: Portrait,
        motion: Motion,
        batch_size: int,
        reference: Motion | None,
        driving: DrivingOptions,
    ) -> Iterator[Frames]:
        assert isinstance(portrait, LivePortraitPortrait)
        keypoints = drive_as_joyvasa(
            portrait.source,
            motion,
            published_options(driving, animal=self.subject == "animal"),
            first=first_frame(motion, reference),
            stitch=self.networks.stitch,
            lip_retarget=self.networks.retarget_lips,
            lip_ratio=portrait.lip_ratio,
        )
        for image in self.images(portrait, keypoints, batch_size):
            yield truncated_pixels(image).cpu().numpy()

    def _render_change(
        self, portrait: Portrait, change: Motion, driving: DrivingOptions
    ) -> Iterator[Frames]:
        relative = replace(driving, close_lips=False)
        return LivePortraitModel._render(self, portrait, change, 1, None, relative)


def truncated_pixels(image: Tensor) -> Tensor:
    """Images [b, 3, s, s] in [0, 1] as uint8 [b, s, s, 3], cut off instead of rounded."""
    return (image.permute(0, 2, 3, 1).clamp(0.0, 1.0) * 255.0).to(torch.uint8)


def was_saved_for_joyvasa(folder: Path) -> bool:
    """Whether an earlier version saved networks to be run as the published code does."""
    try:
        about = read_json(folder / DRIVING)
        return bool(about.get("compat") == "joyvasa")
    except (OSError, ValueError, AttributeError):
        return False  # loading the model says what is wrong
