"""What becomes of generated values: brows that an accent raises are not those of surprise."""

from __future__ import annotations

import numpy as np

from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.speech.diffusion.normalizer import MotionNormalizer
from joyvasa_lib.speech.options import GenerationOptions
from joyvasa_lib.speech.postprocessing import PostProcessor

RAISES = [
    BLENDSHAPES.index(name) for name in ("browInnerUp", "browOuterUpLeft", "browOuterUpRight")
]


def processed(values: np.ndarray) -> np.ndarray:
    normalizer = MotionNormalizer(np.zeros(59, np.float32), np.ones(59, np.float32))
    return PostProcessor(normalizer, GenerationOptions()).push(values, last=True)


def test_brows_bend_before_they_are_surprised_and_small_raises_stay() -> None:
    values = np.zeros((50, 59), np.float32)
    raised = np.linspace(0.0, 1.4, 50, dtype=np.float32)
    values[:, RAISES] = raised[:, None]
    found = processed(values)[:, RAISES]
    small = raised < 0.24
    np.testing.assert_array_equal(found[small], values[small][:, RAISES])
    assert (np.diff(found, axis=0) > 0.0).all()  # more is asked for, more is seen
    assert 0.5 < found.max() < 0.6


def test_lowered_brows_and_lips_have_no_such_limit() -> None:
    values = np.zeros((20, 59), np.float32)
    others = [BLENDSHAPES.index(name) for name in ("browDownLeft", "jawOpen", "mouthPucker")]
    values[:, others] = 0.9
    np.testing.assert_array_equal(processed(values)[:, others], values[:, others])
