"""A portrait's image in two layers: the person, and the background behind, which stays.

Axis legend: ``s`` side of the crop.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.person.background import fill_background
from joyvasa_lib.rig.compiled import njit
from joyvasa_lib.rig.head_rig import Floats

Bytes = NDArray[np.uint8]

LEVELS = 64
"""Steps of one grey level in which the person's colours are kept."""
FULL = 256
"""A matte of 1."""


@dataclass(frozen=True, eq=False)
class PersonLayers:
    """The person and what is behind.

    Attributes:
        person: int16 [s, s, 4] colours times the matte in :data:`LEVELS` of a grey level, and the
            matte in :data:`FULL`. Person and background together are the image, to the last bit.
        background: [s, s, 3] uint8 RGB, filled where the person is.
    """

    person: NDArray[np.int16]
    background: Bytes


def split_layers(image: Bytes, matte: Floats) -> PersonLayers:
    """The layers of an image.

    Args:
        image: [s, s, 3] uint8 RGB.
        matte: [s, s] share of each pixel that the person covers.
    """
    background = fill_background(image, matte)
    share = np.rint(FULL * matte).astype(np.float32)
    behind = (1.0 - share / FULL)[..., None] * background
    colours = np.rint(LEVELS * (image - behind)).astype(np.int16)
    return PersonLayers(np.dstack([colours, share.astype(np.int16)]), background)


@njit(cache=True, fastmath=True, nogil=True)  # type: ignore[untyped-decorator]
def _compose(flow, person, background, frame):  # type: ignore[no-untyped-def]
    height, width = background.shape[:2]
    one, zero = np.float32(1.0), np.float32(0.0)
    for row in range(height):
        for column in range(width):
            x = min(max(flow[row, column, 0] + column, zero), np.float32(width - 1))
            y = min(max(flow[row, column, 1] + row, zero), np.float32(height - 1))
            left, top = min(int(x), width - 2), min(int(y), height - 2)
            x -= left
            y -= top
            a, b, c, d = (one - x) * (one - y), x * (one - y), (one - x) * y, x * y
            p, q = person[top, left], person[top, left + 1]
            r, t = person[top + 1, left], person[top + 1, left + 1]
            seen = (FULL - (a * p[3] + b * q[3] + c * r[3] + d * t[3])) / np.float32(FULL)
            for k in range(3):
                value = (a * p[k] + b * q[k] + c * r[k] + d * t[k]) / np.float32(LEVELS)
                value += seen * background[row, column, k]
                frame[row, column, k] = np.uint8(min(max(value + np.float32(0.5), zero), 255.0))


def compose(layers: PersonLayers, flow: Floats, frame: Bytes) -> None:
    """Draws the person, moved, in front of the background, into a frame.

    Args:
        layers: of the portrait.
        flow: [s, s, 2] from the frame to the image, pixels.
        frame: [s, s, 3] uint8, what is drawn into.
    """
    _compose(flow, layers.person, layers.background, frame)
