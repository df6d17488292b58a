"""Frames while speech arrives: options are checked at once, rates are free, reading may stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import places
from joyvasa_lib import EncodedPortrait, JoyVASAPipeline
from joyvasa_lib.errors import JoyVASAError, MediaError, MotionError, OptionError
from joyvasa_lib.media.audio import load_speech

pytestmark = pytest.mark.slow

ASTRONAUT = places.DEMO / "astronaut.jpg"
QUICK = {"num_inference_steps": 1, "seed": 3}

Chunks = list[NDArray[np.float32]]


@pytest.fixture(scope="module")
def chunks(words: Path) -> Chunks:
    """0.4 s of speech in five pieces."""
    return np.array_split(load_speech(words).waveform, 5)


def never() -> Iterator[NDArray[np.float32]]:
    raise AssertionError("a chunk was read")
    yield


WRONG: dict[str, tuple[Callable[[JoyVASAPipeline, Any], Any], type[JoyVASAError], str]] = {
    "steps": (lambda p, e: p.stream(e, never(), num_inference_steps=0), OptionError, "inference"),
    "unknown": (lambda p, e: p.stream(e, never(), steps=5), OptionError, "'steps'"),
    "emotion": (lambda p, e: p.stream(e, never(), emotion="joy"), OptionError, "'joy'"),
    "fps": (lambda p, e: p.stream(e, never(), fps=0), MotionError, "fps must be"),
    "rate": (lambda p, e: p.stream(e, never(), sample_rate=10), OptionError, "sample_rate=10"),
    "image": (lambda p, e: p.stream("absent.jpg", never()), MediaError, "absent.jpg"),
    "face": (lambda p, e: p.stream(ASTRONAUT, never(), face="nose"), OptionError, "'nose'"),
    "chunks": (lambda p, e: p.stream(e, 5), OptionError, "chunks must be an iterable"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_option_is_told_at_the_call_and_not_at_the_first_frame(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait, name: str
) -> None:
    call, error, message = WRONG[name]
    with pytest.raises(error, match=message):
        call(pipe, encoded)


def test_frames_are_those_of_the_whole_recording(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait, chunks: Chunks
) -> None:
    whole = pipe.render(encoded, pipe.perform(np.concatenate(chunks), **QUICK))
    streamed = list(pipe.stream(encoded, map(torch.from_numpy, chunks), **QUICK))
    assert len(streamed) == 10
    assert np.abs(np.stack(streamed).astype(int) - list(whole.frames())).max() <= 2


@pytest.mark.parametrize(("fps", "count"), [(12.5, 5), (50.0, 20)])
def test_another_frame_rate_gives_the_frames_of_the_whole_at_that_rate(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait, chunks: Chunks, fps: float, count: int
) -> None:
    streamed = list(pipe.stream(encoded, chunks, fps=fps, paste_back=False, **QUICK))
    performance = pipe.perform(np.concatenate(chunks), fps=fps, **QUICK)
    whole = list(pipe.render(encoded, performance, paste_back=False).frames())
    assert len(streamed) == len(whole) == count
    assert np.abs(np.stack(streamed).astype(int) - whole).max() <= 2


def test_chunks_of_another_rate_are_resampled_across_their_borders(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait, words: Path
) -> None:
    import soxr

    speech = load_speech(words).waveform
    louder = soxr.resample(speech, 16000, 48000)
    pieces = np.array_split(louder, 7)
    of_chunks = list(pipe.stream(encoded, pieces, sample_rate=48000, paste_back=False, **QUICK))
    performance = pipe.perform(louder, sample_rate=48000, **QUICK)
    whole = list(pipe.render(encoded, performance, paste_back=False).frames())
    assert len(of_chunks) == len(whole) == 10
    assert np.abs(np.stack(of_chunks).astype(int) - whole).mean() < 0.5


def test_a_chunk_that_is_not_mono_is_told(pipe: JoyVASAPipeline, encoded: EncodedPortrait) -> None:
    with pytest.raises(MediaError, match="must be mono"):
        next(pipe.stream(encoded, [np.zeros((2, 4000), np.float32)]))


def test_no_chunk_is_read_after_reading_stops(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait, chunks: Chunks
) -> None:
    closed = False

    def endless() -> Iterator[NDArray[np.float32]]:
        nonlocal closed
        try:
            while True:
                yield from chunks
        finally:
            closed = True

    frames = pipe.stream(encoded, endless(), window_frames=12, **QUICK)
    next(frames)
    frames.close()
    assert closed
    assert next(frames, None) is None
