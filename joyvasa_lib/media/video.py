"""Videos: frames and a recording into one file, and a file back into frames.

Axis legend: `b` frames of a batch, `h` and `w` pixels. Writing is `VideoWriter`; reading is
`read_video` (`video_reader`), and `probe` tells what a file holds.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from joyvasa_lib.checks import checked_int
from joyvasa_lib.errors import MediaError, OptionError, OutputError
from joyvasa_lib.media.audio import Speech, write_wav
from joyvasa_lib.media.decoding.clock import shared_clock
from joyvasa_lib.media.decoding.ffmpeg import FFmpeg, input_arguments
from joyvasa_lib.media.decoding.mixdown import TIMELINE, filtered
from joyvasa_lib.media.decoding.probe import MediaInfo, probe
from joyvasa_lib.media.decoding.video_reader import VideoReader, read_video
from joyvasa_lib.media.files import atomic_path, check_writable
from joyvasa_lib.media.provenance.mark import SYNTHETIC_VIDEO, Mark
from joyvasa_lib.media.provenance.signing import Signer, check_signed
from joyvasa_lib.media.provenance.writing import append_xmp, video_arguments

__all__ = [
    "CONTAINERS",
    "SYNTHETIC_NOTE",
    "MediaInfo",
    "VideoReader",
    "VideoWriter",
    "check_video_path",
    "frame_count",
    "probe",
    "read_video",
]

SYNTHETIC_NOTE = SYNTHETIC_VIDEO
"""Goes into the metadata of every video, so that tools and people can tell what it is."""

CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""ffmpeg's name of the container for each suffix that is written."""

HIGHEST_FPS = 240

_COLOURS = (
    "scale=out_color_matrix=bt709:out_range=tv:flags=bicubic+accurate_rnd+full_chroma_int,"
    "format=yuv420p,setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"
)
"""Says which matrix made the YUV numbers; unsaid, players guess and colours shift."""

AUDIO_RATE = 48000
"""Samples a second of the audio written."""

AAC_PACKET = 1024
"""Samples of an AAC packet (ISO/IEC 14496-3); 21 ms, so that half of one is below a frame."""

_AUDIO_FILTER = (
    f"{TIMELINE}:rematrix_maxval=1:osr={AUDIO_RATE},aformat=channel_layouts=mono|stereo,"
    "apad,atrim=end_sample={length}"
)


def frame_count(duration: float, fps: float) -> int:
    """Frames that `duration` seconds take at `fps` frames a second, to the nearest whole one."""
    return round(duration * fps)


def check_video_path(path: str | os.PathLike[str], *, overwrite: bool = True) -> Path:
    """Returns `path` as a Path once a video can be put there, so that work is not done in vain.

    Raises:
        OptionError: the name ends in no suffix of `CONTAINERS`.
        OutputError: as :func:`~joyvasa_lib.media.files.check_writable`.
    """
    target = check_writable(path, overwrite=overwrite)
    if target.suffix.lower() not in CONTAINERS:
        raise OptionError(
            f"Videos named {target.name!r} are not written; end the name in {', '.join(CONTAINERS)}"
        )
    return target


@contextmanager
def _folder(path: Path) -> Iterator[Path]:
    """Makes a folder that is gone after the block."""
    try:
        path.mkdir()
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


class VideoWriter:
    """Writes frames, as they come, into an H.264 video with audio; a context manager.

    The file appears when the block ends; after an error, Ctrl-C included, there is no file, or
    the one that was there before. Every frame written is one frame of the file. The audio is cut,
    or followed by silence, to end with the last frame. Odd sizes get their last column or row
    twice, because yuv420p stores colour for squares of 2x2 pixels.

    Args:
        path: the file, named .mp4, .mov or .mkv.
        size: (width, height) of the frames, pixels.
        fps: frames a second, above 0 and at most 240.
        speech: the audio; from its own file where it has one, else from its waveform.
        comment: the note in the file's metadata, which also says in XMP that the video is
            synthetic; None leaves both out.
        crf: H.264 constant rate factor, 0 (no loss) to 51; 18 looks like the frames themselves.
        overwrite: whether a file that is already there may be replaced.
        model: name of the portrait model, for the XMP.
        signer: who signs the file with Content Credentials, in .mp4 and .mov; None for nobody.

    Raises:
        OptionError: a suffix, size, rate or factor that is not allowed, or a signer without a
            comment to sign.
        OutputError: the file cannot be put there.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        size: tuple[int, int],
        fps: float,
        speech: Speech | None = None,
        comment: str | None = SYNTHETIC_NOTE,
        crf: int = 18,
        overwrite: bool = True,
        model: str = "",
        signer: Signer | None = None,
    ) -> None:
        self.path = check_video_path(path, overwrite=overwrite)
        if signer is not None:
            check_signed(self.path)
            if comment is None:
                raise OptionError("A signer signs what the comment says; give a comment, too")
        if not (math.isfinite(fps) and 0 < fps <= HIGHEST_FPS):
            raise OptionError(f"fps={fps} is not allowed; give more than 0, at most {HIGHEST_FPS}")
        crf = checked_int("crf", crf, least=0, most=51)
        if len(size) != 2 or min(size) < 2 or any(side != int(side) for side in size):
            raise OptionError(f"size={size} is not allowed; give (width, height) in pixels")
        self.size = (int(size[0]), int(size[1]))
        self.fps = float(fps)
        self.n_frames = 0
        self._speech, self._crf, self._signer = speech, crf, signer
        self._mark = None if comment is None else Mark.ours(comment, model)
        self._overwrite = overwrite
        self._stack = ExitStack()
        self._ffmpeg: FFmpeg | None = None
        self._target = self._image = self.path

    def __enter__(self) -> VideoWriter:
        if self._ffmpeg is not None:
            raise OutputError(f"The writer of {self.path} is open already; make another one")
        with ExitStack() as stack:
            self._target = stack.enter_context(atomic_path(self.path, overwrite=self._overwrite))
            self._image = self._target
            if self._speech is not None:
                parts = self._target.with_name(f"{self._target.stem}-parts")  # goes with it
                self._image = stack.enter_context(_folder(parts)) / "image.mp4"
            self._ffmpeg = stack.enter_context(FFmpeg(self._image_arguments(), feed=True))
            self._stack, self.n_frames = stack.pop_all(), 0
        return self

    def write(self, frames: npt.NDArray[np.uint8]) -> None:
        """Adds one frame uint8 [h, w, 3] RGB, or several [b, h, w, 3].

        Raises:
            MediaError: another type or shape.
            OutputError: the writer is not open, or ffmpeg stopped (a full disk, for example).
        """
        if self._ffmpeg is None:
            raise OutputError(f"The writer of {self.path} is not open; use it in a with block")
        frames = np.asarray(frames)
        width, height = self.size
        if frames.dtype != np.uint8 or frames.shape[-3:] != (height, width, 3) or frames.ndim > 4:
            raise MediaError(
                f"Frames of this video are uint8 [{height}, {width}, 3] or a batch of them, not "
                f"{frames.dtype} {list(frames.shape)}"
            )
        for frame in frames[None] if frames.ndim == 3 else frames:
            if height % 2 or width % 2:
                frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            try:
                self._ffmpeg.stdin.write(np.ascontiguousarray(frame).data)
            except OSError as error:
                self._finish(self._ffmpeg)
                raise OutputError(f"ffmpeg stopped before {self.path} was whole") from error
            self.n_frames += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is not None:
                self._stack.__exit__(kind, error, traceback)
                return
            with self._stack:
                if self.n_frames == 0:
                    raise OutputError(f"No frames were written, so there is no {self.path}")
                if self._ffmpeg is not None:
                    self._finish(self._ffmpeg)
                if self._speech is not None:
                    with FFmpeg(self._audio_arguments(self._speech)) as ffmpeg:
                        self._finish(ffmpeg)
                self._put_mark()
        finally:
            self._ffmpeg = None

    def _finish(self, ffmpeg: FFmpeg) -> None:
        """Waits for ffmpeg; raises an OutputError with its reason where it failed."""
        if ffmpeg.finish() != 0:
            raise OutputError(
                f"ffmpeg could not write {self.path} ({ffmpeg.reason() or 'it stopped'}); "
                "check the disk's free space and the audio file"
            )

    def _put_mark(self) -> None:
        """Marks and signs the finished file, before it gets its name."""
        if self._mark is not None and self._target.suffix.lower() == ".mp4":
            append_xmp(self._target, self._mark)
        if self._mark is not None and self._signer is not None:
            self._signer.sign(self._target, self.path.name, self._mark)

    def _image_arguments(self) -> list[str]:
        """Arguments for ffmpeg: raw frames on its standard input become the image alone."""
        width, height = (side + side % 2 for side in self.size)
        rate = Fraction(self.fps).limit_denominator(1001)
        arguments = ["-y", "-f", "rawvideo", "-pixel_format", "rgb24"]
        arguments += ["-video_size", f"{width}x{height}", "-framerate", str(rate), "-i", "pipe:0"]
        arguments += ["-vf", _COLOURS, "-c:v", "libx264", "-preset", "veryfast"]
        return [*arguments, "-crf", str(self._crf), *self._container(self._image)]

    def _audio_arguments(self, speech: Speech) -> list[str]:
        """Arguments for ffmpeg: the finished image, copied, and audio of the same length.

        A second step, because only now the number of frames is known: ffmpeg's own `-shortest`
        ends the audio up to ten frames early or late.
        """
        audio = speech.path
        if audio is None or not audio.is_file():
            audio = write_wav(self._image.with_name("speech.wav"), speech.waveform)
        length = round(self.n_frames / self.fps * AUDIO_RATE)
        if self._target.suffix.lower() == ".mkv":
            # Matroska plays the last AAC packet whole: end the audio where a packet ends.
            length = max(1, round(length / AAC_PACKET)) * AAC_PACKET
        arguments = ["-y", *input_arguments(self._image), *input_arguments(audio)]
        arguments += filtered(_AUDIO_FILTER.format(length=length), source=1)
        arguments += ["-map", "0:v:0", "-c:v", "copy", "-c:a", "aac", "-b:a", "160k"]
        clock = shared_clock(audio, "image", source=1)
        return [*arguments, *self._container(self._target), *clock]

    def _container(self, path: Path) -> list[str]:
        """The part of the arguments that names the file and what is said about it."""
        arguments = ["-map_metadata", "-1", "-map_chapters", "-1", *video_arguments(self._mark)]
        arguments += ["-movflags", "+faststart", "-f", CONTAINERS[path.suffix.lower()]]
        return [*arguments, f"file:{path}"]
