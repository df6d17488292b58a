"""Which clips are held out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from joyvasa_lib.datasets.prepare.splitting import assign_splits, split_level
from joyvasa_lib.datasets.prepared.index import ClipInfo


def clip(person: str, file: str, start: float, frames: int = 100) -> ClipInfo:
    return ClipInfo(f"{file}@{start}", f"{person}/{file}", person, start, frames, 200.0, 1.0)


def many(people: int, files: int, clips: int) -> list[ClipInfo]:
    return [
        clip(f"p{p}", f"p{p}f{f}.mp4", 5.0 * c)
        for p in range(people)
        for f in range(files)
        for c in range(clips)
    ]


def test_about_the_share_is_held_out_in_whole_groups() -> None:
    clips = many(10, 4, 5)
    for level, key in (("person", "person"), ("file", "video")):
        splits = assign_splits(clips, level, 0.1)
        held = {getattr(c, key) for c in clips if splits[c.name] == "valid"}
        assert not held & {getattr(c, key) for c in clips if splits[c.name] == "train"}
        assert 0.05 <= sum(s == "valid" for s in splits.values()) / len(clips) <= 0.15


def test_the_order_of_the_clips_does_not_matter() -> None:
    clips = many(7, 3, 2)
    assert assign_splits(clips, "file", 0.2) == assign_splits(clips[::-1], "file", 0.2)


def test_of_two_groups_the_smaller_is_held_out() -> None:
    clips = [clip("a", "a.mp4", 0.0, 500), clip("b", "b.mp4", 0.0, 300)]
    assert assign_splits(clips, "person", 0.1) == {"a.mp4@0.0": "train", "b.mp4@0.0": "valid"}


def test_of_one_recording_the_end_is_held_out() -> None:
    clips = many(1, 1, 10)
    assert split_level(clips, "person") == "clip"
    splits = assign_splits(clips, "clip", 0.2)
    assert [splits[c.name] for c in clips] == ["train"] * 8 + ["valid"] * 2


def test_one_person_with_several_files_is_divided_by_file() -> None:
    assert split_level(many(1, 3, 2), "person") == "file"
    assert split_level(many(2, 3, 2), "person") == "person"
    assert split_level(many(1, 1, 1), "file") == "file"


def test_a_single_clip_is_for_training() -> None:
    assert set(assign_splits(many(1, 1, 1), "file", 0.1).values()) == {"train"}


def test_nothing_is_held_out_if_nothing_is_to_be() -> None:
    assert set(assign_splits(many(4, 2, 2), "file", 0.0).values()) == {"train"}


def test_what_is_decided_stays_when_clips_are_added() -> None:
    before = many(6, 2, 3)
    splits = assign_splits(before, "person", 0.2)
    later = assign_splits(many(12, 2, 4), "person", 0.2, splits)
    assert {name: later[name] for name in splits} == splits
    people = {c.person: later[c.name] for c in before}
    for added in many(12, 2, 4):
        if added.person in people:
            assert later[added.name] == people[added.person]


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(1, 900)), min_size=2),
    st.sampled_from(["person", "file", "clip"]),
    st.floats(0.0, 0.5),
)
def test_there_is_always_something_to_learn_from(
    found: list[tuple[int, int, int]], level: str, share: float
) -> None:
    clips = [
        clip(f"p{p}", f"p{p}f{f}.mp4", 30.0 * i, frames) for i, (p, f, frames) in enumerate(found)
    ]
    splits = assign_splits(clips, split_level(clips, level), share)
    assert set(splits) == {c.name for c in clips}
    assert "train" in splits.values()
    assert ("valid" in splits.values()) == (share > 0.0)
