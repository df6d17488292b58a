"""Phones with their times, from a TextGrid, a CSV file or an array.

Labels may be ARPABET (``AA1``) or IPA; stress, length and tone are ignored.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.errors import MediaError
from joyvasa_lib.media.files import check_readable

SegmentSource: TypeAlias = "str | os.PathLike[str] | Iterable[Sequence[Any]]"

CLOSURES = frozenset({"p", "b", "m", "ɓ", "pp", "bb", "mm"})
"""Phones for which the lips meet."""
OPEN_VOWELS = frozenset(
    {"aa", "ae", "ay", "aw", "a", "ɑ", "æ", "ɐ", "ɒ", "aɪ", "aʊ", "aj", "ai", "au", "ä"}
)
"""Vowels with a low jaw, and diphthongs that begin with one."""
SILENCES = frozenset({"", "sil", "sp", "spn", "pau", "sos", "eos", "<eps>", "<sil>", "#", "_"})

_DIACRITICS = re.compile(r"[0-9ˈˌːˑ˞ʰʲʷ.\s'\"\u0300-\u036f]")
_TIERS = ("phones", "phone", "phonemes", "phoneme", "segments", "mau")
_COLUMNS = {
    "phone": ("phone", "phoneme", "label", "symbol", "segment"),
    "start": ("start", "begin", "onset", "xmin"),
    "end": ("end", "stop", "offset", "xmax"),
}


@dataclass(frozen=True)
class Segment:
    """One phone.

    Attributes:
        phone: the label as given.
        start: seconds.
        end: seconds.
    """

    phone: str
    start: float
    end: float

    @property
    def plain(self) -> str:
        """The label in lower case without stress, length and tone."""
        return _DIACRITICS.sub("", self.phone.lower())

    @property
    def is_closure(self) -> bool:
        """Whether the lips meet."""
        return self.plain in CLOSURES

    @property
    def is_open_vowel(self) -> bool:
        """Whether the jaw is low."""
        return self.plain in OPEN_VOWELS

    @property
    def is_silence(self) -> bool:
        """Whether it is a pause."""
        return self.plain in SILENCES


def load_segments(source: SegmentSource) -> tuple[Segment, ...]:
    """Reads segments in order of time.

    Args:
        source: a Praat ``.TextGrid`` (its tier ``phones``, else the last tier with intervals), a
            table with the columns phone, start, end in seconds (``.csv``, ``.tsv``; in any order
            if a header names them), or rows ``(phone, start, end)``.

    Raises:
        MediaError: no such file, or it holds no usable segments.
    """
    if isinstance(source, str | os.PathLike):
        path = check_readable(source, "segments")
        text = _decoded(path)
        try:
            rows = _textgrid_rows(text) if '"IntervalTier"' in text else _table_rows(text)
        except (IndexError, ValueError) as error:
            raise MediaError(
                f"{path} is not a complete TextGrid; save it again in Praat"
            ) from error
        name = str(path)
    else:
        rows, name = [tuple(row) for row in source], "The array"
    try:
        segments = [Segment(str(phone), float(start), float(end)) for phone, start, end in rows]
    except (TypeError, ValueError) as error:
        raise MediaError(
            f"{name} holds a row that is not phone, start, end in seconds ({error})"
        ) from error
    if not segments or any(not 0.0 <= one.start <= one.end < np.inf for one in segments):
        raise MediaError(
            f"{name} holds no segments or one that ends before it starts; give rows phone, start, "
            "end in seconds"
        )
    return tuple(sorted(segments, key=lambda one: one.start))


def frames_in(
    segments: Iterable[Segment], n_frames: int, fps: float, margin: float = 0.0
) -> NDArray[np.bool_]:
    """Mask [t] of the frames whose middle lies in any of the segments.

    Args:
        segments: the segments.
        n_frames: number of frames.
        fps: frames per second.
        margin: seconds by which each segment is shortened at both ends.
    """
    times = (np.arange(n_frames) + 0.5) / fps
    mask = np.zeros(n_frames, dtype=bool)
    for one in segments:
        mask |= (times >= one.start + margin) & (times < one.end - margin)
    return mask


def _decoded(path: Path) -> str:
    data = path.read_bytes()
    wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        return data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise MediaError(f"{path} is not text in UTF-8 or UTF-16; save it as such") from error


def _textgrid_rows(text: str) -> list[tuple[str, ...]]:
    """Rows of a long or short TextGrid (Praat manual, "TextGrid file formats").

    An own reader, because praatio 6.2 refuses files with several values on a line, which the format
    allows.
    """
    text = re.sub(r"\[\d*\]", "", text)  # the long format numbers its intervals
    tokens = re.findall(r'"(?:[^"]|"")*"|(?<![\w.])-?\d+(?:\.\d+)?(?:[eE]-?\d+)?', text)
    tiers: dict[str, list[tuple[str, ...]]] = {}
    for at in (i for i, token in enumerate(tokens) if token == '"IntervalTier"'):
        name, count = tokens[at + 1].strip('"'), int(tokens[at + 4])
        body = tokens[at + 5 : at + 5 + 3 * count]
        rows = zip(body[0::3], body[1::3], body[2::3], strict=False)
        tiers[name] = [(label[1:-1], start, end) for start, end, label in rows]
    for wanted in _TIERS:
        for name, rows_of_tier in tiers.items():
            if name.lower().split(" - ")[-1] == wanted:
                return rows_of_tier
    return list(tiers.values())[-1]


def _table_rows(text: str) -> list[tuple[str, ...]]:
    delimiter = "\t" if "\t" in text else ","
    rows = [row for row in csv.reader(text.splitlines(), delimiter=delimiter) if row]
    order = [0, 1, 2]
    if rows:
        head = [cell.strip().lower() for cell in rows[0]]
        found = [
            next((head.index(name) for name in names if name in head), -1)
            for names in _COLUMNS.values()
        ]
        if min(found) >= 0:
            order, rows = found, rows[1:]
    return [tuple(row[i].strip() if i < len(row) else "" for i in order) for row in rows]
