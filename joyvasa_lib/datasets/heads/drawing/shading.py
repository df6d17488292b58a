"""Deferred shading of a rasterised head, compiled by Numba.

The material of a pixel follows from its part: textured skin, analytic eyes, teeth with gaps and
gums, tongue, the mouth's wall, hair. Light is linear: a first-order ambient field and one
directional light with a shadow map.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.rig.compiled import njit
from joyvasa_lib.rig.kernels import barycentric, bilinear

Floats = NDArray[np.float32]

SKIN, MOUTH_CAVITY, EYE_CAVITY, EYE_LEFT, EYE_RIGHT, TEETH_UPPER, TEETH_LOWER, TONGUE, HAIR = range(
    9
)
"""Part labels: those of :data:`~joyvasa_lib.rig.regions.PARTS`, then the renderer's own."""


@njit(cache=True, fastmath=True)  # type: ignore[untyped-decorator]
def vertex_normals(vertices, triangles, normals):  # type: ignore[no-untyped-def]
    """Writes area-weighted unit normals [v, 3] that point towards the viewer side."""
    normals[:] = 0.0
    for f in range(len(triangles)):
        i, j, k = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ux = vertices[j, 0] - vertices[i, 0]
        uy = vertices[j, 1] - vertices[i, 1]
        uz = vertices[j, 2] - vertices[i, 2]
        vx = vertices[k, 0] - vertices[i, 0]
        vy = vertices[k, 1] - vertices[i, 1]
        vz = vertices[k, 2] - vertices[i, 2]
        nx = uy * vz - uz * vy
        ny = uz * vx - ux * vz
        nz = ux * vy - uy * vx
        for c in (i, j, k):
            normals[c, 0] += nx
            normals[c, 1] += ny
            normals[c, 2] += nz
    for v in range(len(normals)):
        length = math.sqrt(normals[v, 0] ** 2 + normals[v, 1] ** 2 + normals[v, 2] ** 2) + 1e-9
        for axis in range(3):
            normals[v, axis] /= length


@njit(cache=True, fastmath=True)  # type: ignore[untyped-decorator]
def _sample(texture, x, y, channel):  # type: ignore[no-untyped-def]
    left = min(max(int(x), 0), texture.shape[1] - 2)
    top = min(max(int(y), 0), texture.shape[0] - 2)
    return bilinear(texture, left, top, x - left, y - top, channel)


@njit(cache=True, fastmath=True)  # type: ignore[untyped-decorator]
def _ramp(low, high, x):  # type: ignore[no-untyped-def]
    t = min(max((x - low) / (high - low), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


@njit(cache=True, fastmath=True)  # type: ignore[untyped-decorator]
def _tooth(arc, height, upper, borders, teeth, gum, out):  # type: ignore[no-untyped-def]
    """Colour of a tooth row at arc length from the midline and height above the cutting edge."""
    away = abs(arc)
    n = 0
    while n < borders.shape[0] - 2 and away > borders[n + 1]:
        n += 1
    low, high = borders[n], borders[n + 1]
    middle, half = 0.5 * (low + high), 0.5 * (high - low)
    across = (away - middle) / half
    edge = teeth[7] * (0.2 + 0.8 * across * across * across * across)  # rounded cutting edge
    if n == 1 and upper:
        edge += teeth[8]  # lateral incisors are a little shorter
    root = teeth[9] * (0.75 + 0.25 * (1.0 - across * across))
    gap = math.exp(-0.5 * ((half - abs(away - middle)) / teeth[6]) ** 2)
    enamel = 0.82 + 0.18 * (1.0 - across * across)
    enamel *= 0.9 + 0.1 * _ramp(0.0, 0.06, height)
    yellow = _ramp(0.03, 0.2, height)
    gummy = _ramp(root - 0.012, root + 0.012, height)
    open_edge = 1.0 - _ramp(edge - 0.008, edge + 0.008, height)
    dark = max(gap * teeth[5], open_edge)
    for c in range(3):
        value = teeth[c] * enamel * (1.0 - (0.04 + 0.05 * c) * yellow)
        value *= 1.0 - 0.75 * dark
        if c > 0:
            value *= 1.0 - 0.35 * dark
        value = value * (1.0 - gummy) + gum[c] * gummy
        out[c] = value


@njit(cache=True, fastmath=True)  # type: ignore[untyped-decorator]
def _eye(x, y, z, angle, iris, noise, out):  # type: ignore[no-untyped-def]
    """Colour of the eyeball at a direction ``angle`` radians from the pupil's centre."""
    around = math.atan2(y, x)
    radius, pupil = iris[9], iris[10]
    streak = noise[int((around / 6.2832 + 0.5) * (noise.shape[0] - 1)), 3, 0]
    inside = 1.0 - _ramp(radius - 0.035, radius + 0.035, angle)
    ring = math.exp(-0.5 * ((angle - radius) / 0.06) ** 2)
    centre = 1.0 - _ramp(pupil - 0.04, pupil + 0.02, angle)
    t = angle / radius
    for c in range(3):
        white = iris[6 + c] * (1.0 - 0.18 * _ramp(0.5, 1.3, angle))
        coloured = (iris[c] * (1.0 - t) + iris[3 + c] * t) * (1.0 + 0.3 * streak)
        coloured *= 1.0 - 0.7 * ring
        coloured = coloured * (1.0 - centre) + 0.006 * centre
        out[c] = white * (1.0 - inside) + max(coloured, 0.002) * inside


@njit(cache=True, fastmath=True)  # type: ignore[untyped-decorator]
def shade(  # type: ignore[no-untyped-def]
    triangle, vertices, normals, triangles, part, rest, arc, uv, cover_uv, skin, cover, noise,
    occlusion, ambient, light, light_colour, shadow_axes, shadow, eyes, iris, teeth, borders, gum,
    tongue, cavity, lips, gloss_power, collar, out,
):  # fmt: skip
    """Writes linear colour [h, w, 3] for every pixel that shows a triangle."""
    height, width = triangle.shape
    colour = np.zeros(3, dtype=np.float32)
    shadow_side = shadow.shape[0]
    for row in range(height):
        for column in range(width):
            f = triangle[row, column]
            if f < 0:
                continue
            i, j, k, wa, wb, wc = barycentric(vertices, triangles, f, column, row, 1.0)
            nx = wa * normals[i, 0] + wb * normals[j, 0] + wc * normals[k, 0]
            ny = wa * normals[i, 1] + wb * normals[j, 1] + wc * normals[k, 1]
            nz = wa * normals[i, 2] + wb * normals[j, 2] + wc * normals[k, 2]
            length = 1.0 / (math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9)
            nx *= length
            ny *= length
            nz *= length
            x = wa * rest[i, 0] + wb * rest[j, 0] + wc * rest[k, 0]
            y = wa * rest[i, 1] + wb * rest[j, 1] + wc * rest[k, 1]
            z = wa * rest[i, 2] + wb * rest[j, 2] + wc * rest[k, 2]
            kind = part[f]
            at = cover_uv if kind == HAIR else uv
            u = wa * at[i, 0] + wb * at[j, 0] + wc * at[k, 0]
            v = wa * at[i, 1] + wb * at[j, 1] + wc * at[k, 1]
            gloss = np.float32(0.0)
            sharp = np.float32(gloss_power)
            depth_fall = np.float32(1.0)
            if kind == SKIN and y > collar:
                tile = cover.shape[1] // 3
                for c in range(3):
                    colour[c] = _sample(cover, tile * (2.05 + 0.9 * u / skin.shape[1]), v, c)
            elif kind in (SKIN, EYE_CAVITY):
                for c in range(3):
                    colour[c] = _sample(skin, u, v, c)
                gloss = _sample(skin, u, v, 3)
                if kind == EYE_CAVITY:
                    for c in range(3):
                        colour[c] *= 0.8
            elif kind in (EYE_LEFT, EYE_RIGHT):
                e = kind - EYE_LEFT
                px, py, pz = x - eyes[e, 0], y - eyes[e, 1], z - eyes[e, 2]
                size = math.sqrt(px * px + py * py + pz * pz) + 1e-9
                cosine = (px * eyes[e, 3] + py * eyes[e, 4] + pz * eyes[e, 5]) / size
                _eye(px, py, pz, math.acos(min(max(cosine, -1.0), 1.0)), iris, noise, colour)
                gloss = np.float32(1.0)
                sharp = np.float32(120.0)
            elif kind in (TEETH_UPPER, TEETH_LOWER):
                a = wa * arc[i] + wb * arc[j] + wc * arc[k]
                tall = teeth[3] - y if kind == TEETH_UPPER else y - teeth[4]
                _tooth(
                    a, tall, kind == TEETH_UPPER, borders[kind - TEETH_UPPER], teeth, gum, colour
                )
                depth_fall = np.float32(math.exp(-max(z + 0.02, 0.0) * 2.2))
                gloss = np.float32(0.5)
                sharp = np.float32(50.0)
            elif kind == TONGUE:
                n = _sample(noise, (x + 1.0) * 100.0, (y + z) * 100.0, 1)
                groove = 1.0 - 0.25 * math.exp(-0.5 * (x / 0.03) ** 2)
                for c in range(3):
                    colour[c] = tongue[c] * (1.0 + 0.12 * n) * groove
                depth_fall = np.float32(math.exp(-max(z - 0.1, 0.0) * 1.2))
                gloss = np.float32(0.3)
            elif kind == MOUTH_CAVITY:
                t = _ramp(-0.2, 0.05, z)
                for c in range(3):
                    colour[c] = lips[c] * 0.8 * (1.0 - t) + cavity[c] * t
                depth_fall = np.float32(math.exp(-max(z, 0.0) * 1.5))
                gloss = np.float32(0.5) * (1.0 - t)
            else:
                for c in range(3):
                    colour[c] = _sample(cover, u, v, c)
                gloss = np.float32(0.3)
            # Shadow map: orthographic along the light.
            px = wa * vertices[i, 0] + wb * vertices[j, 0] + wc * vertices[k, 0]
            py = wa * vertices[i, 1] + wb * vertices[j, 1] + wc * vertices[k, 1]
            pz = wa * vertices[i, 2] + wb * vertices[j, 2] + wc * vertices[k, 2]
            sx = px * shadow_axes[0, 0] + py * shadow_axes[0, 1] + pz * shadow_axes[0, 2]
            sy = px * shadow_axes[1, 0] + py * shadow_axes[1, 1] + pz * shadow_axes[1, 2]
            sz = px * shadow_axes[2, 0] + py * shadow_axes[2, 1] + pz * shadow_axes[2, 2]
            sx, sy, sz = sx + shadow_axes[0, 3], sy + shadow_axes[1, 3], sz + shadow_axes[2, 3]
            lit = np.float32(0.0)
            left, top = int(sx), int(sy)
            for dy in range(-1, 3):
                for dx in range(-1, 3):
                    c, r = left + dx, top + dy
                    if 0 <= c < shadow_side and 0 <= r < shadow_side:
                        weight = (1.5 - min(abs(sx - c), 1.5)) * (1.5 - min(abs(sy - r), 1.5))
                        if sz <= shadow[r, c] + shadow_axes[3, 0]:
                            lit += weight
                    else:
                        lit += (1.5 - min(abs(sx - c), 1.5)) * (1.5 - min(abs(sy - r), 1.5))
            lit = min(lit / np.float32(4.5), np.float32(1.0))
            facing = nx * light[0] + ny * light[1] + nz * light[2]
            direct = max(facing, 0.0) * lit
            # Half vector with the viewer at -z.
            hx, hy, hz = light[0], light[1], light[2] - 1.0
            scale = 1.0 / (math.sqrt(hx * hx + hy * hy + hz * hz) + 1e-6)
            spot = max((nx * hx + ny * hy + nz * hz) * scale, 0.0)
            mirror = gloss * spot**sharp * lit * (facing > 0.0)
            visible = occlusion[row, column] * depth_fall
            for c in range(3):
                field = ambient[0, c] + nx * ambient[1, c] + ny * ambient[2, c] + nz * ambient[3, c]
                value = colour[c] * (
                    max(field, 0.02) * visible + direct * light_colour[c] * visible**0.5
                )
                out[row, column, c] = value + mirror * light_colour[c] * 0.35 * visible
