"""What is painted into a grainy image is as grainy as the image."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.motion import BLENDSHAPES, Motion
from joyvasa_lib.portrait.compact.grain import add_grain, find_grain
from joyvasa_lib.portrait.compact.model import CompactPortraitModel
from joyvasa_lib.rig.regions import CHEEKS, EYES

Pixels = NDArray[np.uint8]
EVERYWHERE = np.ones((256, 256), bool)


def grain_of(strength: float, coarse: float, side: int = 256) -> NDArray[np.float32]:
    """[side, side, 3] noise that is the same in all channels but for a third of it."""
    random = np.random.default_rng(1)
    shared, own = random.normal(size=(side, side, 1)), random.normal(size=(side, side, 3))
    noise = (0.94 * shared + 0.33 * own).astype(np.float32)
    if coarse:
        noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), coarse))
    return noise * (strength / noise.std())


def shaded(grain: NDArray[np.float32]) -> Pixels:
    """A soft slope of light and a dark bar, under grain."""
    slope = 120.0 + 40.0 * np.linspace(-1.0, 1.0, len(grain))[:, None, None]
    image = np.repeat(np.repeat(slope, len(grain), 1), 3, 2)
    image[:, 100:110] = 60.0
    return np.clip(np.rint(image + grain), 0, 255).astype(np.uint8)


def beside(grain: NDArray[np.floating], channel: int = 0) -> float:
    """Correlation of a channel with itself a pixel aside."""
    values = grain[..., channel] - grain[..., channel].mean()
    return float((values[:, 1:] * values[:, :-1]).mean() / values.var())


@pytest.mark.parametrize(("strength", "coarse"), [(3.0, 0.0), (8.0, 0.0), (8.0, 0.7)])
def test_the_grain_that_is_found_is_as_strong_as_coarse_and_as_coloured(
    strength: float, coarse: float
) -> None:
    given = grain_of(strength, coarse)
    found = find_grain(shaded(given), EVERYWHERE)
    assert found is not None
    assert found.mean() == pytest.approx(0.0, abs=0.05)
    frame = np.full((256, 256, 3), 120, np.uint8)
    add_grain(frame, found, np.ones((256, 256), np.float32))
    grain = frame.astype(float) - 120.0
    assert grain.std() == pytest.approx(strength, rel=0.25)
    assert beside(grain) == pytest.approx(beside(given), abs=0.15)
    red, blue = grain[..., 0].ravel(), grain[..., 2].ravel()
    assert np.corrcoef(red, blue)[0, 1] == pytest.approx(0.89, abs=0.08)


def test_a_clean_image_has_no_grain(crop: FaceCrop) -> None:
    assert find_grain(shaded(grain_of(0.5, 0.0)), EVERYWHERE) is None
    assert find_grain(crop.image, np.ones(crop.image.shape[:2], bool)) is None
    assert find_grain(shaded(grain_of(8.0, 0.0)), ~EVERYWHERE) is None


def test_only_paint_gets_grain_and_shadow_less_of_it() -> None:
    found = find_grain(shaded(grain_of(8.0, 0.0)), EVERYWHERE)
    assert found is not None
    frame = np.full((256, 256, 3), 160, np.uint8)
    frame[:, 128:] = 40
    cover = np.zeros((256, 256), np.float32)
    cover[64:192] = 1.0
    add_grain(frame, found, cover)
    assert (frame[:64, :128] == 160).all() and (frame[192:, 128:] == 40).all()
    light, shadow = frame[64:192, :128].std(), frame[64:192, 128:].std()
    assert shadow == pytest.approx(0.5 * light, rel=0.1)
    before = frame.copy()
    add_grain(frame, found, np.zeros_like(cover))
    np.testing.assert_array_equal(frame, before)


@pytest.mark.slow
def test_closed_eyelids_of_a_grainy_portrait_are_grainy(
    model: CompactPortraitModel, crop: FaceCrop
) -> None:
    noisy = np.clip(np.rint(crop.image + grain_of(9.0, 0.0)), 0, 255).astype(np.uint8)
    shut = np.zeros((1, 52), np.float32)
    shut[0, [BLENDSHAPES.index(f"eyeBlink{side}") for side in ("Left", "Right")]] = 1.0

    def fine(image: Pixels) -> tuple[float, float]:
        """How grainy eyes and cheeks are."""
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
        noise = np.abs(cv2.Laplacian(grey, cv2.CV_32F))
        eyes = [crop.landmarks[[*eye.lids], :2].mean(0) for eye in EYES]
        both = [
            [np.median(noise[int(y) - 4 : int(y) + 3, int(x) - 6 : int(x) + 7]) for x, y in places]
            for places in (eyes, crop.landmarks[list(CHEEKS), :2])
        ]
        return float(np.mean(both[0])), float(np.mean(both[1]))

    (frame,) = next(iter(model.render(model.encode(replace(crop, image=noisy)),
                                      Motion.from_blendshapes(shut))))  # fmt: skip
    eyelids, cheeks = fine(np.asarray(frame))[0], fine(noisy)[1]
    assert eyelids == pytest.approx(cheeks, rel=0.3)
    assert cheeks > 2.0 * fine(crop.image)[1]
