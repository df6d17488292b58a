"""Records what the library makes, byte by byte, and compares two recordings.

Before a change that must not alter any result::

    python benchmarks/behaviour.py record before.json
    python benchmarks/behaviour.py compare before.json

``record`` writes one SHA-256 for each result and a few numbers that show the size of a difference.
Only public names and the command line are used, so the same script runs on both sides of a move.
Digests depend on the machine's arithmetic: record both sides on the same machine.
JOYVASA_REAL_INPUTS names a folder with ``portraits/`` and ``speech/``; without it, the package's
own portrait and sentence stand in.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

THREADS = "2"
for variable in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = THREADS  # the order of sums is part of a result

import numpy as np  # noqa: E402
import torch  # noqa: E402
import yaml  # noqa: E402

from joyvasa_lib import Emotion, EmotionTimeline, JoyVASAPipeline, Motion  # noqa: E402

ROOT = Path(__file__).parent.parent
ASSETS = ROOT / "joyvasa_lib" / "demo_assets"
RECORDINGS = ("jfk.flac", "joyvasa_006.wav", "mandarin_poem.flac")
PORTRAITS = ("s5.jpg", "s7.jpg", "s9.jpg", "s10.jpg", "s12.jpg", "joyvasa_003.png")
SEEDS = (0, 1)
SECONDS = 6.0
FRAMES = 75
OFFICIAL_FRAMES = 3

Record = dict[str, dict[str, Any]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("action", choices=("record", "compare"))
    parser.add_argument("file", type=Path, help="recording to write, or to compare with")
    parser.add_argument("--only", nargs="*", default=[], help="parts: " + ", ".join(PARTS))
    arguments = parser.parse_args()
    if arguments.action == "record":
        arguments.file.write_text(json.dumps(make(arguments.only), indent=1) + "\n")
        return 0
    return compare(json.loads(arguments.file.read_text()), make(arguments.only), arguments.only)


def make(only: Iterable[str] = ()) -> Record:
    torch.set_num_threads(int(THREADS))
    record: Record = {}
    for name, part in PARTS.items():
        if only and name not in only:
            continue
        start = time.monotonic()
        record |= {f"{name}/{key}": value for key, value in part()}
        sys.stderr.write(f"{name}: {time.monotonic() - start:.1f} s\n")
    return record


def compare(before: Record, after: Record, only: Iterable[str] = ()) -> int:
    """Prints every result that differs; 0 where none does."""
    expected = {key for key in before if not only or key.split("/")[0] in only}
    different = [key for key in sorted(expected | set(after)) if before.get(key) != after.get(key)]
    for key in different:
        sys.stdout.write(f"{key}\n  before {before.get(key)}\n  after  {after.get(key)}\n")
    sys.stdout.write(f"{len(expected)} results, {len(different)} different\n")
    return int(bool(different))


# The parts, each an iterator over names and digests


def motions() -> Iterator[tuple[str, dict[str, Any]]]:
    pipe = JoyVASAPipeline.from_pretrained(device="cpu")
    for recording in recordings():
        for seed in SEEDS:
            motion = pipe.generate_motion(recording, seed=seed)
            yield f"{recording.stem}-{seed}", of_motion(motion)


def frames() -> Iterator[tuple[str, dict[str, Any]]]:
    pipe = JoyVASAPipeline.from_pretrained(device="cpu")
    motions = [
        pipe.generate_motion(recording, seed=seed)[:FRAMES]
        for recording, seed in zip(recordings()[:2], SEEDS, strict=True)
    ]
    for portrait in portraits():
        encoded = pipe.encode(portrait)
        for seed, motion in zip(SEEDS, motions, strict=True):
            yield f"{portrait.stem}-{seed}", of_frames(pipe.render(encoded, motion).frames())


def streaming() -> Iterator[tuple[str, dict[str, Any]]]:
    from joyvasa_lib.media.audio import load_speech

    pipe = JoyVASAPipeline.from_pretrained(device="cpu")
    waveform = load_speech(recordings()[0]).waveform[: 16000 * 3]
    pieces = np.array_split(waveform, 7)
    encoded = pipe.encode(portraits()[0])
    yield "stream", of_frames(pipe.stream(encoded, pieces, seed=3))


def emotions() -> Iterator[tuple[str, dict[str, Any]]]:
    pipe = JoyVASAPipeline.from_pretrained(device="cpu")
    recording = recordings()[0]
    motion = pipe.generate_motion(recording, seed=0)
    mixed = Emotion.parse("happiness:0.7,AU4:0.3")
    timeline = EmotionTimeline([(0.0, Emotion.parse("sadness:0.5")), (3.0, mixed)])
    yield "mixed", of_motion(motion.edit(pipe.editor(mixed)))
    yield "timeline", of_motion(motion.edit(pipe.editor(timeline)))
    encoded = pipe.encode(portraits()[0])
    for text in ("happiness:0.8", "anger:0.8", "AU12R:0.6"):
        yield text, of_frames([pipe.edit(encoded, text)])
    performance = pipe.perform(recording, seed=0, fps=30, emotion="fear:0.6")
    yield "performance", of_motion(performance.motion)


def driving() -> Iterator[tuple[str, dict[str, Any]]]:
    pipe = JoyVASAPipeline.from_pretrained(device="cpu")
    motion = pipe.generate_motion(recordings()[0], seed=0)[:30]
    source = pipe.encode(portraits()[0])
    acted = list(pipe.render(source, motion).frames())
    seen = pipe.extract_motion(acted, fps=25.0)
    yield "extracted", of_motion(seen)
    yield "frames", of_frames(pipe.drive(portraits()[1], seen).frames())
    smooth = seen.smooth("one-euro").with_gains(head=0.5).retime(fps=30.0)
    yield "edited", of_motion(smooth)


def official() -> Iterator[tuple[str, dict[str, Any]]]:
    """Published files with pseudo-weights, as the tests write them."""
    for folder in {path.parent for path in (ROOT / "tests").rglob("*.py")}:
        sys.path.insert(0, str(folder))
    from official_checkpoint import write_official  # type: ignore[import-not-found]

    with tempfile.TemporaryDirectory() as folder:
        published = write_official(Path(folder) / "published")
        pipe = JoyVASAPipeline.from_official(published, device="cpu")
        waveform = speech(ASSETS / "hello.flac")[8000 : 8000 + OFFICIAL_FRAMES * 640]
        encoded = pipe.encode(ASSETS / "astronaut.jpg")
        options = {"num_inference_steps": 2, "seed": 0}
        motion = pipe.generate_motion(waveform, **options)
        yield "motion", of_motion(motion)
        yield "frames", of_frames(pipe.render(encoded, motion).frames())
        published_code = JoyVASAPipeline.from_official(published, device="cpu", compat="joyvasa")
        jvs = published_code.generate_motion(waveform, **options)
        yield "compat", of_motion(jvs)
        saved = pipe.save_pretrained(Path(folder) / "saved")
        for path in sorted(saved.rglob("*.safetensors")):
            yield str(path.relative_to(saved)), of_file(path)
        again = JoyVASAPipeline.from_pretrained(saved, device="cpu")
        yield (
            "saved",
            of_frames(again.render(again.encode(ASSETS / "astronaut.jpg"), motion).frames()),
        )


def training() -> Iterator[tuple[str, dict[str, Any]]]:
    """Ten steps of motion training on a prepared video, and a few of the other recipes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        videos, data, run = folder / "videos", folder / "data", folder / "run"
        talking_videos(videos)
        joyvasa("prepare", videos, data, "--split-by", "person", "--min-seconds", "1")
        for path in sorted(data.glob("*.safetensors")):
            yield f"prepared/{path.name}", of_file(path)
        recipe = yaml.safe_load((ROOT / "configs" / "motion.yaml").read_text())
        recipe["motion"] |= {
            "data": str(data), "batch_size": 1, "window_lengths": [20], "window_weights": [1.0],
            "copies": 1, "validation_seconds": 1.0, "loader_threads": 0, "preview_every": 0,
        }  # fmt: skip
        loop = {
            "steps": 10, "warmup_steps": 2, "validate_every": 10, "threads": 1, "trackers": [],
            "mixed_precision": "no",
        }  # fmt: skip
        recipe["loop"] |= loop
        train("motion", recipe, run)
        yield from of_run("motion", run)
        joyvasa("datasets", "head-frames", folder / "heads", "--heads", 2, "--valid-heads", 1,
                "--frames", 3, "--size", 64)  # fmt: skip
        for path in sorted((folder / "heads").glob("*.safetensors")):
            yield f"head-frames/{path.name}", of_file(path)


PARTS: dict[str, Callable[[], Iterator[tuple[str, dict[str, Any]]]]] = {
    "motion": motions,
    "frames": frames,
    "streaming": streaming,
    "emotion": emotions,
    "driving": driving,
    "official": official,
    "training": training,
}


# Material


def real(kind: str, names: Iterable[str], stand_in: str) -> list[Path]:
    folder = os.environ.get("JOYVASA_REAL_INPUTS")
    return [Path(folder) / kind / name for name in names] if folder else [ASSETS / stand_in]


def portraits() -> list[Path]:
    return (real("portraits", PORTRAITS, "astronaut.jpg") * 2)[: len(PORTRAITS)]


def recordings() -> list[Path]:
    """The beginnings of the recordings, as WAV files."""
    from joyvasa_lib.media.audio import write_wav

    folder = Path(tempfile.gettempdir()) / "joyvasa_behaviour"
    folder.mkdir(exist_ok=True)
    found = []
    for path in (real("speech", RECORDINGS, "hello.flac") * 3)[: len(RECORDINGS)]:
        target = folder / f"{path.stem}.wav"
        if not target.exists():
            write_wav(target, speech(path)[: round(16000 * SECONDS)])
        found.append(target)
    return found


def speech(path: Path) -> np.ndarray[Any, Any]:
    from joyvasa_lib.media.audio import load_speech

    return load_speech(path).waveform


def talking_videos(folder: Path) -> None:
    """Three people, made by the bundled checkpoint, each half a second longer than a second."""
    from PIL import Image

    pipe = JoyVASAPipeline.from_pretrained(device="cpu")
    sentence = speech(ASSETS / "hello.flac")
    face = np.asarray(Image.open(ASSETS / "astronaut.jpg").convert("RGB"))
    warm = np.clip(face * np.array([1.1, 0.9, 0.8]), 0, 255).astype(np.uint8)
    for index, image in enumerate((face, np.ascontiguousarray(face[:, ::-1]), warm)):
        waveform = sentence[index * 16000 : index * 16000 + 30 * 640]
        (folder / f"person{index}").mkdir(parents=True)
        animation = pipe(image, waveform, sample_rate=16000, seed=index)
        animation.save(folder / f"person{index}" / "talk.mp4")


def train(verb: str, recipe: dict[str, Any], run: Path) -> None:
    path = run.with_suffix(".yaml")
    write_yaml(path, recipe)
    joyvasa("train", verb, "--config", path, "--run", run)


def write_yaml(path: Path, content: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(content))


def joyvasa(*arguments: object) -> None:
    start = "from joyvasa_lib.cli import main; main()"
    command = [sys.executable, "-c", start, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")


# Digests


def of_motion(motion: Motion) -> dict[str, Any]:
    vector = np.ascontiguousarray(motion.vector)
    return digest([vector.tobytes()], frames=len(motion), mean=float(np.abs(vector).mean()))


def of_frames(frames: Iterable[np.ndarray[Any, Any]]) -> dict[str, Any]:
    kept = [np.ascontiguousarray(frame) for frame in islice(frames, FRAMES)]
    mean = float(np.mean([frame.mean() for frame in kept]))
    return digest((frame.tobytes() for frame in kept), frames=len(kept), mean=mean)


def of_file(path: Path) -> dict[str, Any]:
    """The tensors of a safetensors file; the header may hold a version or a time."""
    from safetensors.numpy import load_file

    try:
        tensors = load_file(path)
    except TypeError:  # bfloat16, which NumPy has not
        from safetensors.torch import load_file as load_torch

        tensors = {k: v.float().numpy() for k, v in load_torch(path).items()}
    names = sorted(tensors)
    return digest((name.encode() + tensors[name].tobytes() for name in names), tensors=len(names))


def of_run(name: str, run: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(run.rglob("*.safetensors")):
        if not any(part.startswith(("checkpoint", "state")) for part in path.parts):
            yield f"{name}/{path.relative_to(run)}", of_file(path)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    losses = [line["total"] for line in lines if "total" in line]
    yield f"{name}/losses", digest([repr(losses).encode()], losses=losses)


def digest(parts: Iterable[bytes], **about: Any) -> dict[str, Any]:
    sha = hashlib.sha256()
    for part in parts:
        sha.update(part)
    return {"sha256": sha.hexdigest(), **about}


if __name__ == "__main__":
    raise SystemExit(main())
