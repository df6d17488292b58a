"""Every image and video that is written says that it is synthetic, and stays what it was."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from joyvasa_lib.errors import OutputError
from joyvasa_lib.live.frame import LiveFrame
from joyvasa_lib.live.recorder import Recorder
from joyvasa_lib.media.decoding.ffmpeg import ffmpeg_path
from joyvasa_lib.media.image import save_image
from joyvasa_lib.media.provenance.mark import SYNTHETIC_IMAGE, SYNTHETIC_VIDEO, Mark
from joyvasa_lib.media.provenance.writing import append_xmp
from joyvasa_lib.media.video import VideoWriter, read_video

XMP = UUID("be7acfcb-97a9-42e8-9c71-999491e3afac").bytes
FRAMES = np.random.default_rng(0).integers(0, 255, (5, 64, 96, 3), dtype=np.uint8)


def write(path: Path, **options: object) -> Path:
    with VideoWriter(path, (96, 64), 25.0, **options) as writer:  # type: ignore[arg-type]
        writer.write(FRAMES)
    return path


def boxes(path: Path) -> list[tuple[str, bytes]]:
    """Names and contents of the boxes of an MP4 file's top level."""
    data, found = path.read_bytes(), []
    while data:
        size, name = struct.unpack(">I4s", data[:8])
        found.append((name.decode(), data[8:size]))
        data = data[size:]
    return found


def pictures(path: Path) -> bytes:
    command = [ffmpeg_path(), "-v", "error", "-i", path, "-map", "0:v", "-f", "framemd5", "-"]
    return subprocess.run(command, capture_output=True, check=True).stdout


def test_an_mp4_ends_with_its_packet_and_begins_with_its_index(tmp_path: Path) -> None:
    found = boxes(write(tmp_path / "a.mp4", model="compact"))
    names = [name for name, _ in found]
    assert names.index("moov") < names.index("mdat") < names.index("uuid")
    assert [name for name, _ in found].count("uuid") == 1
    assert found[-1][1][:16] == XMP
    assert Mark.from_xmp(found[-1][1][16:]) == Mark.ours(SYNTHETIC_VIDEO, "compact")


def test_a_mark_changes_nothing_of_what_is_seen(tmp_path: Path) -> None:
    marked, plain = write(tmp_path / "a.mp4"), write(tmp_path / "b.mp4", comment=None)
    assert pictures(marked) == pictures(plain)
    assert b"xmpmeta" not in plain.read_bytes()
    assert len(list(read_video(marked))) == len(FRAMES)


def test_the_packet_is_added_without_reading_the_video(tmp_path: Path) -> None:
    large = tmp_path / "large.mp4"
    with large.open("wb") as file:
        file.truncate(2**34)  # a sparse file, longer than the memory
    append_xmp(large, Mark.ours("A note."))
    assert 2**34 < large.stat().st_size < 2**34 + 4096


def test_what_cannot_be_marked_is_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OutputError("no mark")

    (tmp_path / "a.mp4").write_bytes(b"before")
    monkeypatch.setattr("joyvasa_lib.media.video.append_xmp", fail)
    with pytest.raises(OutputError, match="no mark"):
        write(tmp_path / "a.mp4")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.mp4", b"before")]


@pytest.mark.parametrize("suffix", [".mov", ".mkv"])
def test_other_containers_carry_the_packet_too(tmp_path: Path, suffix: str) -> None:
    data = write(tmp_path / f"a{suffix}").read_bytes()
    start, end = data.index(b"<x:xmpmeta"), data.index(b"</x:xmpmeta>")
    assert Mark.from_xmp(data[start:end] + b"</x:xmpmeta>") == Mark.ours(SYNTHETIC_VIDEO)


def test_a_recording_of_a_live_avatar_is_marked(tmp_path: Path) -> None:
    with Recorder(tmp_path / "a.mp4", (96, 64), 25.0, model="compact") as recorder:
        recorder.write(LiveFrame(FRAMES[0], np.zeros(0, np.float32), 16000, 0.0))
    packet = boxes(tmp_path / "a.mp4")[-1][1][16:]
    assert Mark.from_xmp(packet) == Mark.ours(SYNTHETIC_VIDEO, "compact")


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tiff"])
def test_an_image_carries_packet_and_description(tmp_path: Path, suffix: str) -> None:
    path = save_image(tmp_path / f"a.{suffix}", FRAMES[0], model="compact")
    with Image.open(path) as full_image:
        assert full_image.getexif()[0x010E] == SYNTHETIC_IMAGE
    data = path.read_bytes()
    packet = data[data.index(b"<x:xmpmeta") : data.index(b"<?xpacket end")]
    assert Mark.from_xmp(packet) == Mark.ours(SYNTHETIC_IMAGE, "compact")


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff"])
def test_pixels_are_kept_beside_a_mark(tmp_path: Path, suffix: str) -> None:
    path = save_image(tmp_path / f"a.{suffix}", FRAMES[0])
    kept: NDArray[np.uint8] = np.asarray(Image.open(path))
    np.testing.assert_array_equal(kept, FRAMES[0])


def test_an_image_without_a_note_has_no_mark(tmp_path: Path) -> None:
    data = save_image(tmp_path / "a.png", FRAMES[0], None).read_bytes()
    assert b"xmpmeta" not in data and b"synthetic" not in data
