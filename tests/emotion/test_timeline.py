"""Timelines: keyframes, easing, files and words; continuous at every moment."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joyvasa_lib import Emotion, EmotionTimeline
from joyvasa_lib.emotion.curve import frame_times
from joyvasa_lib.emotion.emotion import blend
from joyvasa_lib.emotion.keyframes.curve import EASINGS, SHORTEST_CHANGE, Keyframe, ease
from joyvasa_lib.errors import MediaError, OptionError

NAMES = ("neutral", "happiness", "fear:0.5", "AU4:0.3", "anger:-0.4")
JOY, FEAR = Emotion.happiness(0.8), Emotion.fear(0.5)
TIMELINE = EmotionTimeline(((0.0, "neutral"), (1.0, JOY), (3.0, FEAR, "linear")))  # type: ignore[arg-type]


@st.composite
def timelines(draw: Callable[..., float]) -> EmotionTimeline:
    count = draw(st.integers(1, 6))
    gaps = draw(st.lists(st.floats(SHORTEST_CHANGE, 3.0), min_size=count, max_size=count))
    times = np.cumsum(gaps) - 1.0  # type: ignore[arg-type]
    return EmotionTimeline(
        tuple(
            Keyframe(
                float(time),
                Emotion.parse(draw(st.sampled_from(NAMES))),  # type: ignore[arg-type]
                draw(st.sampled_from(EASINGS)),  # type: ignore[arg-type]
            )
            for time in times
        )
    )


@pytest.mark.parametrize("easing", EASINGS)
def test_an_easing_rises_monotonically_from_0_to_1(easing: str) -> None:
    curve = ease(np.linspace(0.0, 1.0, 101), easing)
    assert (curve[0], curve[-1]) == (0.0, 1.0)
    assert (np.diff(curve) >= 0).all()


@pytest.mark.parametrize(("easing", "start", "end"), [("smooth", 0, 0), ("ease-in", 0, 2)])
def test_an_easing_rests_where_its_name_says(easing: str, start: float, end: float) -> None:
    curve = ease(np.linspace(0.0, 1.0, 10001), easing)
    slope = np.diff(curve) * 10000
    assert slope[0] == pytest.approx(start, abs=1e-2)
    assert slope[-1] == pytest.approx(end, abs=1e-2)
    assert EmotionTimeline.constant(JOY).at(-5.0) == JOY


def test_keyframes_are_met_exactly_and_the_ends_hold() -> None:
    assert TIMELINE.at(-10.0) == Emotion.neutral()
    assert TIMELINE.at(1.0) == JOY
    assert TIMELINE.at(3.0) == TIMELINE.at(99.0) == FEAR
    assert TIMELINE.at(0.5).allclose(0.5 * JOY)
    assert TIMELINE.at(2.5).allclose(blend(JOY, FEAR, 0.75))


@given(timelines(), st.floats(-2, 20), st.floats(0, 0.04))
def test_the_speed_of_change_is_bounded_by_the_shortest_change(
    timeline: EmotionTimeline, time: float, step: float
) -> None:
    before, after = timeline.sample([time, time + step])
    vectors = np.stack([one.emotion.vector for one in timeline.keyframes])
    spread = np.ptp(vectors, axis=0)
    # No easing is steeper than 2, so a whole change takes at least half the shortest time.
    assert (np.abs(after - before) <= 2.0 * step / SHORTEST_CHANGE * spread + 1e-9).all()


@given(timelines(), st.integers(1, 40))
def test_frames_are_the_same_wherever_the_timeline_is_cut(
    timeline: EmotionTimeline, cut: int
) -> None:
    whole = timeline.sample(frame_times(0, 60, 25.0))
    rest = timeline.sample(frame_times(cut, 60 - cut, 25.0))
    assert np.array_equal(whole[cut:], rest)
    moved = timeline.shifted(-cut / 25.0).sample(frame_times(0, 60 - cut, 25.0))
    np.testing.assert_allclose(moved, rest, atol=1e-9)


@given(timelines())
def test_a_timeline_survives_its_file(timeline: EmotionTimeline) -> None:
    from joyvasa_lib.emotion.keyframes.files import keyframes_of

    rows = [
        {"time": one.time, "emotion": str(one.emotion), "easing": one.easing}
        for one in timeline.keyframes
    ]
    read = keyframes_of({"keyframes": json.loads(json.dumps(rows))})
    assert read.keyframes == timeline.keyframes


@pytest.mark.parametrize("name", ["mood.yaml", "mood.json"])
def test_what_is_saved_is_loaded(tmp_path: Path, name: str) -> None:
    path = TIMELINE.save(tmp_path / name)
    assert EmotionTimeline.load(path) == TIMELINE
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_may_be_written_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "mood.yaml"
    path.write_text(
        "keyframes:\n"
        "  - {time: 0, emotion: neutral}\n"
        "  - time: 1.5\n"
        '    emotion: "surprise:0.8,AU12:0.2"\n'
        "    easing: ease-out\n"
        "  - {time: 3, emotion: {fear: 0.5, AU4_left: 0.1}}\n"
    )
    timeline = EmotionTimeline.load(path)
    assert [one.time for one in timeline.keyframes] == [0.0, 1.5, 3.0]
    assert timeline.at(1.5) == Emotion.surprise(0.8) + Emotion.units(AU12=0.2)
    assert timeline.at(3.0) == Emotion.fear(0.5) + Emotion.units(AU4_left=0.1)
    (tmp_path / "list.json").write_text('[{"time": 0, "emotion": "fear"}]')
    assert EmotionTimeline.load(tmp_path / "list.json").at(0) == Emotion.fear()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("keyframes: 3", "is a list of keyframes"),
        ("frames: []", "only the key 'keyframes', not 'frames'"),
        ("[]", "at least one keyframe"),
        ("[1]", "Keyframe 1: it is 1"),
        ("- {time: 1}", "Keyframe 1: it has no emotion"),
        ("- {time: 1, emotion: fear, speed: 2}", "the key 'speed'; keys are time, emotion, easing"),
        ("- {time: soon, emotion: fear}", "Keyframe 1: The time of a keyframe .* 'soon'"),
        ("- {time: .nan, emotion: fear}", "time of a keyframe must be a number, not nan"),
        ("- {time: 1, emotion: joy}", "no emotion 'joy'"),
        ("- {time: 1, emotion: 5}", "is an Emotion or text"),
        ("- {time: 1, emotion: {fear: 2}}", "must be a number from -1 to 1, not 2.0"),
        (
            "- {time: 1, emotion: fear, easing: bounce}",
            "'smooth', 'linear', 'ease-in', 'ease-out', not 'bounce'",
        ),
        (
            "- {time: 1, emotion: fear}\n- {time: 0, emotion: anger}",
            "runs backwards: .* 0 s follows",
        ),
        ("{", "cannot be read as a timeline"),
    ],
)
def test_a_file_that_is_no_timeline_is_refused_by_name(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "mood.yaml"
    path.write_text(text)
    with pytest.raises(OptionError, match=message) as caught:
        EmotionTimeline.load(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(MediaError, match=r"no timeline file 'nowhere\.yaml'"):
        EmotionTimeline.load("nowhere.yaml")


@pytest.mark.parametrize(
    ("keyframes", "message"),
    [
        ((), "at least one"),
        (((1.0, "fear"), (1.0, "anger")), "runs backwards"),
        (((1.0, "fear"), (1.05, "anger")), "too close: a face needs 0.1 s"),
        (((float("inf"), "fear"),), "must be a number, not inf"),
        (((0.0, 7),), "not 7"),
        ((3,), "made of keyframes"),
        (((0.0, "fear", "smooth", 1),), "made of keyframes"),
    ],
)
def test_keyframes_that_make_no_timeline_are_refused(
    keyframes: tuple[object, ...], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        EmotionTimeline(keyframes)  # type: ignore[arg-type]


def test_timelines_take_emotions_and_factors() -> None:
    assert (TIMELINE + FEAR).at(1.0) == (JOY + FEAR).saturated()
    assert (FEAR + TIMELINE).at(1.0) == (JOY + FEAR).saturated()
    assert (0.5 * TIMELINE).at(3.0) == 0.5 * FEAR
    assert (0.0 * TIMELINE).is_neutral


WORDS = [("So", 0.4, 0.6), ("great!", 1.0, 1.5), ("but", 2.9, 3.1), ("Terrible", 3.2, 3.8)]


def test_an_emotion_is_reached_when_its_word_begins_and_fades_after_it() -> None:
    timeline = EmotionTimeline.from_words(WORDS, {"great": JOY, "terrible": "fear:0.5"})
    for time in (1.0, 1.2, 1.5):
        assert timeline.at(time) == JOY
    assert timeline.at(0.4).is_neutral
    assert not timeline.at(0.9).is_neutral
    assert timeline.at(2.4).is_neutral
    assert timeline.at(3.5) == FEAR
    assert timeline.at(4.7).is_neutral


def test_between_close_words_one_emotion_changes_directly_into_the_next() -> None:
    words = [("good", 1.0, 1.5), ("bad", 1.52, 2.0), ("good", 2.1, 2.4), ("good", 2.6, 3.0)]
    timeline = EmotionTimeline.from_words(words, {"good": JOY, "bad": FEAR})
    assert timeline.at(1.2) == JOY
    assert timeline.at(1.52) == FEAR
    assert timeline.at(1.47).allclose(blend(JOY, FEAR, 0.5))
    assert timeline.at(2.5) == JOY  # two words of one emotion are one stretch


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 2), st.floats(0, 0.5)), max_size=12),
    st.floats(SHORTEST_CHANGE, 0.6),
    st.floats(SHORTEST_CHANGE, 0.6),
)
def test_any_words_in_order_make_a_timeline(
    gaps: list[tuple[str, float, float]], onset: float, offset: float
) -> None:
    start, words = 0.0, []
    for word, gap, length in gaps:
        start += gap
        words.append((word, start, start + length))
    timeline = EmotionTimeline.from_words(words, {"a": JOY, "b": FEAR}, onset=onset, offset=offset)
    if not any(word in "ab" for word, _, _ in words):
        assert timeline.is_neutral
    last = words[-1][2] if words else 0.0
    assert timeline.at(max([last, *(end for _, _, end in words)]) + offset + 1e-6).is_neutral


def test_words_that_run_backwards_are_refused() -> None:
    with pytest.raises(OptionError, match="'b' goes from 1 to 2 s after one that began at 3"):
        EmotionTimeline.from_words([("a", 3, 4), ("b", 1, 2)], {"a": JOY})
    with pytest.raises(OptionError, match="in order and end after they start"):
        EmotionTimeline.from_words([("a", 3, 2)], {"a": JOY})
    with pytest.raises(OptionError, match="onset must be a number of at least 0.1, not 0.0"):
        EmotionTimeline.from_words([], {}, onset=0.0)
