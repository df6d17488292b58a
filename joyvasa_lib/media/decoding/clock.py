"""The clock that the image and the audio of a file share.

In MPEG program and transport streams ffmpeg counts time from the first packet of the streams that
it is asked for. Asked for one alone, it loses the time by which that one starts later than the
other: half a second in some recordings. Both are therefore asked for, and one is discarded.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from joyvasa_lib.media.decoding.ffmpeg import describe
from joyvasa_lib.media.decoding.probe import parse_description

_OWN_CLOCKS = re.compile(r"^Input #0, (?:mpeg|mpegts)[,\s]", re.MULTILINE)


def shared_clock(
    path: Path, unread: Literal["image", "audio"], source: int = 0, description: str | None = None
) -> list[str]:
    """Arguments of a discarded output that makes ffmpeg count time from the file's beginning.

    Args:
        path: the file.
        unread: the stream that ffmpeg is not asked for otherwise.
        source: the file's place among ffmpeg's inputs.
        description: what `describe` says about the file, where that is known.

    Returns:
        Arguments for the end of ffmpeg's command; none where the container has one clock or the
        file has no such stream.
    """
    text = describe(path) if description is None else description
    info = parse_description(text)
    if info is None or not _OWN_CLOCKS.search(text):
        return []
    there = info.has_audio if unread == "audio" else info.size is not None
    kind = "a" if unread == "audio" else "v"
    return ["-map", f"{source}:{kind}:0", "-c", "copy", "-f", "null", "-"] if there else []
