"""Natural variation of a held expression."""

from __future__ import annotations

import numpy as np

from edited_motions import LINEAR
from joyvasa_lib import Emotion, Motion
from joyvasa_lib.motion import BLENDSHAPES


def test_a_lively_face_wavers_and_blinks_reproducibly() -> None:
    still = Motion.neutral(500)
    lively = still.edit(Emotion.fear(), liveliness=1.0, seed=4)
    assert lively == still.edit(Emotion.fear(), liveliness=1.0, seed=4)
    assert lively != still.edit(Emotion.fear(), liveliness=1.0, seed=5)
    brow = lively.blendshapes[:, BLENDSHAPES.index("browInnerUp")]
    assert 0.02 < brow.std() < 0.25
    assert np.abs(np.diff(brow)).max() < 0.05
    assert 0.1 < lively.rotation.std(axis=0).mean() < 2.0
    lids = lively.blendshapes[:, BLENDSHAPES.index("eyeBlinkLeft")]
    starts = np.flatnonzero((lids[1:] > 0.5) & (lids[:-1] <= 0.5))
    assert 3 <= len(starts) <= 12


def test_no_blinks_are_added_near_the_motions_own() -> None:
    seconds = (np.arange(1500) + 0.5) / 25.0
    units = np.zeros((1500, 52))
    blink = [BLENDSHAPES.index("eyeBlinkLeft"), BLENDSHAPES.index("eyeBlinkRight")]
    units[:, blink] = (seconds % 2.2 < 0.2)[:, None]
    busy = Motion.from_blendshapes(units)
    lively = busy.edit(Emotion.fear(), liveliness=1.0, mapping=LINEAR)
    np.testing.assert_allclose(lively.blendshapes[:, blink], units[:, blink], atol=1e-3)


def test_surprise_blinks_less_and_moves_the_head_less_than_fear() -> None:
    def life(name: str) -> tuple[int, float]:
        motion = Motion.neutral(6000).edit(Emotion.named(name), liveliness=1.0, seed=1)
        lids = motion.blendshapes[:, BLENDSHAPES.index("eyeBlinkLeft")] > 0.5
        return int((np.diff(lids.astype(int)) > 0).sum()), float(motion.rotation.std(axis=0).mean())

    (few, stiff), (many, restless) = life("surprise"), life("fear")
    assert few < 0.6 * many
    assert stiff < 0.7 * restless


def test_the_head_is_low_in_sadness_and_high_in_contempt_and_as_it_was_without_liveliness() -> None:
    def pitch(name: str, liveliness: float) -> float:
        motion = Motion.neutral(2000).edit(Emotion.named(name, 0.8), liveliness=liveliness)
        return float(motion.rotation[:, 0].mean())

    assert pitch("sadness", 1.0) > 2.5
    assert pitch("contempt", 1.0) < -2.0
    assert pitch("sadness", 0.5) < 0.7 * pitch("sadness", 1.0)
    assert pitch("sadness", 0.0) == 0.0


def test_a_posed_smile_leaves_the_cheeks_where_they_are() -> None:
    felt, posed = Emotion.happiness(0.8), Emotion.happiness(0.8, felt=False)
    assert posed["AU12"] == felt["AU12"] == 0.8
    assert felt["AU6"] > 0.0
    assert posed["AU6"] == 0.0
