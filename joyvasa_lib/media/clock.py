"""The clock that image and sound of a file share.

In MPEG program and transport streams ffmpeg counts time from the first packet of the streams that
it is asked for. Asked for one alone, it loses what that one starts later than the other: half a
second in some recordings. Both are asked for, therefore, and one of them is thrown away unread.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from joyvasa_lib.media.ffmpeg import describe
from joyvasa_lib.media.probe import parse_description

_OWN_CLOCKS = re.compile(r"^Input #0, (?:mpeg|mpegts)[,\s]", re.MULTILINE)


def beside(path: Path, stream: Literal["picture", "sound"], source: int = 0) -> list[str]:
    """Arguments of an output that goes nowhere, by which time counts from the file's beginning.

    Args:
        path: the file.
        stream: what is not asked for otherwise.
        source: the file's place among ffmpeg's inputs.

    Returns:
        Arguments for the end of ffmpeg's command; none where the container has one clock or the
        file has no such stream.
    """
    text = describe(path)
    info = parse_description(text)
    if info is None or not _OWN_CLOCKS.search(text):
        return []
    there = info.has_audio if stream == "sound" else info.size is not None
    kind = "a" if stream == "sound" else "v"
    return ["-map", f"{source}:{kind}:0", "-c", "copy", "-f", "null", "-"] if there else []
