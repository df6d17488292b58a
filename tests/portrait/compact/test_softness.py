"""What is painted into a soft image is as soft as the image."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.motion import BLENDSHAPES, Motion
from joyvasa_lib.portrait.compact.model import CompactPortraitModel
from joyvasa_lib.portrait.compact.render.softening import soften, softening
from joyvasa_lib.portrait.compact.softness import edge_softness

Pixels = NDArray[np.uint8]
_BLUR = 3.5


def blurred(image: Pixels, spread: float) -> Pixels:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), spread), np.uint8)


def discs(side: int = 256) -> Pixels:
    """Edges in every direction, as sharp as pixels are."""
    image = np.full((side, side, 3), 90, np.uint8)
    for number in range(5):
        centre = (40 + 44 * number, 128 + 60 * (-1) ** number)
        cv2.circle(image, centre, 30, (200 - 20 * number,) * 3, -1, cv2.LINE_AA)
    return image


@pytest.mark.parametrize("spread", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("grain", [0.0, 2.0])
def test_the_softness_of_edges_is_the_blur_s(spread: float, grain: float) -> None:
    soft = blurred(discs(), spread).astype(float)
    noisy = soft + np.random.default_rng(0).normal(0.0, grain, soft.shape)
    image = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    found = edge_softness(image, np.ones(image.shape[:2], bool))
    assert found == pytest.approx(spread, rel=0.2)


def test_sharp_edges_and_no_edges_have_no_softness() -> None:
    everywhere = np.ones((256, 256), bool)
    assert softening(edge_softness(discs(), everywhere)) == 0.0
    assert edge_softness(np.full((256, 256, 3), 90, np.uint8), everywhere) == 0.0
    assert edge_softness(discs(), ~everywhere) == 0.0


def test_a_change_of_a_blurred_image_is_the_blurred_change_of_the_sharp_one() -> None:
    sharp = discs()
    painted = sharp.copy()
    cv2.rectangle(painted, (100, 90), (150, 130), (20, 30, 40), -1)
    before = blurred(sharp, _BLUR)
    frame = np.clip(before.astype(int) + painted - sharp, 0, 255).astype(np.uint8)
    cover = (painted != sharp).any(-1).astype(np.float32)
    soften(frame, before, _BLUR, cover)
    assert np.abs(frame.astype(int) - blurred(painted, _BLUR)).max() <= 8
    np.testing.assert_array_equal(frame[:50], before[:50])


def acted(model: CompactPortraitModel, crop: FaceCrop, image: Pixels) -> Pixels:
    """Frames with an open mouth, with closed eyes, and with lids that raised cheeks push up."""
    soft = FaceCrop(crop.full_image, image, crop.matrix, crop.face, crop.square)
    activations = np.zeros((4, 52), np.float32)
    activations[1, BLENDSHAPES.index("jawOpen")] = 0.6
    activations[2, [BLENDSHAPES.index(f"eyeBlink{side}") for side in ("Left", "Right")]] = 1.0
    for name in ("cheekSquint", "eyeSquint"):
        activations[3, [BLENDSHAPES.index(name + side) for side in ("Left", "Right")]] = 1.0
    motion = Motion.from_blendshapes(activations)
    return np.concatenate(list(model.render(model.encode(soft), motion)))


@pytest.mark.slow
def test_mouth_and_eyelids_of_a_soft_portrait_are_soft(
    model: CompactPortraitModel, crop: FaceCrop
) -> None:
    """No line is steeper than where the same is painted into the sharp portrait, then blurred."""
    sharp = acted(model, crop, crop.image)
    soft = acted(model, crop, blurred(crop.image, _BLUR))
    for own, wanted, more in zip(soft[1:], sharp[1:], (1.2, 1.2, 1.1), strict=True):
        steep, allowed = steepest(own), steepest(blurred(wanted, _BLUR))
        assert steep < more * allowed
        assert allowed < 0.6 * steepest(wanted)


def steepest(frame: Pixels) -> float:
    """The steepest slope around eyes and mouth."""
    middle = frame[len(frame) // 4 : -len(frame) // 5, len(frame) // 4 : -len(frame) // 4]
    grey = cv2.cvtColor(np.ascontiguousarray(middle), cv2.COLOR_RGB2GRAY).astype(np.float32)
    slope = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    return float(np.percentile(slope, 99.8))
