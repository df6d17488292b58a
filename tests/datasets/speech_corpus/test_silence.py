"""Silence around recordings: the sound is quiet, the mouth rests, nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest

from joyvasa_lib.datasets.speech_corpus.recordings import SpeechItem
from joyvasa_lib.datasets.speech_corpus.silence import LONGEST, SETTLING, with_silence
from joyvasa_lib.motion.blendshapes import BLENDSHAPES, REGIONS

MOUTH = [BLENDSHAPES.index(name) for name in REGIONS["mouth"]]
OTHERS = sorted(set(range(59)) - set(MOUTH))


@pytest.fixture
def item() -> SpeechItem:
    rng = np.random.default_rng(0)
    return SpeechItem(
        "train-0",
        rng.normal(0.0, 0.1, 120 * 640).astype(np.float32),
        rng.uniform(0.2, 1.0, (120, 59)).astype(np.float32),
        rng.integers(1, 20, 240),
    )


def ends(item: SpeechItem, longer: SpeechItem) -> tuple[int, int]:
    """Frames added before and after."""
    labels = np.flatnonzero(longer.phonemes)
    before = int(labels[0]) // 2
    return before, len(longer.values) - len(item.values) - before


@pytest.mark.parametrize("seed", range(8))
def test_the_speech_itself_is_untouched(item: SpeechItem, seed: int) -> None:
    longer = with_silence(item, np.random.default_rng(seed))
    before, _ = ends(item, longer)
    np.testing.assert_array_equal(longer.values[before : before + 120], item.values)
    np.testing.assert_array_equal(longer.samples()[before * 640 :][: 120 * 640], item.samples())
    np.testing.assert_array_equal(longer.phonemes[2 * before :][:240], item.phonemes)
    assert len(longer.samples()) == 640 * len(longer.values) == 320 * len(longer.phonemes)


def test_in_silence_the_mouth_rests_and_the_rest_of_the_face_lives(item: SpeechItem) -> None:
    seen = 0
    for seed in range(20):
        longer = with_silence(item, np.random.default_rng(seed))
        before, after = ends(item, longer)
        assert max(before, after) <= LONGEST
        if before > SETTLING:
            seen += 1
            quiet = np.r_[
                : before - SETTLING, len(longer.values) - after + SETTLING : len(longer.values)
            ]
            assert not longer.values[quiet][:, MOUTH].any()
            assert (longer.values[:, OTHERS] >= 0.2).all()
            steps = np.abs(np.diff(longer.values[:, MOUTH], axis=0))
            assert steps[before - SETTLING - 1 : before].max() < 0.5
    assert seen > 3


def test_breaths_are_well_below_speech_and_sometimes_there(item: SpeechItem) -> None:
    levels = []
    for seed in range(20):
        longer = with_silence(item, np.random.default_rng(seed))
        before, _ = ends(item, longer)
        if before > 10:
            levels.append(np.abs(longer.samples()[: before * 640]).max())
    assert 0.0 in levels and max(levels) > 0.0
    assert max(levels) < np.abs(item.samples()).max()


def test_the_same_seed_gives_the_same_silence(item: SpeechItem) -> None:
    first, second = (with_silence(item, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first.waveform, second.waveform)
    np.testing.assert_array_equal(first.values, second.values)
