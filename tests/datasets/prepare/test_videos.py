"""Which videos there are: what is found, what is refused, how they are divided."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from joyvasa_lib.datasets.prepare.outcomes import Outcome, Reason
from joyvasa_lib.datasets.prepare.videos import (
    SEGMENT_SECONDS,
    VideoFile,
    find_files,
    inspect_files,
    person_of,
    segments_of,
)
from joyvasa_lib.errors import MediaError
from joyvasa_lib.media.audio import SAMPLE_RATE, Speech, write_wav
from joyvasa_lib.media.video import VideoWriter


def write_video(path: Path, fps: float = 25, seconds: float = 0.4, level: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = Speech(np.full(round(seconds * SAMPLE_RATE), 0.1, np.float32))
    with VideoWriter(path, (64, 48), fps, sound) as writer:
        writer.write(np.full((round(seconds * fps), 48, 64, 3), level, np.uint8))
    return path


def write_mute(path: Path) -> Path:
    with VideoWriter(path, (64, 48), 25) as writer:
        writer.write(np.zeros((10, 48, 64, 3), np.uint8))
    return path


def everything(folder: Path) -> tuple[dict[str, VideoFile], dict[str, Outcome], list[OSError]]:
    unreadable: list[OSError] = []
    found = list(inspect_files(folder, find_files(folder, unreadable.append)))
    videos = {video.name: video for video, _ in found if video is not None}
    return videos, {v.video: v for _, v in found if v is not None}, unreadable


@contextmanager
def without_root() -> Iterator[None]:
    """As an ordinary user: root may read everything."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_videos_are_found_in_depth_and_known_by_folder_and_content(tmp_path: Path) -> None:
    first = write_video(tmp_path / "ann" / "day 1" / "a.MKV".lower(), fps=30)
    write_video(tmp_path / "bob" / "b.mp4", fps=60, level=90)
    write_video(tmp_path / "alone.mov", fps=29.97, level=200)
    write_video(tmp_path / ".hidden" / "c.mkv", level=50)
    (tmp_path / "notes.txt").write_text("not a video")
    videos, refused, unreadable = everything(tmp_path)
    assert list(videos) == ["alone.mov", "ann/day 1/a.mkv", "bob/b.mp4"]
    assert (refused, unreadable) == ({}, [])
    assert [video.person for video in videos.values()] == ["alone.mov", "ann", "bob"]
    rates = [video.rate for video in videos.values()]
    assert rates == pytest.approx([30000 / 1001, 30, 30])
    key = videos["ann/day 1/a.mkv"].key
    first.rename(tmp_path / "renamed.mkv")
    assert everything(tmp_path)[0]["renamed.mkv"].key == key


def test_what_cannot_be_used_is_refused_with_its_reason(tmp_path: Path) -> None:
    good = write_video(tmp_path / "good.mkv")
    shutil.copy(good, tmp_path / "zz copy of good.mkv")
    write_mute(tmp_path / "mute.mkv")
    write_video(tmp_path / "slow.mkv", fps=12, seconds=1.0)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("not a video")
    whole = write_video(tmp_path / "cut.mp4", level=30)
    whole.write_bytes(whole.read_bytes()[:300])
    write_wav(tmp_path / "a.wav", np.full(SAMPLE_RATE, 0.1))
    (tmp_path / "a.wav").rename(tmp_path / "sound.ogv")
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    videos, refused, _ = everything(tmp_path)
    assert list(videos) == ["good.mkv"]
    assert {name: outcome.reason for name, outcome in refused.items()} == {
        "zz copy of good.mkv": Reason.DUPLICATE,
        "mute.mkv": Reason.NO_SOUND,
        "slow.mkv": Reason.SLOW_IMAGE,
        "empty.mp4": Reason.UNREADABLE,
        "text.mp4": Reason.UNREADABLE,
        "cut.mp4": Reason.UNREADABLE,
        "sound.ogv": Reason.NO_IMAGE,
        "gone.mp4": Reason.UNREADABLE,
    }
    assert refused["zz copy of good.mkv"].detail == "good.mkv"
    assert "12" in refused["slow.mkv"].detail


def test_a_folder_that_may_not_be_read_is_reported_and_the_rest_is_found() -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are root's alone
        folder = Path(name)
        folder.chmod(0o755)
        write_video(folder / "open" / "a.mkv")
        shut = write_video(folder / "shut" / "b.mkv").parent
        shut.chmod(0o000)
        unreadable: list[OSError] = []
        try:
            with without_root():
                found = find_files(folder, unreadable.append)
        finally:
            shut.chmod(0o755)
    assert [path.name for path in found] == ["a.mkv"]
    assert [Path(error.filename).name for error in unreadable] == ["shut"]


def test_links_that_lead_back_are_followed_once(tmp_path: Path) -> None:
    write_video(tmp_path / "videos" / "a.mkv")
    (tmp_path / "videos" / "again").symlink_to(tmp_path / "videos")
    assert len(find_files(tmp_path / "videos", pytest.fail)) == 1


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no folder"):
        find_files(tmp_path / "nowhere", pytest.fail)


def test_the_person_is_the_first_folder_or_the_file() -> None:
    assert person_of("ann/trip/a.mp4") == "ann"
    assert person_of("a.mp4") == "a.mp4"


@pytest.mark.parametrize("seconds", [0.04, 3.0, 119.0, 179.0, 181.0, 600.0, 3725.5])
def test_segments_cover_a_video_once(seconds: float) -> None:
    video = VideoFile("a.mp4", "0" * 16, "a.mp4", seconds, 25.0)
    segments = segments_of(video)
    assert segments[0].start == 0.0
    for segment, following in pairwise(segments):
        assert segment.start + segment.seconds == following.start
    assert segments[-1].start + segments[-1].seconds == pytest.approx(seconds)
    assert [segment.last for segment in segments] == [False] * (len(segments) - 1) + [True]
    assert max(segment.seconds for segment in segments) <= 1.5 * SEGMENT_SECONDS
    assert len({segment.name for segment in segments}) == len(segments)
