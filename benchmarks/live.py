"""How well a live avatar keeps up on this machine.

    python benchmarks/live.py recordings [--names NAME ...] [--seconds S] [--portrait NAME]
    python benchmarks/live.py quiet [--names NAME ...] [--seconds S] [--portrait NAME]
    python benchmarks/live.py conversation [--minutes M] [--portrait NAME]
    python benchmarks/live.py lips [--names NAME ...] [--seconds S]
    python benchmarks/live.py seen [--names NAME ...] [--seconds S] [--portrait NAME]

`recordings` replays recordings in real time, 20 ms at a time, and prints for each the time from its
first sound to the first frame that answers it, frames a second, dropped ones, how far images are
from their sound, the processors' share and the memory. `quiet` does the same without threads or
waiting: every image and every window of motion is made, and takes the processor time that it took
on a core of its own, which says what two quiet cores do on a machine that is busy. `conversation`
speaks, listens and interrupts every few seconds, and prints a line a minute: nothing may grow or
drift. `lips` correlates motion made as the sound comes with that of the whole recording; `seen`
does so with lips that are read from images, those of `quiet` and those of a video. Recordings and
portraits are those in the folder that JOYVASA_REAL_INPUTS names. Nothing is asserted; targets are
for two cores with nothing else to do, and the load average that each run began with stands beside
it.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import random
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib import Emotion, JoyVASAPipeline
from joyvasa_lib.evaluation.behaviour.track import (
    BehaviourTrack,
    BehaviourTracker,
    behaviour_track,
)
from joyvasa_lib.evaluation.curves import correlation
from joyvasa_lib.face.tracking import follow_person
from joyvasa_lib.live.avatar import Avatar
from joyvasa_lib.live.frame import LiveFrame
from joyvasa_lib.live.metrics import LiveMetrics, Tally
from joyvasa_lib.live.pacing import Pacer
from joyvasa_lib.live.performer import Performer
from joyvasa_lib.live.stage import Stage
from joyvasa_lib.live.start import Spoken
from joyvasa_lib.live.utterance import Utterance
from joyvasa_lib.media.audio import load_speech
from joyvasa_lib.motion import Motion
from joyvasa_lib.portrait.encoded import EncodedPortrait, frame_renderer

Samples = NDArray[np.float32]

NAMES = ("jfk", "english_radio_a", "french", "joyvasa_002", "mandarin_poem")
PORTRAIT = "photo_woman"
RATE = 16000
PIECE = 320
HEAD = (
    "| recording | load | first frame | frames/s | dropped | stalled | A/V median | A/V 1 % "
    "| A/V 99 % | image | window | cores | MiB |\n|---|" + "---:|" * 12
)
TARGETS = "targets: first frame <= 500 ms (wanted 350), 25 frames a second, A/V -40..+60 ms"


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="what", required=True)
    recordings, conversation, lips, quiet, seen = map(
        commands.add_parser, ("recordings", "conversation", "lips", "quiet", "seen")
    )
    conversation.add_argument("--minutes", type=float, default=10.0)
    for command in (recordings, quiet, lips, seen):
        command.add_argument("--names", nargs="*", default=NAMES)
        command.add_argument("--seconds", type=float, default=10.0, help="of each recording")
    for command in (recordings, quiet, conversation, seen):
        command.add_argument("--portrait", default=PORTRAIT)
        command.add_argument("--size", type=int, default=512)
    options = parser.parse_args()
    real = os.environ.get("JOYVASA_REAL_INPUTS")
    if real is None:
        parser.error("set JOYVASA_REAL_INPUTS to a folder with speech and portraits in it")
    folder = Path(real)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"{platform.processor() or platform.machine()}, {cores} cores; {load()}\n{TARGETS}\n")
    pipe = JoyVASAPipeline.from_pretrained()
    if options.what == "lips":
        compare_lips(pipe, [(n, speech(folder, n, options.seconds)) for n in options.names])
        return
    portrait = next((folder / "portraits").glob(f"{options.portrait}.*"))
    does = {"recordings": replay, "quiet": simulate, "seen": compare_images}
    if options.what in does:
        spoken = [(n, speech(folder, n, options.seconds)) for n in options.names]
        does[options.what](pipe, portrait, options.size, spoken)
    else:
        words = np.concatenate([speech(folder, n, 20.0) for n in NAMES])
        converse(pipe, portrait, options.size, words, options.minutes)


def load() -> str:
    """The load average, where there is one."""
    return f"load average {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "load unknown"


def speech(folder: Path, name: str, seconds: float) -> Samples:
    """The first seconds of a recording."""
    path = next((folder / "speech").glob(f"{name}.*"))
    return load_speech(path).waveform[: round(seconds * RATE)]


def memory() -> float:
    """Resident MiB; NaN where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except OSError:
        return float("nan")
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@dataclass
class Watch:
    """Time of the clock and of the processors since it was made."""

    clock: float
    cpu: float

    @classmethod
    def start(cls) -> Watch:
        return cls(time.monotonic(), time.process_time())

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.clock

    @property
    def cores(self) -> float:
        """Processors that were busy in the mean."""
        return (time.process_time() - self.cpu) / self.seconds


def push_as_it_sounds(avatar: Avatar, sound: Samples) -> threading.Thread:
    """A thread that pushes a recording as fast as it sounds."""

    def push() -> None:
        started = time.monotonic()
        for start in range(0, len(sound), PIECE):
            time.sleep(max(0.0, started + start / RATE - time.monotonic()))
            avatar.push_audio(sound[start : start + PIECE], RATE)
        avatar.flush()

    thread = threading.Thread(target=push, daemon=True)
    thread.start()
    return thread


def replay(
    pipe: JoyVASAPipeline, portrait: Path, size: int, recordings: list[tuple[str, Samples]]
) -> None:
    """Prints a row for each recording."""
    print(HEAD)
    encoded = pipe.encode(portrait, crop_size=size)
    for name, sound in recordings:
        before = load().split()[-1]
        with pipe.live(encoded, size=size) as avatar:
            frames = iter(avatar)
            for _ in range(25):
                next(frames)
            watch, count, spoken = Watch.start(), 0, False
            push_as_it_sounds(avatar, sound)
            while not spoken:
                frame = next(frames)
                count += 1 - frame.repeated
                spoken = frame.utterance_end
            row(name, before, avatar.metrics, count / watch.seconds, watch.cores)


def row(name: str, before: str, found: LiveMetrics, rate: float, cores: float) -> None:
    """Prints a row."""
    cells = (
        name, before, f"{found.first_frame_ms or np.nan:.0f} ms", f"{rate:.1f}",
        str(found.dropped), str(found.stalled), f"{found.av_offset_ms:+.0f} ms",
        f"{found.av_offset_p01_ms:+.0f} ms", f"{found.av_offset_p99_ms:+.0f} ms",
        f"{found.render_ms:.0f} ms", f"{found.motion_ms:.0f} ms", f"{cores:.2f}",
        f"{memory():.0f}",
    )  # fmt: skip
    print(f"| {' | '.join(cells)} |", flush=True)


def simulate(
    pipe: JoyVASAPipeline, portrait: Path, size: int, recordings: list[tuple[str, Samples]]
) -> None:
    """Prints a row for each recording, as on two cores without other work."""
    print(HEAD)
    encoded = pipe.encode(portrait, crop_size=size)
    for name, sound in recordings:
        before, tally = load().split()[-1], Tally(25.0)
        cores = [share for _, share in simulated(pipe, encoded, size, sound, tally)]
        found = tally.snapshot()
        row(name, before, found, (found.frames - found.repeated) / found.seconds, cores[-1])


def simulated(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait, size: int, sound: Samples, tally: Tally
) -> Iterator[tuple[LiveFrame, float]]:
    """Frames of one utterance on cores without other work, and the share of a core they took."""
    render = frame_renderer(pipe.portrait_model, encoded, paste_back=False, max_size=size)
    neutral = pipe.editor(Emotion.neutral(), encoded)
    stage = Stage(Performer(pipe.portrait_model.space, 25.0, neutral), 25.0)
    pacer = Pacer(25.0, stage.next, tally)
    stream = pipe.motion_generator.answer(num_inference_steps=6, blinks="model", gaze="model")
    now, pushed, spent, ended = 0.0, 0, 0.0, False
    image: tuple[float, int, Any] | None = None
    window: tuple[float, Utterance, Any] | None = None
    while not ended:
        now += 0.001
        while pushed < len(sound) and now >= 1.0 + pushed / RATE:
            if not stage.utterances:
                stage.utterances.append(Utterance(Spoken(stream), RATE, 25.0, now))
            stage.utterances[0].push(sound[pushed : pushed + PIECE])
            stage.pushed()
            pushed += PIECE
            stage.utterances[0].flushed = pushed >= len(sound)
        if window is not None and now >= window[0]:
            window[1].add(*window[2])
            window = None
        if window is None and stage.utterances and (work := stage.utterances[0].pending()):
            utterance, began = stage.utterances[0], time.thread_time()
            made = utterance.work(work, None)
            took = time.thread_time() - began
            spent, window = spent + took, (now + took, utterance, made)
            if made[0]:
                tally.moved(took, len(made[0]))
        if image is not None and now >= image[0]:
            pacer.rendered(*image[1:])
            image = None
        if image is None and not isinstance(wanted := pacer.to_render(now), float):
            began = time.thread_time()
            pixels = render(wanted[1])
            took = time.thread_time() - began
            tally.rendered(took)
            spent, image = spent + took, (now + took, wanted[0], pixels)
        taken = pacer.take(now)
        if isinstance(taken, LiveFrame):
            yield taken, spent / now
            ended = taken.utterance_end


def converse(
    pipe: JoyVASAPipeline, portrait: Path, size: int, words: Samples, minutes: float
) -> None:
    """Speaks, listens and interrupts; prints a row a minute."""
    rng = random.Random(0)
    print(
        "| minute | load | frames | dropped | stalled | held | paused | utterances | interrupted "
        "| first frame | worst | A/V 1 % | A/V 99 % | drift | threads | objects | MiB |\n|---:|"
        + "---:|"
        * 16
    )
    with pipe.live(portrait, size=size) as avatar:
        stop = threading.Event()

        def talk() -> None:
            while not stop.is_set():
                start = rng.randrange(0, len(words) - 8 * RATE)
                push_as_it_sounds(avatar, words[start : start + rng.randint(1, 6) * RATE]).join()
                if rng.random() < 0.5:
                    avatar.interrupt()
                other = words[start : start + 2 * RATE]
                began = time.monotonic()
                for at in range(0, len(other), PIECE):
                    time.sleep(max(0.0, began + at / RATE - time.monotonic()))
                    avatar.listen(other[at : at + PIECE], RATE)

        speaker = threading.Thread(target=talk, daemon=True)
        began, minute = time.monotonic(), 1.0
        for frame in avatar:
            if frame.time == 0.0:
                began = time.monotonic()
                speaker.start()
            passed = time.monotonic() - began
            if passed < 60.0 * min(minute, minutes):
                continue
            found = avatar.metrics
            shown = frame.time + (frame.periods - 1) / avatar.fps
            drift = passed - shown - (found.held + found.paused) / avatar.fps
            gc.collect()
            cells = (
                f"{passed / 60.0:.1f}", load().split()[-1], str(found.frames), str(found.dropped),
                str(found.stalled), str(found.held), str(found.paused),
                str(found.utterances), str(found.interruptions),
                f"{found.first_frame_ms or np.nan:.0f} ms",
                f"{found.first_frame_worst_ms or np.nan:.0f} ms", f"{found.av_offset_p01_ms:+.0f}",
                f"{found.av_offset_p99_ms:+.0f}", f"{1000 * drift:+.0f} ms",
                str(threading.active_count()), str(len(gc.get_objects())), f"{memory():.0f}",
            )  # fmt: skip
            print(f"| {' | '.join(cells)} |", flush=True)
            minute += 1.0
            if passed >= 60.0 * minutes:
                break
        stop.set()
        speaker.join()


def compare_lips(pipe: JoyVASAPipeline, recordings: list[tuple[str, Samples]]) -> None:
    """Prints how lips made as the sound comes correlate with those of the whole recording."""
    print(
        "| recording | aperture | width | head moves, live / whole | window |\n|---|" + "---:|" * 4
    )
    found = []
    for name, sound in recordings:
        stream = pipe.motion_generator.answer(num_inference_steps=6)
        made: list[Motion] = []
        watch = Watch.start()
        for start in range(0, len(sound) + PIECE, PIECE):
            if start >= len(sound):
                stream.finish()
            else:
                stream.push(sound[start : start + PIECE])
            while stream.ready and (motion := stream.step()) is not None:
                made.append(motion)
        spent = (time.process_time() - watch.cpu) / len(made)
        live, whole = Motion.concatenate(made), pipe.motion_generator.generate(sound)
        a, b = behaviour_track(live), behaviour_track(whole)
        found.append((correlation(a.aperture, b.aperture), correlation(a.width, b.width)))
        moves = [float(motion.rotation.std(axis=0).mean()) for motion in (live, whole)]
        print(
            f"| {name} | {found[-1][0]:.3f} | {found[-1][1]:.3f} | {moves[0]:.1f} / {moves[1]:.1f} "
            f"degrees | {1000 * spent:.0f} ms of one core |",
            flush=True,
        )
    print(
        f"| mean | {np.mean([a for a, _ in found]):.3f} | {np.mean([b for _, b in found]):.3f} | |"
    )


def compare_images(
    pipe: JoyVASAPipeline, portrait: Path, size: int, recordings: list[tuple[str, Samples]]
) -> None:
    """Prints how lips seen on an avatar's images correlate with those seen on a video's."""
    print("| recording | aperture | width | dropped |\n|---|" + "---:|" * 3)
    encoded = pipe.encode(portrait, crop_size=size)
    found = []
    for name, sound in recordings:
        live: list[NDArray[np.uint8]] = []
        tally = Tally(25.0)
        for frame, _ in simulated(pipe, encoded, size, sound, tally):
            image = frame.image.copy()
            live += [image] * round(25.0 * len(frame.audio) / RATE)  # as long as its sound
        dropped = tally.snapshot().dropped
        video = pipe.render(encoded, pipe.generate_motion(sound), paste_back=False).frames()
        a, b = lips_of(live), lips_of(video)
        length = min(len(a), len(b))
        pair = [
            correlation(getattr(a, which)[:length], getattr(b, which)[:length])
            for which in ("aperture", "width")
        ]
        found.append(pair)
        print(f"| {name} | {pair[0]:.3f} | {pair[1]:.3f} | {dropped} |", flush=True)
    print(f"| mean | {np.mean(found, 0)[0]:.3f} | {np.mean(found, 0)[1]:.3f} | |")


def lips_of(frames: Iterable[NDArray[np.uint8]]) -> BehaviourTrack:
    """What is read from images as from those of any video."""
    tracker = BehaviourTracker(25.0)
    for _, face in follow_person(frames, 25.0):
        tracker.see(face)
    return tracker.track()


if __name__ == "__main__":
    main()
