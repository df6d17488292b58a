"""Finished segments become shards, and the shards a set.

Every step leaves the folder so that the next run goes on from there:

1. ``report.jsonl`` gets the outcomes of the finished segments: from now on they count as done.
2. Shards are filled in an order that depends on the clips alone, and each appears whole. The file
   of a segment is removed when its last clip is in a shard. A clip is packed when a shard has it.
3. ``index.json`` comes last. Shards that it does not name do not belong to the set yet.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from joyvasa_lib.datasets.prepare.clips import channels_of, layout_of
from joyvasa_lib.datasets.prepare.outcomes import Outcome
from joyvasa_lib.datasets.prepare.recipe import PrepareRecipe, SplitBy
from joyvasa_lib.datasets.prepare.segment_work import STAGING
from joyvasa_lib.datasets.prepare.splitting import assign_splits, split_level
from joyvasa_lib.datasets.prepared.clips import Clip, read_clip, read_header, write_shard
from joyvasa_lib.datasets.prepared.index import (
    INDEX,
    SPLITS,
    ClipInfo,
    PreparedIndex,
    ShardInfo,
    Split,
)
from joyvasa_lib.datasets.prepared.shards import opened, read_about
from joyvasa_lib.datasets.prepared.statistics import Moments
from joyvasa_lib.documents import parse_json
from joyvasa_lib.errors import MediaError
from joyvasa_lib.media.files import write_text
from joyvasa_lib.motion.data import FPS
from joyvasa_lib.motion.space import MotionSpace
from joyvasa_lib.speech.diffusion.normalizer import SMALLEST_SCALE, MotionNormalizer

REPORT = "report.jsonl"
SMALLEST_DEFORMATION = 1e-3
"""Spread below which a keypoint coordinate or part of the pose counts as constant."""


@dataclass(frozen=True)
class Placed:
    """A clip and where it lies.

    Attributes:
        info: the clip.
        path: the file that holds it.
    """

    info: ClipInfo
    path: Path


def read_report(folder: Path) -> list[Outcome]:
    """The outcomes of earlier runs; none before the first.

    Raises:
        MediaError: the report is damaged.
    """
    path = folder / REPORT
    if not path.exists():
        return []
    try:
        lines = path.read_text("utf-8").splitlines()
        return [Outcome.from_dict(parse_json(line)) for line in lines if line]
    except (OSError, ValueError, TypeError) as error:
        raise MediaError(f"{path} is damaged ({error}); prepare into a new folder") from error


def staged_files(folder: Path) -> list[Path]:
    """The finished segments that are not packed yet."""
    return sorted(path for path in (folder / STAGING).glob("[!.]*.safetensors"))


def write_report(
    folder: Path, files: Iterable[Outcome], segments: Sequence[Outcome]
) -> list[Outcome]:
    """Adds the finished segments to the report.

    Args:
        folder: of the set.
        files: outcomes of whole files, which each run comes to anew.
        segments: outcomes of segments of earlier runs.

    Returns:
        All outcomes, in order of file and time.

    Raises:
        OutputError: the report cannot be written.
    """
    known = {outcome.segment for outcome in segments}
    fresh = [
        outcome
        for path in staged_files(folder)
        for outcome in map(Outcome.from_dict, read_about(path)["verdicts"])
        if outcome.segment not in known
    ]
    found = sorted([*files, *segments, *fresh], key=lambda v: (v.video, v.start, v.stop))
    text = "".join(json.dumps(v.to_dict(), ensure_ascii=False) + "\n" for v in found)
    write_text(folder / REPORT, text)
    return found


def pack(folder: Path, recipe: PrepareRecipe, space: MotionSpace) -> PreparedIndex:
    """Packs what is staged and writes statistics and index.

    Raises:
        OutputError: a file cannot be written.
        MediaError: there is no clip at all, or a file is damaged.
    """
    packed = {
        info.name: (info, split)
        for split in SPLITS
        for path in _shards(folder, split)
        for info in read_header(path).clips
    }
    staged = {path: read_header(path).clips for path in staged_files(folder)}
    new = [
        Placed(info, path)
        for path, clips in staged.items()
        for info in clips
        if info.name not in packed
    ]
    clips = [*(info for info, _ in packed.values()), *(placed.info for placed in new)]
    if not clips:
        raise MediaError(f"There is no clip to pack in {folder}")
    level = _level(folder, clips, recipe)
    fixed = {name: split for name, (_, split) in packed.items()}
    splits = assign_splits(clips, level, recipe.validation, fixed)
    files = _Files(
        {path: {clip.name for clip in clips} - packed.keys() for path, clips in staged.items()}
    )
    for split in SPLITS:
        mine = [placed for placed in new if splits[placed.info.name] == split]
        mine.sort(key=lambda placed: (placed.info.video, placed.info.start))
        number = len(_shards(folder, split))
        for batch in _batches(mine, recipe):
            write_shard(folder / f"{split}-{number:05d}.safetensors", batch, channels_of(space))
            files.packed(clip.info.name for clip in batch)
            number += 1
    index = _index(folder, recipe, space, level)
    normalizer_of(index).save_pretrained(folder)
    index.save(folder)
    return index


def normalizer_of(index: PreparedIndex) -> MotionNormalizer:
    """The template: mean and spread of the training motion, as the denoiser needs them."""
    constant = SMALLEST_SCALE if index.layout == "units" else SMALLEST_DEFORMATION
    return MotionNormalizer(
        index.statistics.mean.astype(np.float32),
        np.maximum(index.statistics.spread, constant).astype(np.float32),
        index.layout,
        index.space,
        FPS,
    )


class _Files:
    """Files of finished segments, each deleted when it is not needed any more."""

    def __init__(self, waiting: dict[Path, set[str]]) -> None:
        self._waiting = waiting
        self.packed(())

    def packed(self, names: Iterable[str]) -> None:
        """Takes note of clips that are in a shard now."""
        done = set(names)
        opened.cache_clear()  # some systems do not delete what is open
        for path, clips in list(self._waiting.items()):
            clips -= done
            if not clips:
                path.unlink(missing_ok=True)
                del self._waiting[path]


def _shards(folder: Path, split: Split) -> list[Path]:
    return sorted(folder.glob(f"{split}-*.safetensors"))


def _level(folder: Path, clips: Sequence[ClipInfo], recipe: PrepareRecipe) -> SplitBy:
    """What stays together: as in the set so far, else by the recipe."""
    if (folder / INDEX).exists():
        return cast("SplitBy", PreparedIndex.load(folder).split_by)
    return split_level(clips, recipe.split_by)


def _batches(clips: Sequence[Placed], recipe: PrepareRecipe) -> Iterator[list[Clip]]:
    """Clips of one shard at a time."""
    batch: list[Clip] = []
    size = 0
    for placed in clips:
        clip = read_clip(placed.path, placed.info, recipe.crop > 0)
        if batch and size + clip.nbytes > 1e6 * recipe.shard_mb:
            yield batch
            batch, size = [], 0
        batch.append(clip)
        size += clip.nbytes
    if batch:
        yield batch


def _index(
    folder: Path, recipe: PrepareRecipe, space: MotionSpace, level: SplitBy
) -> PreparedIndex:
    shards, moments, channels = [], [], channels_of(space)
    for split in SPLITS:
        for path in _shards(folder, split):
            header = read_header(path)
            frames = sum(clip.frames for clip in header.clips)
            size = path.stat().st_size
            shards.append(ShardInfo(path.name, split, len(header.clips), frames, size))
            if split == "train":
                moments.append(header.moments)
    return PreparedIndex(
        space=space.name,
        layout=layout_of(space),
        reference="source" if space.has_blendshapes else "absolute",
        channels=channels,
        crop=recipe.crop,
        split_by=level,
        recipe=recipe.to_dict(),
        shards=tuple(shards),
        statistics=Moments.merged(moments, channels),
    )
