"""Aligned patches of the mouth and the eyes, with maps of what the rig knows about every pixel.

A patch is a small square that moves rigidly with the skull: its centre, size and roll come from the
eyeballs and the upper teeth, which no expression moves. Patches of the person's right eye are
mirrored, so that one network serves both eyes.

Axis legend: ``b`` frames, ``v`` vertices, ``s`` side of the frame, ``p`` side of a patch, ``g``
guide maps.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.encode.appearance import Appearance
from joyvasa_lib.portrait.compact.layers import triangle_layer
from joyvasa_lib.portrait.compact.refine.patch_guides import GUIDES, fill_guides, open_gate
from joyvasa_lib.rig.eyelids import lid_weight
from joyvasa_lib.rig.head_rig import HeadRig
from joyvasa_lib.rig.rasterizer import rasterize
from joyvasa_lib.rig.threads import for_each_frame

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Ints = NDArray[np.int32]

PATCH = 64
"""Side of a patch in pixels."""
KINDS = ("mouth", "eye_left", "eye_right")
"""What patches show; the person's left eye lies on the image's right."""
OPEN_PIXELS = 24.0
"""Sum of the gate from which on a patch is refined: fewer pixels are not worth a network's run."""

_PART_MAP = {
    "skin": 0,
    "eye_cavity": 0,
    "mouth_cavity": 1,
    "teeth_upper": 2,
    "teeth_lower": 3,
    "tongue": 4,
    "eye_left": 5,
    "eye_right": 5,
}
"""Guide map, counted from ``skin``, that a part of the rig is drawn in."""
_MOUTH_BELOW_TEETH = 0.38
"""Centre of the mouth's patch below the upper teeth, rig units."""
_LID_TRAVEL = 0.08
"""Rig units of an eyelid's movement from which on its own pixels on the image are not used."""
_DEEPEST = 1.9
"""Depth in rig units from which on nothing is visible on a patch: the back of the head."""


@dataclass(frozen=True)
class _Kind:
    """How patches of one kind are cut and gated.

    Attributes:
        anchor: which anchor the patch is centred at: left eyeball, right eyeball, upper teeth.
        span: side of the patch, rig units.
        region: see :func:`~joyvasa_lib.portrait.compact.refine.patch_guides.open_gate`.
        reach: likewise.
        still: likewise.
    """

    anchor: int
    span: float
    region: tuple[float, float, float, float]
    reach: int
    still: float


_EYE_REGION = (0.0, 0.0, 0.8, 0.6)
"""Eye, eyelids and the skin that they move, in half sides of the patch."""
_OPTIONS = {
    "mouth": _Kind(2, 1.7, (0.0, -0.22, 0.72, 0.5), 7, 0.4),
    "eye_left": _Kind(0, 1.0, _EYE_REGION, 5, 1.0),
    "eye_right": _Kind(1, 1.0, _EYE_REGION, 5, 1.0),
}


@dataclass(frozen=True, eq=False)
class _Mesh:
    """The part of the rig that a patch can show."""

    vertex: Ints
    triangles: Ints
    layer: Bytes
    group: Bytes
    attribute: Floats


class PatchCutter:
    """Cuts patches out of rendered frames and puts changes back."""

    def __init__(self, rig: HeadRig) -> None:
        """Precomputes what the rig knows at rest."""
        self.rig = rig
        self._anchors = [rig.part_vertices(p) for p in ("eye_left", "eye_right", "teeth_upper")]
        self._rest_size = float(_anchor_size(self._anchor_points(rig.mean[None]))[0])
        self._mesh = {kind: self._mesh_of(kind) for kind in KINDS}

    def _mesh_of(self, kind: str) -> _Mesh:
        rig = self.rig
        affine = self.affine(rig.mean[None], kind)[0]
        rest = rig.mean[:, :2] @ affine[:, :2].T + affine[:, 2]
        near = ((rest > -PATCH) & (rest < 2 * PATCH)).all(1) & (rig.mean[:, 2] < _DEEPEST)
        faces = near[rig.triangles].any(1)
        vertex, triangles = np.unique(rig.triangles[faces], return_inverse=True)
        iris = np.linalg.norm(rig.mean[:, None] - rig.mean[rig.iris_vertex][None], axis=-1).min(1)
        attribute = np.concatenate(
            [
                rest / (PATCH / 2) - 1.0,
                lid_weight(rig)[:, None],
                np.exp(-0.5 * (iris / 0.09) ** 2)[:, None],
            ],
            1,
        )
        group = np.array([_PART_MAP[name] for name in rig.parts], dtype=np.uint8)
        return _Mesh(
            vertex=vertex.astype(np.int32),
            triangles=triangles.reshape(-1, 3).astype(np.int32),
            layer=triangle_layer(rig)[faces],
            group=group[rig.triangle_part[faces]],
            attribute=attribute[vertex].astype(np.float32),
        )

    def _anchor_points(self, vertices: Floats) -> Floats:
        """[b, 3, 3] left eyeball, right eyeball, upper teeth."""
        return np.stack([vertices[:, a].mean(1) for a in self._anchors], 1)

    def affine(self, vertices: Floats, kind: str) -> NDArray[np.float64]:
        """Maps [b, 2, 3] from frame pixels to patch pixels for heads [b, v, 3]."""
        anchors = self._anchor_points(vertices).astype(np.float64)
        scale = _anchor_size(anchors) / self._rest_size
        across = anchors[:, 0, :2] - anchors[:, 1, :2]
        across /= np.linalg.norm(across, axis=-1, keepdims=True) + 1e-9
        down = np.stack([-across[:, 1], across[:, 0]], -1)
        centre = anchors[:, _OPTIONS[kind].anchor, :2]
        if kind == "mouth":
            centre = centre + _MOUTH_BELOW_TEETH * scale[:, None] * down
        turn = np.stack([across, down], 1) * (PATCH / (_OPTIONS[kind].span * scale))[:, None, None]
        shift = (PATCH - 1) / 2 - np.einsum("bij,bj->bi", turn, centre)
        return np.concatenate([turn, shift[..., None]], -1)

    def cut(self, frames: Bytes, affine: NDArray[np.float64], kind: str) -> Floats:
        """Patches [b, p, p, 3] in [0, 1] of images [b, s, s, 3]."""
        out = np.empty((len(frames), PATCH, PATCH, 3), dtype=np.float32)
        for i, (frame, matrix) in enumerate(zip(frames, affine, strict=True)):
            out[i] = _sample(frame, matrix)
        return np.ascontiguousarray(out[:, :, ::-1]) if kind == "eye_right" else out

    def guides(
        self,
        vertices: Floats,
        affine: NDArray[np.float64],
        appearance: Appearance,
        kind: str,
        tolerance: float,
    ) -> tuple[Floats, Floats]:
        """Guide maps [b, p, p, g] and gate [b, p, p]: where pixels may change.

        Args:
            vertices: [b, v, 3] driven head in frame pixels.
            affine: [b, 2, 3] of :meth:`affine`.
            appearance: the image seen through the fitted head.
            kind: one of ``KINDS``.
            tolerance: depth in pixels by which a point may lie behind the image's surface.
        """
        mesh, option = self._mesh[kind], _OPTIONS[kind]
        source_affine = self.affine(appearance.vertices[None], kind)[0]
        source_image = np.ascontiguousarray(appearance.vertices[mesh.vertex])
        own = (source_image[:, :2] @ source_affine[:, :2].T + source_affine[:, 2]).astype(
            np.float32
        )
        driven = np.ascontiguousarray(vertices[:, mesh.vertex])
        matrix = affine.astype(np.float32)
        driven[..., :2] = (
            driven[..., :2] @ matrix[:, :, :2].transpose(0, 2, 1) + matrix[:, None, :, 2]
        )
        found, _ = rasterize(driven, mesh.triangles, PATCH)
        guides = np.zeros((len(vertices), PATCH, PATCH, len(GUIDES)), dtype=np.float32)
        gate = np.empty((len(vertices), PATCH, PATCH), dtype=np.float32)

        def frame(b: int) -> None:
            fill_guides(
                found[b], driven[b], own, source_image, mesh.triangles, mesh.layer, mesh.group,
                mesh.attribute, appearance.layer, appearance.depth, np.float32(tolerance),
                np.float32(_LID_TRAVEL * PATCH / option.span), guides[b],
            )  # fmt: skip
            gate[b] = open_gate(
                guides[b], option.region, option.reach, option.still, kind != "mouth"
            )

        for_each_frame(frame, len(vertices))
        if kind == "eye_right":
            guides, gate = guides[:, :, ::-1].copy(), gate[:, :, ::-1].copy()
            guides[..., [GUIDES.index("rest_x"), GUIDES.index("motion_x")]] *= -1.0
        return guides, gate

    def paste(self, frame: Bytes, change: Floats, affine: NDArray[np.float64], kind: str) -> None:
        """Adds a change [p, p, 3] (in [0, 1] units, already gated) to a frame, in place."""
        if not np.abs(change).max() > 1e-3:
            return
        if kind == "eye_right":
            change = np.ascontiguousarray(change[:, ::-1])
        back = cv2.invertAffineTransform(affine)
        corners = np.array([[0, 0], [0, PATCH], [PATCH, 0], [PATCH, PATCH]]) @ back[:, :2].T
        corners = corners + back[:, 2]
        low = np.maximum(np.floor(corners.min(0)).astype(int), 0)
        high = np.minimum(np.ceil(corners.max(0)).astype(int) + 1, len(frame))
        if (high <= low).any():
            return
        local = affine.copy()
        local[:, 2] += affine[:, :2] @ low
        size = (int(high[0] - low[0]), int(high[1] - low[1]))
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        wide = cv2.warpAffine(change, local, size, flags=flags, borderMode=cv2.BORDER_CONSTANT)
        area = frame[low[1] : high[1], low[0] : high[0]]
        area[:] = np.clip(area + wide * 255.0 + 0.5, 0, 255).astype(np.uint8)


def _anchor_size(anchors: NDArray[np.floating]) -> NDArray[np.floating]:
    """[b] distance between the eyes plus distance from their middle to the teeth."""
    middle = (anchors[:, 0] + anchors[:, 1]) / 2
    wide = np.linalg.norm(anchors[:, 0] - anchors[:, 1], axis=-1)
    return np.asarray(wide + np.linalg.norm(anchors[:, 2] - middle, axis=-1))


def _sample(image: Bytes, affine: NDArray[np.float64]) -> Floats:
    """One patch, smoothed first where the image is finer than the patch."""
    shrink = 1.0 / max(float(np.hypot(affine[0, 0], affine[0, 1])), 1e-6)
    back = cv2.invertAffineTransform(affine)
    middle = back @ np.array([PATCH / 2, PATCH / 2, 1.0])
    reach = 0.75 * PATCH * shrink + 4
    low = np.clip(np.floor(middle - reach).astype(int), 0, len(image) - 1)
    high = np.clip(np.ceil(middle + reach).astype(int), low + 1, len(image))
    area = image[low[1] : high[1], low[0] : high[0]]
    if shrink > 1.3:
        area = cv2.GaussianBlur(area, (0, 0), 0.4 * shrink)
    local = affine.copy()
    local[:, 2] += affine[:, :2] @ low
    patch = cv2.warpAffine(
        area, local, (PATCH, PATCH), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(patch, dtype=np.float32) * np.float32(1 / 255)
