"""Colours for teeth, gums and tongue that fit a portrait's light and tone.

White and red depend on the image: on its light, and on whether it is a photograph, a grey image, a
yellowed painting or marble. White is read from the whites of the eyes and from visible teeth, and
otherwise estimated from the skin's hue; red is read from the lips.

Axis legend: ``v`` vertices, ``s`` side of the crop, ``n`` pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.layers import EYE, MOUTH_LAYERS
from joyvasa_lib.portrait.compact.luminance import luminance
from joyvasa_lib.rig.head_rig import Floats, HeadRig
from joyvasa_lib.rig.regions import (
    INNER_LOWER_LIP,
    INNER_UPPER_LIP,
    OUTER_LOWER_LIP,
    OUTER_UPPER_LIP,
    PLAIN_SKIN,
)

Bytes = NDArray[np.uint8]

_UPPER_LIP = (OUTER_UPPER_LIP[2:-2], INNER_UPPER_LIP[1:-1])
_LOWER_LIP = (OUTER_LOWER_LIP[2:-2], INNER_LOWER_LIP[1:-1])
"""Outer and inner contours of the lips away from the corners."""
_HUE_OF_WHITE = 0.5
"""Exponent on the skin's hue that gives the hue of white where no white is visible."""
_WHITER_THAN_SKIN = 1.1
"""Luminance of white against skin where no white is visible: .9 to 1.2 on portraits that show
teeth, and what makes lit teeth as light as those of ten people who talk."""
_RED = np.array([1.30, 0.84, 0.90], dtype=np.float32)
"""Lips against skin, by channel, in a coloured image whose lips are not visible."""
_FULL_COLOUR, _TONES = 0.2, 0.08
"""Range of the skin's channels over luminance, and range of ``log(red / green)`` over the image,
from which on the image counts as fully coloured."""
_WHITE_SKIN = 235.0
"""Level of every channel above which skin is overexposed."""
_TELLING = 24.0
"""Luminance below which a pixel's colour is mostly noise."""
_AS_LIGHT, _AS_RED = 0.8, 1.05
"""Least luminance and most red over green of white things, against skin."""
_LIGHTER_THAN_LIPS = 1.15
"""Luminance against the lips from which on what shows between them may be teeth: the inside of lips
is as pale, and dim."""
_FEWEST = 12
"""Least number of pixels of which a colour is read."""


@dataclass(frozen=True, eq=False)
class Palette:
    """Colours [3] in [0, 255] under the portrait's own light.

    Attributes:
        skin: cheeks and chin.
        white: teeth in full light.
        red: tongue and gums in full light.
    """

    skin: Floats
    white: Floats
    red: Floats

    def dimmed(self, light: NDArray[np.floating]) -> Floats:
        """[..., 3] factors of white things in the mouth at light [...] in [0, 1].

        What light there is in the depth comes from red walls.
        """
        glow = hue(self.red) / hue(self.white)
        level = np.asarray(light)[..., None]
        return np.asarray(level * (glow + level * (1.0 - glow)), dtype=np.float32)


def read_palette(
    rig: HeadRig, image: Bytes, vertices: Floats, layer: Bytes, skin: Floats
) -> Palette:
    """The colours of one portrait.

    Args:
        rig: the head model.
        image: [s, s, 3] RGB crop.
        vertices: [v, 3] the fitted head on it, pixels.
        layer: [s, s] layer of the head that each pixel shows.
        skin: [v, 3] smooth colour of the skin.
    """
    own = np.median(skin[rig.landmark_vertex[list(PLAIN_SKIN)]], axis=0)
    own = np.maximum(own, 4.0).astype(np.float32)
    lips = _lip_pixels(rig, image, vertices)
    return Palette(own, _white(image, layer, own, lips), _red(image, own, lips))


def hue(colour: NDArray[np.floating]) -> NDArray[np.floating]:
    """[..., 3] colours over their luminance."""
    return np.asarray(colour / np.maximum(luminance(colour), 1.0)[..., None])


def pale(pixels: Bytes, skin: Floats) -> NDArray[np.bool_]:
    """[...] pixels [..., 3] nearly as light as skin [3] or lighter, and no redder: white things."""
    values = pixels.astype(np.float32) + 1.0
    redness = values[..., 0] / values[..., 1]
    most = _AS_RED * (skin[0] + 1.0) / (skin[1] + 1.0)
    return np.asarray((luminance(values) > _AS_LIGHT * luminance(skin)) & (redness < most))


def _white(image: Bytes, layer: Bytes, skin: Floats, lips: Floats) -> Floats:
    expected = hue(skin) ** _HUE_OF_WHITE
    light = _WHITER_THAN_SKIN * float(luminance(skin))
    seen = expected
    for layers, share, brighter in (((EYE,), 0.6, 1.05), (MOUTH_LAYERS, 0.85, 1.0)):
        found = _bright_and_pale(image[np.isin(layer, layers)], skin)
        if found is not None and layers != (EYE,) and len(lips) >= _FEWEST:
            flesh = float(luminance(np.median(lips, axis=0)))
            found = found if luminance(found) > _LIGHTER_THAN_LIPS * flesh else None
        if found is not None:
            seen = (1.0 - share) * seen + share * hue(found)
            level = brighter * float(luminance(found))
            light = max(light, level) if layers == (EYE,) else level
    white = seen / float(luminance(seen)) * min(light, 240.0)
    return np.asarray(np.minimum(white, 250.0), dtype=np.float32)


def _bright_and_pale(pixels: Bytes, skin: Floats) -> Floats | None:
    """[3] typical colour of the white things among pixels [n, 3]; None if there are none."""
    if len(pixels) < _FEWEST:
        return None
    light = luminance(pixels.astype(np.float32))
    bright = pixels[light >= np.percentile(light, 70)]
    white = bright[pale(bright, skin)]
    if len(white) < 0.5 * len(bright):
        return None
    return np.asarray(np.median(white, axis=0), dtype=np.float32)


def _red(image: Bytes, skin: Floats, lips: Floats) -> Floats:
    """Tongue and gums: as much redder than the lips as lips are redder than skin."""
    colour = np.median(lips, axis=0) if len(lips) >= _FEWEST else skin
    overexposed = float(skin.min()) > _WHITE_SKIN  # it has no colour then, but lips have
    ratio = _RED ** (1.0 if overexposed and _in_colour(image, colour) > 0.5 else
                     _in_colour(image, skin))  # fmt: skip
    level = 0.66
    if len(lips) >= _FEWEST:
        seen = float(luminance(colour) / luminance(skin))
        if seen > 0.35:  # darker ones are under a beard or in shadow
            ratio = 0.5 * ratio + 0.5 * np.clip((hue(colour) / hue(skin)) ** 1.5, 0.6, 1.7)
            level = float(np.clip(0.85 * seen, 0.5, 0.75))
    red = hue(skin) * ratio
    return np.asarray(
        np.clip(level * luminance(skin) * red / float(luminance(red)), 0.0, 235.0), np.float32
    )


def _in_colour(image: Bytes, colour: Floats) -> float:
    """1 for an image in full colour, 0 for a grey or a toned one, by a colour [3] of the face."""
    values = cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA).reshape(-1, 3) + 1.0
    tone = np.log(values[:, 0] / values[:, 1])[luminance(values) > _TELLING]
    spread = float(np.ptp(np.percentile(tone, (10, 90)))) if len(tone) else 0.0
    return min(float(np.ptp(hue(colour))) / _FULL_COLOUR, spread / _TONES, 1.0)


def _lip_pixels(rig: HeadRig, image: Bytes, vertices: Floats) -> NDArray[np.float32]:
    """[n, 3] the middles of both lips, without edges and corners."""
    points = vertices[rig.landmark_vertex, :2]
    inside = np.zeros(image.shape[:2], dtype=np.uint8)
    for outer, inner in (_UPPER_LIP, _LOWER_LIP):
        outline = points[list(outer)], points[list(inner)]
        middle = 0.5 * (outline[0].mean(0) + outline[1].mean(0))
        ring = np.concatenate([outline[0], outline[1][::-1]])
        ring = middle + (ring - middle) * np.array([0.8, 0.6])
        cv2.fillPoly(inside, [np.round(ring).astype(np.int32)], 1)
    return np.asarray(image[inside > 0], dtype=np.float32)
