"""Claims about the on-disk form of prepared sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from joyvasa_lib.datasets.prepared.clips import Clip, Images, write_shard
from joyvasa_lib.datasets.prepared.dataset import PreparedSet
from joyvasa_lib.datasets.prepared.index import ClipInfo, PreparedIndex, ShardInfo
from joyvasa_lib.datasets.prepared.shards import encode_images
from joyvasa_lib.datasets.prepared.statistics import Moments
from joyvasa_lib.errors import MediaError, OutputError

CHANNELS = 59


def make_clip(name: str, frames: int, seed: int, side: int = 0) -> Clip:
    rng = np.random.default_rng(seed)
    images = None
    if side:
        ramp = np.linspace(0, 200, side, dtype=np.float32)
        smooth = np.repeat((ramp[:, None] + ramp[None, :])[..., None] / 2, 3, axis=2)
        data, ends = encode_images([(smooth + i).astype(np.uint8) for i in range(frames)])
        images = Images(data, ends, rng.normal(size=(frames, 5, 3)).astype(np.float32))
    return Clip(
        ClipInfo(name, f"ann/{name}.mp4", "ann", 1.5, frames, 210.0, 0.8, -12.0, 0.6),
        rng.integers(-20000, 20000, 640 * frames).astype(np.int16),
        rng.normal(size=(frames, CHANNELS)).astype(np.float32),
        images,
    )


def write_set(folder: Path, clips: dict[str, list[Clip]], crop: int = 0) -> None:
    shards = []
    for file, mine in clips.items():
        size = write_shard(folder / file, mine, CHANNELS)
        frames = sum(clip.info.frames for clip in mine)
        split = "train" if file.startswith("train") else "valid"
        shards.append(ShardInfo(file, split, len(mine), frames, size))
    moments = Moments.of(np.concatenate([c.values for m in clips.values() for c in m]))
    PreparedIndex(
        "compact-1", "units", "source", CHANNELS, crop, "file", {}, tuple(shards), moments
    ).save(folder)


def test_what_is_written_is_read_back_bit_for_bit(tmp_path: Path) -> None:
    clips = [make_clip("a", 30, 0, side=64), make_clip("b", 41, 1, side=64)]
    held = make_clip("c", 25, 2, side=64)
    parts = {"train-00000.safetensors": clips, "valid-00000.safetensors": [held]}
    write_set(tmp_path, parts, crop=64)
    found = PreparedSet(tmp_path)
    assert [clip.name for clip in found.clips("train")] == ["a", "b"]
    assert found.index.count("train") == (2, 71 / 25)
    assert found.index.motion_space.name == "compact-1"
    for clip in (*clips, held):
        read = found.read(clip.info.name, images=True)
        assert read.info == clip.info
        assert np.array_equal(read.waveform, clip.waveform)
        assert np.array_equal(read.values, clip.values)
        assert read.images is not None and clip.images is not None
        assert np.array_equal(read.images.data, clip.images.data)
        assert np.array_equal(found.landmarks(clip.info.name), clip.images.landmarks)
    assert found.read("a").images is None


def test_one_image_is_read_without_the_others(tmp_path: Path) -> None:
    write_set(tmp_path, {"train-00000.safetensors": [make_clip("a", 12, 0, side=64)]}, crop=64)
    found = PreparedSet(tmp_path)
    seen = [found.image("a", i).astype(float).mean() for i in range(12)]
    assert np.diff(seen) == pytest.approx(np.ones(11), abs=0.3)  # each is one level brighter
    with pytest.raises(IndexError, match="12 frames"):
        found.image("a", 12)


def test_a_set_without_images_says_how_to_get_them(tmp_path: Path) -> None:
    write_set(tmp_path, {"train-00000.safetensors": [make_clip("a", 12, 0)]})
    with pytest.raises(MediaError, match="--crop"):
        PreparedSet(tmp_path).image("a", 0)


def test_equal_clips_make_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_shard(tmp_path / name, [make_clip("a", 12, 0, side=64)], CHANNELS)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_folder_without_index_is_no_set(tmp_path: Path) -> None:
    write_shard(tmp_path / "train-00000.safetensors", [make_clip("a", 12, 0)], CHANNELS)
    with pytest.raises(MediaError, match="joyvasa prepare"):
        PreparedSet(tmp_path)


def test_a_shard_that_was_cut_off_is_an_error(tmp_path: Path) -> None:
    write_set(tmp_path, {"train-00000.safetensors": [make_clip("a", 12, 0)]})
    shard = tmp_path / "train-00000.safetensors"
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(MediaError, match="incomplete"):
        PreparedSet(tmp_path)


def test_moments_of_parts_are_those_of_the_whole() -> None:
    values = np.random.default_rng(0).normal(3.0, 5.0, (500, 7)).astype(np.float32)
    parts = [Moments.of(values[a:b]) for a, b in ((0, 1), (1, 90), (90, 90), (90, 500))]
    merged = Moments.merged(parts, 7)
    assert merged.frames == 500
    assert merged.mean == pytest.approx(values.astype(np.float64).mean(0), rel=1e-12)
    assert merged.spread == pytest.approx(values.astype(np.float64).std(0), rel=1e-12)
    assert np.array_equal(merged.lowest, values.min(0).astype(np.float64))
    assert np.array_equal(merged.highest, values.max(0).astype(np.float64))
    again = Moments.from_dict(merged.to_dict(), 7)
    assert np.array_equal(again.squares, merged.squares)


def test_a_disk_that_takes_no_more_leaves_nothing_half_written(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")  # a limit on file sizes, as on Unix
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(OutputError, match="free some space"):
            write_shard(tmp_path / "train-00000.safetensors", [make_clip("a", 50, 0)], CHANNELS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []
