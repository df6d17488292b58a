"""The official preset of stage one: LivePortrait's networks behind the portrait interface.

Encoding runs F and M once and prepares whatever depends on the portrait alone. Rendering puts a
motion on the portrait's keypoints, stitches them, and paints frames in batches.

Axis legend: ``t`` frames of a motion, ``b`` frames of a batch, ``k`` the 21 keypoints, ``s`` side
of a frame.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from threading import Lock

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from joyvasa_lib.checkpoints.folder import resolve_portrait
from joyvasa_lib.checkpoints.hub import locate_checkpoint
from joyvasa_lib.checks import checked_device
from joyvasa_lib.errors import NoFaceError, OptionError
from joyvasa_lib.face.crop import (
    FaceCrop,
    StretchedCrop,
    crop_stretched,
    crop_upright,
    crop_whole,
    stretch_to_square,
)
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.face.landmarks.sets import landmark_set
from joyvasa_lib.face.paste_back import border_mask
from joyvasa_lib.face.ratios import eye_open_ratio, lip_open_ratio
from joyvasa_lib.media.files import atomic_folder
from joyvasa_lib.motion import LIVEPORTRAIT_21, Motion, MotionSpace
from joyvasa_lib.motion.driving.keypoints import OfficialDriving, SourceKeypoints, drive_keypoints
from joyvasa_lib.motion.space import Floats
from joyvasa_lib.portrait.liveportrait.fast.renderer import FastRenderer, fast_dtype, to_pixels
from joyvasa_lib.portrait.liveportrait.fast.warping import WarpSource
from joyvasa_lib.portrait.liveportrait.motion_extractor import ExtractedMotion
from joyvasa_lib.portrait.liveportrait.networks import (
    LivePortraitNetworks,
    is_saved,
    load_driving,
    save_driving,
)
from joyvasa_lib.portrait.model import Portrait, PortraitModel

Frames = NDArray[np.uint8]

_EXTRACTION_BATCH = 8


@dataclass(frozen=True, eq=False)
class LivePortraitPortrait(Portrait):
    """A portrait of the official preset.

    Attributes:
        source: canonical keypoints, expression and pose of the image.
        warp: appearance features and what else W needs of the image.
        lip_ratio: how far the image's lips are open; None for landmarks without lips.
        eye_ratio: [2] the same for the eyes.
    """

    source: SourceKeypoints
    warp: WarpSource
    lip_ratio: float | None
    eye_ratio: Floats | None


class LivePortraitModel(PortraitModel):
    """Implicit-keypoint portrait animation at 512 pixels with LivePortrait's published weights.

    See arXiv 2407.03168. The networks stay in float32; ``dtype`` is what the warp and the
    generator calculate with when they render.
    """

    def __init__(
        self,
        networks: LivePortraitNetworks,
        driving: OfficialDriving | None = None,
        device: str | torch.device = "cpu",
        dtype: torch.dtype | None = None,
    ) -> None:
        """Prepares the preset.

        Args:
            networks: the seven networks.
            driving: how motion meets the portrait; for animals with ``subject="animal"``.
            device: where to compute.
            dtype: of rendering; bfloat16 if the device is faster with it, else float32.

        Raises:
            OptionError: the device is unknown or not there, or the dtype is not one of floats.
        """
        self.networks = networks
        self.driving = driving or OfficialDriving()
        self._lock = Lock()
        self._renderer: FastRenderer | None = None
        self.device, self.dtype = torch.device("cpu"), torch.float32
        self.to(device, dtype or fast_dtype(checked_device(device)))

    preset = "liveportrait"

    @classmethod
    def from_pretrained(
        cls,
        source: str | os.PathLike[str],
        device: str | torch.device = "cpu",
        dtype: torch.dtype | None = None,
        *,
        revision: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        offline: bool = False,
    ) -> LivePortraitModel:
        """The model of a checkpoint, or of a folder that :meth:`save_pretrained` wrote.

        Args:
            source: a checkpoint folder, a training run's, a folder of the networks alone, or a
                repository of the hub, ``"user/name"``.
            device: where to compute.
            dtype: see the class.
            revision: branch, tag or commit of a repository; its main branch by default.
            cache_dir: where downloads are kept; huggingface_hub's own place by default.
            offline: whether only what was downloaded before is used.

        Raises:
            CheckpointError: the folder is missing or a part of it cannot be used.
            OptionError: the device or dtype cannot be used.
        """
        found = locate_checkpoint(source, revision=revision, cache_dir=cache_dir, offline=offline)
        folder = resolve_portrait(found, cls.preset)
        return cls(LivePortraitNetworks.load(folder), load_driving(folder), device, dtype)

    def save_pretrained(
        self, folder: str | os.PathLike[str], dtype: torch.dtype = torch.float32
    ) -> None:
        """Writes a folder of one subfolder per network, whole or not at all.

        Args:
            folder: a result of this function that is there already is replaced.
            dtype: of the weights in the files.

        Raises:
            OutputError: the folder cannot be written, or holds other things.
        """
        with atomic_folder(folder, ours=is_saved) as temporary:
            self.networks.save(temporary, dtype)
            save_driving(self.driving, temporary)

    def to(
        self, device: str | torch.device | None = None, dtype: torch.dtype | None = None
    ) -> LivePortraitModel:
        """Moves the model in place and returns it; portraits follow when they are rendered.

        Args:
            device: where to compute; as it is if None.
            dtype: of rendering; as it is if None.

        Raises:
            OptionError: the device is unknown or not there, or the dtype is not one of floats.
        """
        target = self.device if device is None else checked_device(device)
        kind = self.dtype if dtype is None else dtype
        if kind not in (torch.float32, torch.bfloat16, torch.float16):
            raise OptionError(f"dtype must be torch.float32, bfloat16 or float16, not {kind}")
        if (target, kind) != (self.device, self.dtype):
            self._renderer = None
        parts = self.networks
        for network in (
            *(parts.appearance_extractor, parts.motion_extractor, parts.stitching),
            *(parts.lip_retargeting, parts.eye_retargeting),
        ):
            network.to(target)
        self.device, self.dtype = target, kind
        return self

    @property
    def space(self) -> MotionSpace:
        """LivePortrait's 21 implicit keypoints."""
        return LIVEPORTRAIT_21

    @cached_property
    def size(self) -> int:
        """Side of rendered frames in pixels: 512 with the published networks."""
        return self.networks.size

    @cached_property
    def image_side(self) -> int:
        """Side of the images that F and M see: 256 with the published networks."""
        return self.networks.image_side

    @property
    def renderer(self) -> FastRenderer:
        """W and G with their weights ready for this device and dtype; made when first used."""
        with self._lock:
            if self._renderer is None:
                parts = self.networks
                self._renderer = FastRenderer(
                    parts.warping, parts.generator, self.device, self.dtype
                )
            return self._renderer

    def prepare(self) -> None:
        """Prepares W and G, some seconds."""
        _ = self.renderer

    keeps_source = False

    def crop(self, full_image: Frames, face: Face, *, whole: bool = False) -> FaceCrop:
        """The square that LivePortrait sees: turned so that the face stands upright.

        Under ``compat="joyvasa"`` it has the published code's pixels: black beyond the image, and
        a whole image that is not square is stretched.

        Raises:
            NoFaceError: the face is too small to animate, or has no finite place.
        """
        if self.driving.compat == "joyvasa":
            if whole:
                return crop_stretched(full_image, face, self.size)
            return crop_upright(full_image, face, self.size, border="black", method="bilinear")
        cut = crop_whole if whole else crop_upright
        return cut(full_image, face, self.size)

    @torch.inference_mode()
    def encode(self, crop: FaceCrop) -> LivePortraitPortrait:
        """Appearance and motion of the image: F and M, once.

        Args:
            crop: of the size that the model renders, as
                :func:`~joyvasa_lib.face.crop.crop_upright` cuts it.

        Raises:
            OptionError: the crop has another size than rendered frames, or landmarks of an
                unknown set.
        """
        if crop.size != self.size:
            raise OptionError(
                f"This model renders {self.size} x {self.size} pixels, so the crop must have that "
                f"size, not {crop.size}; use crop_upright(image, face, size={self.size})"
            )
        image = self._image(crop)
        volume = self.networks.appearance_extractor(image)
        source = _source_keypoints(self.networks.motion_extractor(image))
        marks, points = landmark_set(crop.face.scheme), crop.face.landmarks
        return LivePortraitPortrait(
            size=self.size,
            mask=self._mask(crop),
            source=source,
            warp=self.renderer.prepare(volume, self._tensor(source.posed)[None]),
            lip_ratio=None if marks.mouth is None else float(lip_open_ratio(points, marks.name)[0]),
            eye_ratio=None if marks.eyes is None else eye_open_ratio(points, marks.name),
        )

    @torch.inference_mode()
    def extract_motion(self, crops: Iterable[FaceCrop], fps: float) -> Motion:
        """Expression and pose of every crop, as M sees them.

        Place and size count in the first crop, wherever the others are cut.

        Args:
            crops: of one person, turned alike.
            fps: frames a second.

        Raises:
            NoFaceError: there is no crop.
        """
        first: FaceCrop | None = None
        parts: list[Motion] = []
        remaining = iter(crops)
        while batch := list(islice(remaining, _EXTRACTION_BATCH)):
            first = first or batch[0]
            images = torch.cat([self._image(crop) for crop in batch])
            found = self.networks.motion_extractor(images)
            zoom, shift = _relative_places(first, batch)
            parts.append(
                Motion(
                    expression=_array(found.expression),
                    rotation=_array(found.rotation),
                    translation=zoom * _array(found.translation) + shift,
                    scale=zoom * _array(found.scale),
                    fps=fps,
                    space=self.space,
                    reference="absolute",
                )
            )
        if not parts:
            raise NoFaceError("There is no frame to extract motion from")
        return Motion.concatenate(parts)

    def drive(
        self,
        portrait: LivePortraitPortrait,
        motion: Motion,
        reference: Motion | None = None,
        driving: OfficialDriving | None = None,
    ) -> Floats:
        """Where the portrait's keypoints go under a motion, [t, k, 3] float32.

        Args:
            portrait: result of :meth:`encode`.
            motion: of this model's space.
            reference: one frame from which the changes of an absolute motion count, its first if
                None; those of a motion relative to the source count from rest.
            driving: other options than the model's.

        Raises:
            MotionError: the motion is of another space, or a ratio is missing that the options
                need.
        """
        first = reference
        if first is None and motion.reference == "source":
            first = Motion.neutral(1, space=self.space)
        return drive_keypoints(
            portrait.source,
            motion,
            driving or self.driving,
            first=first,
            stitch=self.stitch,
            lip_retarget=self.retarget_lips,
            lip_ratio=portrait.lip_ratio,
            eye_retarget=self.retarget_eyes,
            eye_ratio=portrait.eye_ratio,
        )

    def render_change(self, portrait: Portrait, change: Motion) -> Frames:
        """The portrait [s, s, 3] with a change of its own expression; see the base class.

        Raises:
            MotionError: the change is of another space or not one frame.
        """
        self.prepare()  # once, not for every copy
        still = copy(self)
        still.driving = replace(
            self.driving,
            mode="relative",
            mouth="relative",
            regions="all",
            close_lips=False,
            retarget=frozenset(),
            compat=None,
        )
        return super(LivePortraitModel, still).render_change(portrait, change)

    @torch.inference_mode()
    def stitch(self, source: Floats, driving: Floats) -> Floats:
        """Driven keypoints [t, k, 3] kept in place at neck and shoulders, for a source [k, 3]."""
        x_d = self._tensor(driving)
        x_s = self._tensor(source).expand_as(x_d)
        return _array(self.networks.stitching(x_s, x_d))

    @torch.inference_mode()
    def retarget_lips(self, source: Floats, ratios: Floats) -> Floats:
        """Offsets [t, k, 3] that open lips from their own ratio to a wanted one, for [t, 2]."""
        x_s = self._tensor(source).expand(len(ratios), -1, -1)
        return _array(self.networks.lip_retargeting(x_s, self._tensor(ratios)))

    @torch.inference_mode()
    def retarget_eyes(self, source: Floats, ratios: Floats) -> Floats:
        """Offsets [t, k, 3] that open eyes: left and right ratio and the wanted one, [t, 3]."""
        x_s = self._tensor(source).expand(len(ratios), -1, -1)
        return _array(self.networks.eye_retargeting(x_s, self._tensor(ratios)))

    def _render(
        self, portrait: Portrait, motion: Motion, batch_size: int, reference: Motion | None
    ) -> Iterator[Frames]:
        assert isinstance(portrait, LivePortraitPortrait)
        keypoints = self.drive(portrait, motion, reference)
        source = portrait.warp.to(self.device)
        truncate = self.driving.compat == "joyvasa"
        for start in range(0, len(keypoints), batch_size):
            rows = self._tensor(keypoints[start : start + batch_size])
            with torch.inference_mode():
                pixels = to_pixels(self.renderer.image(source, rows), truncate=truncate)
            yield pixels.cpu().numpy()

    def _mask(self, crop: FaceCrop) -> NDArray[np.float32]:
        """Weight of a frame in the image: soft towards the border, beyond which there is more."""
        whole = isinstance(crop, StretchedCrop)
        return np.ones((self.size, self.size), np.float32) if whole else border_mask(self.size)

    def _image(self, crop: FaceCrop) -> Tensor:
        """[1, 3, 256, 256] in [0, 1]; with networks of another size, of theirs."""
        image, side = crop.image, self.image_side
        if isinstance(crop, StretchedCrop):
            image = stretch_to_square(crop.full_image, side)
        elif crop.size != side:
            method = cv2.INTER_AREA if crop.size > side else cv2.INTER_CUBIC
            image = np.asarray(cv2.resize(image, (side, side), interpolation=method))
        return self._tensor(image).permute(2, 0, 1)[None] / 255.0

    def _tensor(self, values: NDArray[np.generic]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self.device)


def _source_keypoints(found: ExtractedMotion) -> SourceKeypoints:
    return SourceKeypoints(
        keypoints=_array(found.keypoints[0]),
        expression=_array(found.expression[0]),
        rotation=_array(found.rotation[0]),
        translation=_array(found.translation[0]),
        scale=_array(found.scale[0]),
    )


def _relative_places(first: FaceCrop, crops: Iterable[FaceCrop]) -> tuple[Floats, Floats]:
    """How crops lie in the first one, in units of M, whose crop reaches from -1 to 1.

    Returns:
        Zoom [b, 1] and shift [b, 3]: a point ``x`` of a crop is ``zoom * x + shift`` of the first.
    """
    side = first.size / 2
    maps = np.stack([first.matrix @ np.linalg.inv(crop.matrix) for crop in crops])
    zoom = np.hypot(maps[:, 0, 0], maps[:, 1, 0])
    centre = np.stack([maps[:, axis, 2] for axis in (0, 1)], 1) + zoom[:, None] * (side - 0.5)
    shift = np.pad((centre - (side - 0.5)) / side, ((0, 0), (0, 1)))
    return zoom[:, None].astype(np.float32), shift.astype(np.float32)


def _array(values: Tensor) -> Floats:
    return values.detach().float().cpu().numpy()
