"""Frames while speech still arrives: how late is the first one, how fast are the others?

    python examples/stream.py portrait.jpg speech.wav streamed.mp4

A file stands in for the microphone: its speech comes in chunks of a tenth of a second. For a live
source, replace ``chunks`` by your own iterator over mono arrays or tensors, and say their rate with
``sample_rate=``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import joyvasa_lib
from joyvasa_lib import JoyVASAPipeline
from joyvasa_lib.media.audio import SAMPLE_RATE, iter_speech, load_speech
from joyvasa_lib.media.video import VideoWriter

DEMO = Path(joyvasa_lib.__file__).parent / "demo_assets"
FPS = 25.0
WINDOW_FRAMES = 25  # one second of motion is generated at a time; fewer answer sooner


def main(portrait: Path, speech: Path, output: Path) -> None:
    pipe = JoyVASAPipeline.from_pretrained()
    encoded = pipe.encode(portrait)
    heard = 0.0

    def chunks() -> Iterator[NDArray[np.float32]]:
        nonlocal heard
        for chunk in iter_speech(speech, chunk_seconds=0.1):
            heard += len(chunk) / SAMPLE_RATE
            yield chunk

    # Everything is loaded and checked here, before the first chunk is read.
    frames = pipe.stream(encoded, chunks(), fps=FPS, window_frames=WINDOW_FRAMES)
    started = time.perf_counter()
    with VideoWriter(output, encoded.frame_size(True), FPS, load_speech(speech)) as video:
        for frame in frames:
            if video.n_frames == 0:
                wait = time.perf_counter() - started
                print(f"first frame after {heard:.1f} s of speech and {wait:.2f} s of work")
            video.write(frame)
    spent = time.perf_counter() - started
    print(f"{output}: {video.n_frames} frames, {video.n_frames / spent:.0f} a second")


if __name__ == "__main__":
    defaults = [str(DEMO / "astronaut.jpg"), str(DEMO / "hello.flac"), "streamed.mp4"]
    given = sys.argv[1:]
    main(*(Path(name) for name in given + defaults[len(given) :]))
