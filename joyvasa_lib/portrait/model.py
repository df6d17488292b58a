"""The one interface of both portrait presets: encode a face once, render it many times.

Axis legend: ``b`` frames of a batch, ``s`` side of the square crop.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.checks import checked_int
from joyvasa_lib.errors import MotionError, OptionError
from joyvasa_lib.face.crop import FaceCrop, crop_face, crop_whole
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.motion import Motion, MotionSpace
from joyvasa_lib.motion.driving.options import DrivingOptions
from joyvasa_lib.motion.driving.pose import check_reference

_RENDERERS = {
    "liveportrait-21": "load LivePortrait's official checkpoint, which does, with "
    "JoyVASAPipeline.from_official(folder)",
    "compact-1": "load the bundled checkpoint, which does, with JoyVASAPipeline.from_pretrained()",
}
"""What to load for a motion of each space."""


@dataclass(frozen=True, eq=False)
class Portrait:
    """An encoded portrait: everything rendering needs, computed once.

    Attributes:
        size: side of the rendered square in pixels.
        mask: [s, s] float32 in [0, 1], where a rendered crop replaces the image.
    """

    size: int
    mask: NDArray[np.float32]

    @property
    def keypoints(self) -> NDArray[np.float32] | None:
        """[k, 3] canonical keypoints of the person's neutral face, in the motion space's units.

        None where a model does not know them; maps from action units then take the mean face's.
        """
        return None

    @property
    def square(self) -> NDArray[np.uint8] | None:
        """[s, s, 3] what of the crop is animated, RGB; None where it is the crop as it was cut."""
        return None


class PortraitModel(ABC):
    """Stage one: appearance encoder, motion extractor, warp and generator behind two calls.

    A model keeps no state between calls: what varies from call to call is an argument.
    """

    portrait_type: ClassVar[type[Portrait]] = Portrait
    """What :meth:`encode` returns."""
    keeps_source: ClassVar[bool] = True
    """Whether a frame equals the image, to the last grey level, where nothing moves."""

    preset: ClassVar[str | None] = None
    """Name of the preset in a checkpoint's index; None for a model that no checkpoint holds."""

    @property
    @abstractmethod
    def space(self) -> MotionSpace:
        """The motion space this model renders."""

    @property
    def pivot(self) -> NDArray[np.float32]:
        """[3] canonical point about which the head turns; the keypoints' origin by default."""
        return np.zeros(3, np.float32)

    def prepare(self) -> None:  # noqa: B027 - nothing by default
        """Does in advance what the first frame would wait for; optional, safe in any thread."""

    def save_pretrained(
        self, folder: str | os.PathLike[str], *, driving: DrivingOptions | None = None
    ) -> None:
        """Writes the folder ``portrait`` of a checkpoint, whole or not at all.

        Args:
            folder: what is written.
            driving: options that a pipeline has by default, for presets whose folder keeps them.

        Raises:
            OptionError: this model is not saved in a folder.
            OutputError: the folder cannot be written, or holds other things.
        """
        raise OptionError(f"A {type(self).__name__} cannot be saved")

    def crop(
        self,
        image: NDArray[np.uint8],
        face: Face,
        *,
        whole: bool = False,
        most: int | None = None,
    ) -> FaceCrop:
        """The square of an image that this model sees.

        Args:
            image: [h, w, 3] uint8 RGB.
            face: the face in it.
            whole: whether the image is a square crop of the face already.
            most: pixels of the square's side at most, for frames that are rendered faster; models
                that render one size alone keep it.

        Raises:
            NoFaceError: the face is too small to animate, or has no finite place.
        """
        cut = crop_whole if whole else crop_face
        crop = cut(image, face)
        return crop if most is None or crop.size <= most else cut(image, face, most)

    @abstractmethod
    def encode(self, crop: FaceCrop) -> Portrait:
        """Appearance and canonical keypoints of the face in ``crop``.

        Raises:
            NoFaceError: the crop's landmarks cannot be used.
        """

    @abstractmethod
    def extract_motion(self, crops: Iterator[FaceCrop], fps: float) -> Motion:
        """Motion of one person over a sequence of crops, ``reference="absolute"``."""

    def render(
        self,
        portrait: Portrait,
        motion: Motion,
        *,
        batch_size: int = 8,
        reference: Motion | None = None,
        driving: DrivingOptions | None = None,
    ) -> Iterator[NDArray[np.uint8]]:
        """Frames of the portrait under a motion, lazily.

        Args:
            portrait: result of :meth:`encode` of this model.
            motion: in this model's space; the head of an absolute one, as extracted from images,
                drives by its changes from ``reference``.
            batch_size: frames rendered together.
            reference: one absolute frame that counts as rest, the motion's first if None. Pieces
                of one motion are rendered with the first frame of all of it.
            driving: how the motion is combined with what the portrait shows.

        Yields:
            [b, s, s, 3] uint8 RGB frames, ``b <= batch_size``.

        Raises:
            MotionError: the motion is of another space, or the reference is not one absolute frame
                of this space.
            OptionError: ``batch_size`` is below 1, a driving option cannot be honoured, or the
                portrait is of another preset.
        """
        driving = self._checked(portrait, motion, driving)
        checked_int("batch_size", batch_size, least=1)
        if reference is not None:
            check_reference(reference, self.space)
        return self._render(portrait, motion, batch_size, reference, driving)

    def render_change(
        self, portrait: Portrait, change: Motion, *, driving: DrivingOptions | None = None
    ) -> NDArray[np.uint8]:
        """The portrait with a change of its own expression, for a single image.

        Speech replaces the mouth of a portrait; here everything is added to what the image shows,
        so that no change gives the portrait as it is.

        Args:
            portrait: result of :meth:`encode` of this model.
            change: one frame in this model's space.
            driving: as for :meth:`render`; head, expression and mouth are relative here in any
                case.

        Returns:
            [s, s, 3] uint8 RGB.

        Raises:
            MotionError: the change is of another space or not one frame.
            OptionError: a driving option cannot be honoured, or the portrait is of another preset.
        """
        driving = self._checked(portrait, change, driving)
        if len(change) != 1:
            raise MotionError(f"An image is changed by one frame of motion, not by {len(change)}")
        relative = replace(driving, head="relative", expression="relative", mouth="relative")
        frames: NDArray[np.uint8] = next(self._render_change(portrait, change, relative))
        return frames[0]

    def check_driving(self, driving: DrivingOptions) -> None:  # noqa: B027 - all by default
        """Refuses options that this model cannot honour.

        Raises:
            OptionError: an option of the other preset, or a value that this model does not know.
        """

    def check_space(self, space: MotionSpace) -> None:
        """Refuses motion of another space, and says what renders it.

        Raises:
            MotionError: the space is not this model's.
        """
        if space == self.space:
            return
        where = _RENDERERS.get(space.name)
        raise MotionError(
            f"This portrait model renders motion of space {self.space.name!r}, not {space.name!r}"
            + (f"; {where}" if where else "")
        )

    def _checked(
        self, portrait: Portrait, motion: Motion, driving: DrivingOptions | None
    ) -> DrivingOptions:
        """The driving options, after checks of what every rendering needs."""
        if not isinstance(portrait, self.portrait_type):
            raise OptionError(
                f"This portrait model renders a {self.portrait_type.__name__}, not a "
                f"{type(portrait).__name__}; encode the image with the same model"
            )
        self.check_space(motion.space)
        driving = driving or DrivingOptions()
        self.check_driving(driving)
        return driving

    @abstractmethod
    def _render(
        self,
        portrait: Portrait,
        motion: Motion,
        batch_size: int,
        reference: Motion | None,
        driving: DrivingOptions,
    ) -> Iterator[NDArray[np.uint8]]:
        """Frames of a portrait of this model's type under a checked motion."""

    def _render_change(
        self, portrait: Portrait, change: Motion, driving: DrivingOptions
    ) -> Iterator[NDArray[np.uint8]]:
        """The one frame of a change, as a batch."""
        return self._render(portrait, change, 1, None, driving)
