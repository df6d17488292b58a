"""Throughput of preparing and of training on this machine, as a table:

    python benchmarks/training.py [--json] [--steps N] [--quick]

Each row runs in a process of its own. A training row is a real run: batches from a prepared set on
disk, loss, optimiser, average. Its data share is the part of the time in which the loop waited for
a batch. The official size has random weights: speed does not depend on them. Where there is a GPU,
each training row is measured on it, too, with its utilisation as the driver reports it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "benchmarks")]

CLIPS, FRAMES = 24, 500
"""Of the prepared set: as long as `joyvasa prepare` makes them."""
NETWORKS: dict[str, dict[str, Any]] = {
    "bundled": {},
    "official": {"feature_dim": 256, "hidden_dim": 1024, "n_layers": 8},
}


@dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        work: what was done.
        device: where.
        rate: how much of it.
        unit: a second or a minute.
        beside: what else there is to know.
    """

    work: str
    device: str
    rate: float
    unit: str
    beside: str = ""


# What runs in a process of its own; each prints one JSON object.


def measure_prepare(seconds: float) -> Row:
    from main_job import assets

    from joyvasa_lib import JoyVASAPipeline
    from joyvasa_lib.datasets.prepare.prepare import prepare_videos
    from joyvasa_lib.datasets.prepare.recipe import PrepareRecipe
    from joyvasa_lib.media.audio import load_speech

    portrait, speech = assets()
    sound = load_speech(speech).waveform[: round(seconds * 16000)]
    pipe = JoyVASAPipeline.from_pretrained()
    with tempfile.TemporaryDirectory() as folder:
        videos = Path(folder) / "videos"
        videos.mkdir()
        pipe(portrait, sound, sample_rate=16000).save(videos / "one.mp4")
        (videos / "two.mp4").write_bytes((videos / "one.mp4").read_bytes())
        done = prepare_videos(videos, Path(folder) / "set", PrepareRecipe(min_seconds=1.0))
    speed = done.video_seconds / done.elapsed
    return Row(
        f"prepare, clips of {seconds:g} s", "1 process", done.clips_per_minute, "clips/min",
        f"{speed:.2f} s of video a second",
    )  # fmt: skip


def measure_training(network: str, batch: int, loader_threads: int, steps: int, lora: int) -> Row:
    import torch
    import yaml

    from joyvasa_lib.training.motion.train import train_motion
    from training_sets import write_prepared

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = write_prepared(folder / "data", [FRAMES] * CLIPS, [50])
        motion: dict[str, Any] = {
            "data": str(data), "batch_size": batch, "window_lengths": [100],
            "window_weights": [1.0], "copies": 1, "validation_seconds": 1.0,
            "loader_threads": loader_threads, "lora_rank": lora, "initial": "bundled",
            "own_previous": 0.25,
        }  # fmt: skip
        if NETWORKS[network]:
            encoder = ROOT / "joyvasa_lib" / "checkpoints" / "bundled" / "audio_encoder"
            motion |= {"initial": "", "network": NETWORKS[network], "audio_encoder": str(encoder)}
        gpu = torch.cuda.is_available()
        loop = {
            "steps": 1, "validate_every": 10**6, "log_every": steps, "checkpoint_minutes": 60.0,
            "mixed_precision": "bf16" if gpu else "no",
        }  # fmt: skip
        (folder / "recipe.yaml").write_text(yaml.safe_dump({"motion": motion, "loop": loop}))
        _fill_cache(folder / "recipe.yaml", folder / "run")
        train_motion(folder / "recipe.yaml", folder / "run")  # warms up
        with Utilisation(gpu) as busy:
            changes = [f"loop.steps={1 + steps}", f"loop.log_every={steps + 1}"]
            train_motion(folder / "recipe.yaml", folder / "run", changes=changes)
        lines = [json.loads(x) for x in (folder / "run" / "metrics.jsonl").open()]
        found = [line for line in lines if "steps_per_second" in line][-1]
    device = torch.cuda.get_device_name() if gpu else f"CPU, {torch.get_num_threads()} threads"
    kind = f"LoRA {lora}" if lora else "full"
    beside = (
        f"{found['steps_per_second'] * 2 * batch:.1f} windows/s, data {found['data_share']:.1%}"
        + (f", GPU {busy.mean:.0%}" if gpu else "")
    )
    return Row(
        f"motion, {network} size, {kind}, batch {batch}, loaders {loader_threads}", device,
        found["steps_per_second"], "steps/s", beside,
    )  # fmt: skip


def measure_portrait(size: str, batch: int, loader_threads: int, steps: int) -> Row:
    import torch
    import yaml

    from joyvasa_lib.datasets.heads.frames import HeadFramesConfig, write_head_frames
    from joyvasa_lib.training.portrait.train import train_portrait
    from portrait_sets import SIZES

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_head_frames(folder / "heads", HeadFramesConfig(4, 1, 4, 256))
        gpu = torch.cuda.is_available()
        portrait = {
            "preset": "liveportrait", "data": str(folder / "heads"), "batch_size": batch,
            "network": SIZES if size == "tiny" else {}, "loader_threads": loader_threads,
            "statistics_batches": 0, "validation_pairs": 1, "preview_every": 0,
        }  # fmt: skip
        loop = {
            "steps": 1, "validate_every": 10**6, "log_every": 10**6, "checkpoint_minutes": 60.0,
            "mixed_precision": "bf16" if gpu else "no",
        }  # fmt: skip
        recipe = folder / "recipe.yaml"
        recipe.write_text(yaml.safe_dump({"portrait": portrait, "loop": loop}))
        train_portrait(recipe, folder / "run")  # warms up
        with Utilisation(gpu) as busy:
            train_portrait(recipe, folder / "run", changes=[f"loop.steps={1 + steps}"])
        lines = [json.loads(x) for x in (folder / "run" / "metrics.jsonl").open()]
        found = [line for line in lines if "steps_per_second" in line][-1]
    device = torch.cuda.get_device_name() if gpu else f"CPU, {torch.get_num_threads()} threads"
    beside = f"{found['steps_per_second'] * batch:.2f} pairs/s, data {found['data_share']:.1%}" + (
        f", GPU {busy.mean:.0%}" if gpu else ""
    )
    return Row(
        f"portrait, {size} size, batch {batch}, loaders {loader_threads}", device,
        found["steps_per_second"], "steps/s", beside,
    )  # fmt: skip


def _fill_cache(recipe: Path, run: Path) -> None:
    """Encodes the speech once, as the first epoch of a real run does."""
    from joyvasa_lib.training.loop.config import read_training
    from joyvasa_lib.training.motion.features import FeatureCache
    from joyvasa_lib.training.motion.recipe import MotionTraining
    from joyvasa_lib.training.motion.source import open_source
    from joyvasa_lib.training.motion.train import MotionRun

    config, loop = read_training(recipe, MotionTraining, "motion")
    made = MotionRun(config, loop, open_source(config.data, config.corpus), run)
    recordings = made.source.recordings("train")
    cache = FeatureCache(made.initial.encoder, recordings, 1, loop.seed, run / "features")
    for index in range(len(recordings)):
        cache.length(index, 0)
    made.batches.close()


class Utilisation:
    """Samples how busy the GPU is while the block runs."""

    def __init__(self, gpu: bool) -> None:
        self._samples: list[float] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch) if gpu else None

    @property
    def mean(self) -> float:
        """Share of the time, in [0, 1]."""
        middle = self._samples[len(self._samples) // 4 :] or [0.0]
        return sum(middle) / len(middle) / 100.0

    def __enter__(self) -> Utilisation:
        if self._thread:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread:
            self._thread.join()

    def _watch(self) -> None:
        query = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
        while not self._over.wait(0.5):
            found = subprocess.run(query, capture_output=True, text=True)
            if found.returncode == 0:
                self._samples.append(float(found.stdout.splitlines()[0]))


def tasks(steps: int, quick: bool) -> list[list[Any]]:
    """What to measure: the name of a function here and its arguments."""
    import torch

    batch = 64 if torch.cuda.is_available() else 4
    found: list[list[Any]] = [["measure_prepare", 2.0 if quick else 4.0]]
    for network in ("bundled",) if quick else NETWORKS:
        for threads in (0,) if quick else (0, 2):
            found.append(["measure_training", network, batch, threads, steps, 0])
    if not quick:
        found.append(["measure_training", "bundled", batch, 2, steps, 8])
        found.append(["measure_portrait", "tiny", 4, 0, steps])
        # A step of the published size takes most of a minute of a CPU.
        gpu = torch.cuda.is_available()
        found.append(["measure_portrait", "published", *((8, 4, steps) if gpu else (1, 0, 2))])
    return found


def main() -> None:
    from main_job import machine

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--quick", action="store_true", help="two rows only")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        name, *arguments = json.loads(given.one)
        print(json.dumps(asdict(globals()[name](*arguments))))
        return
    about, rows = machine(), []
    for task in tasks(given.steps, given.quick):
        for hidden in ({}, {"CUDA_VISIBLE_DEVICES": ""}) if _has_gpu(task) else ({},):
            started = time.monotonic()
            command = [sys.executable, __file__, "--one", json.dumps(task)]
            done = subprocess.run(
                command, env={**os.environ, **hidden}, stdout=subprocess.PIPE, text=True, check=True
            )
            rows.append(Row(**json.loads(done.stdout.splitlines()[-1])))
            sys.stderr.write(f"{rows[-1].work}: {time.monotonic() - started:.0f} s\n")
    if given.json:
        print(json.dumps({"machine": about, "rows": [asdict(row) for row in rows]}, indent=1))
        return
    for name, value in about.items():
        print(f"{name}: {value}")
    print("\n| work | where | rate | |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row.work} | {row.device} | {row.rate:.2f} {row.unit} | {row.beside} |")


def _has_gpu(task: list[Any]) -> bool:
    """Whether a row is measured on a GPU and again without."""
    import torch

    both = task[0] != "measure_prepare" and "published" not in task
    return both and torch.cuda.is_available()


if __name__ == "__main__":
    main()
