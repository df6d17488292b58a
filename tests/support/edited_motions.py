"""Motions, emotions and a map that the tests of the editor share."""

from __future__ import annotations

import numpy as np

from joyvasa_lib import EmotionTimeline, Motion
from joyvasa_lib.emotion.maps.linear import arkit_unit_map
from joyvasa_lib.emotion.prototypes import BASIC
from joyvasa_lib.motion import BLENDSHAPES, LIVEPORTRAIT_21, get_space
from joyvasa_lib.motion.performance import Performance

COMPACT = get_space()
LINEAR = arkit_unit_map(COMPACT)
"""Tests of the editor itself use the linear basis; the learned map has its own tests."""
EMOTIONS = sorted(BASIC)
TIMELINE = EmotionTimeline.from_words(
    [("a", 1.0, 1.5), ("b", 4.0, 4.2)], {"a": "fear", "b": "happiness:0.8"}
)


def speaking(n_frames: int = 250, seed: int = 0) -> Motion:
    """A mouth that opens four times a second, rounds, and closes; it rests for a second at 5 s."""
    rng = np.random.default_rng(seed)
    seconds = (np.arange(n_frames) + 0.5) / 25.0
    syllable = np.sin(np.pi * (4.0 * seconds % 1.0)) ** 2
    resting = (seconds >= 4.0) & (seconds < 6.0)
    units = np.zeros((n_frames, 52))

    def put(names: tuple[str, ...], curve: object) -> None:
        for name in names:
            units[:, BLENDSHAPES.index(name)] = curve

    put(("jawOpen",), 0.4 * syllable)
    put(("mouthLowerDownLeft", "mouthLowerDownRight"), 0.15 * syllable)
    put(("mouthPucker",), 0.5 * (np.sin(1.3 * seconds) > 0.3))
    put(("eyeBlinkLeft", "eyeBlinkRight"), seconds % 3.0 < 0.2)
    units[resting] = 0.0
    closed = (np.arange(n_frames) % 12 == 4) & ~resting
    units[closed, BLENDSHAPES.index("jawOpen")] = 0.12
    units[closed, BLENDSHAPES.index("mouthClose")] = 0.12
    units[
        np.ix_(closed, COMPACT.blendshape_indices(("mouthLowerDownLeft", "mouthLowerDownRight")))
    ] = 0
    return Motion.from_blendshapes(units, rotation=rng.normal(0, 2, (n_frames, 3)))


SPEAKING = speaking()


def official(n_frames: int = 120) -> Motion:
    vector = np.random.default_rng(1).normal(0, 0.02, (n_frames, 70))
    vector[:, 63] = 1.0
    return Motion.from_vector(vector, space=LIVEPORTRAIT_21)


def cut(motion: Motion, size: int) -> Performance:
    starts = range(0, len(motion), size)
    return Performance(
        len(motion), motion.fps, motion.space, lambda: (motion[i : i + size] for i in starts)
    )
