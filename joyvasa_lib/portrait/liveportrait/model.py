"""The official preset of stage one: LivePortrait's networks behind the portrait interface.

Encoding runs F and M once and prepares whatever depends on the portrait alone. Rendering puts a
motion on the portrait's keypoints, stitches them, and generates frames in batches.

Axis legend: ``t`` frames of a motion, ``b`` frames of a batch, ``k`` the 21 keypoints, ``s`` side
of a frame.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from joyvasa_lib.checkpoints.folder import resolve_portrait
from joyvasa_lib.checkpoints.hub import locate_checkpoint
from joyvasa_lib.checks import checked_device
from joyvasa_lib.concurrency import Lock
from joyvasa_lib.errors import OptionError
from joyvasa_lib.face.crop import FaceCrop, crop_upright, crop_whole
from joyvasa_lib.face.landmark_sets import landmark_set
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.face.paste_back import border_mask
from joyvasa_lib.face.ratios import eye_open_ratio, lip_open_ratio
from joyvasa_lib.media.files import atomic_folder
from joyvasa_lib.motion import LIVEPORTRAIT_21, Motion, MotionSpace
from joyvasa_lib.motion.driving.keypoints import Subject
from joyvasa_lib.motion.driving.options import KEYPOINT_OPTIONS, DrivingOptions
from joyvasa_lib.motion.space import Floats
from joyvasa_lib.nn.dtypes import fast_dtype
from joyvasa_lib.portrait.liveportrait.driving_file import DrivingFile
from joyvasa_lib.portrait.liveportrait.fast.renderer import FastRenderer, to_pixels
from joyvasa_lib.portrait.liveportrait.motion_reader import read_motion, source_keypoints
from joyvasa_lib.portrait.liveportrait.networks import LivePortraitNetworks, is_saved
from joyvasa_lib.portrait.liveportrait.portrait import LivePortraitPortrait, drive_portrait
from joyvasa_lib.portrait.model import Portrait, PortraitModel

Frames = NDArray[np.uint8]


class LivePortraitModel(PortraitModel):
    """Implicit-keypoint portrait animation at 512 pixels with LivePortrait's published weights.

    See arXiv 2407.03168. The networks stay in float32; ``dtype`` is the precision of rendering.
    """

    portrait_type = LivePortraitPortrait
    preset = "liveportrait"
    keeps_source = False

    def __init__(
        self,
        networks: LivePortraitNetworks,
        device: str | torch.device = "cpu",
        dtype: torch.dtype | None = None,
        *,
        subject: Subject = "human",
    ) -> None:
        """Prepares the preset.

        Args:
            networks: the seven networks.
            device: where to compute.
            dtype: of rendering; bfloat16 if the device is faster with it, else float32.
            subject: ``"human"`` or ``"animal"``, whose portraits the networks animate.

        Raises:
            OptionError: the device is unknown or not there, the dtype is not one of floats, or
                another subject.
        """
        self.networks = networks
        self.subject = DrivingFile(subject).subject
        self._lock = Lock()
        self._renderer: FastRenderer | None = None
        self.device, self.dtype = torch.device("cpu"), torch.float32
        self.to(device, dtype or fast_dtype(checked_device(device)))

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
        subject = DrivingFile.load(folder).subject
        return cls(LivePortraitNetworks.load(folder), device, dtype, subject=subject)

    def save_pretrained(
        self,
        folder: str | os.PathLike[str],
        dtype: torch.dtype = torch.float32,
        *,
        driving: DrivingOptions | None = None,
    ) -> None:
        """Writes a folder of one subfolder per network, whole or not at all.

        Args:
            folder: a result of this function that is there already is replaced.
            dtype: of the weights in the files.
            driving: options that a pipeline of this folder has by default.

        Raises:
            OutputError: the folder cannot be written, or holds other things.
        """
        with atomic_folder(folder, ours=is_saved) as temporary:
            self.networks.save(temporary, dtype)
            DrivingFile(self.subject, driving or DrivingOptions()).save(temporary)

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
        self.networks.to(target)
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

    @property
    def renderer(self) -> FastRenderer:
        """W and G with their weights ready for this device and dtype; made when first used."""
        with self._lock:
            if self._renderer is None:
                warping, generator = self.networks.warping, self.networks.generator
                self._renderer = FastRenderer(warping, generator, self.device, self.dtype)
            return self._renderer

    def prepare(self) -> None:
        """Prepares W and G, some seconds."""
        _ = self.renderer

    def crop(
        self, full_image: Frames, face: Face, *, whole: bool = False, most: int | None = None
    ) -> FaceCrop:
        """The square that LivePortrait sees: turned so that the face stands upright.

        Raises:
            NoFaceError: the face is too small to animate, or has no finite place.
        """
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
        image = self.network_image(crop)
        volume = self.networks.appearance_extractor(image)
        source = source_keypoints(self.networks.motion_extractor(image))
        marks, points = landmark_set(crop.face.scheme), crop.face.landmarks
        return LivePortraitPortrait(
            size=self.size,
            mask=border_mask(self.size),
            source=source,
            warp=self.renderer.prepare(volume, self._tensor(source.posed)[None]),
            lip_ratio=None if marks.mouth is None else float(lip_open_ratio(points, marks.name)[0]),
            eye_ratio=None if marks.eyes is None else eye_open_ratio(points, marks.name),
        )

    @torch.inference_mode()
    def extract_motion(self, crops: Iterable[FaceCrop], fps: float) -> Motion:
        """Expression and head pose of every crop, as M sees them.

        Raises:
            NoFaceError: there is no crop.
        """
        return read_motion(self.networks.motion_extractor, self.network_image, crops, fps)

    def check_driving(self, driving: DrivingOptions) -> None:
        """Refuses options that only blendshapes have.

        Raises:
            OptionError: there is one.
        """
        driving.require(KEYPOINT_OPTIONS, "keypoints")

    def drive(
        self,
        portrait: LivePortraitPortrait,
        motion: Motion,
        driving: DrivingOptions | None = None,
        *,
        reference: Motion | None = None,
    ) -> Floats:
        """Where the portrait's keypoints go under a motion, [t, k, 3] float32.

        See :func:`~joyvasa_lib.portrait.liveportrait.portrait.drive_portrait`.
        """
        return drive_portrait(
            portrait, motion, self.networks, driving, subject=self.subject, reference=reference
        )

    def _render(
        self,
        portrait: Portrait,
        motion: Motion,
        batch_size: int,
        reference: Motion | None,
        driving: DrivingOptions,
    ) -> Iterator[Frames]:
        assert isinstance(portrait, LivePortraitPortrait)
        keypoints = self.drive(portrait, motion, driving, reference=reference)
        for image in self.images(portrait, keypoints, batch_size):
            yield to_pixels(image).cpu().numpy()

    def _render_change(
        self, portrait: Portrait, change: Motion, driving: DrivingOptions
    ) -> Iterator[Frames]:
        return super()._render_change(portrait, change, replace(driving, close_lips=False))

    def images(
        self, portrait: LivePortraitPortrait, keypoints: Floats, batch_size: int
    ) -> Iterator[Tensor]:
        """Images [b, 3, s, s] in [0, 1] of the portrait with driven keypoints [t, k, 3]."""
        source = portrait.warp.to(self.device)
        for start in range(0, len(keypoints), batch_size):
            rows = self._tensor(keypoints[start : start + batch_size])
            with torch.inference_mode():
                image = self.renderer.image(source, rows)
            yield image

    def network_image(self, crop: FaceCrop) -> Tensor:
        """[1, 3, i, i] in [0, 1], what F and M see of a crop."""
        pixels = self.network_pixels(crop, self.networks.image_side)
        return self._tensor(pixels).permute(2, 0, 1)[None] / 255.0

    def network_pixels(self, crop: FaceCrop, side: int) -> Frames:
        """[side, side, 3] uint8, a crop in the size that F and M see."""
        if crop.size == side:
            return crop.image
        method = cv2.INTER_AREA if crop.size > side else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(crop.image, (side, side), interpolation=method), np.uint8)

    def _tensor(self, values: NDArray[np.generic]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self.device)
