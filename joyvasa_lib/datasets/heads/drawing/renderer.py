"""Renders heads of the bundled rig with everything known about every pixel.

Any number of frames of one head show one appearance under different vertices. Every frame comes
with its vertices, and with the triangle and the depth that each pixel shows.

Axis legend: ``v`` rig vertices, ``w`` rig and shell vertices, ``f`` triangles, ``s`` side.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.heads.drawing import shading
from joyvasa_lib.datasets.heads.drawing.appearance import HeadAppearance
from joyvasa_lib.datasets.heads.drawing.strokes import draw_glasses, draw_lashes
from joyvasa_lib.datasets.heads.drawing.texture import SkinMap
from joyvasa_lib.portrait.compact.encode.teeth import arch_length
from joyvasa_lib.rig.head_rig import HeadRig
from joyvasa_lib.rig.rasterizer import rasterize

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Ints = NDArray[np.int32]

_SAMPLES = 2
"""Samples per pixel along each axis."""
_SHADOW_SIDE = 256
"""Side of the shadow map, pixels."""


@dataclass(frozen=True, eq=False)
class RenderedHead:
    """One frame of one head, with labels.

    Attributes:
        image: [s, s, 3] uint8 RGB.
        vertices: [w, 3] image coordinates in pixels, z away from the viewer.
        triangle: [s, s] visible triangle, -1 for the backdrop.
        depth: [s, s] its depth in pixels, infinite for the backdrop.
    """

    image: Bytes
    vertices: Floats
    triangle: Ints
    depth: Floats


class HeadRenderer:
    """Renders one appearance with any vertices of the rig."""

    def __init__(self, rig: HeadRig, appearance: HeadAppearance, size: int = 256) -> None:
        """Prepares meshes and textures; frames are then cheap.

        Args:
            rig: the head model.
            appearance: materials, hair, light, backdrop.
            size: side of the images in pixels.
        """
        self.rig, self.appearance, self.size = rig, appearance, size
        self._skin = SkinMap(rig)
        covered = appearance.shell > 0
        skin = rig.triangles[rig.part("skin")]
        self._shell_vertex = np.flatnonzero(covered)
        renumber = np.full(len(rig.mean), -1)
        renumber[self._shell_vertex] = len(rig.mean) + np.arange(len(self._shell_vertex))
        # A border triangle joins shell and skin, so that the shell has no open rim.
        mixed = skin[covered[skin].any(1)]
        shell = np.where(covered[mixed], renumber[mixed], mixed)
        self.triangles = np.concatenate([rig.triangles, shell]).astype(np.int32)
        self._part = np.concatenate(
            [rig.triangle_part, np.full(len(shell), shading.HAIR, np.uint8)]
        )
        pick = np.concatenate([np.arange(len(rig.mean)), self._shell_vertex])
        self._rest = np.ascontiguousarray(rig.mean[pick])
        self._arc = arch_length(rig)[pick]
        # Shell triangles use the cover's texture, all others the skin's: borders need both.
        self._skin_uv = np.ascontiguousarray(self._skin.uv[pick])
        self._cover_uv = np.ascontiguousarray(appearance.shell_uv[pick])
        self._eyes = _eye_frames(rig)

    def extend(self, vertices: Floats) -> Floats:
        """Rig vertices [v, 3] with the shell's behind them: [w, 3]."""
        normals = np.empty_like(vertices)
        shading.vertex_normals(vertices, self.rig.triangles, normals)
        at = self._shell_vertex
        scale = _rig_scale(self.rig, vertices)
        shell = vertices[at] + normals[at] * (self.appearance.shell[at, None] * scale)
        return np.ascontiguousarray(np.concatenate([vertices, shell]), dtype=np.float32)

    def render(self, vertices: Floats) -> RenderedHead:
        """One frame.

        Args:
            vertices: [v, 3] image coordinates of the rig's vertices in pixels.
        """
        vertices = self.extend(np.asarray(vertices, dtype=np.float32))
        triangle, depth = rasterize(vertices[None], self.triangles, self.size)
        linear = self._shade(vertices)
        return RenderedHead(
            image=_encode(linear), vertices=vertices, triangle=triangle[0], depth=depth[0]
        )

    def _shade(self, vertices: Floats) -> Floats:
        own, side = self.appearance, self.size * _SAMPLES
        # Sample centres: pixel p covers samples 2p and 2p + 1.
        fine = vertices * _SAMPLES
        fine[:, :2] += 0.5 * (_SAMPLES - 1)
        scale = _rig_scale(self.rig, fine)
        triangle, depth = rasterize(fine[None], self.triangles, side)
        normals = np.empty_like(fine)
        shading.vertex_normals(fine, self.triangles, normals)
        backdrop = np.power(own.backdrop, 2.2)
        out = cv2.resize(backdrop, (side, side), interpolation=cv2.INTER_LINEAR)
        axes, shadow = self._shadow_map(fine, scale)
        uv = self._skin_uv
        visibility = np.power(_occlusion(depth[0], scale), own.occlusion)
        args = (
            fine, normals, self.triangles, self._part, self._rest, self._arc, uv, self._cover_uv,
            own.skin, own.cover, own.noise, visibility, own.light.ambient,
            own.light.direction, own.light.colour, axes, shadow, self._eyes, own.iris,
            own.teeth, own.borders, own.gum, own.tongue, own.cavity, own.lips,
            np.float32(own.gloss_power), np.float32(own.collar), out,
        )  # fmt: skip
        shading.shade(triangle[0], *args)
        draw_lashes(self.rig, fine, depth[0], scale, own.lashes, out)
        if own.glasses is not None:
            draw_glasses(self.rig, fine, scale, own.glasses, out)
        return cv2.resize(out, (self.size, self.size), interpolation=cv2.INTER_AREA)

    def _shadow_map(self, vertices: Floats, scale: float) -> tuple[Floats, Floats]:
        """Rows of the map from image to light coordinates (and bias), and the depth seen."""
        toward = self.appearance.light.direction.astype(np.float64)
        side = np.cross([0.0, 1.0, 0.0], -toward)
        side /= np.linalg.norm(side)
        axes = np.stack([side, np.cross(-toward, side), -toward])
        factor = _SHADOW_SIDE / (6.0 * scale)
        centre = axes @ vertices[self.rig.landmark_vertex].mean(0)
        table = np.zeros((4, 4), dtype=np.float32)
        table[:3, :3] = axes * factor
        table[:3, 3] = -centre * factor + np.array([1, 1, 0]) * _SHADOW_SIDE / 2
        table[3, 0] = 0.06 * scale * factor
        seen = vertices @ table[:3, :3].T + table[:3, 3]
        _, depth = rasterize(seen[None].astype(np.float32), self.triangles, _SHADOW_SIDE)
        return table, depth[0]


def _eye_frames(rig: HeadRig) -> Floats:
    """[2, 6] centre and unit gaze axis of each eyeball at rest; left first."""
    frames = []
    for name, iris in zip(("eye_left", "eye_right"), rig.iris_vertex, strict=True):
        ball = rig.mean[rig.part_vertices(name)]
        centre = (ball.min(0) + ball.max(0)) / 2
        axis = rig.mean[iris] - centre
        frames.append(np.concatenate([centre, axis / np.linalg.norm(axis)]))
    return np.array(frames, dtype=np.float32)


def _rig_scale(rig: HeadRig, vertices: Floats) -> float:
    """Pixels per rig unit: size of the landmarks' cloud."""
    points = vertices[rig.landmark_vertex]
    return float(np.sqrt(((points - points.mean(0)) ** 2).sum(1).mean()))


def _occlusion(depth: Floats, scale: float) -> Floats:
    """[s, s] ambient visibility in [0, 1]: less where the surroundings lie nearer."""
    side = len(depth)
    small = cv2.resize(np.where(np.isfinite(depth), depth, 1e6), (side // 2, side // 2),
                       interpolation=cv2.INTER_NEAREST)  # fmt: skip
    inside = (small < 1e5).astype(np.float32)
    value = np.where(inside > 0, small, 0).astype(np.float32)
    visibility = np.ones_like(value)
    for reach, strength in ((0.05, 1.6), (0.18, 1.5)):
        sigma = reach * scale / 2
        mean = cv2.GaussianBlur(value, (0, 0), sigma)
        mean /= np.maximum(cv2.GaussianBlur(inside, (0, 0), sigma), 1e-3)
        visibility *= np.exp(-strength * np.maximum(value - mean, 0) / (scale * 2 * reach))
    visibility = np.where(inside > 0, visibility, 1.0)
    return np.asarray(
        cv2.resize(visibility, (side, side), interpolation=cv2.INTER_LINEAR), np.float32
    )


def _encode(linear: Floats) -> Bytes:
    """Linear light to 8-bit sRGB with a soft shoulder."""
    bent = np.where(linear > 0.8, 0.8 + 0.2 * np.tanh((linear - 0.8) / 0.2), linear)
    return np.asarray(np.power(np.clip(bent, 0, 1), 1 / 2.2) * 255 + 0.5, dtype=np.uint8)
