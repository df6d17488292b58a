"""Renders heads of the bundled rig with everything known about every pixel.

Any number of frames of one head show one appearance under different vertices. Frames keep vertices,
triangle and depth, so that the flow between any two frames of a head, and what is hidden, is a
gather (:func:`flow_between`).

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
    """Renders one appearance on any vertices of the rig."""

    def __init__(self, rig: HeadRig, appearance: HeadAppearance, size: int = 256) -> None:
        """Prepares meshes and textures; frames are then cheap.

        Args:
            rig: the head model.
            appearance: materials, hair, light, backdrop.
            size: side of the images in pixels.
        """
        self.rig, self.look, self.size = rig, appearance, size
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
        # Shell triangles read the cover, all others the skin: border vertices need both.
        self._skin_uv = np.ascontiguousarray(self._skin.uv[pick])
        self._cover_uv = np.ascontiguousarray(appearance.shell_uv[pick])
        self._eyes = _eye_frames(rig)

    def extend(self, vertices: Floats) -> Floats:
        """Rig vertices [v, 3] with the shell's behind them: [w, 3]."""
        normals = np.empty_like(vertices)
        shading.vertex_normals(vertices, self.rig.triangles, normals)
        at = self._shell_vertex
        scale = _rig_scale(self.rig, vertices)
        shell = vertices[at] + normals[at] * (self.look.shell[at, None] * scale)
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
        look, side = self.look, self.size * _SAMPLES
        # Sample centres: pixel p covers samples 2p and 2p + 1.
        fine = vertices * _SAMPLES
        fine[:, :2] += 0.5 * (_SAMPLES - 1)
        scale = _rig_scale(self.rig, fine)
        triangle, depth = rasterize(fine[None], self.triangles, side)
        normals = np.empty_like(fine)
        shading.vertex_normals(fine, self.triangles, normals)
        backdrop = np.power(look.backdrop, 2.2)
        out = cv2.resize(backdrop, (side, side), interpolation=cv2.INTER_LINEAR)
        axes, shadow = self._shadow_map(fine, scale)
        uv = self._skin_uv
        sky = np.power(_occlusion(depth[0], scale), look.occlusion)
        args = (
            fine, normals, self.triangles, self._part, self._rest, self._arc, uv, self._cover_uv,
            look.skin, look.cover, look.noise, sky, look.light.ambient,
            look.light.direction, look.light.colour, axes, shadow, self._eyes, look.iris,
            look.teeth, look.borders, look.gum, look.tongue, look.cavity, look.lips,
            np.float32(look.gloss_power), np.float32(look.collar), out,
        )  # fmt: skip
        shading.shade(triangle[0], *args)
        draw_lashes(self.rig, fine, depth[0], scale, look.lashes, out)
        if look.glasses is not None:
            draw_glasses(self.rig, fine, scale, look.glasses, out)
        return cv2.resize(out, (self.size, self.size), interpolation=cv2.INTER_AREA)

    def _shadow_map(self, vertices: Floats, scale: float) -> tuple[Floats, Floats]:
        """Rows of the map from image to light coordinates (and bias), and the depth seen."""
        toward = self.look.light.direction.astype(np.float64)
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


def flow_between(
    target: RenderedHead, source: RenderedHead, triangles: Ints, tolerance: float = 1.0
) -> tuple[Floats, NDArray[np.bool_]]:
    """Exact backward flow between two frames of one head.

    Args:
        target: the frame whose pixels ask.
        source: the frame that answers.
        triangles: [f, 3] of the renderer.
        tolerance: depth in pixels by which a point may lie behind the visible surface.

    Returns:
        [s, s, 2] displacement in pixels from target to source (0 outside the head), and [s, s]
        whether that point is on the head in the target and visible in the source.
    """
    side = len(target.triangle)
    on_head = target.triangle >= 0
    rows, columns = np.nonzero(on_head)
    corners = triangles[target.triangle[on_head]]
    a, b, c = (target.vertices[corners[:, i]].astype(np.float64) for i in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    wa = ((b[:, 0] - columns) * (c[:, 1] - rows) - (b[:, 1] - rows) * (c[:, 0] - columns)) / area
    wb = ((c[:, 0] - columns) * (a[:, 1] - rows) - (c[:, 1] - rows) * (a[:, 0] - columns)) / area
    weights = np.stack([wa, wb, 1.0 - wa - wb], -1)
    points = np.einsum("nk,nkd->nd", weights, source.vertices[corners].astype(np.float64))
    flow = np.zeros((side, side, 2), dtype=np.float32)
    flow[on_head] = points[:, :2] - np.stack([columns, rows], -1)
    nearest = np.round(points[:, :2]).astype(int)
    inside = ((nearest >= 0) & (nearest < side)).all(1)
    nearest = np.clip(nearest, 0, side - 1)
    visible = np.zeros((side, side), dtype=bool)
    front = source.depth[nearest[:, 1], nearest[:, 0]]
    visible[on_head] = inside & (points[:, 2] <= front + tolerance)
    return flow, visible


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
    """[s, s] share of open sky in [0, 1]: less where the surroundings lie nearer."""
    side = len(depth)
    small = cv2.resize(np.where(np.isfinite(depth), depth, 1e6), (side // 2, side // 2),
                       interpolation=cv2.INTER_NEAREST)  # fmt: skip
    inside = (small < 1e5).astype(np.float32)
    value = np.where(inside > 0, small, 0).astype(np.float32)
    sky = np.ones_like(value)
    for reach, strength in ((0.05, 1.6), (0.18, 1.5)):
        sigma = reach * scale / 2
        mean = cv2.GaussianBlur(value, (0, 0), sigma)
        mean /= np.maximum(cv2.GaussianBlur(inside, (0, 0), sigma), 1e-3)
        sky *= np.exp(-strength * np.maximum(value - mean, 0) / (scale * 2 * reach))
    sky = np.where(inside > 0, sky, 1.0)
    return np.asarray(cv2.resize(sky, (side, side), interpolation=cv2.INTER_LINEAR), np.float32)


def _encode(linear: Floats) -> Bytes:
    """Linear light to 8-bit sRGB with a soft shoulder."""
    bent = np.where(linear > 0.8, 0.8 + 0.2 * np.tanh((linear - 0.8) / 0.2), linear)
    return np.asarray(np.power(np.clip(bent, 0, 1), 1 / 2.2) * 255 + 0.5, dtype=np.uint8)
