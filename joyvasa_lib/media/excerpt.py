"""A stretch of a video: its frames at any rate with the sound that belongs to them.

Image and sound come from one ffmpeg. Two would each count time from the start of the stream that
they read, which in MPEG program and transport streams loses what one starts later than the other.

Axis legend: ``h``, ``w`` pixels, ``n`` samples at 16 kHz.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from joyvasa_lib.errors import MediaError
from joyvasa_lib.media.audio import MIXDOWN, SAMPLE_RATE
from joyvasa_lib.media.ffmpeg import FFmpeg, input_arguments
from joyvasa_lib.media.files import check_readable
from joyvasa_lib.media.video_reader import read_ppm

_INDEXED = {".mp4", ".m4v", ".mov", ".mkv", ".webm"}
"""Containers in which ffmpeg finds a time exactly; others are decoded from their beginning."""


class StretchReader:
    """Decodes a stretch, one frame at a time in memory; the sound is there after the last frame.

    Use it as a context manager and iterate over it once.

    Args:
        path: a video with sound, of any format ffmpeg knows.
        start: seconds from the beginning of the file.
        seconds: length; to the end of the file if None.
        fps: frames a second that are given out: frame i is what is shown at start + i / fps.
        longest: larger images are brought down to this longest side, pixels.

    Raises:
        MediaError: there is no such file; while iterating, also that it holds no image or no
            sound there, or is damaged.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        start: float = 0.0,
        seconds: float | None = None,
        *,
        fps: float,
        longest: int = 1920,
    ) -> None:
        self.path = check_readable(path, "video")
        self.start, self.seconds, self.fps, self.longest = start, seconds, fps, longest
        self.frames = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._ffmpeg: FFmpeg | None = None

    def __enter__(self) -> StretchReader:
        self._folder = tempfile.TemporaryDirectory(prefix="joyvasa-")
        try:
            self._ffmpeg = FFmpeg(self._command(), drain=True)
        except BaseException:
            self._folder.cleanup()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._ffmpeg is not None and self._folder is not None:
            self._ffmpeg.__exit__(kind, error, traceback)
            self._folder.cleanup()

    def __iter__(self) -> Iterator[npt.NDArray[np.uint8]]:
        """Yields uint8 [h, w, 3] RGB."""
        assert self._ffmpeg is not None, "a StretchReader is used in a with statement"
        while (frame := read_ppm(self._ffmpeg.stdout)) is not None:
            self.frames += 1
            yield frame
        if self._ffmpeg.finish() != 0 or self.frames == 0:
            raise MediaError(
                f"The video {self.path} is damaged after {self.frames} frames from second "
                f"{self.start:g} ({self.complaint or 'no frame could be decoded'}); give another"
            )

    @property
    def complaint(self) -> str:
        """The last thing that ffmpeg found wrong, or ""."""
        return "" if self._ffmpeg is None else self._ffmpeg.reason()

    def sound(self) -> npt.NDArray[np.int16]:
        """The sound [n], 16 kHz mono, from the first frame on; complete after the last frame."""
        try:
            return np.fromfile(self._sound_file, dtype="<i2").astype(np.int16, copy=False)
        except OSError as error:
            raise MediaError(f"{self.path} gave no sound; give a video with sound") from error

    @property
    def _sound_file(self) -> Path:
        assert self._folder is not None, "a StretchReader is used in a with statement"
        return Path(self._folder.name) / "sound.s16"

    def _command(self) -> list[str]:
        seeks = self.path.suffix.lower() in _INDEXED
        skipped = 0.0 if seeks else self.start
        jump = ["-ss", repr(self.start)] if seeks and self.start else []
        length = [] if self.seconds is None else ["-t", repr(float(self.seconds))]
        image, sound = [], []
        if skipped:
            image = [f"trim=start={skipped!r}", f"setpts=PTS-{skipped!r}/TB"]
            sound = [f"atrim=start={skipped!r}", f"asetpts=PTS-{skipped!r}/TB"]
        # The filter is exact where the option -r shifts the image by up to two frames.
        image += [f"fps={self.fps!r}:start_time=0", _as_shown(self.longest)]
        command = [*jump, *input_arguments(self.path)]
        command += ["-map", "0:v:0", "-vf", ",".join(image), *length]
        command += ["-c:v", "ppm", "-pix_fmt", "rgb24", "-f", "image2pipe", "pipe:1"]
        command += ["-map", "0:a:0", "-af", ",".join([*sound, MIXDOWN]), *length]
        command += ["-ar", str(SAMPLE_RATE), "-f", "s16le", f"file:{self._sound_file}"]
        return command


def _as_shown(longest: int) -> str:
    """Filters that make pixels square, as players do, and bring the longest side down."""
    fit = f"w='min({longest},iw)':h='min({longest},ih)':force_original_aspect_ratio=decrease"
    return f"scale=w='iw*sar':h=ih,setsar=1,scale={fit}"
