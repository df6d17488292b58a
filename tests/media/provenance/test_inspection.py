"""What a file says about how it was made is found, and a file made to do harm does none."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from joyvasa_lib.budgets import Budgets, set_budgets
from joyvasa_lib.errors import MediaError
from joyvasa_lib.media.audio import write_wav
from joyvasa_lib.media.decoding.ffmpeg import ffmpeg_path
from joyvasa_lib.media.image import save_image
from joyvasa_lib.media.provenance.inspection import inspect_media
from joyvasa_lib.media.provenance.mark import SYNTHETIC_IMAGE, SYNTHETIC_VIDEO, Mark
from joyvasa_lib.media.provenance.writing import append_xmp, image_parameters
from joyvasa_lib.media.video import VideoWriter

GREY = np.full((3, 64, 96, 3), 90, np.uint8)


@pytest.fixture(autouse=True)
def _own_budgets():
    yield
    set_budgets(None)


def write(path: Path) -> Path:
    if path.suffix in (".mp4", ".mov", ".mkv"):
        with VideoWriter(path, (96, 64), 25.0) as writer:
            writer.write(GREY)
        return path
    return save_image(path, GREY[0])


def encode_again(source: Path, target: Path, *options: str) -> Path:
    command = [ffmpeg_path(), "-v", "error", "-y", "-i", source, *options, target]
    subprocess.run(command, check=True)
    return target


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "png", "jpg", "webp", "tif"])
def test_what_is_written_says_that_it_is_synthetic(tmp_path: Path, suffix: str) -> None:
    found = inspect_media(write(tmp_path / f"a.{suffix}"))
    video = suffix in ("mp4", "mov", "mkv")
    note = SYNTHETIC_VIDEO if video else SYNTHETIC_IMAGE
    assert found.synthetic is True
    assert (found.kind, found.note) == ("media" if video else "image", note)
    assert found.mark == Mark.ours(note)
    assert found.made_by == found.mark.tool


def test_the_name_of_a_file_does_not_matter(tmp_path: Path) -> None:
    assert inspect_media(write(tmp_path / "a.png").rename(tmp_path / "a.mp4")).synthetic
    assert inspect_media(write(tmp_path / "b.mp4").rename(tmp_path / "b.png")).synthetic


def test_a_video_that_is_encoded_again_loses_its_packet(tmp_path: Path) -> None:
    marked = write(tmp_path / "a.mp4")
    again = inspect_media(encode_again(marked, tmp_path / "b.mp4"))
    assert again.mark is None and again.note == SYNTHETIC_VIDEO  # which ffmpeg keeps
    bare = encode_again(marked, tmp_path / "c.mp4", "-map_metadata", "-1")  # as platforms do
    found = inspect_media(bare)
    assert found.synthetic is None
    assert (found.mark, found.note, found.made_by) == (None, "", "")


def test_a_webm_keeps_what_a_video_said(tmp_path: Path) -> None:
    found = inspect_media(encode_again(write(tmp_path / "a.mkv"), tmp_path / "a.webm"))
    assert found.mark == Mark.ours(SYNTHETIC_VIDEO)


@pytest.mark.parametrize("suffix", ["webp", "gif"])
def test_animations_are_images(tmp_path: Path, suffix: str) -> None:
    path, other = tmp_path / f"a.{suffix}", Image.new("RGB", (96, 64), "red")
    ImageDraw.Draw(other).line((0, 0, 90, 60))
    packet = Mark("trainedAlgorithmicMedia").to_xmp().encode()
    Image.fromarray(GREY[0]).save(path, save_all=True, append_images=[other], xmp=packet)
    if suffix == "gif":  # which Pillow does not write XMP into: 258 bytes end it, as Adobe says
        block = b"\x21\xff\x0bXMP DataXMP" + packet + bytes([1, *range(255, -1, -1), 0])
        data = path.read_bytes()
        path.write_bytes(data[:13] + data[13:-1] + block + b";")
    found = inspect_media(path)
    assert found.kind == "image"
    assert found.mark == Mark("trainedAlgorithmicMedia")


def test_texts_behind_the_pixels_of_a_png_are_read(tmp_path: Path) -> None:
    data = write(tmp_path / "a.png").read_bytes()
    begins = data.index(b"iTXt") - 4
    ends = begins + 12 + int.from_bytes(data[begins : begins + 4], "big")
    end = data.index(b"IEND") - 4
    moved = data[:begins] + data[ends:end] + data[begins:ends] + data[end:]
    (tmp_path / "b.png").write_bytes(moved)
    assert inspect_media(tmp_path / "b.png").mark == Mark.ours(SYNTHETIC_IMAGE)


def test_a_camera_says_that_it_is_none(tmp_path: Path) -> None:
    camera = Mark("digitalCapture", "A dog.", "Camera 1.0")
    Image.fromarray(GREY[0]).save(tmp_path / "a.jpg", **image_parameters(".jpg", camera))
    found = inspect_media(tmp_path / "a.jpg")
    assert (found.synthetic, found.made_by, found.note) == (False, "Camera 1.0", "A dog.")


def test_a_recording_says_nothing(tmp_path: Path) -> None:
    assert inspect_media(write_wav(tmp_path / "a.wav", np.zeros(1600))).synthetic is None


def test_a_packet_that_is_refused_is_named_and_the_comment_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    parameters = image_parameters(".jpg", Mark(note=SYNTHETIC_IMAGE))
    bomb = b'<!DOCTYPE a [<!ENTITY b "bb">]><a>&b;</a>'
    Image.fromarray(GREY[0]).save(path, "JPEG", **{**parameters, "xmp": bomb})
    found = inspect_media(path)
    assert "document type" in found.mark_problem
    assert found.mark is None and found.synthetic is True


def test_a_packet_above_the_budget_is_not_kept_in_memory(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4")
    append_xmp(path, Mark("digitalCapture", "a" * 3_200_000))
    with pytest.raises(MediaError, match="xmp_bytes"):
        inspect_media(path)
    set_budgets(Budgets(xmp_bytes=10_000_000))
    assert inspect_media(path).mark is not None


def test_other_files_are_a_media_error(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("some text")
    with pytest.raises(MediaError, match=r"a\.txt is not an image, video or recording"):
        inspect_media(tmp_path / "a.txt")
    with pytest.raises(MediaError, match="There is no media file"):
        inspect_media(tmp_path / "none.mp4")


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "png", "jpg", "webp", "tif"])
def test_damaged_files_are_read_or_refused(tmp_path: Path, suffix: str) -> None:
    data = write(tmp_path / f"a.{suffix}").read_bytes()
    chance = random.Random(0)
    damaged = tmp_path / f"b.{suffix}"
    for turn in range(12):
        changed = bytearray(data)
        for _ in range(8):
            changed[chance.randrange(len(data))] = chance.choice((0, 1, 127, 255))
        damaged.write_bytes(changed[: chance.randrange(1, len(data))] if turn % 2 else changed)
        try:
            inspect_media(damaged)
        except MediaError as error:
            assert str(damaged) in str(error)
