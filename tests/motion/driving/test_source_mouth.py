"""How much of an image's own mouth a change of its expression replaces."""

from __future__ import annotations

import numpy as np
import pytest

from joyvasa_lib.motion import BLENDSHAPES, get_space
from joyvasa_lib.motion.driving.source_mouth import replaced_mouth, replaced_share


def units(**values: float) -> np.ndarray:
    row = np.zeros(52, dtype=np.float32)
    for name, value in values.items():
        row[BLENDSHAPES.index(name)] = value
    return row


def test_a_slight_smile_in_a_frown_does_not_keep_the_smile() -> None:
    space = get_space()
    smiling = units(mouthSmileLeft=0.6, mouthSmileRight=0.6)
    frown = units(mouthFrownLeft=1.0, mouthFrownRight=1.0)
    slight = frown + units(mouthSmileLeft=0.01, mouthSmileRight=0.01)
    gone = replaced_mouth(smiling, frown, space)
    assert gone[space.blendshape_index("mouthSmileLeft")] > 0.3
    np.testing.assert_allclose(replaced_mouth(smiling, slight, space), gone, atol=0.03)
    raised = frown + smiling
    assert not replaced_mouth(smiling, raised, space).any()


def test_a_mouth_is_replaced_by_what_contradicts_it_and_by_pressed_lips() -> None:
    space = get_space()
    smiling = units(mouthSmileLeft=0.6, mouthSmileRight=0.6, mouthUpperUpLeft=0.2)
    assert replaced_share(smiling, units(browInnerUp=1.0), space) == 0.0
    assert replaced_share(smiling, units(mouthSmileLeft=0.5, mouthSmileRight=0.5), space) == 0.0
    frown = units(mouthFrownLeft=0.2, mouthFrownRight=0.2)
    assert replaced_share(smiling, frown, space) == pytest.approx(0.6)
    assert replaced_share(smiling, 2.0 * frown, space) == 1.0
    pressing = units(mouthSmileLeft=0.5, mouthSmileRight=0.5, mouthPressLeft=0.2)
    assert replaced_share(smiling, pressing, space) == pytest.approx(0.6)
