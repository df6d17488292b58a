"""What a media file holds, read from ffmpeg's own description; no ffprobe is needed."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from joyvasa_lib.budgets import budgets
from joyvasa_lib.errors import MediaError
from joyvasa_lib.media.decoding.ffmpeg import FFmpeg, describe, input_arguments
from joyvasa_lib.media.files import check_readable, is_still_image

_STREAM = re.compile(r"^  Stream #0:\d+.*?: (Video|Audio): (.*)$")
_DURATION = re.compile(r"^  Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)", re.MULTILINE)
_SIZE = re.compile(r", (\d+)x(\d+)[ ,\[]")
_PIXEL_SHAPE = re.compile(r"\bSAR (\d+):(\d+) DAR")
_RATES = (re.compile(r"([\d.]+)(k?) fps\b"), re.compile(r"([\d.]+)(k?) tbr\b"))
_ROTATION = re.compile(r"display ?matrix: rotation of (-?[\d.]+) degrees", re.IGNORECASE)
_COMMENT = re.compile(r"^    comment +: (.*(?:\n +: .*)*)", re.MULTILINE | re.IGNORECASE)
_FASTEST = 240.0
"""Frames a second; more is no rate but the clock of a file whose frames come when they come, as
those of browsers' recorders do: ffmpeg then guesses 1000 or 90000."""
_USUAL = 25.0
"""Frames a second where a file has one frame, whose time tells nothing."""
_NTSC = {23.98: Fraction(24000, 1001), 29.97: Fraction(30000, 1001), 59.94: Fraction(60000, 1001)}


@dataclass(frozen=True)
class MediaInfo:
    """What an audio or video file says about itself.

    Attributes:
        duration: seconds of the longest stream, to 0.01; None where the file does not tell.
        fps: frames a second of the image, to 0.01 or an NTSC rate, the mean where they come
            unevenly; None for an audio file.
        size: (width, height) pixels of a frame as it is shown, turned where the file says so;
            None for an audio file.
        has_audio: whether there is an audio stream.
        n_frames: images in the video stream, where they were counted.
        comment: the comment in the file's metadata.
        square_pixels: whether the image's pixels are stored square; `size` is as they are shown.
    """

    duration: float | None
    fps: float | None
    size: tuple[int, int] | None
    has_audio: bool
    n_frames: int | None = None
    comment: str | None = None
    square_pixels: bool = True


def probe(path: str | os.PathLike[str], *, count_frames: bool = False) -> MediaInfo:
    """Tells what an audio or video file holds.

    Args:
        path: the file.
        count_frames: whether to read the file through, without decoding it, to count its frames;
            the header alone does not tell their exact number.

    Raises:
        MediaError: there is no such file, or it is neither audio nor video.
    """
    source = check_readable(path, "media")
    if is_still_image(source):
        raise MediaError(f"{source} is a still image; give a video or an audio file here")
    info = parse_description(describe(source))
    if info is None:
        raise MediaError(f"{source} is neither an audio nor a video file; give another one")
    if info.fps is not None and info.fps > _FASTEST:
        info = replace(info, fps=_mean_rate(source))
    if not count_frames or info.size is None:
        return info
    return replace(info, n_frames=_count_frames(source))


def parse_description(text: str) -> MediaInfo | None:
    """Reads what `ffmpeg -i` writes; None where it found no audio and no moving image."""
    head, *streams = re.split(r"^(?=  Stream #)", text, flags=re.MULTILINE)
    if "Input #0" not in head:
        return None
    has_audio, fps, size, square = False, None, None, True
    for stream in streams:
        found = _STREAM.match(stream.split("\n", 1)[0])
        if found is None:
            continue
        if found[1] == "Audio":
            has_audio = True
        elif size is None and "(attached pic)" not in found[2]:
            size, fps = _shown_size(stream), _rate(found[2])
            square = _pixel_shape(stream) == 1
    if size is None and not has_audio:
        return None
    time, comment = _DURATION.search(head), _COMMENT.search(head)
    return MediaInfo(
        duration=int(time[1]) * 3600 + int(time[2]) * 60 + float(time[3]) if time else None,
        fps=fps,
        size=size,
        has_audio=has_audio,
        comment=re.sub(r"\n +: ", "\n", comment[1]) if comment else None,
        square_pixels=square,
    )


def check_frame(size: tuple[int, int], name: str) -> None:
    """Refuses frames above the budget for videos.

    Raises:
        MediaError: there are more pixels.
    """
    most = budgets().video_pixels
    if size[0] * size[1] > most:
        raise MediaError(
            f"{name} has {size[0]}x{size[1]} pixels, above the {most} allowed (video_pixels); "
            "make it smaller first"
        )


def _shown_size(stream: str) -> tuple[int, int] | None:
    """(width, height) in square pixels after the turn that the display matrix asks for."""
    found, turn = _SIZE.search(stream), _ROTATION.search(stream)
    if found is None:
        return None
    width, height = int(found[1]), int(found[2])
    sideways = turn is not None and round(float(turn[1]) / 90) % 2 == 1
    shape = _pixel_shape(stream)
    if sideways:
        width, height, shape = height, width, 1 / shape
    return max(1, round(width * shape)), height


def _pixel_shape(stream: str) -> Fraction:
    """Width of a pixel over its height; 1 where the file does not tell."""
    found = _PIXEL_SHAPE.search(stream)
    known = found is not None and int(found[1]) > 0 and int(found[2]) > 0
    return Fraction(int(found[1]), int(found[2])) if found and known else Fraction(1)


def _rate(line: str) -> float | None:
    """Frames a second: the average, or the best guess where there is no average."""
    for pattern in _RATES:
        if found := pattern.search(line):
            rate = float(found[1]) * (1000 if found[2] else 1)
            return float(_NTSC.get(rate, rate))
    return None


def _count_frames(path: Path) -> int:
    """Images in the first video stream, by copying its packets to nowhere."""
    command = [*input_arguments(path), "-map", "0:v:0", "-c", "copy"]
    command += ["-progress", "pipe:1", "-f", "null", "-"]
    with FFmpeg(command, drain=True) as ffmpeg:
        counts = re.findall(rb"^frame=\s*(\d+)", ffmpeg.stdout.read(), flags=re.MULTILINE)
        if ffmpeg.finish() != 0 or not counts:
            raise MediaError(f"{path} is damaged: {ffmpeg.reason() or 'no frame was found'}")
    return int(counts[-1])


def _mean_rate(path: Path) -> float:
    """Frames a second by the times of the first video stream's packets, which are not decoded."""
    command = [*input_arguments(path), "-map", "0:v:0", "-c", "copy", "-f", "framecrc", "pipe:1"]
    tick, times = Fraction(1), []
    with FFmpeg(command, drain=True) as ffmpeg:
        for line in ffmpeg.stdout:
            if line.startswith(b"#tb 0:"):
                tick = Fraction(line[6:].decode().strip())
            elif line.startswith(b"0,"):  # stream, decoding time, presentation time, ...
                times.append(int(line.split(b",")[2]))
    seconds = (max(times) - min(times)) * tick if times else 0
    return round(float((len(times) - 1) / seconds), 2) if seconds else _USUAL
