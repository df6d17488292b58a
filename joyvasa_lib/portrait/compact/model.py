"""The compact preset of stage one: a fitted head rig moves the image's own pixels.

Encoding fits the rig to the face (motion extractor) and reads the image through it
(appearance). Rendering drives the rig, finds for each pixel where it was on the image, samples
it there, and paints what the image never showed: the inside of the mouth, closed lids.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.checkpoints.folder import HEAD_RIG, REFINER, holds_only, resolve_portrait
from joyvasa_lib.checkpoints.hub import locate_checkpoint
from joyvasa_lib.concurrency import steady_products
from joyvasa_lib.errors import NoFaceError
from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.media.files import atomic_folder
from joyvasa_lib.motion import Motion, MotionSpace, get_space
from joyvasa_lib.motion.driving.blendshapes import compose_blendshapes
from joyvasa_lib.motion.driving.options import BLENDSHAPE_OPTIONS, DrivingOptions
from joyvasa_lib.motion.driving.pose import Pose, compose_pose, relative_motion
from joyvasa_lib.portrait.compact.driven_head import HeadDriver, source_pose
from joyvasa_lib.portrait.compact.encode.appearance import (
    fitted_layers,
    read_appearance,
    typical_skin,
)
from joyvasa_lib.portrait.compact.encode.glasses import wears_glasses
from joyvasa_lib.portrait.compact.encode.paint import mix_paint
from joyvasa_lib.portrait.compact.encode.source_teeth import place_teeth, without_narrow_band
from joyvasa_lib.portrait.compact.encode.unit_gains import unit_gains
from joyvasa_lib.portrait.compact.layers import MOUTH_LAYERS
from joyvasa_lib.portrait.compact.person.headroom import whole_person
from joyvasa_lib.portrait.compact.portrait import CompactPortrait, crop_mask
from joyvasa_lib.portrait.compact.reading.acting import ExpressionReaders
from joyvasa_lib.portrait.compact.reading.motion_reader import expected_expression, read_motion
from joyvasa_lib.portrait.compact.render.compositor import draw_frames
from joyvasa_lib.portrait.compact.source_change import fit_change
from joyvasa_lib.portrait.compact.view_limits import within_view
from joyvasa_lib.portrait.compact.warm_up import compile_kernels
from joyvasa_lib.portrait.model import Portrait, PortraitModel
from joyvasa_lib.rig.calibration import BLINK, blink_gain, lip_seal, rest_of_blink, rest_of_seal
from joyvasa_lib.rig.fitting import HeadFit, fit_head
from joyvasa_lib.rig.head_rig import Floats, HeadRig, bundled_rig

Frames = NDArray[np.uint8]


class CompactPortraitModel(PortraitModel):
    """Mesh-guided portrait animation on the CPU, 256 to 1024 pixels, from one image."""

    portrait_type = CompactPortrait
    preset = "compact"

    def __init__(self, rig: HeadRig | None = None) -> None:
        """Prepares the preset.

        Args:
            rig: the head model; the package's own for None.
        """
        self.rig = rig = rig or bundled_rig()
        self.driver = HeadDriver(rig)
        self._readers = ExpressionReaders()

    @classmethod
    def from_pretrained(
        cls,
        source: str | os.PathLike[str] | None = None,
        *,
        revision: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        offline: bool = False,
    ) -> CompactPortraitModel:
        """The model with the head rig of a checkpoint, or the package's if it has none of its own.

        Args:
            source: a checkpoint folder, a training run's, a folder that :meth:`save_pretrained`
                wrote, or a repository of the hub, ``"user/name"``; the bundled one for None.
            revision: branch, tag or commit of a repository; its main branch by default.
            cache_dir: where downloads are kept; huggingface_hub's own place by default.
            offline: whether only what was downloaded before is used.

        Raises:
            CheckpointError: the folder is missing or incomplete, or the rig cannot be used.
        """
        found = locate_checkpoint(source, revision=revision, cache_dir=cache_dir, offline=offline)
        folder = resolve_portrait(found, cls.preset)
        own = folder / HEAD_RIG
        return cls(HeadRig.load(own) if own.is_file() else None)

    def save_pretrained(
        self, folder: str | os.PathLike[str], *, driving: DrivingOptions | None = None
    ) -> None:
        """Writes the head rig, whole or not at all.

        Args:
            folder: a result of this function that is there already is replaced.
            driving: not kept; see the base class.

        Raises:
            OutputError: the folder cannot be written, or holds other things.
        """
        with atomic_folder(folder, ours=_is_saved) as temporary:
            self.rig.save(temporary / HEAD_RIG)

    def prepare(self) -> None:
        """Compiles the kernels, some seconds on the first run after installation."""
        compile_kernels(self.rig)

    @property
    def space(self) -> MotionSpace:
        """The compact motion space: 64 keypoints, linear in 52 blendshapes."""
        return get_space("compact-1")

    @property
    def pivot(self) -> Floats:
        """[3] joint between head and neck."""
        return self.rig.pivot

    def encode(self, crop: FaceCrop) -> CompactPortrait:
        """Fits the rig and reads the image; about half a second.

        Raises:
            NoFaceError: the crop has no landmarks of MediaPipe's mesh, with or without irises.
        """
        landmarks = crop.landmarks
        if len(landmarks) not in (468, 478):
            raise NoFaceError(
                f"The compact preset needs the 478 landmarks of MediaPipe, not {len(landmarks)}; "
                "use MediaPipeFaceDetector or ManualFaceDetector"
            )
        fit = fit_head(self.rig, landmarks, expected=expected_expression(landmarks))
        return self.portrait_of(fit, *whole_person(crop), landmarks)

    @steady_products()
    def portrait_of(
        self,
        fit: HeadFit,
        source_image: Frames,
        matte: Floats | None = None,
        landmarks: Floats | None = None,
    ) -> CompactPortrait:
        """The portrait of an image [s, s, 3] whose fit is known, and what else is known."""
        rig = self.rig
        _, _, _, layer = fitted_layers(rig, fit, len(source_image))
        parted = np.isin(layer, MOUTH_LAYERS)
        fit, teeth = place_teeth(rig, fit, source_image, parted, typical_skin(source_image, layer))
        look = read_appearance(rig, fit, source_image, landmarks, matte)
        gain = blink_gain(rig, fit)
        lids = rest_of_blink(rig, fit, gain)
        closed_eyes = fit.blendshapes.copy()
        closed_eyes[BLINK] += gain * (1.0 - closed_eyes[BLINK])
        expressed = fit.shape + fit.parting + np.tensordot(closed_eyes, rig.blendshapes, 1)
        expressed = expressed + lids.sum(0)
        seal = lip_seal(rig, fit)
        glasses = landmarks is not None and wears_glasses(source_image, landmarks)
        paint = mix_paint(rig, look, fit.project(expressed), fit.scale)  # sees all teeth
        look = replace(look, layer=without_narrow_band(rig, look.vertices, look.layer))
        return CompactPortrait(
            size=len(source_image),
            mask=crop_mask(len(source_image)),
            fit=fit,
            appearance=look,
            blink_gain=gain,
            gains=unit_gains(rig, fit, landmarks, glasses),
            lids=lids,
            seal=seal,
            closing=rest_of_seal(rig, fit, seal),
            teeth=teeth,
            paint=paint,
        )

    def extract_motion(self, crops: Iterator[FaceCrop], fps: float) -> Motion:
        """Blendshapes and head pose of every crop; the first crop decides identity.

        It is animated first, to learn what this face's landmarks mean, which takes seconds.

        Raises:
            NoFaceError: there is no crop, or one has no usable landmarks.
        """
        return read_motion(self.rig, crops, fps, self.space, partial(self._readers, self))

    def check_driving(self, driving: DrivingOptions) -> None:
        """Refuses options that only keypoints have.

        Raises:
            OptionError: there is one.
        """
        driving.require(BLENDSHAPE_OPTIONS, "blendshapes")

    def _render(
        self,
        portrait: Portrait,
        motion: Motion,
        batch_size: int,
        reference: Motion | None,
        driving: DrivingOptions,
    ) -> Iterator[Frames]:
        assert isinstance(portrait, CompactPortrait)
        replaced = 0.0 if driving.mouth == "relative" else 1.0
        return self._draw(portrait, motion, batch_size, reference, driving, replaced)

    def _render_change(
        self, portrait: Portrait, change: Motion, driving: DrivingOptions
    ) -> Iterator[Frames]:
        """A change that the image's own mouth contradicts replaces it; others are added to it."""
        assert isinstance(portrait, CompactPortrait)
        fitted, replaced = fit_change(self.rig, portrait.fit, change)
        return self._draw(portrait, fitted, 1, None, driving, replaced)

    def _draw(
        self,
        portrait: CompactPortrait,
        motion: Motion,
        batch_size: int,
        reference: Motion | None,
        driving: DrivingOptions,
        replaced: float,
    ) -> Iterator[Frames]:
        """Frames of a motion; see :meth:`HeadDriver.vertices` for ``replaced``."""
        head = relative_motion(motion, pivot=self.rig.pivot, reference=reference)
        if driving.head == "absolute":
            head = replace(head, rotation=motion.rotation)
        blendshapes = compose_blendshapes(
            portrait.fit.blendshapes, motion.blendshapes, driving, space=self.space
        )
        changed = within_view(
            Pose(head.rotation, head.translation, head.scale), turned=driving.head != "absolute"
        )
        pose = compose_pose(source_pose(portrait.fit), changed, driving, pivot=self.rig.pivot)
        for start in range(0, len(motion), batch_size):
            rows = slice(start, start + batch_size)
            part = Pose(pose.rotation[rows], pose.translation[rows], pose.scale[rows])
            vertices = self.driver.vertices(portrait, blendshapes[rows], part, replaced)
            yield self.composite(portrait, blendshapes[rows], part, vertices, driving.wrinkles)

    @steady_products()
    def composite(
        self,
        portrait: CompactPortrait,
        blendshapes: Floats,
        pose: Pose,
        vertices: Floats,
        wrinkles: float = 1.0,
    ) -> Frames:
        """Frames [b, s, s, 3], uint8 RGB, of a driven head.

        Args:
            portrait: what is drawn.
            blendshapes: [b, 52] activations of the result.
            pose: [b] head pose of the result.
            vertices: [b, v, 3] driven head in crop pixels.
            wrinkles: factor on the depth of the skin's folds.
        """
        return draw_frames(
            self.rig,
            portrait.appearance,
            portrait.paint,
            self.driver.driven_heads(portrait, blendshapes, pose, vertices, wrinkles),
            portrait.mask,
            portrait.fit.scale,
        )


def _is_saved(folder: Path) -> bool:
    return holds_only(folder, (HEAD_RIG, "generator"), HEAD_RIG, REFINER)
