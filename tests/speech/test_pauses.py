"""The bundled model's mouth in pauses: digital silence, and hiss far below speech."""

from __future__ import annotations

import numpy as np
import pytest

import places
from joyvasa_lib import JoyVASAPipeline
from joyvasa_lib.media.audio import load_speech
from joyvasa_lib.motion import BLENDSHAPES

pytestmark = pytest.mark.slow

FRAME = 640
"""Samples a frame at 25 frames a second."""


@pytest.mark.parametrize("decibels", [None, -80.0], ids=["digital silence", "-80 dB"])
def test_the_mouth_is_shut_and_still_in_a_pause(
    pipe: JoyVASAPipeline, decibels: float | None
) -> None:
    """Of three seconds the middle: where words end lips close, and before the next they part."""
    words = load_speech(places.DEMO / "hello.flac").waveform[: 40 * FRAME]
    pause = np.zeros(75 * FRAME, np.float32)
    if decibels is not None:
        hiss = np.random.default_rng(0).normal(0.0, 10 ** (decibels / 20), len(pause))
        pause = hiss.astype(np.float32)
    motion = pipe.generate_motion(np.concatenate([words, pause, words]), seed=3)
    jaw = motion.blendshapes[:, BLENDSHAPES.index("jawOpen")]
    assert len(jaw) == 155
    quiet, spoken = jaw[40 + 14 : 115 - 20], jaw[10:35]
    assert quiet.max() < 0.03
    assert spoken.max() > 0.2
    assert np.abs(np.diff(quiet)).mean() < 0.1 * np.abs(np.diff(spoken)).mean()
