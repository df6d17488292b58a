"""The compact preset of stage one: a fitted head rig moves the photograph's own pixels.

Encoding fits the rig to the face (motion extractor) and reads the photograph through it
(appearance). Rendering drives the rig, finds for each pixel where it was on the photograph, samples
it there, and paints what the photograph never showed: the inside of the mouth, closed lids.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.errors import NoFaceError
from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.motion import FACE_UNITS, Motion, MotionSpace, get_space
from joyvasa_lib.motion.driving import DrivingOptions, Pose, compose_pose, compose_units
from joyvasa_lib.motion.keypoints import rotation_angles, rotation_matrix
from joyvasa_lib.portrait.compact.appearance import (
    Appearance,
    lid_weight,
    read_appearance,
    triangle_layer,
)
from joyvasa_lib.portrait.compact.calibration import blink_gain, lip_seal
from joyvasa_lib.portrait.compact.fitting import HeadFit, fit_head
from joyvasa_lib.portrait.compact.flow_extension import extend_flow
from joyvasa_lib.portrait.compact.head_rig import Floats, HeadRig, bundled_rig
from joyvasa_lib.portrait.compact.lookup import EYE, MOUTH, look_up
from joyvasa_lib.portrait.compact.rasterizer import rasterize
from joyvasa_lib.portrait.model import Portrait, PortraitModel

if TYPE_CHECKING:  # torch loads with the first frame that is rendered
    from joyvasa_lib.portrait.compact.refiner import PatchRefiner

Frames = NDArray[np.uint8]

BUNDLED_GENERATOR = Path(__file__).parents[2] / "checkpoints" / "bundled" / "portrait" / "generator"

_BLINK = [FACE_UNITS.index("eyeBlinkLeft"), FACE_UNITS.index("eyeBlinkRight")]
_JAW = FACE_UNITS.index("jawOpen")
_LIFT = [FACE_UNITS.index("mouthUpperUpLeft"), FACE_UNITS.index("mouthUpperUpRight")]
_UPPER_LIP_FOLLOWS_JAW = 0.22
"""The rig's jaw alone hides the upper teeth; people's upper lip lifts a little as the jaw opens."""


@dataclass(frozen=True, eq=False)
class CompactPortrait(Portrait):
    """A portrait of the compact preset.

    Attributes:
        fit: the rig fitted to the face: canonical shape, source expression and pose.
        appearance: the photograph read through the fit.
        blink_gain: [2] see :func:`~joyvasa_lib.portrait.compact.calibration.blink_gain`.
        seal: [52] see :func:`~joyvasa_lib.portrait.compact.calibration.lip_seal`.
    """

    fit: HeadFit
    appearance: Appearance
    blink_gain: Floats
    seal: Floats

    @property
    def keypoints(self) -> Floats:
        """[k, 3] canonical keypoints of the neutral face in rig units."""
        return self.fit.shape[bundled_rig().keypoint_vertex]


class CompactPortraitModel(PortraitModel):
    """Mesh-guided portrait animation on the CPU, 256 to 1024 pixels, from one photograph."""

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
                frames are the warped photograph with a painted mouth.
        """
        self.rig = rig
        self._generator = generator
        self.driving = driving or DrivingOptions()
        self._layer = triangle_layer(rig)
        self._lid = np.clip((lid_weight(rig) - 0.3) / 0.3, 0.0, 1.0)
        self._lash = np.clip((lid_weight(rig) - 0.86) / 0.1, 0.0, 1.0)
        left = rig.mean[:, 0] > 0  # the person's left is on the picture's right
        self._eye_side = np.where(left, 0, 1)
        interior = np.zeros(len(rig.mean), dtype=bool)
        interior[rig.part_vertices("mouth_cavity", "teeth_upper", "teeth_lower", "tongue")] = True
        self._interior = interior

    @classmethod
    def from_pretrained(cls, folder: str | Path | None = None) -> CompactPortraitModel:
        """The model with the rig and generator of a checkpoint folder, or with the bundled ones.

        Raises:
            CheckpointError: the folder's ``head_rig.safetensors`` cannot be used.
        """
        path = None if folder is None else Path(folder) / "head_rig.safetensors"
        generator = BUNDLED_GENERATOR if folder is None else Path(folder) / "generator"
        return cls(
            HeadRig.load(path) if path is not None and path.exists() else bundled_rig(),
            generator=generator if generator.is_dir() else None,
        )

    @cached_property
    def refiner(self) -> PatchRefiner | None:
        """What refines mouths and eyes of rendered frames; None without a generator.

        Raises:
            CheckpointError: the generator's folder cannot be used.
        """
        if self._generator is None:
            return None
        from joyvasa_lib.portrait.compact.refiner import PatchRefiner

        return PatchRefiner.from_pretrained(self.rig, self._generator)

    @property
    def space(self) -> MotionSpace:
        """The compact motion space: 64 keypoints, linear in 52 face units."""
        return get_space("compact-1")

    def encode(self, crop: FaceCrop) -> CompactPortrait:
        """Fits the rig and reads the photograph; about half a second.

        Raises:
            NoFaceError: the crop has no 468 landmarks.
        """
        if crop.landmarks.shape[0] != 468:
            raise NoFaceError(
                f"The compact preset needs MediaPipe's 468 landmarks, not {len(crop.landmarks)}; "
                "use MediaPipeFaceDetector or ManualFaceDetector"
            )
        return self.portrait_of(fit_head(self.rig, crop.landmarks), crop.image)

    def portrait_of(self, fit: HeadFit, photo: Frames) -> CompactPortrait:
        """The portrait that a photograph [s, s, 3] with a known fit is."""
        return CompactPortrait(
            size=len(photo),
            mask=_border_mask(len(photo)),
            fit=fit,
            appearance=read_appearance(self.rig, fit, photo),
            blink_gain=blink_gain(self.rig, fit),
            seal=lip_seal(self.rig, fit),
        )

    def extract_motion(self, crops: Iterator[FaceCrop], fps: float) -> Motion:
        """Face units and pose of every crop; the first crop decides identity.

        Raises:
            NoFaceError: there is no crop, or one has no usable landmarks.
        """
        identity: Floats | None = None
        fits = []
        for crop in crops:
            fit = fit_head(self.rig, crop.landmarks, identity=identity, correct=False)
            identity = fit.identity if identity is None else identity
            fits.append((fit, crop.size))
        if not fits:
            raise NoFaceError("There is no frame to extract motion from")
        centre = [(fit.translation - size / 2) / fit.scale for fit, size in fits]
        return Motion.from_units(
            np.stack([fit.units for fit, _ in fits]),
            rotation=np.stack([rotation_angles(fit.rotation) for fit, _ in fits]),
            translation=np.stack(centre) * np.array([1.0, 1.0, 0.0]),
            scale=np.array([[fit.scale / size] for fit, size in fits]),
            fps=fps,
            space=self.space,
            reference="absolute",
        )

    def _render(self, portrait: Portrait, motion: Motion, batch_size: int) -> Iterator[Frames]:
        assert isinstance(portrait, CompactPortrait)
        units = compose_units(portrait.fit.units, motion.units, self.driving, space=self.space)
        source = Pose(
            rotation_angles(portrait.fit.rotation),
            portrait.fit.translation,
            np.array([portrait.fit.scale]),
        )
        driving = Pose(motion.rotation, motion.translation, motion.scale)
        pose = compose_pose(source, driving, self.driving, pivot=self.rig.pivot)
        for start in range(0, len(motion), batch_size):
            rows = slice(start, start + batch_size)
            part = Pose(pose.rotation[rows], pose.translation[rows], pose.scale[rows])
            vertices = self.driven_vertices(portrait, units[rows], part)
            frames = self.composite(portrait, units[rows], vertices)
            if self.refiner is not None:
                look, scale = portrait.appearance, portrait.fit.scale
                frames = self.refiner(frames, vertices, look, scale)
            yield frames

    def driven_vertices(self, portrait: CompactPortrait, units: Floats, pose: Pose) -> Floats:
        """Crop pixels [b, v, 3] of the head under face units [b, 52] and pose."""
        fit = portrait.fit
        applied = units.copy()
        own = fit.units[_BLINK]
        applied[:, _BLINK] = own + (units[:, _BLINK] - own) * portrait.blink_gain
        applied[:, _LIFT] += _UPPER_LIP_FOLLOWS_JAW * units[:, [_JAW]]
        if self.driving.mouth == "absolute":
            applied = applied + portrait.seal
        shape = fit.shape + np.tensordot(applied, self.rig.units, 1)
        turned = shape @ rotation_matrix(pose.rotation)
        moved = pose.scale[:, None] * turned + pose.translation[:, None]
        follow = self.rig.head_weight[:, None]
        return np.asarray(fit.project(shape) * (1 - follow) + moved * follow, dtype=np.float32)

    def composite(self, portrait: CompactPortrait, units: Floats, vertices: Floats) -> Frames:
        """[b, s, s, 3] procedural frames for face units [b, 52] and driven vertices [b, v, 3]."""
        look = portrait.appearance
        side = portrait.size
        triangle, _ = rasterize(vertices, self.rig.triangles, side)
        colour, trust = self._paint(portrait, units)
        flow, unseen, fill, kind = look_up(
            triangle, vertices, look.vertices, self.rig.triangles, self._layer,
            look.layer, look.depth, colour, trust, 0.25 * portrait.fit.scale,
        )  # fmt: skip
        around = extend_flow(flow, triangle, look.reach)
        grid_x, grid_y = np.meshgrid(np.arange(side), np.arange(side))
        grid = np.stack([grid_x, grid_y], -1).astype(np.float32)
        frames = np.empty((len(units), side, side, 3), dtype=np.uint8)
        for i in range(len(units)):
            wide = cv2.resize(around[i], (side, side), interpolation=cv2.INTER_LINEAR)
            full = np.where(kind[i][..., None] > 0, flow[i], wide)
            full *= portrait.mask[..., None]
            where = grid + full
            warped = cv2.remap(
                look.photo, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
            frames[i] = _composite(warped, fill[i], unseen[i], kind[i])
        return frames

    def _paint(self, portrait: CompactPortrait, units: Floats) -> tuple[Floats, Floats]:
        """Vertex colours [b, v, 3] and trust in the photograph [b, v] for each frame."""
        own = portrait.fit.units[_BLINK]
        closing = np.clip((units[:, _BLINK] - own) / np.maximum(1.0 - own, 0.2), 0.0, 1.0)
        per_vertex = closing[:, self._eye_side]
        trust = 1.0 - self._lid * np.clip(per_vertex * 2.0, 0.0, 1.0)
        colour = np.repeat(portrait.appearance.colour[None], len(units), 0)
        lash = 1.0 - 0.6 * self._lash * per_vertex
        colour *= lash[..., None]
        opening = np.clip(units[:, _JAW] / 0.5, 0.0, 1.0)
        colour[:, self._interior] *= (0.5 + 0.5 * opening)[:, None, None]
        return colour, trust.astype(np.float32)


def _composite(warped: Frames, fill: Floats, unseen: Floats, kind: NDArray[np.uint8]) -> Frames:
    """Paints the unseen over the warped photograph, softening the edges between layers."""
    painted = np.flatnonzero(unseen.max(1) > 0.02)
    if len(painted) == 0:
        return warped
    rows = slice(painted[0], painted[-1] + 1)
    columns_used = np.flatnonzero(unseen.max(0) > 0.02)
    columns = slice(columns_used[0], columns_used[-1] + 1)
    alpha = cv2.blur(unseen[rows, columns], (3, 3))[..., None]
    out = warped.copy()
    area = warped[rows, columns].astype(np.float32)
    area += alpha * (fill[rows, columns] - area)
    inner = kind[rows, columns]
    edge = np.zeros(inner.shape, dtype=np.float32)
    for layer in (EYE, MOUTH):
        mask = (inner == layer).astype(np.uint8)
        if mask.any():
            edge = np.maximum(
                edge,
                cv2.dilate(mask, np.ones((3, 3), np.uint8))
                - cv2.erode(mask, np.ones((3, 3), np.uint8)),
            )
    edge *= alpha[..., 0] > 0.02
    area += edge[..., None] * (cv2.GaussianBlur(area, (3, 3), 0.8) - area)
    out[rows, columns] = np.clip(area + 0.5, 0, 255).astype(np.uint8)
    return out


def _border_mask(side: int, margin: float = 0.07) -> Floats:
    """[s, s] 1 inside, falling smoothly to 0 at the crop's border."""
    ramp = np.minimum(np.arange(side), np.arange(side)[::-1]) / (margin * side)
    ramp = np.clip(ramp, 0.0, 1.0)
    ramp = ramp * ramp * (3.0 - 2.0 * ramp)
    return np.asarray(np.minimum(ramp[:, None], ramp[None]), dtype=np.float32)
