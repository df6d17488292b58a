"""A video file as a stream of frames."""

from __future__ import annotations

import os
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from joyvasa_lib.budgets import budgets
from joyvasa_lib.errors import MediaError
from joyvasa_lib.media.decoding.clock import shared_clock
from joyvasa_lib.media.decoding.ffmpeg import FFmpeg, input_arguments
from joyvasa_lib.media.decoding.probe import check_frame, probe
from joyvasa_lib.media.files import check_readable

PPM_OUTPUT = ("-c:v", "ppm", "-pix_fmt", "rgb24", "-f", "image2pipe", "pipe:1")
"""Arguments for frames as PPM images on standard output: each states its own size."""


@dataclass(frozen=True)
class VideoReader:
    """A video whose frames are decoded when it is iterated over, one at a time in memory.

    Attributes:
        path: the file.
        fps: frames a second; frame i is what is shown at i / fps seconds of the file, whose audio
            counts from the same beginning; also where the file's own frame times are uneven.
        size: (width, height) pixels of the frames, after the turn that the file asks for.
        square_pixels: whether the file's pixels are square; others are scaled in width to be so.
    """

    path: Path
    fps: float
    size: tuple[int, int]
    square_pixels: bool = True

    def __iter__(self) -> Generator[npt.NDArray[np.uint8]]:
        """Yields uint8 [h, w, 3] RGB; each iteration decodes from the start."""
        command = [*input_arguments(self.path), "-map", "0:v:0", "-an"]
        shown = [] if self.square_pixels else ["scale={}:{}".format(*self.size), "setsar=1"]
        filters = ",".join([constant_rate(self.fps), *shown])
        command += ["-vf", filters, *PPM_OUTPUT, *shared_clock(self.path, "audio")]
        with FFmpeg(command, drain=True) as ffmpeg:
            yield from decoded_frames(ffmpeg, self.path)


def read_video(path: str | os.PathLike[str]) -> VideoReader:
    """Opens a video of any format that ffmpeg knows.

    Raises:
        MediaError: there is no such file, or it holds no moving image; while iterating, also
            that it is damaged.
    """
    source = check_readable(path, "video")
    info = probe(source)
    if info.size is None or info.fps is None:
        raise MediaError(f"{source} holds no moving image; give a video file")
    check_frame(info.size, str(source))
    return VideoReader(source, info.fps, info.size, info.square_pixels)


def constant_rate(fps: float) -> str:
    """The ffmpeg filter that gives, as frame i, what is shown at i / fps seconds.

    It is exact where the option ``-r`` shifts the image by up to two frames.
    """
    return f"fps={fps!r}:start_time=0"


def decoded_frames(
    ffmpeg: FFmpeg, path: Path, start: float = 0.0
) -> Generator[npt.NDArray[np.uint8]]:
    """The frames uint8 [h, w, 3] that a running ffmpeg writes as :data:`PPM_OUTPUT`.

    Args:
        ffmpeg: started with ``drain``.
        path: the video, for the message.
        start: seconds of the video at the first frame, for the message.

    Raises:
        MediaError: after the last frame, where ffmpeg failed or gave none; or there are more
            frames than the budget allows.
    """
    count, most = 0, budgets().video_frames
    while (frame := read_ppm(ffmpeg.stdout)) is not None:
        count += 1
        if count > most:
            raise MediaError(
                f"The video {path} has more than the {most} frames allowed (video_frames); give a "
                "shorter one"
            )
        yield frame
    if ffmpeg.finish() != 0 or count == 0:
        place = f" from second {start:g}" if start else ""
        raise MediaError(
            f"The video {path} is damaged after {count} frames{place} "
            f"({ffmpeg.reason() or 'no frame could be decoded'}); give another one"
        )


def read_ppm(stream: BinaryIO) -> npt.NDArray[np.uint8] | None:
    """One binary PPM image uint8 [h, w, 3]; None at the end of the stream."""
    header = [stream.readline() for _ in range(3)]
    if not header[2]:
        return None
    width, height = map(int, header[1].split())
    check_frame((width, height), "A frame of the video")
    data = stream.read(width * height * 3)
    if len(data) < width * height * 3:
        return None
    return np.frombuffer(bytearray(data), dtype=np.uint8).reshape(height, width, 3)
