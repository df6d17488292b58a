"""``Recorder``: what an avatar showed and said, into a video file with its sound.

Axis legend: ``n`` samples.
"""

from __future__ import annotations

import os
import wave
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import numpy as np

from joyvasa_lib.errors import OutputError
from joyvasa_lib.live.frame import LiveFrame
from joyvasa_lib.live.sound import Samples
from joyvasa_lib.media.audio import Speech
from joyvasa_lib.media.provenance.signing import Signer
from joyvasa_lib.media.unfinished import temporary_folder
from joyvasa_lib.media.video import AUDIO_RATE, VideoWriter


class Recorder:
    """Writes frames as they come; a context manager.

    Dropped frames are filled with the image that was shown, and silence with zeros, so that the
    video lasts as long as what was seen. The file appears when the block ends; after an error there
    is none. Memory does not grow with its length.

    Args:
        path: the file, named .mp4, .mov or .mkv.
        size: width and height of the frames in pixels.
        fps: frames a second.
        crf: H.264 constant rate factor, 0 (lossless) to 51.
        model: name of the portrait model, which the file says beside that it is synthetic.
        signer: who signs the file with Content Credentials, in .mp4 and .mov; None for nobody.

    Raises:
        OptionError: a suffix, size, rate or factor that is not allowed.
        OutputError: the file cannot be put there, or nothing can be where temporary files are.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        size: tuple[int, int],
        fps: float,
        crf: int = 18,
        model: str = "",
        signer: Signer | None = None,
    ) -> None:
        self._fps = fps
        self._stack = ExitStack()
        self._folder = ExitStack()
        self._sound = self._folder.enter_context(temporary_folder("live")) / "speech.wav"
        sound = Speech.in_file(self._sound, 0)
        self._writer = VideoWriter(path, size, fps, sound, crf=crf, model=model, signer=signer)
        self._wave: wave.Wave_write | None = None
        self._written = 0  # samples
        self._start: float | None = None

    @property
    def path(self) -> Path:
        """The file."""
        return self._writer.path

    @property
    def n_frames(self) -> int:
        """Frames written so far."""
        return self._writer.n_frames

    def __enter__(self) -> Recorder:
        with ExitStack() as stack:
            stack.callback(self._folder.close)
            self._writer.__enter__()
            stack.push(self._writer.__exit__)
            self._wave = wave.open(str(self._sound), "wb")
            stack.callback(self._wave.close)
            self._wave.setnchannels(1)
            self._wave.setsampwidth(2)
            self._wave.setframerate(AUDIO_RATE)
            self._stack = stack.pop_all()
        return self

    def write(self, frame: LiveFrame) -> None:
        """Adds a frame with its sound.

        Raises:
            OutputError: the recorder is not open, or the file cannot be written.
            MediaError: the image is of another size.
        """
        if self._wave is None:
            raise OutputError(f"The recorder of {self.path} is not open; use it in a with block")
        if self._start is None:
            self._start = frame.time
        if len(frame.audio):
            begins = round((frame.time - self._start) * AUDIO_RATE)
            self._put(np.zeros(max(0, begins - self._written), np.float32))
            self._put(_at_rate(frame.audio, frame.sample_rate))
        for _ in range(frame.periods):
            self._writer.write(frame.image)

    def _put(self, samples: Samples) -> None:
        assert self._wave is not None
        pcm = np.clip(np.rint(samples * 32767.0), -32768, 32767).astype("<i2")
        self._wave.writeframesraw(pcm.tobytes())
        self._written += len(samples)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None and self._wave is not None and self._written == 0:
            self._put(np.zeros(AUDIO_RATE // 100, np.float32))  # a track of silence
        self._wave = None
        self._stack.__exit__(kind, error, traceback)


def _at_rate(samples: Samples, sample_rate: int) -> Samples:
    """Samples at the rate of the file."""
    if sample_rate == AUDIO_RATE:
        return samples
    count = max(1, round(len(samples) * AUDIO_RATE / sample_rate))
    places = (np.arange(count) + 0.5) * sample_rate / AUDIO_RATE - 0.5
    return np.interp(places, np.arange(len(samples)), samples).astype(np.float32)
