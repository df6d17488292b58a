"""An edited mouth keeps its speech."""

from __future__ import annotations

import numpy as np
import pytest

from edited_motions import COMPACT, EMOTIONS, LINEAR, SPEAKING
from joyvasa_lib import Emotion, Motion
from joyvasa_lib.errors import MotionError
from joyvasa_lib.evaluation.curves import correlation
from joyvasa_lib.evaluation.track import track_motion
from joyvasa_lib.motion import BLENDSHAPES, MotionSpace


@pytest.mark.parametrize("name", EMOTIONS)
def test_vowels_keep_their_opening_and_closed_lips_stay_closed(name: str) -> None:
    before = track_motion(SPEAKING).aperture
    after = track_motion(SPEAKING.edit(Emotion.named(name))).aperture
    times = (np.arange(250) + 0.5) / 25.0
    speech = (times < 3.4) | (times > 6.6)
    closed, vowels = speech & (before < 0.002), speech & (before > 0.06)
    assert closed.sum() >= 10
    assert vowels.sum() >= 60
    assert after[closed].max() < 0.004
    wider = 0.4 * before[vowels] if name == "disgust" else 0.0  # it raises the upper lip
    assert (after[vowels] > before[vowels] - 0.01).all()
    assert (after[vowels] < before[vowels] + 0.01 + wider).all()
    assert correlation(after, before) > 0.98  # the pause of two seconds included


def test_a_raised_upper_lip_is_seen_in_speech() -> None:
    """The jaw does not take back all that it opens: lips open wider, and in the same way."""
    before, after = (
        track_motion(motion).aperture for motion in (SPEAKING, SPEAKING.edit(Emotion.disgust(0.8)))
    )
    vowels = before > 0.06
    assert (after[vowels] > 1.15 * before[vowels]).all()
    assert correlation(after[vowels], before[vowels]) > 0.98


def test_without_protection_closed_lips_open() -> None:
    before = track_motion(SPEAKING).aperture
    free = track_motion(SPEAKING.edit(Emotion.surprise(), protect_speech=False)).aperture
    assert free[before < 0.002].mean() > 0.08


def test_in_a_long_pause_an_emotion_parts_the_lips_a_little() -> None:
    after = track_motion(SPEAKING.edit(Emotion.surprise())).aperture
    pause = after[int(4.9 * 25) : int(5.1 * 25)]
    assert 0.01 < pause.min() <= pause.max() < 0.03
    assert after[:75].max() < track_motion(SPEAKING).aperture[:75].max() + 0.002


def test_a_speaking_face_still_smiles() -> None:
    smile = COMPACT.blendshape_indices(("mouthSmileLeft", "mouthSmileRight"))
    added = (SPEAKING.edit(Emotion.happiness()).blendshapes - SPEAKING.blendshapes)[:, smile]
    assert added.min() > 0.35
    rounded = SPEAKING.blendshapes[:, COMPACT.blendshape_index("mouthPucker")] > 0.4
    speech = np.abs(np.arange(250) / 25.0 - 5.0) > 1.6
    assert added[rounded & speech].max() < added[~rounded & speech].min()


def test_the_lower_lip_rises_to_a_raised_upper_lip_where_lips_are_closed() -> None:
    """So that disgust is seen also while somebody says a /p/."""
    edited = SPEAKING.edit(Emotion.disgust(0.8))
    before, after = (track_motion(motion).aperture for motion in (SPEAKING, edited))
    times = (np.arange(250) + 0.5) / 25.0
    closed = ((times < 3.4) | (times > 6.6)) & (before < 0.002)
    change = (edited.blendshapes - SPEAKING.blendshapes)[closed]
    assert change[:, COMPACT.blendshape_indices(("mouthUpperUpLeft",))].min() > 0.4
    assert change[:, COMPACT.blendshape_indices(("mouthShrugLower",))].min() > 0.4
    assert after[closed].max() < 0.004


@pytest.mark.parametrize("name", EMOTIONS)
def test_protection_does_not_change_the_upper_face(name: str) -> None:
    emotion = Emotion.named(name)
    upper = np.setdiff1d(np.arange(52), COMPACT.region_blendshapes("mouth"))
    kept = SPEAKING.edit(emotion, mapping=LINEAR).blendshapes[:, upper]
    free = SPEAKING.edit(emotion, protect_speech=False, mapping=LINEAR).blendshapes[:, upper]
    np.testing.assert_allclose(kept, free, atol=1e-3)


def test_negative_units_reduce_what_speech_shows_and_keep_its_lips() -> None:
    smiling = SPEAKING.edit(Emotion.happiness(0.5), protect_speech=False)
    calmer = smiling.edit(-Emotion.units(AU12=0.5))
    smile = COMPACT.blendshape_indices(("mouthSmileLeft", "mouthSmileRight"))
    assert calmer.blendshapes[:, smile].max() < 0.5 * smiling.blendshapes[:, smile].min() + 0.05
    before, after = track_motion(smiling).aperture, track_motion(calmer).aperture
    assert correlation(before, after) > 0.97
    assert np.isfinite(calmer.vector).all()


def test_an_edit_is_kept_by_the_limits_of_rendering() -> None:
    for name, units in (("fear", ("browInnerUp", "eyeWideLeft")), ("disgust", ("noseSneerLeft",))):
        shown = SPEAKING.edit(Emotion.named(name)).limit().blendshapes
        for unit in units:
            assert np.median(shown[:, BLENDSHAPES.index(unit)]) > 0.55, (name, unit)


def test_a_space_with_unknown_lips_can_be_edited_without_protection() -> None:
    names = ("mouthSmileLeft", "mouthSmileRight")
    basis = np.random.default_rng(0).normal(size=(2, 5, 3))
    space = MotionSpace("test-lips", 5, names, basis, "head")
    motion = Motion.neutral(3, space=space)
    with pytest.raises(MotionError, match="'test-lips' is not known.*protect_speech=False"):
        motion.edit(Emotion.units(AU12=1.0))
    edited = motion.edit(Emotion.units(AU12=1.0), protect_speech=False)
    np.testing.assert_allclose(edited.expression, np.tile(basis.sum(0), (3, 1, 1)), atol=1e-5)
