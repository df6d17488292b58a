"""Phones with their times from files and arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from joyvasa_lib.errors import MediaError
from joyvasa_lib.evaluation.segments import Segment, frames_in, load_segments

ROWS = (("sil", 0.0, 0.1), ("B", 0.1, 0.25), ("AA1", 0.25, 0.5))

LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 0.5
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 0.5
        intervals: size = 1
        intervals [1]:
            xmin = 0
            xmax = 0.5
            text = "ba ""12"" la"
    item [2]:
        class = "IntervalTier"
        name = "speaker - phones"
        xmin = 0
        xmax = 0.5
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 0.1
            text = "sil"
        intervals [2]:
            xmin = 0.1
            xmax = 0.25
            text = "B"
        intervals [3]:
            xmin = 0.25
            xmax = 0.5
            text = "AA1"
"""

SHORT = """File type = "ooTextFile"
Object class = "TextGrid"

0
0.5
<exists>
1
"IntervalTier"
"phones"
0
0.5
3
0
0.1
"sil"
0.1
0.25
"B"
0.25
0.5
"AA1"
"""

FILES = {
    "long.TextGrid": LONG,
    "short.TextGrid": SHORT,
    "head.csv": "start,end,phone\n0,0.1,sil\n0.1,0.25,B\n0.25,0.5,AA1\n",
    "plain.csv": "sil,0,0.1\nB,0.1,0.25\nAA1,0.25,0.5\n",
    "tabs.tsv": "phoneme\tonset\toffset\nsil\t0\t0.1\nB\t0.1\t0.25\nAA1\t0.25\t0.5\n",
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_every_format_gives_the_same_segments(tmp_path: Path, name: str, encoding: str) -> None:
    path = tmp_path / name
    path.write_text(FILES[name], encoding=encoding)
    assert load_segments(path) == tuple(Segment(*row) for row in ROWS)


def test_rows_come_back_in_order_of_time() -> None:
    assert [one.phone for one in load_segments(reversed(ROWS))] == ["sil", "B", "AA1"]


@pytest.mark.parametrize("phone", ["p", "P", "B", "m", "m̩", "pʰ", "mː"])
def test_bilabials_close_the_lips_in_any_alphabet(phone: str) -> None:
    assert Segment(phone, 0, 1).is_closure


@pytest.mark.parametrize("phone", ["AA1", "ae0", "ɑː", "ˈaɪ", "a"])
def test_open_vowels_are_known_in_any_alphabet(phone: str) -> None:
    segment = Segment(phone, 0, 1)
    assert segment.is_open_vowel
    assert not segment.is_closure
    assert not segment.is_silence


@pytest.mark.parametrize("phone", ["f", "n", "UW1", "iː", "t"])
def test_other_phones_are_neither(phone: str) -> None:
    segment = Segment(phone, 0, 1)
    assert not (segment.is_closure or segment.is_open_vowel or segment.is_silence)


def test_a_frame_belongs_to_the_segment_that_holds_its_middle() -> None:
    # At 10 frames a second the middles lie at 0.05, 0.15, 0.25, ...
    mask = frames_in([Segment("B", 0.1, 0.3)], 5, 10.0)
    np.testing.assert_array_equal(mask, [False, True, True, False, False])
    assert not frames_in([Segment("B", 0.1, 0.3)], 5, 10.0, margin=0.1).any()


@pytest.mark.parametrize(
    ("content", "message"),
    [("phone,start,end\n", "no segments"), ("B,0.2,0.1\n", "ends before"), ("B,zero,1\n", "zero")],
)
def test_a_file_without_usable_segments_is_refused_by_name(
    tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(content)
    with pytest.raises(MediaError, match=message) as refused:
        load_segments(path)
    assert "bad.csv" in str(refused.value)


@pytest.mark.parametrize("last", ["IntervalTier", "phones"])
def test_a_textgrid_that_ends_early_is_refused_by_name(tmp_path: Path, last: str) -> None:
    path = tmp_path / "cut.TextGrid"
    path.write_text(SHORT[: SHORT.index(last) + len(last) + 2])
    with pytest.raises(MediaError, match=r"cut\.TextGrid is not a complete TextGrid"):
        load_segments(path)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "image.csv"
    path.write_bytes(bytes(range(128, 256)))
    with pytest.raises(MediaError, match=r"image\.csv is not text"):
        load_segments(path)
