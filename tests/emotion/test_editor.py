"""The editor: unchanged motions, exact edits, pieces, timelines and motion spaces."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edited_motions import COMPACT, EMOTIONS, LINEAR, SPEAKING, TIMELINE, cut, official
from joyvasa_lib import Emotion, EmotionEditor, EmotionTimeline, Motion
from joyvasa_lib.emotion.editing.speech_guard import guard_of, reach
from joyvasa_lib.emotion.maps.choose import default_map
from joyvasa_lib.emotion.maps.linear import LinearUnitMap
from joyvasa_lib.errors import MotionError, OptionError
from joyvasa_lib.motion import BLENDSHAPES, LIVEPORTRAIT_21, MotionSpace

pytestmark = pytest.mark.slow

# Edits that change nothing, and edits without speech


@pytest.mark.parametrize("motion", [SPEAKING, official()], ids=["compact", "official"])
def test_strength_zero_and_neutral_return_the_motion_unchanged(motion: Motion) -> None:
    edits = [
        (Emotion.fear(), {"strength": 0.0}),
        (Emotion.neutral(), {}),
        (Emotion.fear() - Emotion.fear(), {"liveliness": 1.0}),
        (EmotionTimeline.constant("neutral"), {"protect_speech": False}),
    ]
    for emotion, options in edits:
        edited = motion.edit(emotion, **options)  # type: ignore[arg-type]
        assert edited == motion
        assert edited.vector.tobytes() == motion.vector.tobytes()
        assert cut(motion, 7).edit(emotion, **options).motion == motion  # type: ignore[arg-type]


def test_frames_without_emotion_are_unchanged() -> None:
    edited = SPEAKING.edit(TIMELINE)
    times = (np.arange(len(SPEAKING)) + 0.5) / 25.0
    quiet = ~TIMELINE.sample(times).any(axis=1)
    assert 50 < quiet.sum() < 200
    assert np.array_equal(edited.expression[quiet], SPEAKING.expression[quiet])
    assert not np.array_equal(edited.expression, SPEAKING.expression)
    assert np.array_equal(edited.rotation, SPEAKING.rotation)


def test_face_units_do_not_move_the_head_nor_head_units_the_face() -> None:
    smiling = SPEAKING.edit(Emotion.happiness())
    for name in ("rotation", "translation", "scale"):
        assert np.array_equal(getattr(smiling, name), getattr(SPEAKING, name))
    nodding = SPEAKING.edit(Emotion.units(AU54=1.0, AU52=0.5, AU57=1.0))
    assert np.array_equal(nodding.expression, SPEAKING.expression)
    np.testing.assert_allclose(nodding.rotation - SPEAKING.rotation, [[6.0, 5.0, 0.0]] * 250)
    np.testing.assert_allclose(nodding.scale, np.exp(0.06), rtol=1e-6)


def test_without_protection_a_face_shows_the_units_exactly() -> None:
    still = Motion.neutral(3)
    for name in EMOTIONS:
        emotion = Emotion.named(name, 0.6)
        shown = still.edit(emotion, protect_speech=False, mapping=LINEAR).blendshapes
        wanted = np.zeros(52)
        for unit, value in emotion.arkit().items():
            wanted[BLENDSHAPES.index(unit)] = value
        np.testing.assert_allclose(shown, np.tile(wanted, (3, 1)), atol=2e-4)


@given(st.sampled_from(EMOTIONS), st.floats(0.0, 1.0))
def test_without_protection_edits_are_linear_in_the_level_and_add_up(
    name: str, level: float
) -> None:
    still = Motion.neutral(1)
    full, part = Emotion.named(name), Emotion.named(name, level)

    def shown(motion: Motion, emotion: Emotion, strength: float = 1.0) -> NDArray[np.float32]:
        options = {"protect_speech": False, "mapping": LINEAR}
        return motion.edit(emotion, strength=strength, **options).expression

    np.testing.assert_allclose(shown(still, part), level * shown(still, full), atol=1e-6)
    np.testing.assert_allclose(shown(still, part), shown(still, full, level), atol=1e-6)
    gone = shown(still.edit(part, protect_speech=False, mapping=LINEAR), -part)
    np.testing.assert_allclose(gone, 0.0, atol=1e-6)


def test_an_emotion_saturates_when_it_is_applied() -> None:
    still = Motion.neutral(1)
    assert still.edit(3.0 * Emotion.units(AU1=1.0)) == still.edit(Emotion.units(AU1=1.0))
    assert still.edit(Emotion.units(AU1=0.8), strength=2.0) == still.edit(Emotion.units(AU1=1.0))
    twice = 2.0 * Emotion.units(AU1=0.4)  # halfway it is in range again
    assert still.edit(twice, strength=0.5).allclose(still.edit(Emotion.units(AU1=0.4)))


def test_upper_and_lower_face_have_gains_of_their_own() -> None:
    upper = [i for r in ("brows", "eyes", "cheeks") for i in COMPACT.region_blendshapes(r)]
    mouth = COMPACT.region_blendshapes("mouth")
    still = Motion.neutral(1)
    full = still.edit(Emotion.sadness(), mapping=LINEAR).blendshapes[0]
    calm = still.edit(Emotion.sadness(), lower=0.5, mapping=LINEAR).blendshapes[0]
    np.testing.assert_allclose(calm[mouth], 0.5 * full[mouth], atol=1e-4)
    np.testing.assert_allclose(calm[upper], full[upper], atol=1e-4)
    blank = still.edit(Emotion.sadness(), upper=0.0, mapping=LINEAR).blendshapes[0]
    np.testing.assert_allclose(blank[upper], 0.0, atol=1e-4)
    np.testing.assert_allclose(blank[mouth], full[mouth], atol=1e-4)


# Pieces


@pytest.mark.parametrize("size", [1, 13, 100, 250])
@pytest.mark.parametrize(
    "options", [{}, {"liveliness": 1.0, "seed": 3}, {"protect_speech": False}], ids=str
)
@pytest.mark.parametrize("edit", [Emotion.fear(), TIMELINE], ids=["emotion", "timeline"])
@pytest.mark.parametrize("exact", [True, False], ids=["linear", "bundled"])
def test_pieces_equal_the_whole(
    edit: Emotion | EmotionTimeline, options: dict[str, Any], size: int, exact: bool
) -> None:
    if exact:  # else the bundled map, a float32 network
        options = {**options, "mapping": LINEAR}
    whole = SPEAKING.edit(edit, **options)
    pieces = cut(SPEAKING, size).edit(edit, **options)
    assert len(pieces) == 250
    assert pieces.motion.allclose(whole, rtol=0.0, atol=1e-9 if exact else 1e-4)


def test_pieces_equal_the_whole_without_blendshapes() -> None:
    motion = official()
    units = ("AU1", "AU12_left", "AU26")
    basis = np.random.default_rng(2).normal(0, 0.02, (3, 21, 3))
    editor = EmotionEditor(
        "AU1:0.5,AU12_left:0.7,AU26:1", mapping=LinearUnitMap(LIVEPORTRAIT_21, units, basis)
    )
    whole = motion.edit(editor)
    assert cut(motion, 9).edit(editor).motion.allclose(whole, rtol=0.0, atol=1e-9)
    # In speech the change along the published lip-opening direction is zero.
    openings = guard_of(LIVEPORTRAIT_21).openings
    change = (whole.expression - motion.expression).astype(np.float64)
    middle = slice(30, 90)
    np.testing.assert_allclose(openings(change)[middle], 0.0, atol=1e-6)
    free = motion.edit(editor, protect_speech=False)
    assert np.abs(openings((free.expression - motion.expression).astype(np.float64))).min() > 1e-3


def test_a_stream_delays_frames_by_the_reach_of_protection_only() -> None:
    def first_after(editor: EmotionEditor) -> int:
        fed = 0

        def pieces() -> Iterator[Motion]:
            nonlocal fed
            for i in range(250):
                fed += 1
                yield SPEAKING[i : i + 1]

        next(editor.edit_pieces(pieces()))
        return fed

    assert first_after(EmotionEditor(Emotion.units(AU1=1.0))) == 1
    assert first_after(EmotionEditor(Emotion.happiness())) == 1 + reach(25.0)
    assert reach(25.0) / 25.0 < 0.7


def test_memory_does_not_grow_with_the_length() -> None:
    def peak(repeats: int) -> int:
        def pieces() -> Iterator[Motion]:
            for _ in range(repeats):
                yield SPEAKING

        editor = EmotionEditor("fear", liveliness=1.0)
        tracemalloc.start()
        for _ in editor.edit_pieces(pieces()):
            pass
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(1)
    assert peak(30) < 1.5 * peak(3)


# Timelines


def test_a_timeline_changes_the_face_no_faster_than_speech() -> None:
    still = Motion.neutral(250)
    edited = still.edit(TIMELINE).blendshapes
    own = np.abs(np.diff(SPEAKING.blendshapes, axis=0)).max()
    assert np.abs(np.diff(edited, axis=0)).max() < own
    assert edited.max() > 0.7


def test_a_slice_of_the_motion_matches_a_shifted_timeline() -> None:
    brows = EmotionTimeline(((0.5, "neutral"), (2.0, "AU1:1"), (6.0, "AU4:0.5")))  # type: ignore[arg-type]
    whole = SPEAKING.edit(brows)
    part = SPEAKING[75:].edit(brows.shifted(-3.0))
    assert part.allclose(whole[75:], atol=1e-6)


# Accepted and refused arguments


def test_motion_edit_takes_emotions_timelines_and_editors() -> None:
    emotion = Emotion.anger(0.5)
    wanted = SPEAKING.edit(emotion, strength=0.5)
    assert EmotionEditor(emotion, strength=0.5)(SPEAKING) == wanted
    assert SPEAKING.edit(EmotionEditor("anger:0.5"), strength=0.5) == wanted
    assert SPEAKING.edit(EmotionTimeline.constant(emotion), strength=0.5).allclose(wanted)
    assert len(Motion.neutral(0).edit(emotion)) == 0


def test_an_edited_motion_can_be_saved_and_edited_again(tmp_path: Path) -> None:
    edited = SPEAKING.edit(Emotion.sadness())
    loaded = Motion.load(edited.save(tmp_path / "sad.safetensors"))
    assert loaded == edited
    assert loaded.edit(Emotion.happiness(0.2)) == edited.edit(Emotion.happiness(0.2))


@pytest.mark.parametrize(
    ("edit", "options", "message"),
    [
        ("happiness:0.7", {}, "is edited by an Emotion.*for example Emotion.parse"),
        (None, {}, "not by None"),
        (Emotion.fear(), {"strenght": 1.0}, "no option 'strenght'; it has strength, protect"),
        (Emotion.fear(), {"strength": -0.1}, "strength must be a number from 0 to 2, not -0.1"),
        (
            Emotion.fear(),
            {"strength": float("nan")},
            "strength must be a number from 0 to 2, not nan",
        ),
        (Emotion.fear(), {"lower": 3.0}, "lower must be a number from 0 to 2, not 3.0"),
        (Emotion.fear(), {"liveliness": 2.0}, "liveliness must be a number from 0 to 1, not 2.0"),
        (Emotion.fear(), {"seed": -1}, "seed must be a whole number of at least 0, not -1"),
    ],
)
def test_invalid_edits_and_options_are_refused(
    edit: object, options: dict[str, float], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        SPEAKING.edit(edit, **options)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match=message):
        cut(SPEAKING, 50).edit(edit, **options)  # type: ignore[arg-type]


def test_a_motion_of_another_space_is_refused_with_both_names() -> None:
    editor = EmotionEditor("fear", mapping=default_map(COMPACT))
    with pytest.raises(MotionError, match="space 'compact-1'; the motion is of 'liveportrait-21'"):
        official().edit(editor)
    bare = Motion.neutral(3, space=MotionSpace("test-bare-emotion", 2))
    with pytest.raises(MotionError, match="'test-bare-emotion' has no blendshapes"):
        bare.edit(Emotion.fear())


def test_units_unknown_to_a_map_are_ignored_unless_all_are() -> None:
    basis = np.random.default_rng(0).normal(0, 0.1, (1, 64, 3))
    mapping = LinearUnitMap(COMPACT, ("AU1",), basis)
    with pytest.raises(MotionError, match=r"none of the units of this emotion \(AU12_left, AU12"):
        SPEAKING.edit(Emotion.units(AU12=1.0), mapping=mapping)
    edited = SPEAKING.edit(Emotion.units(AU12=1.0, AU1=0.5), mapping=mapping)
    change = edited.expression - SPEAKING.expression
    np.testing.assert_allclose(change, np.tile(0.5 * basis, (250, 1, 1)), atol=1e-6)
