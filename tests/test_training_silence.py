"""Silence around recordings: the sound is quiet, the mouth rests, nothing else changes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from joyvasa_lib.motion.face_units import FACE_UNITS, REGIONS
from joyvasa_lib.speech.audio_encoder import AudioEncoder
from joyvasa_lib.training.features import FeatureCache
from joyvasa_lib.training.motion_source import Recording, Take
from joyvasa_lib.training.silence import LONGEST, SETTLING, with_silence

MOUTH = [FACE_UNITS.index(name) for name in REGIONS["mouth"]]
OTHERS = sorted(set(range(59)) - set(MOUTH))
FRAMES = 120
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Longer:
    """A recording with silence at its ends."""

    sound: Floats
    values: Floats
    closed: Floats
    before: int

    @property
    def after(self) -> int:
        return len(self.values) - FRAMES - self.before


@pytest.fixture
def take() -> tuple[Floats, Floats, Floats]:
    rng = np.random.default_rng(0)
    return (
        rng.normal(0.0, 0.1, FRAMES * 640).astype(np.float32),
        rng.uniform(0.2, 1.0, (FRAMES, 59)).astype(np.float32),
        np.ones(FRAMES, np.float32),
    )


def lengthen(take: tuple[Floats, Floats, Floats], seed: int) -> Longer:
    sound, values, closed = with_silence(*take, np.random.default_rng(seed))
    return Longer(sound, values, closed, int(np.flatnonzero(closed)[0]))


@pytest.mark.parametrize("seed", range(8))
def test_the_speech_itself_is_untouched(take: tuple[Floats, Floats, Floats], seed: int) -> None:
    longer = lengthen(take, seed)
    speech = slice(longer.before, longer.before + FRAMES)
    np.testing.assert_array_equal(longer.values[speech], take[1])
    np.testing.assert_array_equal(longer.closed[speech], take[2])
    np.testing.assert_array_equal(longer.sound[longer.before * 640 :][: FRAMES * 640], take[0])
    assert len(longer.sound) == 640 * len(longer.values) == 640 * len(longer.closed)
    assert longer.closed.sum() == FRAMES


def test_in_silence_the_mouth_rests_and_the_rest_of_the_face_lives(
    take: tuple[Floats, Floats, Floats],
) -> None:
    seen = 0
    for seed in range(20):
        longer = lengthen(take, seed)
        assert max(longer.before, longer.after) <= LONGEST
        if longer.before > SETTLING:
            seen += 1
            rest = longer.before - SETTLING
            assert not longer.values[:rest, MOUTH].any()
            assert not longer.values[FRAMES + longer.before + SETTLING :, MOUTH].any()
            assert (longer.values[:, OTHERS] >= 0.2).all()
            steps = np.abs(np.diff(longer.values[:, MOUTH], axis=0))
            assert steps[rest - 1 : longer.before].max() < 0.5
    assert seen > 3


def test_breaths_are_well_below_speech_and_sometimes_there(
    take: tuple[Floats, Floats, Floats],
) -> None:
    levels = []
    for seed in range(20):
        longer = lengthen(take, seed)
        if longer.before > 10:
            levels.append(float(np.abs(longer.sound[: longer.before * 640]).max()))
    assert 0.0 in levels
    assert 0.0 < max(levels) < np.abs(take[0]).max()


def test_the_same_seed_gives_the_same_silence(take: tuple[Floats, Floats, Floats]) -> None:
    first, second = lengthen(take, 7), lengthen(take, 7)
    np.testing.assert_array_equal(first.sound, second.sound)
    np.testing.assert_array_equal(first.values, second.values)


def test_copies_of_the_corpus_have_silence_and_the_recording_itself_has_not(
    take: tuple[Floats, Floats, Floats], tmp_path: Path
) -> None:
    recording = Recording("a", FRAMES, lambda: Take(*take), vary=_vary)
    torch.manual_seed(0)
    cache = FeatureCache(AudioEncoder(torch.nn.Linear(1, 1)), [recording], 3, 0, tmp_path)
    assert len(cache.take(0, 0).values) == FRAMES
    copies = [len(cache.take(0, copy).values) for copy in (1, 2)]
    assert max(copies) > FRAMES
    assert copies == [len(cache.take(0, copy).values) for copy in (1, 2)]


def _vary(take: Take, rng: np.random.Generator) -> Take:
    assert take.closed is not None
    return Take(*with_silence(take.sound, take.values, take.closed, rng))
