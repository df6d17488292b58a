"""``python -m reliability.soak``: long lives of one process, with what it holds counted.

    python -m reliability.soak [--hours 2] [--renders 10000] [--videos 100] [--interruptions 1000]
    python -m reliability.soak --only renders --renders 500

| part | what is done over and over |
|---|---|
| hours | motion of hours of made-up speech, streamed, by the bundled networks at one step |
| renders | one frame of the bundled portrait, from another motion each time |
| videos | a video of six frames with sound, written by ffmpeg, and read again |
| interruptions | a live avatar with the bundled networks is interrupted as soon as it speaks |

Counted are what is held at a tenth of the way and at the end. Ends with 1 where memory grew by
more than 32 MB, or there are more open files or threads than before.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reliability.fuzz.samples import ASSETS
from reliability.fuzz.worker import resident, trim

if TYPE_CHECKING:
    from joyvasa_lib import JoyVASAPipeline

Floats = NDArray[np.float32]
MB = 2**20
LARGEST_GROWTH = 32 * MB
RATE, FPS = 16000, 25
_CHUNK = 10
"""Seconds of speech that are given at once."""


@dataclass(frozen=True)
class Held:
    """What a process holds: bytes of memory, open files, threads."""

    memory: int
    files: int
    threads: int

    @classmethod
    def now(cls) -> Held:
        """Counted now, after memory that is free was given back."""
        trim()
        return cls(resident(), len(os.listdir("/proc/self/fd")), threading.active_count())  # noqa: PTH208


@dataclass(frozen=True)
class Row:
    """What one part did, and what was held at a tenth of the way and at its end."""

    part: str
    done: str
    seconds: float
    first: Held
    last: Held

    @property
    def faults(self) -> list[str]:
        """What grew."""
        found = []
        if self.last.memory - self.first.memory > LARGEST_GROWTH:
            found.append("memory")
        if self.last.files > self.first.files:
            found.append("open files")
        if self.last.threads > self.first.threads:
            found.append("threads")
        return found


def soak(part: str, unit: str, steps: int, work: Iterator[float]) -> Row:
    """Does so many steps of some work, and counts.

    Args:
        part: its name.
        unit: what the numbers that the work gives are of.
        steps: how many.
        work: does a step whenever it is asked, and gives how much that was.
    """
    began, done, first = time.monotonic(), 0.0, Held.now()
    for step in range(steps):
        done += next(work)
        if step == steps // 10:
            first = Held.now()
    last = Held.now()
    row = Row(part, f"{done:g} {unit}", round(time.monotonic() - began, 1), first, last)
    print(f"{part}: {row.done} in {row.seconds} s", file=sys.stderr, flush=True)
    return row


def made_up_speech(seed: int = 0) -> Iterator[Floats]:
    """Chunks of syllables with pauses, without an end: float32 [160000], 16 kHz."""
    random = np.random.default_rng(seed)
    time_ = np.arange(_CHUNK * RATE) / RATE
    while True:
        pitch = 100 + 60 * random.random()
        formant = np.repeat(random.uniform(300, 2500, 4 * _CHUNK), RATE // 4)
        loud = np.repeat(random.random(4 * _CHUNK) > 0.2, RATE // 4)
        tone = np.sin(2 * np.pi * pitch * time_) * np.sin(2 * np.pi * np.cumsum(formant) / RATE)
        yield (0.4 * tone * loud * np.abs(np.sin(4 * np.pi * time_))).astype(np.float32)


def hours(pipe: JoyVASAPipeline) -> Iterator[float]:
    """Hours of motion for ten seconds more of speech, about."""
    motions = pipe.motion_generator.stream(made_up_speech(), num_inference_steps=1, seed=0)
    for motion in motions:
        assert np.isfinite(motion.expression).all()
        yield len(motion) / FPS / 3600


def renders(pipe: JoyVASAPipeline) -> Iterator[float]:
    """A frame."""
    encoded = pipe.encode(ASSETS / "astronaut.jpg", crop_size=256)
    motion = pipe.generate_motion(ASSETS / "hello.flac", num_inference_steps=1, seed=0)
    step = 0
    while True:
        one = motion[step % len(motion) :][:1]
        (frames,) = [pipe.render(encoded, one, paste_back=False).frames()]
        yield float(sum(1 for _ in frames))
        step += 1


def videos(pipe: JoyVASAPipeline, folder: Path) -> Iterator[float]:
    """A video."""
    from joyvasa_lib.media.video import read_video

    encoded = pipe.encode(ASSETS / "astronaut.jpg", crop_size=256)
    sound = next(made_up_speech())[: 6 * RATE // FPS]
    motion = pipe.generate_motion(sound, num_inference_steps=1, seed=0)
    while True:
        path = pipe.render(encoded, motion, sound, paste_back=False).save(folder / "talk.mp4")
        assert sum(1 for _ in read_video(path)) == 6
        assert [one.name for one in folder.iterdir()] == ["talk.mp4"]
        yield 1.0


def interruptions(pipe: JoyVASAPipeline) -> Iterator[float]:
    """An interruption of a live avatar that has begun to speak."""
    speech = made_up_speech()
    with pipe.live(ASSETS / "astronaut.jpg", size=128) as avatar:
        frames = iter(avatar)
        while True:
            avatar.push_audio(next(speech)[: 2 * RATE], RATE)
            while not next(frames).speaking:
                pass
            avatar.interrupt()
            while next(frames).speaking:
                pass
            yield 1.0


def main() -> int:
    """Runs what the arguments ask for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m reliability.soak")
    parser.add_argument("--hours", type=float, default=2.0, help="of speech")
    parser.add_argument("--renders", type=int, default=10_000)
    parser.add_argument("--videos", type=int, default=100)
    parser.add_argument("--interruptions", type=int, default=1000)
    parser.add_argument("--only", default="hours,renders,videos,interruptions")
    parser.add_argument("--out", type=Path, default=Path("out/soak"))
    given = parser.parse_args()
    from joyvasa_lib import JoyVASAPipeline

    pipe = JoyVASAPipeline.from_pretrained(device="cpu")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        parts: dict[str, tuple[str, int, Callable[[], Iterator[float]]]] = {
            "hours": ("hours of speech", steps_of(pipe, given.hours), lambda: hours(pipe)),
            "renders": ("frames", given.renders, lambda: renders(pipe)),
            "videos": ("videos", given.videos, lambda: videos(pipe, Path(folder))),
            "interruptions": ("interruptions", given.interruptions, lambda: interruptions(pipe)),
        }
        for name in given.only.split(","):
            unit, steps, work = parts[name]
            running = work()
            rows.append(soak(name, unit, steps, running))
            running.close()  # type: ignore[attr-defined] # they are generators
    given.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps([{**asdict(row), "faults": row.faults} for row in rows], indent=1)
    (given.out / "report.json").write_text(text, "utf-8")
    print(table(rows))
    return 1 if any(row.faults for row in rows) else 0


def steps_of(pipe: JoyVASAPipeline, wanted: float) -> int:
    """Pieces of motion that hours of speech become."""
    first = next(hours(pipe))
    return max(10, round(wanted / first))


def table(rows: list[Row]) -> str:
    """The rows as a table in Markdown."""
    lines = ["| part | done | took, s | memory, MB | open files | threads | grew |",
             "| --- | --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    for row in rows:
        first, last = row.first, row.last
        lines.append(
            f"| {row.part} | {row.done} | {row.seconds:.0f} "
            f"| {first.memory / MB:.1f} → {last.memory / MB:.1f} "
            f"| {first.files} → {last.files} | {first.threads} → {last.threads} "
            f"| {', '.join(row.faults) or 'nothing'} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
