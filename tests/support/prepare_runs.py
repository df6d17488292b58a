"""Talking videos, and quick made-up work in place of looking at faces, for tests of preparing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.prepare.outcomes import Outcome, Reason
from joyvasa_lib.datasets.prepare.recipe import PrepareRecipe
from joyvasa_lib.datasets.prepare.segment_work import SegmentJob
from joyvasa_lib.datasets.prepared.clips import Clip
from joyvasa_lib.datasets.prepared.index import ClipInfo
from joyvasa_lib.media.audio import Speech
from joyvasa_lib.media.video import VideoWriter
from joyvasa_lib.motion import Motion

FRAMES, SIDE = 40, 256
RECIPE = PrepareRecipe(crop=128, split_by="person", min_seconds=0.8, face_hz=0.0)
OPTIONS = ("--crop", "128", "--split-by", "person", "--min-seconds", "0.8", "--face-hz", "0")
"""The same for the command line."""


@dataclass(frozen=True)
class Talk:
    """A rendered performance."""

    frames: NDArray[np.uint8]
    motion: Motion
    waveform: NDArray[np.float32]

    def save(self, path: Path, frames: NDArray[np.uint8] | None = None) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with VideoWriter(path, (SIDE, SIDE), 25, Speech(self.waveform)) as writer:
            writer.write(self.frames if frames is None else frames)
        return path


def shards(folder: Path) -> dict[str, bytes]:
    """Everything that training reads."""
    names = ("*.safetensors", "index.json", "normalizer.json", "report.jsonl", "README.md")
    return {path.name: path.read_bytes() for name in names for path in folder.glob(name)}


def made_up(job: SegmentJob, model: object) -> tuple[list[Clip], list[Outcome]]:
    """Three clips that the segment's name decides."""
    rng = np.random.default_rng(int(job.segment.video.key, 16) % 2**32)
    clips, outcomes = [], []
    for number in range(3):
        frames = int(rng.integers(120, 260))
        name = f"{job.segment.video.key}-{number:08d}"
        info = ClipInfo(name, job.segment.video.name, "x", float(number), frames, 200.0, 1.0)
        values = rng.normal(size=(frames, 59)).astype(np.float32)
        waveform = rng.integers(-9, 9, 640 * frames).astype(np.int16)
        clips.append(Clip(info, waveform, values))
        outcomes.append(
            Outcome(info.video, number, number + 1, Reason.KEPT, "", name, job.segment.name)
        )
    return clips, outcomes


QUICK = PrepareRecipe(shard_mb=1.0)
"""The recipe of made-up work: a few shards."""
