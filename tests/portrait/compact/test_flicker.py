"""Brush strokes and hatching do not flicker while a painted person sits still."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib import JoyVASAPipeline

pytestmark = pytest.mark.slow

Pixels = NDArray[np.uint8]
_REAL = 2.5
"""Mean change between two frames of a real video, grey levels, of places that do not move."""
_STILL = 0.15
"""Pixels between two frames by which a place has not moved."""


@pytest.fixture(scope="module")
def large(astronaut: Pixels) -> Pixels:
    return np.asarray(cv2.resize(astronaut[:280, 90:370], None, fx=2, fy=2))


def painted(image: Pixels) -> Pixels:
    """Short strokes along the edges, each a little lighter or darker than what it covers."""
    random = np.random.default_rng(0)
    soft = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (0, 0), 1.5)
    across, down = cv2.Sobel(soft, cv2.CV_32F, 1, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 1)
    canvas = image.copy()
    for x, y, light in zip(*spots(random, image, 14000), random.normal(0, 16, 14000), strict=True):
        angle = np.arctan2(down[y, x], across[y, x]) + np.pi / 2
        colour = np.clip(image[y, x] + light, 0, 255)
        stroke(canvas, x, y, angle, tuple(map(int, colour)), 2)
    return canvas


def hatched(image: Pixels) -> Pixels:
    """Parallel lines, the closer the darker the image, over a wash of its colours."""
    random = np.random.default_rng(0)
    light = random.uniform(0, 255, 60000)
    paper = np.full_like(image, 245)
    for x, y, most in zip(*spots(random, image, 60000), light, strict=True):
        if image[y, x].mean() < most:
            stroke(paper, x, y, np.pi / 4, (70, 70, 70), 1)
    return np.asarray(cv2.addWeighted(image, 0.65, paper, 0.35, 0))


def spots(
    random: np.random.Generator, image: Pixels, count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    height, width = image.shape[:2]
    return random.integers(0, width, count), random.integers(0, height, count)


def stroke(
    canvas: Pixels, x: int, y: int, angle: float, colour: tuple[int, ...], width: int
) -> None:
    across, down = (round(4 * float(part)) for part in (np.cos(angle), np.sin(angle)))
    cv2.line(
        canvas, (int(x) - across, int(y) - down), (int(x) + across, int(y) + down),
        colour, width, cv2.LINE_AA,
    )  # fmt: skip


def flicker(frames: list[Pixels], face: NDArray[np.bool_]) -> float:
    """Mean change, grey levels, of places of the face that do not move between two frames."""
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    changes, still = [], []
    for before, after in pairwise(frames):
        unmoved = face & (np.linalg.norm(flow.calc(before, after, None), axis=-1) < _STILL)
        changes.append(cv2.absdiff(before, after)[unmoved].astype(float))
        still.append(unmoved.sum() / face.sum())
    assert 0.05 < np.mean(still) < 0.8  # somebody who breathes, not a still image
    return float(np.concatenate(changes).mean())


@pytest.mark.parametrize("style", [painted, hatched])
def test_strokes_flicker_no_more_than_a_real_video(
    pipe: JoyVASAPipeline, large: Pixels, style: Callable[[Pixels], Pixels]
) -> None:
    encoded = pipe.encode(style(large))
    rendered = pipe.render(encoded, pipe.idle(4.0)[10:25], paste_back=False).frames()
    frames = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in rendered]
    hull = cv2.convexHull(np.rint(encoded.crop.landmarks[:, :2]).astype(np.int32))
    face = cv2.fillConvexPoly(np.zeros_like(frames[0]), hull, 1) > 0
    assert np.abs(np.diff(frames[0].astype(float), axis=1))[face[:, 1:]].mean() > 5.0
    assert flicker(frames, face) < _REAL
    # Strokes that lose a little of their sharpness in every second frame would be seen.
    for frame in frames[::2]:
        cv2.GaussianBlur(frame, (0, 0), 1.0, dst=frame)
    assert flicker(frames, face) > _REAL
