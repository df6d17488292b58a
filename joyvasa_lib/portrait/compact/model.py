"""The compact preset of stage one: a fitted head rig moves the image's own pixels.

Encoding fits the rig to the face (motion extractor) and reads the image through it
(appearance). Rendering drives the rig, finds for each pixel where it was on the image, samples
it there, and paints what the image never showed: the inside of the mouth, closed lids.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.checkpoints.folder import CONFIG, WEIGHTS, holds_only, resolve_portrait
from joyvasa_lib.checkpoints.hub import locate_checkpoint
from joyvasa_lib.errors import NoFaceError, OptionError
from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.face.eyes import EyeWatch
from joyvasa_lib.media.files import atomic_folder
from joyvasa_lib.motion import Motion, MotionSpace, get_space
from joyvasa_lib.motion.driving.blendshapes import (
    DrivingOptions,
    Pose,
    compose_blendshapes,
    compose_pose,
    fading_mouth,
    giving_way,
    relative_motion,
)
from joyvasa_lib.motion.keypoints import rotation_angles, rotation_matrix
from joyvasa_lib.portrait.compact.encode.appearance import (
    Appearance,
    fitted_layers,
    read_appearance,
    typical_skin,
)
from joyvasa_lib.portrait.compact.encode.paint import Paint, mix_paint
from joyvasa_lib.portrait.compact.encode.source_smile import SMILE, own_smile
from joyvasa_lib.portrait.compact.encode.source_teeth import place_teeth
from joyvasa_lib.portrait.compact.layers import MOUTH_LAYERS
from joyvasa_lib.portrait.compact.render.compositor import DrivenHeads, draw_frames
from joyvasa_lib.portrait.compact.warm_up import compile_kernels
from joyvasa_lib.portrait.model import Portrait, PortraitModel
from joyvasa_lib.rig.calibration import (
    BLINK,
    JAW,
    applied_blendshapes,
    blink_gain,
    lip_seal,
)
from joyvasa_lib.rig.correction import lip_edges
from joyvasa_lib.rig.eyelids import closing_order, lid_stretch
from joyvasa_lib.rig.fitting import HeadFit, fit_head
from joyvasa_lib.rig.head_rig import Floats, HeadRig, bundled_rig
from joyvasa_lib.rig.lip_opening import eye_distance, lip_opening

if TYPE_CHECKING:  # torch loads with the first frame that is rendered
    from joyvasa_lib.portrait.compact.refine.refiner import PatchRefiner

Frames = NDArray[np.uint8]

RIG_FILE = "head_rig.safetensors"

_OPEN_EYE, _SHUT_EYE = 0.3, 0.8
"""Closure seen in the pixels of an eye below which it is open, and above which it is shut."""
_PAINT_WITHIN = 0.3
"""Share of a blink within which skin that the lid reaches is painted over the open eye."""


@dataclass(frozen=True, eq=False)
class CompactPortrait(Portrait):
    """A portrait of the compact preset.

    Attributes:
        fit: the rig fitted to the face: canonical shape, source expression and pose.
        appearance: the image read through the fit.
        blink_gain: [2] see :func:`~joyvasa_lib.rig.calibration.blink_gain`.
        seal: [52] see :func:`~joyvasa_lib.rig.calibration.lip_seal`.
        teeth: [v, 3] see :func:`~joyvasa_lib.portrait.compact.encode.source_teeth.place_teeth`.
        paint: what is painted where the image shows nothing.
    """

    fit: HeadFit
    appearance: Appearance
    blink_gain: Floats
    seal: Floats
    teeth: Floats
    paint: Paint

    @property
    def keypoints(self) -> Floats:
        """[k, 3] canonical keypoints of the neutral face in rig units."""
        return self.fit.shape[bundled_rig().keypoint_vertex]


class CompactPortraitModel(PortraitModel):
    """Mesh-guided portrait animation on the CPU, 256 to 1024 pixels, from one image."""

    def __init__(
        self,
        rig: HeadRig,
        driving: DrivingOptions | None = None,
        generator: Path | None = None,
    ) -> None:
        """Prepares the preset.

        Args:
            rig: the head model.
            driving: how motion meets the source.
            generator: folder of a trained generator that refines mouths and eyes; without one the
                frames are the warped image with a painted mouth.
        """
        self.rig = rig
        self._generator = generator
        self.driving = driving or DrivingOptions()
        self._settled = 0.0  # share of the image's parted lips that is gone, relative mouths
        left = rig.mean[:, 0] > 0  # the person's left is on the image's right
        self._stretch, self._closing_order = lid_stretch(rig), closing_order(rig)
        self._eye_side = np.where(left, 0, 1)

    preset = "compact"

    @classmethod
    def from_pretrained(
        cls,
        source: str | os.PathLike[str] | None = None,
        *,
        revision: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        offline: bool = False,
    ) -> CompactPortraitModel:
        """The model with the generator of a checkpoint, and its head rig if it has one of its own.

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
        rig = folder / RIG_FILE
        return cls(
            HeadRig.load(rig) if rig.is_file() else bundled_rig(), generator=folder / "generator"
        )

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Writes the head rig and the generator, whole or not at all.

        Args:
            folder: a result of this function that is there already is replaced.

        Raises:
            OptionError: the model has no generator, which a checkpoint needs.
            OutputError: the folder cannot be written, or holds other things.
        """
        if self._generator is None:
            raise OptionError("A portrait model without a generator is no checkpoint; load one")
        with atomic_folder(folder, ours=_is_saved) as temporary:
            self.rig.save(temporary / RIG_FILE)
            (temporary / "generator").mkdir()
            for name in (CONFIG, WEIGHTS):
                shutil.copyfile(self._generator / name, temporary / "generator" / name)

    @cached_property
    def refiner(self) -> PatchRefiner | None:
        """What refines mouths and eyes of rendered frames; None without a generator.

        Raises:
            CheckpointError: the generator's folder cannot be used.
        """
        if self._generator is None:
            return None
        from joyvasa_lib.portrait.compact.refine.refiner import PatchRefiner

        return PatchRefiner.from_pretrained(self.rig, self._generator)

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
            NoFaceError: the crop has no 468 landmarks.
        """
        if crop.landmarks.shape[0] != 468:
            raise NoFaceError(
                f"The compact preset needs MediaPipe's 468 landmarks, not {len(crop.landmarks)}; "
                "use MediaPipeFaceDetector or ManualFaceDetector"
            )
        return self.portrait_of(fit_head(self.rig, crop.landmarks), crop.image)

    def portrait_of(self, fit: HeadFit, source_image: Frames) -> CompactPortrait:
        """The portrait that an image [s, s, 3] with a known fit is."""
        rig = self.rig
        _, _, _, layer = fitted_layers(rig, fit, len(source_image))
        parted = np.isin(layer, MOUTH_LAYERS)
        fit, teeth = place_teeth(rig, fit, source_image, parted, typical_skin(source_image, layer))
        look = read_appearance(rig, fit, source_image)
        gain = blink_gain(rig, fit, look.eye_margins[:, 1])
        shut = fit.blendshapes.copy()
        shut[BLINK] += gain * (1.0 - shut[BLINK])
        closed = fit.project(fit.shape + fit.parting + np.tensordot(shut, rig.blendshapes, 1))
        return CompactPortrait(
            size=len(source_image),
            mask=_border_mask(len(source_image)),
            fit=fit,
            appearance=look,
            blink_gain=gain,
            seal=lip_seal(rig, fit),
            teeth=teeth,
            paint=mix_paint(rig, look, closed, self._stretch, fit.scale),
        )

    def extract_motion(self, crops: Iterator[FaceCrop], fps: float) -> Motion:
        """Blendshapes and pose of every crop; the first crop decides identity.

        The face mesh keeps its eyes open in a blink, so lids are read from the pixels. Place and
        size count in the first crop, wherever the others are cut.

        Raises:
            NoFaceError: there is no crop, or one has no usable landmarks.
        """
        first: FaceCrop | None = None
        identity: Floats | None = None
        eyes = EyeWatch(fps)
        rows: dict[str, list[Floats]] = {"units": [], "angles": [], "shift": [], "scale": []}
        for crop in crops:
            first = first or crop
            eyes.see(crop.image, replace(crop.face, landmarks=crop.landmarks))
            landmarks = replace(crop, matrix=first.matrix).landmarks
            fit = fit_head(self.rig, landmarks, identity=identity, correct=False)
            identity = fit.identity if identity is None else identity
            shift = (fit.translation - first.size / 2) / fit.scale
            rows["units"].append(fit.blendshapes)
            rows["angles"].append(rotation_angles(fit.rotation))
            rows["shift"].append(shift * np.array([1.0, 1.0, 0.0], np.float32))
            rows["scale"].append(np.array([fit.scale / first.size], np.float32))
        if first is None:
            raise NoFaceError("There is no frame to extract motion from")
        units = np.stack(rows["units"])
        closed = np.clip((eyes.closure() - _OPEN_EYE) / (_SHUT_EYE - _OPEN_EYE), 0.0, 1.0)
        units[:, BLINK] = np.maximum(units[:, BLINK], closed[:, None])
        return Motion.from_blendshapes(
            units,
            rotation=np.stack(rows["angles"]),
            translation=np.stack(rows["shift"]),
            scale=np.stack(rows["scale"]),
            fps=fps,
            space=self.space,
            reference="absolute",
        )

    def _render(
        self, portrait: Portrait, motion: Motion, batch_size: int, reference: Motion | None
    ) -> Iterator[Frames]:
        assert isinstance(portrait, CompactPortrait)
        head = relative_motion(motion, pivot=self.rig.pivot, reference=reference)
        if self.driving.head == "absolute":
            head = replace(head, rotation=motion.rotation)
        units = compose_blendshapes(
            portrait.fit.blendshapes, motion.blendshapes, self.driving, space=self.space
        )
        source = Pose(
            rotation_angles(portrait.fit.rotation),
            portrait.fit.translation,
            np.array([portrait.fit.scale]),
        )
        driving = Pose(head.rotation, head.translation, head.scale)
        pose = compose_pose(source, driving, self.driving, pivot=self.rig.pivot)
        for start in range(0, len(motion), batch_size):
            rows = slice(start, start + batch_size)
            part = Pose(pose.rotation[rows], pose.translation[rows], pose.scale[rows])
            vertices = self.driven_vertices(portrait, units[rows], part)
            frames = self.composite(portrait, units[rows], part, vertices)
            if self.refiner is not None:
                look, scale = portrait.appearance, portrait.fit.scale
                frames = self.refiner(frames, vertices, look, scale)
            yield frames

    def render_change(self, portrait: Portrait, change: Motion) -> Frames:
        """The portrait [s, s, 3] with a change of its own expression; see the base class.

        The mouth's own expression gives way to one that it does not fit: a frown is not drawn over
        the image's smile, while a smile is added to it as far as there is room. So do its
        parted lips.

        Raises:
            MotionError: the change is of another space or not one frame.
        """
        assert isinstance(portrait, CompactPortrait)
        _ = self.refiner  # loaded once, not by every copy
        still = copy(self)
        if change.space == self.space and len(change) == 1:
            own, units = portrait.fit.blendshapes, change.blendshapes[0]
            still._settled = giving_way(own, units, self.space)
            units = units - fading_mouth(own, units, self.space)
            both = max(float(units[SMILE].min()), 0.0)  # a smile of one side is another thing
            units[SMILE] -= own_smile(self.rig, portrait.fit) * both
            if still._settled < 1.0:  # a smile that widens still shows the teeth that it shows
                units[JAW] += (1.0 - still._settled) * self._closing(portrait, units)
            change = change.with_blendshapes(units[None])
        still.driving = replace(self.driving, expression="relative", mouth="relative")
        return super(CompactPortraitModel, still).render_change(portrait, change)

    def _closing(self, portrait: CompactPortrait, units: Floats) -> float:
        """Activation of the jaw that undoes what units [52] close of an image's parted lips."""
        opening = lip_opening(self.rig)
        fit = portrait.fit
        shape = fit.shape + fit.parting + np.tensordot(fit.blendshapes, self.rig.blendshapes, 1)
        upper, lower = lip_edges(self.rig)
        own = float((shape[lower, 1] - shape[upper, 1]).mean()) / eye_distance(self.rig)
        return float(min(max(-(units @ opening), 0.0), max(own, 0.0)) / opening[JAW])

    def driven_vertices(self, portrait: CompactPortrait, units: Floats, pose: Pose) -> Floats:
        """Crop pixels [b, v, 3] of the head under blendshapes [b, 52] and pose."""
        fit = portrait.fit
        applied = applied_blendshapes(units, fit.blendshapes, portrait.blink_gain)
        # The image's own jaw has lifted its lip already; lips that are driven meet instead.
        rest = applied_blendshapes(fit.blendshapes, fit.blendshapes, portrait.blink_gain)
        driven = 1.0 if self.driving.mouth == "absolute" else self._settled
        applied = applied + driven * portrait.seal + (1.0 - driven) * (fit.blendshapes - rest)
        own = driven * portrait.teeth + (1.0 - driven) * fit.parting
        shape = fit.shape + own + np.tensordot(applied, self.rig.blendshapes, 1)
        return self._posed(portrait, shape, pose)

    def _posed(self, portrait: CompactPortrait, shape: Floats, pose: Pose) -> Floats:
        """Crop pixels [b, v, 3] of heads [b or 1, v, 3] in rig units under a pose."""
        turned = shape @ rotation_matrix(pose.rotation)
        moved = pose.scale[:, None] * turned + pose.translation[:, None]
        follow = self.rig.head_weight[:, None]
        still = portrait.fit.project(shape)
        return np.asarray(still * (1 - follow) + moved * follow, dtype=np.float32)

    def composite(
        self, portrait: CompactPortrait, units: Floats, pose: Pose, vertices: Floats
    ) -> Frames:
        """[b, s, s, 3] procedural frames for units [b, 52], pose, driven vertices [b, v, 3]."""
        return draw_frames(
            self.rig,
            portrait.appearance,
            portrait.paint,
            self._performance(portrait, units, pose, vertices),
            portrait.mask,
            portrait.fit.scale,
        )

    def _performance(
        self, portrait: CompactPortrait, units: Floats, pose: Pose, vertices: Floats
    ) -> DrivenHeads:
        """What is drawn: the driven head, and how far its lids have to be painted."""
        own = portrait.fit.blendshapes[BLINK]
        closing = np.clip((units[:, BLINK] - own) / np.maximum(1.0 - own, 0.2), 0.0, 1.0)
        closed = closing[:, self._eye_side]
        painted = self._stretch * np.minimum(closed / _PAINT_WITHIN, 1.0)
        late = self._closing_order * (1.0 - _PAINT_WITHIN)
        fit = portrait.fit
        expressed = fit.shape + fit.parting + np.tensordot(fit.blendshapes, self.rig.blendshapes, 1)
        return DrivenHeads(
            vertices,
            posed=self._posed(portrait, expressed[None], pose),
            trust=np.asarray(1.0 - painted, np.float32),
            shut=np.clip((closed - late) / _PAINT_WITHIN, 0.0, 1.0).astype(np.float32),
            tolerance=0.25 * portrait.fit.scale,
        )


def _border_mask(side: int, margin: float = 0.07) -> Floats:
    """[s, s] 1 inside, falling smoothly to 0 at the crop's border."""
    ramp = np.minimum(np.arange(side), np.arange(side)[::-1]) / (margin * side)
    ramp = np.clip(ramp, 0.0, 1.0)
    ramp = ramp * ramp * (3.0 - 2.0 * ramp)
    return np.asarray(np.minimum(ramp[:, None], ramp[None]), dtype=np.float32)


def _is_saved(folder: Path) -> bool:
    return holds_only(folder, (RIG_FILE, "generator"), f"generator/{CONFIG}")
