"""Files made to open others, to fill the memory, or that are not what they are given as."""

from __future__ import annotations

import logging
import os
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from joyvasa_lib.budgets import Budgets, set_budgets
from joyvasa_lib.errors import MediaError, NoFaceError, OptionError
from joyvasa_lib.face.crop import crop_square
from joyvasa_lib.face.crop_geometry import PixelSquare
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.media.audio import load_speech, write_wav
from joyvasa_lib.media.decoding.ffmpeg import FFmpeg, input_arguments
from joyvasa_lib.media.excerpt import ExcerptReader
from joyvasa_lib.media.image import load_image
from joyvasa_lib.media.video import VideoWriter, probe, read_video

TONE = 0.5 * np.sin(2 * np.pi * 220 * np.arange(16000) / 16000)


@pytest.fixture(autouse=True)
def _own_budgets():
    yield
    set_budgets(None)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "video.mp4"
    with VideoWriter(path, (64, 128), 25) as writer:
        writer.write(np.full((5, 128, 64, 3), 90, np.uint8))
    return path


def _playlists(secret: Path) -> dict[str, str]:
    return {
        "list.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n",
        "list.txt": f"ffconcat version 1.0\nfile '{secret}'\n",
        "list.sdp": "v=0\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n",
    }


@pytest.mark.parametrize("suffix", ["", ".wav", ".mp4"])
@pytest.mark.parametrize("name", ["list.m3u8", "list.txt", "list.sdp"])
def test_a_file_that_names_another_does_not_open_it(tmp_path: Path, name: str, suffix: str) -> None:
    secret = write_wav(tmp_path / "secret.wav", TONE)
    playlist = tmp_path / (name + suffix)
    playlist.write_text(_playlists(secret)[name])
    with pytest.raises(MediaError, match="list"):
        load_speech(playlist)
    with pytest.raises(MediaError, match="list"):
        read_video(playlist)


def _alias(name: str) -> bytes:
    """An entry of a QuickTime data reference: the samples lie in another file (Apple's alias)."""
    path = name.encode() + b"\0" * (len(name) % 2)
    record = bytes(10) + b"\0" + bytes(27) + bytes(12) + b"\0" + bytes(63) + bytes(16)
    record += struct.pack(">HH", 1, 1) + bytes(16)  # one level up, one level down: beside it
    record += struct.pack(">HH", 2, len(path)) + path + struct.pack(">HH", 0xFFFF, 0)
    return struct.pack(">I", 12 + len(record)) + b"alis" + bytes(4) + record


def _referring(video: Path, name: str) -> bytes:
    """The video without its samples, which it says are in the file `name`."""
    data = bytearray(video.read_bytes()[: video.read_bytes().index(b"mdat") - 4])
    own, entry = data.index(b"url \0\0\0\1") - 4, _alias(name)
    data[own : own + 12] = entry
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        at = data.index(kind) - 4
        size = struct.unpack_from(">I", data, at)[0]
        struct.pack_into(">I", data, at, size + len(entry) - 12)
    return bytes(data)


def test_a_video_whose_samples_are_in_another_file_does_not_open_it(
    tmp_path: Path, video: Path
) -> None:
    path = tmp_path / "referring.mov"
    path.write_bytes(_referring(video, video.name))
    with pytest.raises(MediaError, match="damaged after 0 frames"):
        list(read_video(path))
    # ffmpeg would, if it were asked to:
    arguments = ["-enable_drefs", "1", *input_arguments(path), "-f", "rawvideo", "pipe:1"]
    with FFmpeg(arguments, drain=True) as ffmpeg:
        assert len(ffmpeg.stdout.read()) == 5 * 64 * 128 * 3 // 2


@pytest.mark.parametrize("start", ["", "<?xml version='1.0'?>\n"])
def test_drawings_and_subtitles_are_neither_images_nor_videos(tmp_path: Path, start: str) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "other.png")
    drawing = tmp_path / "a.svg"
    drawing.write_text(
        f'{start}<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64">'
        f'<image href="file://{tmp_path}/other.png" width="64" height="64"/></svg>'
    )
    subtitles = tmp_path / "a.srt"
    subtitles.write_text("1\n00:00:00,000 --> 00:00:09,000\nHello\n")
    for path in (drawing, subtitles):
        with pytest.raises(MediaError, match="not an image of a known format"):
            load_image(path)
        with pytest.raises(MediaError, match="neither an audio nor a video"):
            read_video(path)
        with pytest.raises(MediaError, match="holds no audio"):
            load_speech(path)


def test_a_name_that_looks_like_an_image_sequence_names_itself(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "a001.png")
    (tmp_path / "a%03d.png").write_bytes(b"no image")
    with pytest.raises(MediaError, match="%03d"):
        read_video(tmp_path / "a%03d.png")


@pytest.mark.parametrize("name", ["-i.wav", "pipe:0.wav", "subfile,,start,0,end,9,,:x.wav"])
def test_a_name_like_an_option_or_protocol_is_a_name(tmp_path: Path, name: str) -> None:
    path = write_wav(tmp_path / name, TONE)
    assert len(load_speech(path)) == 16000


@pytest.mark.parametrize("load", [load_image, load_speech, read_video])
def test_pipes_devices_and_addresses_are_refused_at_once(tmp_path: Path, load) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", Path("/dev/zero")):
        with pytest.raises(MediaError, match="pipe, socket or device"):
            load(path)
    for address in ("https://example.org/a.mp4", "rtmp://example.org/a", "file:///etc/passwd"):
        for path in (address, Path(address)):
            with pytest.raises(MediaError, match="is an address; download it"):
                load(path)


def test_a_video_above_the_budget_is_refused_before_decoding(video: Path) -> None:
    set_budgets(Budgets(video_pixels=64 * 128))
    assert len(list(read_video(video))) == 5
    opened = read_video(video)
    set_budgets(Budgets(video_pixels=64 * 128 - 1))
    with pytest.raises(MediaError, match="64x128 pixels, above the 8191"):
        read_video(video)
    with pytest.raises(MediaError, match="damaged after 0 frames"):
        list(opened)
    with (
        pytest.raises(MediaError, match="64x128 pixels, above the 8191"),
        ExcerptReader(video, fps=25),
    ):
        pass


def test_a_recording_above_the_budget_is_refused(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "long.wav", np.tile(TONE, 3))
    set_budgets(Budgets(audio_seconds=3))
    assert load_speech(path).duration == 3
    set_budgets(Budgets(audio_seconds=2))
    with pytest.raises(MediaError, match="more than 2 s"):
        load_speech(path)


def test_a_recording_that_says_it_is_too_long_is_not_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_wav(tmp_path / "long.wav", np.tile(TONE, 5))
    set_budgets(Budgets(audio_seconds=2))
    monkeypatch.setattr("joyvasa_lib.media.audio.FFmpeg", None)
    with pytest.raises(MediaError, match="more than 2 s"):
        load_speech(path)


def test_budgets_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOYVASA_MAX_IMAGE_PIXELS", "4095")
    with pytest.raises(MediaError, match="64x64 pixels, above"):
        load_image(np.zeros((64, 64, 3), np.uint8))
    monkeypatch.setenv("JOYVASA_MAX_IMAGE_PIXELS", "many")
    with pytest.raises(OptionError, match="JOYVASA_MAX_IMAGE_PIXELS.*'many'"):
        load_image(np.zeros((64, 64, 3), np.uint8))


def test_a_video_of_more_frames_than_the_budget_ends(video: Path) -> None:
    set_budgets(Budgets(video_frames=5))
    assert len(list(read_video(video))) == 5
    set_budgets(Budgets(video_frames=4))
    with pytest.raises(MediaError, match=r"more than the 4 frames allowed \(video_frames\)"):
        list(read_video(video))


def test_a_crop_has_a_budget_of_its_own() -> None:
    points = np.random.default_rng(0).uniform(0, 200, (5, 3)).astype(np.float32)
    face = Face(np.float32([0, 0, 200, 200]), points, 1.0, "points5")
    image = np.zeros((512, 512, 3), np.uint8)
    set_budgets(Budgets(image_pixels=1, crop_side=600))
    assert crop_square(image, face, PixelSquare(-10, -10, 600), 600).size == 600
    with pytest.raises(NoFaceError, match=r"601 pixels wide, more than the 600 .*crop_side"):
        crop_square(image, face, PixelSquare(-10, -10, 601))
    with pytest.raises(OptionError, match=r"at most 600 pixels \(crop_side\), not 601"):
        crop_square(image, face, PixelSquare(-10, -10, 600), 601)


@pytest.mark.parametrize("side", [10_378, 10**7])
def test_a_square_far_beyond_the_image_takes_no_memory(side: int) -> None:
    points = np.random.default_rng(0).uniform(0, 200, (5, 3)).astype(np.float32)
    box = np.float32([0, 0, 200, 200])
    face = Face(box, points, 1.0, "points5")
    tracemalloc.start()
    with pytest.raises(NoFaceError, match=f"{side} pixels wide in an image of 512x512"):
        crop_square(np.zeros((512, 512, 3), np.uint8), face, PixelSquare(-2000, -2000, side))
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()


def test_the_hosts_own_limit_of_pillow_is_not_touched(tmp_path: Path, monkeypatch) -> None:
    Image.new("RGB", (100, 100), (1, 2, 3)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert load_image(tmp_path / "a.png").shape == (100, 100, 3)
    assert Image.MAX_IMAGE_PIXELS == 10


def test_what_is_given_for_something_else_is_named(tmp_path: Path, video: Path) -> None:
    for name in ("a.png", "a.jpg", "a.webp", "a.bmp", "a.tif"):
        Image.new("RGB", (64, 64)).save(tmp_path / name)
        with pytest.raises(MediaError, match="is a still image"):
            read_video(tmp_path / name)
        with pytest.raises(MediaError, match="is an image, not a recording"):
            load_speech(tmp_path / name)
    with pytest.raises(MediaError, match="has no sound"):
        load_speech(video)


def test_frames_of_wide_pixels_come_out_square(tmp_path: Path, video: Path) -> None:
    wide = tmp_path / "wide.mp4"
    with FFmpeg(["-i", f"file:{video}", "-vf", "setsar=2", f"file:{wide}"]) as ffmpeg:
        assert ffmpeg.finish() == 0
    assert read_video(wide).size == (128, 128) == probe(wide).size
    assert [frame.shape for frame in read_video(wide)] == [(128, 128, 3)] * 5


def test_a_broken_colour_profile_is_ignored_and_srgb_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for name, profile in (("srgb", srgb), ("broken", b"no profile")):
        Image.fromarray(image).save(tmp_path / f"{name}.png", icc_profile=profile)
        with caplog.at_level(logging.WARNING):
            np.testing.assert_array_equal(load_image(tmp_path / f"{name}.png"), image)
    assert "broken.png" in caplog.text and "srgb.png" not in caplog.text
