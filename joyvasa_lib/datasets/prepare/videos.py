"""Which videos there are, who is in them, and the segments that they are worked on in.

A video is known by its content, so that moving or renaming it between two runs changes nothing and
a second copy is found out.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from joyvasa_lib.checks import checked_path
from joyvasa_lib.datasets.prepare.outcomes import Outcome, Reason
from joyvasa_lib.datasets.prepare.recipe import LOWEST_FPS
from joyvasa_lib.errors import JoyVASAError, MediaError
from joyvasa_lib.media.decoding.probe import probe

SUFFIXES = (
    ".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts",
    ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv",
)  # fmt: skip
"""What counts as a video; anything else in the folders is left alone."""
SEGMENT_SECONDS = 120.0
"""A video is worked on in segments of this length, each of which is finished or not begun."""
_KEY_BYTES = 1 << 16
_PROBES = 8
"""Files inspected at a time; most of the time is spent waiting for the disk."""


@dataclass(frozen=True)
class VideoFile:
    """A video that can be worked on.

    Attributes:
        name: path relative to the folder of videos, with ``/``.
        key: 16 hexadecimal digits that its content decides.
        person: who is in it, as far as the folders tell.
        seconds: length.
        fps: frames a second, as the file says.
    """

    name: str
    key: str
    person: str
    seconds: float
    fps: float

    @property
    def rate(self) -> float:
        """Frames a second at which it is read: the file's own, divided to below 50."""
        return self.fps / max(1, math.floor(self.fps / 24.9))


@dataclass(frozen=True)
class Segment:
    """A part of a video, the unit of work.

    Attributes:
        video: of which.
        number: from 0.
        start: seconds from the beginning of the video.
        seconds: length.
        last: whether the video ends with it.
    """

    video: VideoFile
    number: int
    start: float
    seconds: float
    last: bool

    @property
    def name(self) -> str:
        """Unique in a set."""
        return f"{self.video.key}-{self.number:04d}"

    @property
    def readable(self) -> float:
        """Seconds to read; containers tell the length of a video a little too short."""
        return self.seconds + 1.0 if self.last else self.seconds


def segments_of(video: VideoFile) -> list[Segment]:
    """The segments of a video; the last one takes the rest, so it may be half as long again."""
    count = max(1, math.floor(video.seconds / SEGMENT_SECONDS + 0.5))
    starts = [number * SEGMENT_SECONDS for number in range(count)]
    ends = [*starts[1:], video.seconds]
    return [
        Segment(video, number, start, end - start, number == count - 1)
        for number, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]


def find_files(folder: Path, on_unreadable: Callable[[OSError], None]) -> list[Path]:
    """Every file below a folder that is called as a video is, in order of path.

    Hidden files and folders are left out; links are followed, each folder once.

    Args:
        folder: where to look.
        on_unreadable: called for each folder that cannot be listed.

    Raises:
        MediaError: there is no such folder.
    """
    if not checked_path("A folder of videos", folder, error=MediaError).is_dir():
        raise MediaError(f"There is no folder {folder}; check the name")
    found, seen = [], set()
    for place, folders, files in os.walk(folder, onerror=on_unreadable, followlinks=True):
        here = Path(place)
        real = here.resolve()
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [
            here / name
            for name in files
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES
        ]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def inspect_files(
    folder: Path, paths: Iterable[Path]
) -> Iterator[tuple[VideoFile | None, Outcome | None]]:
    """For each file, in order, the video that it is, or why it cannot be used."""
    known: dict[str, str] = {}
    with ThreadPoolExecutor(_PROBES) as pool:
        for found, outcome in pool.map(lambda path: _inspect(folder, path), paths):
            if found is not None and (first := known.setdefault(found.key, found.name)) != (
                found.name
            ):
                yield None, Outcome(found.name, 0.0, found.seconds, Reason.DUPLICATE, first)
            else:
                yield found, outcome


def _inspect(folder: Path, path: Path) -> tuple[VideoFile | None, Outcome | None]:
    name = path.relative_to(folder).as_posix()
    try:
        info = probe(path)
        if info.size is not None and info.fps is not None and info.duration is None:
            counted = probe(path, count_frames=True).n_frames or 0
            seconds = counted / info.fps
        else:
            seconds = info.duration or 0.0
        key = _key(path)
    except (JoyVASAError, OSError) as error:
        return None, Outcome(name, 0.0, 0.0, Reason.UNREADABLE, _short(error))
    if info.size is None or info.fps is None:
        return None, Outcome(name, 0.0, seconds, Reason.NO_IMAGE)
    if not info.has_audio:
        return None, Outcome(name, 0.0, seconds, Reason.NO_SOUND)
    if info.fps < LOWEST_FPS:
        detail = f"{info.fps:g} frames a second"
        return None, Outcome(name, 0.0, seconds, Reason.SLOW_IMAGE, detail)
    return VideoFile(name, key, person_of(name), seconds, info.fps), None


def person_of(name: str) -> str:
    """Who is in a video: the first folder on its path, or the file where it is in none."""
    first, _, rest = name.partition("/")
    return first if rest else name


def _key(path: Path) -> str:
    """Of the file's length and its first and last 64 kB, in which any two recordings differ."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        digest.update(file.read(_KEY_BYTES))
        file.seek(max(0, size - _KEY_BYTES))
        digest.update(file.read(_KEY_BYTES))
    return digest.hexdigest()[:16]


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
