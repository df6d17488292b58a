"""The order and the sides of an expression that comes."""

from __future__ import annotations

import numpy as np
import pytest

from joyvasa_lib import Emotion, EmotionTimeline, Motion
from joyvasa_lib.emotion.action_units import COMPONENTS
from joyvasa_lib.emotion.curve import Curve
from joyvasa_lib.emotion.editing.unfolding import Unfolding
from joyvasa_lib.errors import OptionError
from joyvasa_lib.motion import BLENDSHAPES

FPS = 25.0


def _course(motion: Motion, blendshape: str) -> Curve:
    return motion.blendshapes[:, BLENDSHAPES.index(blendshape)].astype(np.float64)


def _half(curve: Curve) -> float:
    """Seconds until a rising curve is half as high as it gets."""
    above = int(np.argmax(curve > 0.5 * curve.max()))
    before, after = curve[above - 1 : above + 1]
    return (above - 1 + (0.5 * curve.max() - before) / (after - before)) / FPS


def _risen(curve: Curve) -> float:
    """Seconds from a tenth to nine tenths of the height."""
    tenth, most = (int(np.argmax(curve > share * curve.max())) for share in (0.1, 0.9))
    return (most - tenth) / FPS


@pytest.mark.parametrize(
    ("name", "blendshape", "shortest", "longest"),
    [
        ("happiness", "mouthSmileLeft", 0.3, 0.6),
        ("surprise", "browOuterUpLeft", 0.08, 0.25),
        ("sadness", "mouthFrownLeft", 0.6, 1.0),
    ],
)
def test_an_episode_comes_as_fast_as_people_show_it(
    name: str, blendshape: str, shortest: float, longest: float
) -> None:
    timeline = EmotionTimeline.episode(Emotion.named(name, 0.8), 1.0)
    curve = _course(Motion.neutral(150).edit(timeline, protect_speech=False), blendshape)
    assert not curve[:25].any()
    assert shortest <= _risen(curve) <= longest
    assert timeline.at(0.99).is_neutral
    assert timeline.at(1.0 + 1.2 + 1.5 + 1.6).is_neutral


def test_an_episode_takes_the_times_it_is_given() -> None:
    timeline = EmotionTimeline.episode("anger", 2.0, apex=0.0, onset=0.2, offset=0.4)
    assert [one.time for one in timeline.keyframes] == pytest.approx([2.0, 2.2, 2.6])
    assert timeline.at(2.2) == Emotion.anger()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"apex": -1.0}, "apex"),
        ({"onset": 0.0}, "onset"),
        ({"offset": float("nan")}, "offset"),
    ],
)
def test_an_episode_refuses_times_no_face_has(options: dict[str, float], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        EmotionTimeline.episode("anger", **options)
    with pytest.raises(OptionError):
        EmotionTimeline.episode(3.0)  # type: ignore[arg-type]


def test_cheeks_follow_the_corners_of_a_smile_and_the_head_follows_the_face() -> None:
    timeline = EmotionTimeline.episode("happiness:0.8,AU54:0.8", 1.0)
    times = np.arange(100) / FPS
    behind = []
    for seed in range(8):
        shown = Unfolding(np.random.default_rng(seed), 1.0)(timeline.sample, times)
        columns = (COMPONENTS.index(name) for name in ("AU12_left", "AU6_left", "AU54"))
        smile, cheek, head = (_half(shown[:, column]) for column in columns)
        behind.append((cheek - smile, head - cheek))
    assert np.all(np.array(behind) > 0.0)
    assert np.all(np.abs(np.mean(behind, axis=0) - 0.06) < 0.03)
    at_once = Unfolding(np.random.default_rng(0), 0.0)(timeline.sample, times)
    np.testing.assert_array_equal(at_once, timeline.sample(times))


def test_both_sides_of_a_lively_face_differ_slightly_and_faces_differ() -> None:
    ratios = []
    for seed in range(8):
        motion = Motion.neutral(250).edit(Emotion.happiness(0.6), liveliness=1.0, seed=seed)
        left, right = (_course(motion, f"mouthSmile{side}").mean() for side in ("Left", "Right"))
        ratios.append(left / right)
    assert 0.8 < min(ratios) < 0.99
    assert 1.01 < max(ratios) < 1.25
    even = Motion.neutral(2).edit(Emotion.happiness(0.6))
    left, right = (_course(even, f"mouthSmile{side}") for side in ("Left", "Right"))
    np.testing.assert_allclose(left, right, atol=0.01)


def test_eyes_are_averted_in_sadness_and_disgust_and_return_to_the_viewer() -> None:
    def turned(name: str, blendshape: str, liveliness: float = 1.0) -> Curve:
        motion = Motion.neutral(1500).edit(Emotion.named(name, 0.8), liveliness=liveliness)
        return _course(motion, blendshape)

    down = turned("sadness", "eyeLookDownLeft")
    assert down.max() > 0.25
    assert 0.4 < (down > 0.15).mean() < 0.85
    assert (down < 0.05).mean() > 0.1
    assert turned("disgust", "eyeLookInLeft").max() > 0.15
    assert turned("anger", "eyeLookDownLeft").max() < 0.05
    assert not np.abs(turned("sadness", "eyeLookDownLeft", 0.0)).max() > 0.02


def test_a_lively_edit_in_pieces_is_that_of_the_whole() -> None:
    timeline = EmotionTimeline.episode("fear:0.7", 0.6)
    still = Motion.neutral(120)
    whole = still.edit(timeline, liveliness=1.0)
    pieces = list(timeline.edit_pieces([still[:37], still[37:40], still[40:]], liveliness=1.0))
    joined = Motion.concatenate(pieces)
    np.testing.assert_allclose(joined.expression, whole.expression, atol=1e-6)
    np.testing.assert_allclose(joined.rotation, whole.rotation, atol=1e-4)
