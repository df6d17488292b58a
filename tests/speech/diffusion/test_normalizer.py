"""Amounts of a model's motion that are changed without training."""

from __future__ import annotations

import numpy as np
import pytest

from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.speech.diffusion.normalizer import MotionNormalizer

PRESS = BLENDSHAPES.index("mouthPressLeft")
PITCH, ROLL = 56, 58


@pytest.fixture
def normalizer() -> MotionNormalizer:
    random = np.random.default_rng(0)
    offset, scale = random.normal(size=59), random.uniform(0.1, 2.0, 59)
    return MotionNormalizer(offset.astype(np.float32), scale.astype(np.float32))


def test_a_model_makes_that_much_more_of_what_is_amplified(normalizer: MotionNormalizer) -> None:
    channels = np.random.default_rng(1).normal(size=(20, 59)).astype(np.float32)
    before = normalizer.denormalize(channels)
    changed = normalizer.amplified({"mouthPressLeft": 2.5, "pitch": 1.1, "roll": 0.9})
    after = changed.denormalize(channels)
    wanted = before.copy()
    wanted[:, [PRESS, PITCH, ROLL]] *= np.float32([2.5, 1.1, 0.9])
    np.testing.assert_allclose(after, wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(changed.normalize(after), channels, atol=1e-4)


@pytest.mark.parametrize(
    "factors", [{"mouth": 1.0}, {"roll": 0.0}, {"roll": -1.0}, {"yaw": np.inf}]
)
def test_what_cannot_be_is_refused(normalizer: MotionNormalizer, factors: dict[str, float]) -> None:
    with pytest.raises(MotionError, match=next(iter(factors))):
        normalizer.amplified(factors)


def test_keypoints_have_no_names() -> None:
    ones = np.ones(70, np.float32)
    with pytest.raises(MotionError, match="no value"):
        MotionNormalizer(ones, ones, "expression", "liveportrait-21").amplified({"jawOpen": 2.0})
