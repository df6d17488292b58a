"""Frames while the sound still arrives: how late is the first one, how fast are the others?

    python examples/stream.py portrait.jpg speech.wav streamed.mp4

A file plays the microphone here: its sound comes in pieces of a tenth of a second. Replace
``pieces`` by your own iterator over float32 arrays, 16 kHz mono, for a live source.
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
from joyvasa_lib.media.audio import iter_speech, load_speech
from joyvasa_lib.media.video import VideoWriter

DEMO = Path(joyvasa_lib.__file__).parent / "demo_assets"
WINDOW_FRAMES = 25  # one second of motion is planned at a time; fewer answer sooner


def main(portrait: Path, speech: Path, output: Path) -> None:
    pipe = JoyVASAPipeline.from_pretrained()
    prepared = pipe.encode(portrait)
    generator = pipe.motion_generator  # loads now, not when the first sound arrives
    heard = 0.0

    def pieces() -> Iterator[NDArray[np.float32]]:
        nonlocal heard
        for piece in iter_speech(speech, chunk_seconds=0.1):
            heard += len(piece) / 16000
            yield piece

    height, width = prepared.crop.full_image.shape[:2]
    started = time.perf_counter()
    with VideoWriter(output, (width, height), generator.fps, load_speech(speech)) as video:
        for frame in pipe.stream(prepared, pieces(), window_frames=WINDOW_FRAMES):
            if video.n_frames == 0:
                wait = time.perf_counter() - started
                print(f"first frame after {heard:.1f} s of sound and {wait:.2f} s of work")
            video.write(frame)
    spent = time.perf_counter() - started
    print(f"{output}: {video.n_frames} frames, {video.n_frames / spent:.0f} a second")


if __name__ == "__main__":
    defaults = [str(DEMO / "astronaut.jpg"), str(DEMO / "hello.flac"), "streamed.mp4"]
    given = sys.argv[1:]
    main(*(Path(name) for name in given + defaults[len(given) :]))
