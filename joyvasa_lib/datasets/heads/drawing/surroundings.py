"""Light on a rendered head, and what is behind it, drawn at random."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.heads.drawing.texture import fractal_noise

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Light:
    """Linear light.

    Attributes:
        ambient: [4, 3] constant and x, y, z slope of the ambient field over the normal.
        direction: [3] unit vector towards the light; the viewer is at -z.
        colour: [3] of the directional light.
    """

    ambient: Floats
    direction: Floats
    colour: Floats


def random_light(random: np.random.Generator, albedo: float) -> Light:
    """Draws a light: mostly soft from above, sometimes hard from the side.

    Args:
        random: source of randomness.
        albedo: mean linear albedo of the skin; exposure compensates for dark skin in part.
    """
    level = random.uniform(0.2, 0.75)
    warm = 1.0 + random.normal(0.0, 0.08, 3)
    ambient = np.zeros((4, 3))
    ambient[0] = level * warm
    for axis, mean in ((1, 0.0), (2, -0.15), (3, -0.1)):
        ambient[axis] = level * (mean + random.normal(0.0, 0.15) + random.normal(0.0, 0.03, 3))
    hard = random.random() < 0.25
    strength = random.uniform(0.9, 2.2) if hard else random.uniform(0.0, 0.9)
    side = random.uniform(-1.7, 1.7) if hard else random.normal(0.0, 0.6)
    direction = np.array([side, -abs(random.normal(0.5, 0.5)), -random.uniform(0.35, 1.2)])
    colour = strength * (1.0 + random.normal(0.0, 0.1, 3))
    facing = max(-direction[2], 0.0) / np.linalg.norm(direction)
    skin = albedo * (level + facing * strength)
    wanted = random.uniform(0.16, 0.42) * (albedo / 0.35) ** 0.35
    exposure = wanted / skin
    return Light(
        ambient=(exposure * ambient).astype(np.float32),
        direction=(direction / np.linalg.norm(direction)).astype(np.float32),
        colour=(exposure * np.clip(colour, 0.0, 3.0)).astype(np.float32),
    )


def random_backdrop(random: np.random.Generator, cloth: Floats, side: int = 256) -> Floats:
    """[side, side, 3] sRGB image: plain, gradient, blurred shapes or texture, and shoulders.

    Args:
        random: source of randomness.
        cloth: [3] sRGB colour of the shoulders.
        side: of the image.
    """
    image = np.empty((side, side, 3), dtype=np.float32)
    image[:] = random.uniform(0.0, 1.0, 3) if random.random() < 0.5 else random.uniform(0.1, 0.95)
    slope = np.linspace(-1, 1, side, dtype=np.float32)
    image += random.normal(0, 0.12, 3) * slope[:, None, None]
    image += random.normal(0, 0.12, 3) * slope[None, :, None]
    kind = random.random()
    if kind < 0.4:
        for _ in range(int(random.integers(3, 25))):
            centre = random.integers(0, side, 2)
            colour = random.uniform(0, 1, 3).tolist()
            size = random.integers(8, 90, 2)
            if random.random() < 0.5:
                cv2.ellipse(image, centre.tolist(), size.tolist(), 0, 0, 360, colour, -1)
            else:
                cv2.rectangle(image, centre.tolist(), (centre + size).tolist(), colour, -1)
        image = cv2.GaussianBlur(image, (0, 0), random.uniform(0.6, 9.0))
    elif kind < 0.7:
        noise = fractal_noise(random, side, int(random.integers(3, 40)), 4)
        image += noise[..., None] * random.normal(0, 0.1, 3).astype(np.float32)
    if random.random() < 0.85:
        low = side * random.uniform(0.72, 0.84)
        wide = side * random.uniform(0.3, 0.55)
        points = [(side / 2 - wide, side), (side / 2 - wide * 0.8, low + 22), (side * 0.4, low)]
        points += [(side * 0.6, low), (side / 2 + wide * 0.8, low + 22), (side / 2 + wide, side)]
        mask = np.zeros((side, side), np.float32)
        cv2.fillPoly(mask, [np.array(points, np.int32)], 1.0)
        mask = cv2.GaussianBlur(mask, (0, 0), 1.2)[..., None]
        image = image + mask * (cloth * np.float32(random.uniform(0.5, 1.0)) - image)
    return np.clip(image, 0.0, 1.0).astype(np.float32)
