"""How the channels of a recording become one.

ffmpeg mixes them, unless they cancel: two in opposite phase, as a swapped cable records them, have
a mean of silence. Then the loudest channel alone is taken. Both come out of one decoding, so that
nothing is decoded to find out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from joyvasa_lib.media.decoding.ffmpeg import ffmpeg_version

TIMELINE = "aresample=async=1:first_pts=0"
"""ffmpeg filter: gaps and a late start become silence, so that sample n is at n / rate seconds."""

_TO_MONO = "rematrix_maxval=1,aformat=channel_layouts=mono:sample_fmts=flt"
"""The mean of the channels; without the maximum ffmpeg mixes floats 3 dB hotter."""

_ONE_FORMAT = "aresample=rematrix_maxval=1"
"""As `_TO_MONO`, for channels that become those that a recording began with."""

CANCELLED = 0.01
"""Energy of the mixdown over that of the channels, -20 dB, below which the channels cancel."""

HEARD = 30
"""Seconds from the beginning that are compared; the choice holds for the whole recording."""

_LAYOUT = re.compile(r"Stream #0:\d+.*?: Audio: .*?\b\d+ Hz, ([^,]+),")
_COUNTS = {"stereo": 2, "quad": 4, "hexagonal": 6, "octagonal": 8, "hexadecagonal": 16}
_NUMBERED = re.compile(r"\d+(?:\.\d+)+")


def filtered(filters: str, source: int = 0) -> list[str]:
    """Arguments that give the first audio stream of an input, filtered, as the pad ``[heard]``.

    Where a recording changes its channels or its rate, as joined files and broadcasts do, ffmpeg
    begins the filters anew, and :data:`TIMELINE` puts silence as long as all before into the
    middle. Filters that follow an encoder and decoder of ffmpeg's own see one format to the end.

    Args:
        filters: what is done with it.
        source: the file's place among ffmpeg's inputs.
    """
    stream = f"{source}:a:0"
    if not _decodes_again():
        return ["-filter_complex", f"[{stream}]{filters}[heard]", "-map", "[heard]"]
    encoded = ["-map", stream, "-af", _ONE_FORMAT, "-c:a", "pcm_f32le", "-f", "null", "-"]
    graph = f"[dec:0]{filters}[heard]"
    return [*encoded, "-dec", "0:0", "-filter_complex", graph, "-map", "[heard]"]


def mixdown(description: str) -> tuple[str, int]:
    """The ffmpeg filter for a file's first audio stream, and how many channels it gives.

    Args:
        description: what `describe` says about the file.

    Returns:
        The filter, to float samples: the first channel is the mixdown; of several channels each
        follows it.
    """
    found = _LAYOUT.search(description)
    layout = found[1] if found else "mono"
    channels = _count(layout)
    if channels < 2:
        return f"{TIMELINE}:{_TO_MONO}", 1
    # The mixdown is called front left, the lowest of all places: amerge puts it first.
    return (
        f"{TIMELINE},aformat=channel_layouts={layout}:sample_fmts=flt,asplit[whole][channels];"
        f"[whole]aresample={_TO_MONO},channelmap=map=0:channel_layout=FL[mix];"
        "[mix][channels]amerge",
        1 + channels,
    )


def mono_blocks(
    stream: BinaryIO, channels: int, chunk: int, rate: int
) -> Iterator[npt.NDArray[np.float32]]:
    """Reads what the filter gives, as float32 samples, and gives one channel.

    Args:
        stream: ffmpeg's output.
        channels: the number that :func:`mixdown` gave.
        chunk: samples in a block.
        rate: samples a second.

    Yields:
        float32 [chunk]; the last block may be shorter.
    """
    blocks = _blocks(stream, channels, chunk)
    held: list[npt.NDArray[np.float32]] = []
    if channels > 1:
        for block in blocks:
            held.append(block)
            if sum(map(len, held)) >= HEARD * rate:
                break
    taken = chosen_channel(np.concatenate(held)[: HEARD * rate]) if held else 0
    for part in (held, blocks):
        for block in part:
            yield np.ascontiguousarray(block[:, taken])


def chosen_channel(samples: npt.NDArray[Any]) -> int:
    """0, the mixdown, or the loudest of the channels where they cancel in it.

    Args:
        samples: [n, 1 + channels], the mixdown and the channels.
    """
    if samples.shape[1] < 2 or not len(samples) or not np.isfinite(samples).all():
        return 0
    energies = (samples.astype(np.float64) ** 2).mean(0)
    if energies[0] >= CANCELLED * energies[1:].mean():
        return 0
    return 1 + int(energies[1:].argmax())


def _blocks(stream: BinaryIO, channels: int, chunk: int) -> Iterator[npt.NDArray[np.float32]]:
    while data := stream.read(4 * channels * chunk):
        usable = len(data) // (4 * channels) * channels
        yield np.frombuffer(data, "<f4", usable).astype(np.float32).reshape(-1, channels)


def _count(layout: str) -> int:
    """Channels of a layout by its name in ffmpeg; 1 for one that is not known."""
    name = layout.split("(")[0]
    if _NUMBERED.fullmatch(name):
        return sum(map(int, name.split(".")))
    return _COUNTS.get(name, 1)


@cache
def _decodes_again() -> bool:
    """Whether ffmpeg decodes what it encodes itself: from version 7 on."""
    found = re.match(r"n?(\d+)\.", ffmpeg_version())
    return found is not None and int(found[1]) >= 7
