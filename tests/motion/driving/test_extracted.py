"""Motion extracted from images: gaps and the driving person's own face."""

from __future__ import annotations

import numpy as np
import pytest

from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion import BLENDSHAPES, LIVEPORTRAIT_21, Motion
from joyvasa_lib.motion.driving.extracted import fill_gaps, from_rest

RNG = np.random.default_rng(0)


def line(n_frames: int) -> Motion:
    """A motion whose every number goes in a straight line."""
    at = np.arange(n_frames)[:, None]
    vector = at * RNG.normal(0, 0.1, 70) + RNG.normal(0, 1, 70)
    return Motion.from_vector(vector, space=LIVEPORTRAIT_21, fps=25, reference="absolute")


def pick(motion: Motion, frames: list[int]) -> Motion:
    return Motion.concatenate([motion[i] for i in frames])


def test_a_straight_line_is_filled_exactly() -> None:
    whole = line(12)
    seen = [0, 1, 2, 6, 7, 11]
    filled = fill_gaps(pick(whole, seen), seen, 12)
    assert filled.allclose(whole, atol=1e-5)
    assert filled.reference == "absolute"


def test_before_the_first_and_after_the_last_frame_motion_stays() -> None:
    part = pick(line(9), [3, 4, 5])
    filled = fill_gaps(part, [3, 4, 5], 9)
    for frame in range(3):
        assert filled[frame] == part[0]
        assert filled[8 - frame] == part[2]


def test_an_angle_goes_the_short_way_across_a_gap() -> None:
    turn = np.zeros((2, 3))
    turn[:, 2] = [170.0, -170.0]
    motion = Motion.build(
        np.zeros((2, 21, 3)), space=LIVEPORTRAIT_21, rotation=turn, reference="absolute"
    )
    np.testing.assert_allclose(fill_gaps(motion, [0, 2], 3).rotation[1, 2] % 360, 180.0)


def test_a_motion_without_gaps_is_itself() -> None:
    motion = line(5)
    assert fill_gaps(motion, range(5), 5) is motion


@pytest.mark.parametrize(
    ("seen", "n_frames", "message"),
    [
        ([0, 1], 5, "3 frames needs as many"),
        ([0, 2, 2], 5, "increasing"),
        ([0, 1, 5], 5, "Frame 5 is not one of a video of 5"),
        ([], 5, "not 0"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(seen: list[int], n_frames: int, message: str) -> None:
    with pytest.raises(MotionError, match=message):
        fill_gaps(line(3), seen, n_frames)


def talking() -> np.ndarray:
    units = np.zeros((200, 52), np.float32)
    units[:, BLENDSHAPES.index("browInnerUp")] = 0.3  # how the person looks
    units[:, BLENDSHAPES.index("jawOpen")] = 0.1 + 0.4 * np.abs(np.sin(np.arange(200) / 5))
    units[50:54, BLENDSHAPES.index("eyeBlinkLeft")] = 1.0
    return units


def test_what_never_changes_is_the_person_and_what_changes_is_kept() -> None:
    motion = Motion.from_blendshapes(talking(), reference="absolute")
    units = from_rest(motion).blendshapes
    np.testing.assert_allclose(units[:, BLENDSHAPES.index("browInnerUp")], 0.0, atol=1e-4)
    jaw = units[:, BLENDSHAPES.index("jawOpen")]
    assert jaw.min() == pytest.approx(0.0, abs=1e-4)
    before = talking()[:, BLENDSHAPES.index("jawOpen")]
    assert np.corrcoef(jaw, before)[0, 1] > 0.99
    np.testing.assert_allclose(units[50:54, BLENDSHAPES.index("eyeBlinkLeft")], 1.0, atol=1e-3)


def test_generated_motion_and_motion_without_units_are_left_alone() -> None:
    generated = Motion.from_blendshapes(talking())
    assert from_rest(generated) is generated
    keypoints = line(3)
    assert from_rest(keypoints) is keypoints
    with pytest.raises(MotionError, match="quantile must lie in"):
        from_rest(generated, 0.7)
