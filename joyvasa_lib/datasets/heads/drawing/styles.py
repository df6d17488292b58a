"""Image styles and image faults: grey, tinted, painted; blur, noise, compression."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Style:
    """One image style for all frames of a head.

    Attributes:
        gamma: exponent of the tone curve.
        contrast: factor about middle grey.
        saturation: 0 grey, 1 as is.
        tint: factor on red, green, blue.
        blur: sigma in pixels of the lens.
        sharpen: amount of unsharp masking.
        paint: strength of brush-like smoothing, 0 for none.
        levels: grey levels per channel of a poster, 0 for none.
    """

    gamma: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    blur: float = 0.0
    sharpen: float = 0.0
    paint: float = 0.0
    levels: int = 0

    def __call__(self, image: Bytes) -> Bytes:
        """Applies the style to an image [s, s, 3]."""
        if self.paint > 0:
            image = cv2.bilateralFilter(image, 5, 40 * self.paint, 3.0)
            image = cv2.medianBlur(image, 3)
        values = image.astype(np.float32) / 255.0
        values = np.power(values, self.gamma)
        values = (values - 0.5) * self.contrast + 0.5
        grey = (values @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]
        values = (grey + self.saturation * (values - grey)) * np.array(self.tint, np.float32)
        if self.blur > 0:
            values = cv2.GaussianBlur(values, (0, 0), self.blur)
        if self.sharpen > 0:
            values += self.sharpen * (values - cv2.GaussianBlur(values, (0, 0), 1.0))
        if self.levels:
            steps = values * self.levels
            values = (np.floor(steps) + np.clip((steps % 1 - 0.35) / 0.3, 0, 1)) / self.levels
        return np.asarray(np.clip(values, 0, 1) * 255 + 0.5, dtype=np.uint8)


def random_style(random: np.random.Generator) -> Style:
    """Draws a style: mostly a plain image."""
    grey = random.random() < 0.1
    painted = random.random() < 0.15
    tinted = grey or painted or random.random() < 0.2
    tint = 1.0 + random.normal(0, 0.13 if tinted else 0.03, 3)
    return Style(
        gamma=float(np.exp(random.normal(0.0, 0.12))),
        contrast=float(random.uniform(0.85, 1.2)),
        saturation=0.0 if grey else float(random.uniform(0.6, 1.25)),
        tint=(float(tint[0]), float(tint[1]), float(tint[2])),
        blur=float(random.choice([0.0, random.uniform(0.4, 1.0)], p=[0.7, 0.3])),
        sharpen=float(random.choice([0.0, random.uniform(0.2, 0.8)], p=[0.7, 0.3])),
        paint=float(random.uniform(0.5, 2.0)) if painted else 0.0,
        levels=int(random.integers(6, 14)) if random.random() < 0.03 else 0,
    )
