"""Which filter makes a recording mono.

The mean of the channels, unless they cancel: two in opposite phase, as a swapped cable records
them, have a mean of silence. Then the loudest channel alone is taken.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from joyvasa_lib.media.decoding.ffmpeg import FFmpeg, input_arguments

TIMELINE = "aresample=async=1:first_pts=0"
"""ffmpeg filter: gaps and a late start become silence, so that sample n is at n / rate seconds."""

MIXDOWN = f"{TIMELINE}:rematrix_maxval=1,aformat=channel_layouts=mono:sample_fmts=flt"
"""ffmpeg filter: the mean of the channels; without the maximum ffmpeg mixes floats 3 dB hotter."""

CANCELLED = 0.01
"""Energy of the mean over that of the channels, -20 dB, below which the channels cancel."""

_HEARD = 30
"""Seconds from the beginning that are compared; the choice holds for the whole recording."""
_MONO = re.compile(r"Stream #0:\d+.*?: Audio: .*\b(?:mono|1 channels)\b")


def loudest_if_cancelling(samples: npt.NDArray[Any]) -> int | None:
    """The loudest channel of samples [n, channels] whose mean is nearly silent; else None."""
    if samples.shape[1] < 2 or not len(samples) or not np.isfinite(samples).all():
        return None
    wide = samples.astype(np.float64)
    energies = (wide**2).mean(0)
    if (wide.mean(1) ** 2).mean() >= CANCELLED * energies.mean():
        return None
    return int(energies.argmax())


def mixdown_filter(path: Path, description: str) -> str:
    """The ffmpeg filter that makes a file's first audio stream mono float.

    Args:
        path: the file.
        description: what `describe` says about it.
    """
    audio = re.search(r"^.*Stream #0:\d+.*?: Audio: .*$", description, re.MULTILINE)
    if audio is None or _MONO.search(audio[0]):
        return MIXDOWN
    command = [*input_arguments(path), "-map", "0:a:0", "-t", str(_HEARD), "-af", TIMELINE]
    command += ["-ar", "16000", "-c:a", "pcm_f32le", "-f", "wav", "pipe:1"]
    with FFmpeg(command, drain=True) as ffmpeg:
        data = ffmpeg.stdout.read()
    start = data.find(b"data") + 8
    channels = int.from_bytes(data[22:24], "little")
    if start < 8 or channels < 2:
        return MIXDOWN
    usable = (len(data) - start) // (4 * channels) * channels
    samples = np.frombuffer(data, "<f4", usable, start).reshape(-1, channels)
    loudest = loudest_if_cancelling(samples)
    if loudest is None:
        return MIXDOWN
    return f"{TIMELINE},pan=mono|c0=c{loudest},aformat=sample_fmts=flt"
