"""The editor: identity at zero, speech kept, pieces as the whole, motions of any known space."""

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

from joyvasa_lib import Emotion, EmotionEditor, EmotionTimeline, Motion
from joyvasa_lib.emotion.action_units import COMPONENTS
from joyvasa_lib.emotion.editing.speech_guard import guard_of, reach
from joyvasa_lib.emotion.maps.choose import default_map
from joyvasa_lib.emotion.maps.linear import LinearUnitMap, arkit_unit_map
from joyvasa_lib.emotion.maps.unit_map import UnitToExpression
from joyvasa_lib.emotion.prototypes import BASIC
from joyvasa_lib.errors import MotionError, OptionError
from joyvasa_lib.evaluation.curves import correlation
from joyvasa_lib.evaluation.track import track_motion
from joyvasa_lib.motion import BLENDSHAPES, LIVEPORTRAIT_21, MotionSpace, get_space
from joyvasa_lib.motion.performance import Performance

COMPACT = get_space()
LINEAR = arkit_unit_map(COMPACT)
"""Laws of the editor itself are tested on the linear basis; a learned map has its own tests."""
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


# Nothing asked, nothing changed


@pytest.mark.parametrize("motion", [SPEAKING, official()], ids=["compact", "official"])
def test_strength_zero_and_neutral_return_the_very_same_numbers(motion: Motion) -> None:
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


def test_frames_without_emotion_keep_their_very_numbers() -> None:
    edited = SPEAKING.edit(TIMELINE)
    times = (np.arange(len(SPEAKING)) + 0.5) / 25.0
    quiet = ~TIMELINE.sample(times).any(axis=1)
    assert 50 < quiet.sum() < 200
    assert np.array_equal(edited.expression[quiet], SPEAKING.expression[quiet])
    assert not np.array_equal(edited.expression, SPEAKING.expression)
    assert np.array_equal(edited.rotation, SPEAKING.rotation)


def test_an_edit_of_units_alone_leaves_the_head_alone_and_head_units_the_face() -> None:
    smiling = SPEAKING.edit(Emotion.happiness())
    for name in ("rotation", "translation", "scale"):
        assert np.array_equal(getattr(smiling, name), getattr(SPEAKING, name))
    nodding = SPEAKING.edit(Emotion.units(AU54=1.0, AU52=0.5, AU57=1.0))
    assert np.array_equal(nodding.expression, SPEAKING.expression)
    np.testing.assert_allclose(nodding.rotation - SPEAKING.rotation, [[6.0, 5.0, 0.0]] * 250)
    np.testing.assert_allclose(nodding.scale, np.exp(0.06), rtol=1e-6)


# What is asked is done


def test_with_a_free_mouth_a_face_shows_the_units_as_they_are() -> None:
    still = Motion.neutral(3)
    for name in EMOTIONS:
        emotion = Emotion.named(name, 0.6)
        shown = still.edit(emotion, protect_speech=False, mapping=LINEAR).blendshapes
        wanted = np.zeros(52)
        for unit, value in emotion.arkit().items():
            wanted[BLENDSHAPES.index(unit)] = value
        np.testing.assert_allclose(shown, np.tile(wanted, (3, 1)), atol=2e-4)


@given(st.sampled_from(EMOTIONS), st.floats(0.0, 1.0))
def test_with_a_free_mouth_edits_are_linear_in_the_level_and_add_up(
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


def test_beyond_its_range_an_emotion_saturates_when_it_is_applied() -> None:
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


# Speech is kept


@pytest.mark.parametrize("name", EMOTIONS)
def test_vowels_keep_their_aperture_and_closures_stay_closures(name: str) -> None:
    before = track_motion(SPEAKING).aperture
    after = track_motion(SPEAKING.edit(Emotion.named(name))).aperture
    times = (np.arange(250) + 0.5) / 25.0
    speech = (times < 3.4) | (times > 6.6)
    closed, vowels = speech & (before < 0.002), speech & (before > 0.06)
    assert closed.sum() >= 10
    assert vowels.sum() >= 60
    assert after[closed].max() < 0.004
    np.testing.assert_allclose(after[vowels], before[vowels], atol=0.01)
    assert correlation(after, before) > 0.9  # the pause of two seconds included


def test_a_mouth_that_is_left_free_opens_closures() -> None:
    before = track_motion(SPEAKING).aperture
    free = track_motion(SPEAKING.edit(Emotion.surprise(), protect_speech=False)).aperture
    assert free[before < 0.002].mean() > 0.08


def test_in_a_long_pause_the_emotion_may_part_the_lips() -> None:
    after = track_motion(SPEAKING.edit(Emotion.surprise())).aperture
    pause = after[int(4.9 * 25) : int(5.1 * 25)]
    assert 0.01 < pause.min() <= pause.max() < 0.03
    assert after[:75].max() < track_motion(SPEAKING).aperture[:75].max() + 0.002


def test_speech_still_smiles() -> None:
    smile = COMPACT.blendshape_indices(("mouthSmileLeft", "mouthSmileRight"))
    added = (SPEAKING.edit(Emotion.happiness()).blendshapes - SPEAKING.blendshapes)[:, smile]
    assert added.min() > 0.35
    rounded = SPEAKING.blendshapes[:, COMPACT.blendshape_index("mouthPucker")] > 0.4
    speech = np.abs(np.arange(250) / 25.0 - 5.0) > 1.6
    assert added[rounded & speech].max() < added[~rounded & speech].min()


@pytest.mark.parametrize("name", EMOTIONS)
def test_the_guard_leaves_the_upper_face_as_the_emotion_wants_it(name: str) -> None:
    emotion = Emotion.named(name)
    upper = np.setdiff1d(np.arange(52), COMPACT.region_blendshapes("mouth"))
    kept = SPEAKING.edit(emotion, mapping=LINEAR).blendshapes[:, upper]
    free = SPEAKING.edit(emotion, protect_speech=False, mapping=LINEAR).blendshapes[:, upper]
    np.testing.assert_allclose(kept, free, atol=1e-3)


def test_negative_units_take_away_what_speech_shows_and_nothing_breaks() -> None:
    smiling = SPEAKING.edit(Emotion.happiness(0.5), protect_speech=False)
    calmer = smiling.edit(-Emotion.units(AU12=0.5))
    smile = COMPACT.blendshape_indices(("mouthSmileLeft", "mouthSmileRight"))
    assert calmer.blendshapes[:, smile].max() < 0.5 * smiling.blendshapes[:, smile].min() + 0.05
    before, after = track_motion(smiling).aperture, track_motion(calmer).aperture
    assert correlation(before, after) > 0.97
    assert np.isfinite(calmer.vector).all()


def test_an_edit_survives_the_limits_of_rendering() -> None:
    for name, units in (("fear", ("browInnerUp", "eyeWideLeft")), ("disgust", ("noseSneerLeft",))):
        shown = SPEAKING.edit(Emotion.named(name)).limit().blendshapes
        for unit in units:
            assert np.median(shown[:, BLENDSHAPES.index(unit)]) > 0.55, (name, unit)


# Pieces as the whole


@pytest.mark.parametrize("size", [1, 13, 100, 250])
@pytest.mark.parametrize(
    "options", [{}, {"liveliness": 1.0, "seed": 3}, {"protect_speech": False}], ids=str
)
@pytest.mark.parametrize("edit", [Emotion.fear(), TIMELINE], ids=["emotion", "timeline"])
@pytest.mark.parametrize("exact", [True, False], ids=["linear", "bundled"])
def test_pieces_give_the_numbers_of_the_whole(
    edit: Emotion | EmotionTimeline, options: dict[str, Any], size: int, exact: bool
) -> None:
    if exact:  # else the map of the bundled checkpoint, which may be a network in 32 bits
        options = {**options, "mapping": LINEAR}
    whole = SPEAKING.edit(edit, **options)
    pieces = cut(SPEAKING, size).edit(edit, **options)
    assert len(pieces) == 250
    assert pieces.motion.allclose(whole, rtol=0.0, atol=1e-9 if exact else 1e-4)


def test_pieces_give_the_numbers_of_the_whole_without_blendshapes() -> None:
    motion = official()
    units = ("AU1", "AU12_left", "AU26")
    basis = np.random.default_rng(2).normal(0, 0.02, (3, 21, 3))
    editor = EmotionEditor(
        "AU1:0.5,AU12_left:0.7,AU26:1", mapping=LinearUnitMap(LIVEPORTRAIT_21, units, basis)
    )
    whole = motion.edit(editor)
    assert cut(motion, 9).edit(editor).motion.allclose(whole, rtol=0.0, atol=1e-9)
    # In speech nothing is left of it along the published lip-opening direction.
    openings = guard_of(LIVEPORTRAIT_21).openings
    change = (whole.expression - motion.expression).astype(np.float64)
    middle = slice(30, 90)
    np.testing.assert_allclose(openings(change)[middle], 0.0, atol=1e-6)
    free = motion.edit(editor, protect_speech=False)
    assert np.abs(openings((free.expression - motion.expression).astype(np.float64))).min() > 1e-3


def test_a_stream_waits_no_longer_than_it_must() -> None:
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


# Liveliness


def test_a_living_face_wavers_blinks_and_depends_on_its_seed_alone() -> None:
    still = Motion.neutral(500)
    lively = still.edit(Emotion.fear(), liveliness=1.0, seed=4)
    assert lively == still.edit(Emotion.fear(), liveliness=1.0, seed=4)
    assert lively != still.edit(Emotion.fear(), liveliness=1.0, seed=5)
    brow = lively.blendshapes[:, BLENDSHAPES.index("browInnerUp")]
    assert 0.02 < brow.std() < 0.25
    assert np.abs(np.diff(brow)).max() < 0.05
    assert 0.1 < lively.rotation.std() < 2.0
    lids = lively.blendshapes[:, BLENDSHAPES.index("eyeBlinkLeft")]
    starts = np.flatnonzero((lids[1:] > 0.5) & (lids[:-1] <= 0.5))
    assert 3 <= len(starts) <= 12


def test_blinks_of_liveliness_keep_away_from_those_that_are_there() -> None:
    seconds = (np.arange(1500) + 0.5) / 25.0
    units = np.zeros((1500, 52))
    blink = [BLENDSHAPES.index("eyeBlinkLeft"), BLENDSHAPES.index("eyeBlinkRight")]
    units[:, blink] = (seconds % 2.2 < 0.2)[:, None]
    busy = Motion.from_blendshapes(units)
    lively = busy.edit(Emotion.fear(), liveliness=1.0, mapping=LINEAR)
    np.testing.assert_allclose(lively.blendshapes[:, blink], units[:, blink], atol=1e-3)


def test_surprise_blinks_less_and_holds_its_head_stiller_than_fear() -> None:
    def life(name: str) -> tuple[int, float]:
        motion = Motion.neutral(6000).edit(Emotion.named(name), liveliness=1.0, seed=1)
        lids = motion.blendshapes[:, BLENDSHAPES.index("eyeBlinkLeft")] > 0.5
        return int((np.diff(lids.astype(int)) > 0).sum()), float(motion.rotation.std())

    (few, stiff), (many, restless) = life("surprise"), life("fear")
    assert few < 0.6 * many
    assert stiff < 0.7 * restless


# Timelines


def test_a_timeline_moves_the_face_no_faster_than_speech_does() -> None:
    still = Motion.neutral(250)
    edited = still.edit(TIMELINE).blendshapes
    own = np.abs(np.diff(SPEAKING.blendshapes, axis=0)).max()
    assert np.abs(np.diff(edited, axis=0)).max() < own
    assert edited.max() > 0.7


def test_a_slice_goes_with_a_shifted_timeline() -> None:
    brows = EmotionTimeline(((0.5, "neutral"), (2.0, "AU1:1"), (6.0, "AU4:0.5")))  # type: ignore[arg-type]
    whole = SPEAKING.edit(brows)
    part = SPEAKING[75:].edit(brows.shifted(-3.0))
    assert part.allclose(whole[75:], atol=1e-6)


# Ways in, and what is refused


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
def test_an_edit_that_is_none_is_refused_with_what_is(
    edit: object, options: dict[str, float], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        SPEAKING.edit(edit, **options)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match=message):
        cut(SPEAKING, 50).edit(edit, **options)  # type: ignore[arg-type]


def test_a_motion_of_another_space_is_refused_by_both_names() -> None:
    editor = EmotionEditor("fear", mapping=default_map(COMPACT))
    with pytest.raises(MotionError, match="space 'compact-1'; the motion is of 'liveportrait-21'"):
        official().edit(editor)
    bare = Motion.neutral(3, space=MotionSpace("test-bare-emotion", 2))
    with pytest.raises(MotionError, match="'test-bare-emotion' has no blendshapes"):
        bare.edit(Emotion.fear())


def test_an_emotion_of_which_a_map_knows_nothing_is_refused_and_a_part_is_done() -> None:
    basis = np.random.default_rng(0).normal(0, 0.1, (1, 64, 3))
    mapping = LinearUnitMap(COMPACT, ("AU1",), basis)
    with pytest.raises(MotionError, match=r"none of the units of this emotion \(AU12_left, AU12"):
        SPEAKING.edit(Emotion.units(AU12=1.0), mapping=mapping)
    edited = SPEAKING.edit(Emotion.units(AU12=1.0, AU1=0.5), mapping=mapping)
    change = edited.expression - SPEAKING.expression
    np.testing.assert_allclose(change, np.tile(0.5 * basis, (250, 1, 1)), atol=1e-6)


def test_a_space_whose_lips_are_unknown_can_be_edited_with_a_free_mouth() -> None:
    names = ("mouthSmileLeft", "mouthSmileRight")
    basis = np.random.default_rng(0).normal(size=(2, 5, 3))
    space = MotionSpace("test-lips", 5, names, basis, "head")
    motion = Motion.neutral(3, space=space)
    with pytest.raises(MotionError, match="'test-lips' is not known.*protect_speech=False"):
        motion.edit(Emotion.units(AU12=1.0))
    edited = motion.edit(Emotion.units(AU12=1.0), protect_speech=False)
    np.testing.assert_allclose(edited.expression, np.tile(basis.sum(0), (3, 1, 1)), atol=1e-5)


def test_the_linear_map_is_the_basis_of_the_units() -> None:
    mapping = arkit_unit_map(COMPACT)
    assert isinstance(mapping, UnitToExpression)
    assert set(mapping.units) <= set(COMPONENTS)
    assert len(mapping.units) == 55
    row = mapping.units.index("AU26")
    activations = np.zeros((2, 3, 55), np.float32)
    activations[1, 2, row] = 0.5
    change = mapping.deformation(activations)
    assert change.shape == (2, 3, 64, 3)
    assert change.dtype == np.float32
    assert not change[0].any()
    assert COMPACT.blendshape_basis is not None
    jaw = COMPACT.blendshape_basis[BLENDSHAPES.index("jawOpen")]
    np.testing.assert_allclose(change[1, 2], 0.5 * 0.4 * jaw, atol=1e-7)
    with pytest.raises(MotionError, match="55 action units; got .* shape .2, 3."):
        mapping.deformation(np.zeros((2, 3), np.float32))


@pytest.mark.parametrize(
    ("units", "shape", "message"),
    [
        (("AU1", "AU99"), (2, 64, 3), "'AU99' is not an action-unit component"),
        (("AU1", "AU51"), (2, 64, 3), "'AU51' is not an action-unit component"),
        (("AU1",), (2, 64, 3), "basis of 1 different units"),
        (("AU1", "AU1"), (2, 64, 3), "basis of 2 different units"),
    ],
)
def test_a_basis_that_does_not_fit_is_refused(
    units: tuple[str, ...], shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(MotionError, match=message):
        LinearUnitMap(COMPACT, units, np.zeros(shape))
