"""Speech: any audio file, array or tensor, as 16 kHz mono float32.

Axis legend: `n` samples. Files are decoded, mixed down and resampled by ffmpeg, whatever their
container, rate and channels; arrays are resampled here (`resampling`).
"""

from __future__ import annotations

import logging
import os
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from joyvasa_lib.budgets import budgets
from joyvasa_lib.errors import MediaError, OptionError
from joyvasa_lib.media.decoding.clock import shared_clock
from joyvasa_lib.media.decoding.ffmpeg import FFmpeg, describe, input_arguments
from joyvasa_lib.media.decoding.mixdown import filtered, mixdown, mono_blocks
from joyvasa_lib.media.decoding.probe import parse_description
from joyvasa_lib.media.files import atomic_path, check_readable, is_still_image
from joyvasa_lib.media.resampling import mono_at_rate
from joyvasa_lib.media.tensors import is_tensor

if TYPE_CHECKING:
    import torch

SAMPLE_RATE = 16000
"""Samples a second of all speech inside the library: what wav2vec 2.0 was trained on."""

SHORTEST = 0.1
"""Seconds; less holds no syllable."""

LONGEST_KEPT = 600.0
"""Seconds; a longer file is decoded again, piece by piece, when it is read."""

SILENCE = 10 ** (-80 / 20)
"""Peak below which a recording counts as silent: -80 dBFS, under the dither of any microphone."""

LOUDEST_FLOAT = 4.0
"""Peak of float samples above which they cannot be meant for [-1, 1] and a little overshoot."""

Waveform: TypeAlias = npt.NDArray[np.float32]
SpeechSource: TypeAlias = "str | os.PathLike[str] | npt.NDArray[Any] | torch.Tensor | Speech"

logger = logging.getLogger(__name__)


class Speech:
    """A recording to speak: in memory, or in its file where it is long.

    Args:
        waveform: float32 [n], mono, 16 kHz, in [-1, 1].
        path: the file that it came from, whose audio goes into the video in its own quality;
            None for a recording from memory.
    """

    def __init__(self, waveform: Waveform, path: Path | None = None) -> None:
        self._kept: Waveform | None = waveform
        self._samples = len(waveform)
        self._path = path

    @classmethod
    def in_file(cls, path: Path, samples: int) -> Speech:
        """A recording that is decoded from its file again whenever it is read."""
        speech = cls(np.zeros(0, np.float32), path)
        speech._kept, speech._samples = None, samples
        return speech

    def __len__(self) -> int:
        """Samples at 16 kHz."""
        return self._samples

    def __repr__(self) -> str:
        return f"Speech({self.duration:.2f} s, path={str(self.path) if self.path else None!r})"

    @property
    def path(self) -> Path | None:
        """The file that it came from, if any."""
        return self._path

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self) / SAMPLE_RATE

    @property
    def waveform(self) -> Waveform:
        """All of it, float32 [n], mono, 16 kHz, in [-1, 1]; 64 kB a second, an hour 230 MB.

        Raises:
            MediaError: its file cannot be decoded any more.
        """
        if self._kept is not None:
            return self._kept
        whole = bytearray()  # grows in place, so that the peak is about one copy
        for block in self.blocks():
            whole += block.data
        return np.frombuffer(whole, dtype=np.float32)

    def blocks(self, seconds: float = 10.0) -> Iterator[Waveform]:
        """The waveform in pieces of so many seconds, in memory that does not grow.

        Raises:
            MediaError: its file cannot be decoded any more.
        """
        if self._kept is None and self._path is not None:
            yield from iter_speech(self._path, seconds)
        elif self._kept is not None:
            step = max(1, round(seconds * SAMPLE_RATE))
            for start in range(0, len(self), step):
                yield self._kept[start : start + step]


def load_speech(source: SpeechSource, sample_rate: int | None = None) -> Speech:
    """Gives any recording as 16 kHz mono.

    Args:
        source: a file of any format ffmpeg knows, videos included; or an array or tensor [n],
            [channels, n] or [n, channels], of floats in [-1, 1] or of integers over their type's
            whole range; or a Speech, returned as it is.
        sample_rate: samples a second of an array or tensor; a file knows its own.

    Returns:
        The speech; a file of more than ten minutes stays in its file.

    Raises:
        MediaError: the source is missing, not a recording, damaged, shorter than 0.1 s, silent
            (peak below -80 dBFS), or holds NaN or infinity.
        OptionError: an array without its rate, a file with one, or an impossible rate.
    """
    if isinstance(source, Speech):
        return source
    if isinstance(source, str | os.PathLike):
        if sample_rate is not None:
            raise OptionError(
                f"sample_rate={sample_rate} is for arrays; leave it out for the file {source}"
            )
        return _from_file(check_readable(source, "audio"))
    if isinstance(source, np.ndarray) or is_tensor(source):
        if sample_rate is None:
            raise OptionError("An array does not know its rate; give sample_rate, such as 16000")
        waveform = mono_at_rate(source, sample_rate, SAMPLE_RATE)
        peak = _check_block(waveform, "The array")
        if peak > LOUDEST_FLOAT:
            raise MediaError(
                f"The array's float samples reach {peak:.4g}; scale them to [-1, 1] first"
            )
        _check_whole(len(waveform), peak, "The array")
        return Speech(np.clip(waveform, -1.0, 1.0))
    raise MediaError(
        f"Speech must be an audio file, an array or a tensor, not {type(source).__name__}"
    )


def iter_speech(path: str | os.PathLike[str], chunk_seconds: float = 10.0) -> Iterator[Waveform]:
    """Decodes an audio file piece by piece, in memory that does not grow with its length.

    Args:
        path: a file of any format ffmpeg knows.
        chunk_seconds: seconds in a piece, at least 0.01; the last piece may be shorter.

    Yields:
        float32 [n], mono, 16 kHz, in [-1, 1].

    Raises:
        MediaError: as `load_speech`; that a recording is too short, silent or damaged to its end
            shows only after its last piece.
        OptionError: `chunk_seconds` is below 0.01 or not finite.
    """
    if not 0.01 <= chunk_seconds < float("inf"):
        raise OptionError(f"chunk_seconds={chunk_seconds} is not allowed; give at least 0.01")
    return _decode(check_readable(path, "audio"), round(chunk_seconds * SAMPLE_RATE))


def write_wav(
    path: str | os.PathLike[str],
    waveform: npt.NDArray[np.floating[Any]],
    sample_rate: int = SAMPLE_RATE,
) -> Path:
    """Writes a 16-bit mono WAV file, whole or not at all; returns its path.

    Args:
        path: the file, whose name should end in .wav.
        waveform: [n], floats; what lies outside [-1, 1] is clipped.
        sample_rate: samples a second.

    Raises:
        MediaError: the waveform is not [n], or holds NaN or infinity.
        OutputError: the file cannot be written.
    """
    samples = np.asarray(waveform)
    if samples.ndim != 1:
        raise MediaError(f"A WAV file takes a mono waveform [n], not an array {samples.shape}")
    if not np.isfinite(samples).all():
        raise MediaError("The waveform holds NaN or infinity; repair it before writing")
    with atomic_path(path) as temporary, wave.open(str(temporary), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        for start in range(0, len(samples), SAMPLE_RATE * 60):
            block = np.clip(samples[start : start + SAMPLE_RATE * 60], -1.0, 1.0)
            file.writeframesraw(np.rint(block * 32767).astype("<i2").tobytes())
    return Path(path)


def _from_file(path: Path) -> Speech:
    """Decodes a file once, to check it and to know its length; keeps it unless it is long."""
    whole, samples = bytearray(), 0
    for block in iter_speech(path):
        samples += len(block)
        if samples <= LONGEST_KEPT * SAMPLE_RATE:
            whole += block.data
        else:
            whole = bytearray()
    if not whole:
        return Speech.in_file(path, samples)
    return Speech(np.frombuffer(whole, dtype=np.float32), path)


def _decode(path: Path, chunk: int) -> Iterator[Waveform]:
    """Pieces of `chunk` samples of a file's first audio stream."""
    if is_still_image(path):
        raise MediaError(f"{path} is an image, not a recording; give an audio file")
    text = describe(path)
    info = parse_description(text)
    if info is not None and not info.has_audio:
        raise MediaError(f"The video {path} has no sound; give a recording or a video with sound")
    longest = budgets().audio_seconds
    if info is not None and (info.duration or 0.0) > 2 * longest:  # it may be an estimate
        raise _too_long(path)
    mix, channels = mixdown(text)
    command = [*input_arguments(path), *filtered(mix)]
    command += ["-ar", str(SAMPLE_RATE), "-f", "f32le", "pipe:1"]
    command += shared_clock(path, "image", description=text)
    total, peak = 0, 0.0
    with FFmpeg(command, drain=True) as ffmpeg:
        for block in mono_blocks(ffmpeg.stdout, channels, chunk, SAMPLE_RATE):
            peak = max(peak, _check_block(block, str(path)))
            total += len(block)
            if total > longest * SAMPLE_RATE:
                raise _too_long(path)
            yield np.clip(block, -1.0, 1.0)
        if ffmpeg.finish() != 0 or total == 0:
            raise MediaError(
                f"{path} holds no audio that can be decoded: it is not an audio file or it is "
                "damaged; give another one or convert it to WAV"
            )
        if reason := ffmpeg.reason():
            logger.warning("Parts of %s are damaged and were left out: %s", path, reason)
    _check_whole(total, peak, str(path))


def _too_long(path: Path) -> MediaError:
    most = budgets().audio_seconds
    return MediaError(f"{path} lasts more than {most} s (audio_seconds); give a shorter recording")


def _check_block(block: Waveform, name: str) -> float:
    """The largest absolute sample.

    Raises:
        MediaError: a sample is NaN or infinite.
    """
    peak = float(np.abs(block).max(initial=0.0))
    if not np.isfinite(peak):
        raise MediaError(f"{name} holds NaN or infinite samples; repair or re-export it")
    return peak


def _check_whole(samples: int, peak: float, name: str) -> None:
    """Raises a MediaError when a recording is too short to speak, or silent."""
    if samples < SHORTEST * SAMPLE_RATE:
        raise MediaError(
            f"{name} lasts {samples / SAMPLE_RATE:.3f} s; give at least {SHORTEST} s of speech"
        )
    if peak < SILENCE:
        raise MediaError(
            f"{name} is silent (its peak is below -80 dBFS); give a recording with speech in it"
        )
