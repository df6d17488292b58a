"""A portrait's image in two layers: the person, and the background behind, which stays.

Axis legend: ``s`` side of the crop.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.person.background import fill_background, share_of_person
from joyvasa_lib.rig.compiled import njit
from joyvasa_lib.rig.head_rig import Floats
from joyvasa_lib.rig.kernels import bilinear

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
    share = np.rint(FULL * share_of_person(image, background, matte))
    behind = (1.0 - share / FULL)[..., None] * background
    colours = np.rint(LEVELS * (image - behind)).astype(np.int16)
    return PersonLayers(np.dstack([colours, share.astype(np.int16)]), background)


@njit(cache=True, fastmath=True, nogil=True, inline="always")  # type: ignore[untyped-decorator]
def _weights(x):  # type: ignore[no-untyped-def]
    """Of four samples in a row at x in [0, 1] between the middle two (Catmull and Rom 1974)."""
    one, half = np.float32(1.0), np.float32(0.5)
    before = half * x * (x * (np.float32(2.0) - x) - one)
    here = one + x * x * (np.float32(1.5) * x - np.float32(2.5))
    after = half * x * x * (x - one)
    return before, here, one - before - here - after, after


@njit(cache=True, fastmath=True, nogil=True, inline="always")  # type: ignore[untyped-decorator]
def _along(person, row, left, across, k):  # type: ignore[no-untyped-def]
    """Channel ``k`` of four pixels of a row, weighted."""
    return (
        across[0] * person[row, left - 1, k]
        + across[1] * person[row, left, k]
        + across[2] * person[row, left + 1, k]
        + across[3] * person[row, left + 2, k]
    )


@njit(cache=True, fastmath=True, nogil=True, inline="always")  # type: ignore[untyped-decorator]
def _empty(pixel):  # type: ignore[no-untyped-def]
    return pixel[3] == 0 and pixel[0] == 0 and pixel[1] == 0 and pixel[2] == 0


@njit(cache=True, fastmath=True, nogil=True)  # type: ignore[untyped-decorator]
def _compose(flow, person, background, frame):  # type: ignore[no-untyped-def]
    height, width = background.shape[:2]
    zero, half = np.float32(0.0), np.float32(0.5)
    level, full = np.float32(1.0 / LEVELS), np.float32(1.0 / FULL)
    for row in range(height):
        for column in range(width):
            x = min(max(flow[row, column, 0] + column, zero), np.float32(width - 1))
            y = min(max(flow[row, column, 1] + row, zero), np.float32(height - 1))
            left, top = min(int(x), width - 2), min(int(y), height - 2)
            x -= left
            y -= top
            if (
                _empty(person[top, left])
                and _empty(person[top, left + 1])
                and _empty(person[top + 1, left])
                and _empty(person[top + 1, left + 1])
            ):
                for k in range(3):
                    frame[row, column, k] = background[row, column, k]
                continue
            red = green = blue = matte = zero
            if left < 1 or top < 1 or left > width - 3 or top > height - 3:
                red = bilinear(person, left, top, x, y, 0)
                green = bilinear(person, left, top, x, y, 1)
                blue = bilinear(person, left, top, x, y, 2)
                matte = bilinear(person, left, top, x, y, 3)
            else:
                across, down = _weights(x), _weights(y)
                for n in range(4):
                    weight = down[n]
                    red += weight * _along(person, top - 1 + n, left, across, 0)
                    green += weight * _along(person, top - 1 + n, left, across, 1)
                    blue += weight * _along(person, top - 1 + n, left, across, 2)
                    matte += weight * _along(person, top - 1 + n, left, across, 3)
            seen = np.float32(1.0) - matte * full
            red = red * level + seen * background[row, column, 0] + half
            green = green * level + seen * background[row, column, 1] + half
            blue = blue * level + seen * background[row, column, 2] + half
            frame[row, column, 0] = np.uint8(min(max(red, zero), np.float32(255.0)))
            frame[row, column, 1] = np.uint8(min(max(green, zero), np.float32(255.0)))
            frame[row, column, 2] = np.uint8(min(max(blue, zero), np.float32(255.0)))


def compose(layers: PersonLayers, flow: Floats, frame: Bytes) -> None:
    """Draws the person, moved, in front of the background, into a frame.

    Between pixels the person is interpolated by cubics: linear interpolation takes two fifths of
    the finest detail from a surface that moves, so that a moving face is softer than its image.

    Args:
        layers: of the portrait.
        flow: [s, s, 2] from the frame to the image, pixels.
        frame: [s, s, 3] uint8, what is drawn into.
    """
    _compose(flow, layers.person, layers.background, frame)
