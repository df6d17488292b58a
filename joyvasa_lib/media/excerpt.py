"""An excerpt of a video: its frames at any rate with the audio that belongs to them.

Image and audio come from one ffmpeg. Two would each count time from the start of the stream that
they read, which in MPEG program and transport streams loses the delay between them.

Axis legend: ``h``, ``w`` pixels, ``n`` samples at 16 kHz.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import numpy.typing as npt

from joyvasa_lib.errors import MediaError
from joyvasa_lib.media.audio import SAMPLE_RATE
from joyvasa_lib.media.decoding.ffmpeg import FFmpeg, describe, input_arguments
from joyvasa_lib.media.decoding.mixdown import HEARD, chosen_channel, mixdown
from joyvasa_lib.media.decoding.probe import check_frame, parse_description
from joyvasa_lib.media.decoding.video_reader import PPM_OUTPUT, constant_rate, decoded_frames
from joyvasa_lib.media.files import check_readable
from joyvasa_lib.media.unfinished import temporary_folder

_INDEXED = {".mp4", ".m4v", ".mov", ".mkv", ".webm"}
"""Containers in which ffmpeg finds a time exactly; others are decoded from their beginning."""


class ExcerptReader:
    """Decodes an excerpt, one frame at a time in memory; its audio is there after the last frame.

    Use it as a context manager and iterate over it once.

    Args:
        path: a video with audio, of any format ffmpeg knows.
        start: seconds from the beginning of the file.
        seconds: length; to the end of the file if None.
        fps: frames a second that are given out: frame i is what is shown at start + i / fps.
        longest: larger images are scaled down to this longest side, pixels.

    Raises:
        MediaError: there is no such file; while iterating, also that it holds no image or no
            audio there, or is damaged.
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
        self._stack = ExitStack()
        self._folder: Path | None = None
        self._ffmpeg: FFmpeg | None = None
        self._channels = 1

    def __enter__(self) -> ExcerptReader:
        with ExitStack() as stack:
            self._folder = stack.enter_context(temporary_folder("excerpt"))
            self._ffmpeg = stack.enter_context(FFmpeg(self._command(), drain=True))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def __iter__(self) -> Iterator[npt.NDArray[np.uint8]]:
        """Yields uint8 [h, w, 3] RGB."""
        assert self._ffmpeg is not None, "an ExcerptReader is used in a with statement"
        yield from decoded_frames(self._ffmpeg, self.path, self.start)

    def waveform(self) -> npt.NDArray[np.int16]:
        """The audio [n], 16 kHz mono, from the first frame on; complete after the last frame."""
        try:
            samples = np.fromfile(self._audio_file, dtype="<i2").astype(np.int16, copy=False)
        except OSError as error:
            raise MediaError(f"{self.path} gave no audio; give a video with audio") from error
        whole = samples[: len(samples) // self._channels * self._channels]
        columns = whole.reshape(-1, self._channels)
        return np.ascontiguousarray(columns[:, chosen_channel(columns[: HEARD * SAMPLE_RATE])])

    @property
    def _audio_file(self) -> Path:
        assert self._folder is not None, "an ExcerptReader is used in a with statement"
        return self._folder / "audio.s16"

    def _command(self) -> list[str]:
        seeks = self.path.suffix.lower() in _INDEXED
        skipped = 0.0 if seeks else self.start
        jump = ["-ss", repr(self.start)] if seeks and self.start else []
        length = [] if self.seconds is None else ["-t", repr(float(self.seconds))]
        image, audio = [], []
        if skipped:
            image = [f"trim=start={skipped!r}", f"setpts=PTS-{skipped!r}/TB"]
            audio = [f"atrim=start={skipped!r}", f"asetpts=PTS-{skipped!r}/TB"]
        image += [constant_rate(self.fps), _as_shown(self.longest)]
        description = describe(self.path)
        info = parse_description(description)
        if info is not None and info.size is not None:
            check_frame(info.size, str(self.path))
        mix, self._channels = mixdown(description)
        command = [*jump, *input_arguments(self.path)]
        command += ["-map", "0:v:0", "-vf", ",".join(image), *length, *PPM_OUTPUT]
        command += ["-map", "0:a:0", "-af", ",".join([*audio, mix]), *length]
        command += ["-ar", str(SAMPLE_RATE), "-f", "s16le", f"file:{self._audio_file}"]
        return command


def _as_shown(longest: int) -> str:
    """Filters that make pixels square, as players do, and scale the longest side down."""
    fit = f"w='min({longest},iw)':h='min({longest},ih)':force_original_aspect_ratio=decrease"
    return f"scale=w='iw*sar':h=ih,setsar=1,scale={fit}"
