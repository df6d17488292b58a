"""How our videos look beside people who speak, and our lips beside real ones.

    python benchmarks/speaking.py videos [--recordings NAME ...] [--portraits NAME ...] [--keep DIR]
    python benchmarks/speaking.py lips [--cache DIR]

`videos` renders every recording on every portrait with default options, measures the videos, and
prints a table for each recording: the 23 rows, the range of people, how many lie outside.
`lips` generates motion for the sound of real talking videos and correlates the mouth with the real
one, with the clip's own sound and with the next clip's, in windows of each of the given lengths.
What is read from the real clips is kept in a cache folder. Both look in the folder that
JOYVASA_REAL_INPUTS names (speech, portraits, talking).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib import JoyVASAPipeline
from joyvasa_lib.errors import JoyVASAError
from joyvasa_lib.evaluation import Behaviour, behaviour_of_video
from joyvasa_lib.evaluation.behaviour.rows import LONGEST_LAG, ROWS
from joyvasa_lib.evaluation.behaviour.table import shown, verdict
from joyvasa_lib.evaluation.behaviour.track import RATE, BehaviourTracker, behaviour_track
from joyvasa_lib.evaluation.curves import agreement
from joyvasa_lib.face.tracking import follow_person
from joyvasa_lib.media.audio import load_speech
from joyvasa_lib.media.video import read_video

Curve = NDArray[np.float64]

PORTRAITS = ("photo_woman", "photo_man", "photo_glasses", "photo_white_studio")
SEED = 0


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="what", required=True)
    videos = commands.add_parser("videos")
    videos.add_argument("--recordings", nargs="*", default=None)
    videos.add_argument("--portraits", nargs="*", default=PORTRAITS)
    videos.add_argument("--keep", type=Path, default=None, help="keeps the videos in this folder")
    videos.add_argument("--json", type=Path, default=None, help="all numbers into this file")
    lips = commands.add_parser("lips")
    lips.add_argument("--cache", type=Path, default=None)
    lips.add_argument("--windows", type=int, nargs="*", default=[100], help="frames of a window")
    for command in (videos, lips):
        command.add_argument("--checkpoint", default=None, help="a folder; the bundled one if none")
    options = parser.parse_args()
    real = os.environ.get("JOYVASA_REAL_INPUTS")
    if real is None:
        parser.error("set JOYVASA_REAL_INPUTS to a folder with speech, portraits and talking in it")
    pipe = JoyVASAPipeline.from_pretrained(options.checkpoint)
    if options.what == "videos":
        recordings = chosen(Path(real) / "speech", options.recordings)
        portraits = chosen(Path(real) / "portraits", options.portraits)
        with tempfile.TemporaryDirectory() as folder:
            keep = options.keep or Path(folder)
            keep.mkdir(parents=True, exist_ok=True)
            rendered(pipe, recordings, portraits, keep, options.json)
    else:
        for window in options.windows:
            print(f"\nWindows of {window} frames\n")
            compare_lips(pipe, Path(real) / "talking", options.cache or default_cache(), window)


def chosen(folder: Path, names: list[str] | tuple[str, ...] | None) -> list[Path]:
    """Files of a folder in order of name, or those with the given stems in the given order."""
    files = {path.stem: path for path in sorted(folder.iterdir()) if path.is_file()}
    if names is None:
        return list(files.values())
    absent = [name for name in names if name not in files]
    if absent:
        raise SystemExit(f"{folder} has no {', '.join(absent)}; it has {', '.join(files)}")
    return [files[name] for name in names]


def rendered(
    pipe: JoyVASAPipeline,
    recordings: list[Path],
    portraits: list[Path],
    folder: Path,
    save: Path | None,
) -> None:
    """Prints a table for each recording, and how many rows of all videos are as people's."""
    everything: list[Behaviour] = []
    for recording in recordings:
        motion = pipe.generate_motion(recording, seed=SEED)
        found = []
        for portrait in portraits:
            started, path = time.perf_counter(), folder / f"{recording.stem}-{portrait.stem}.mp4"
            try:
                pipe.render(portrait, motion, speech=recording).save(path)
                found.append(behaviour_of_video(path))
            except JoyVASAError as error:
                print(f"{path.name}: {error}")
                continue
            print(f"{path.name}: {verdict(found[-1])}, {time.perf_counter() - started:.0f} s")
        if found:
            print_recording(recording.name, [one.name for one in portraits], found)
        everything += found
        if save is not None:
            save.write_text(json.dumps([one.to_dict() for one in everything]))
    if everything:
        inside = [len(one.inside) for one in everything]
        print(
            f"{len(everything)} videos: {min(inside)} to {max(inside)} rows inside, median "
            f"{np.median(inside):g} of {len(ROWS)}; at least 20 in {sum(n >= 20 for n in inside)}"
        )


def print_recording(name: str, portraits: list[str], found: list[Behaviour]) -> None:
    """The rows of one recording as a table in Markdown; arrows mark what is outside."""
    print(f"\n### {name}\n")
    heads = [one.name.removesuffix(".mp4").split("-", 1)[1] for one in found]
    print(f"| measure | speakers | people | {' | '.join(heads)} | outside |")
    print("|---|---:|---|" + "---:|" * len(found) + "---|")
    for number, row in enumerate(ROWS):
        ones = [one.rows[number] for one in found]
        outside = sum(one.place in ("below", "above") for one in ones)
        real = f"{row.real.low:.{row.digits}f} to {row.real.high:.{row.digits}f}"
        cells = " | ".join(map(shown, ones))
        mark = f"{outside} of {len(found)}" if outside else ""
        print(f"| {row.title} | {row.real.median:.{row.digits}f} | {real} | {cells} | {mark} |")
    print(f"| inside | | | {' | '.join(map(verdict, found))} | |\n", flush=True)


def compare_lips(pipe: JoyVASAPipeline, folder: Path, cache: Path, window: int) -> None:
    """Prints the correlation of generated and real lips, with the own and another clip's sound."""
    clips = sorted(path for path in folder.iterdir() if path.is_file())
    real, made = [], []
    for clip in clips:
        real.append(real_lips(clip, cache))
        motion = pipe.generate_motion(load_speech(clip), seed=SEED, window_frames=window)
        track = behaviour_track(motion).at_rate()
        made.append(np.stack([track.aperture, track.width]))
    head = ("own", "own, best lag", "other", "other, best lag")
    print(
        "| clip | " + " | ".join(f"{part} {one}" for part in ("aperture", "width") for one in head)
    )
    print("|---|" + "---:|" * 8)
    rows = []
    for number, clip in enumerate(clips):
        row = []
        for curve in range(2):
            for sound in (number, (number + 1) % len(clips)):
                found = agreement(made[sound][curve], real[number][curve], RATE, LONGEST_LAG)
                row += [found.correlation, found.best_correlation]
        rows.append(row)
        print(f"| {clip.stem} | " + " | ".join(f"{one:.2f}" for one in row) + " |")
    mean = np.nanmean(rows, axis=0)
    print("| mean | " + " | ".join(f"{one:.2f}" for one in mean) + " |")


def real_lips(clip: Path, cache: Path) -> Curve:
    """[2, t] aperture and width of a real clip at 25 frames a second, read once."""
    key = hashlib.sha256(clip.read_bytes()).hexdigest()[:16]
    kept = cache / f"{clip.stem}-{key}.npy"
    if not kept.exists():
        reader = read_video(clip)
        tracker = BehaviourTracker(reader.fps)
        for _, face in follow_person(reader, reader.fps):
            tracker.see(face)
        track = tracker.track().at_rate()
        cache.mkdir(parents=True, exist_ok=True)
        np.save(kept, np.stack([track.aperture, track.width]))
    curves: Curve = np.load(kept)
    return curves


def default_cache() -> Path:
    """Where readings of real clips are kept: outside the project."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "joyvasa_lib" / "real_lips"


if __name__ == "__main__":
    main()
