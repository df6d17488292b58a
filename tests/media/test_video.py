"""Videos: as many frames as were written, in their colours, with the audio in step."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest

from joyvasa_lib.errors import JoyVASAError, MediaError, OptionError, OutputError
from joyvasa_lib.media.audio import SAMPLE_RATE, Speech, load_speech, write_wav
from joyvasa_lib.media.decoding.ffmpeg import ffmpeg_path
from joyvasa_lib.media.decoding.probe import parse_description
from joyvasa_lib.media.video import SYNTHETIC_NOTE, VideoWriter, frame_count, probe, read_video

pytestmark = pytest.mark.slow

SIZE = (96, 64)


def frames(count: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Smooth images that brighten from frame to frame."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width]
    still = np.stack([40 + x, 50 + y, 200 - x], axis=2)
    return np.stack([still + 3 * (i % 20) for i in range(count)]).clip(0, 255).astype(np.uint8)


def beep(seconds: float, start: float = 0.0) -> np.ndarray:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.5 * np.sin(2 * np.pi * 440 * time) * (time >= start)).astype(np.float32)


def decoded_audio(path: Path) -> np.ndarray:
    """The audio exactly as long as a player would play it."""
    command = [ffmpeg_path(), "-v", "error", "-i", str(path), "-map", "0:a", "-ac", "1"]
    command += ["-ar", "48000", "-f", "s16le", "-"]
    done = subprocess.run(command, capture_output=True, check=True, stdin=subprocess.DEVNULL)
    return np.frombuffer(done.stdout, "<i2") / 32768


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_the_video_holds_the_frames_that_were_written(tmp_path: Path, suffix: str) -> None:
    path, expected = tmp_path / f"a{suffix}", frames(13)
    with VideoWriter(path, SIZE, 25) as writer:
        writer.write(expected[0])
        writer.write(expected[1:])
        assert writer.n_frames == 13
    reader = read_video(path)
    assert (reader.fps, reader.size) == (25, SIZE)
    decoded = np.stack(list(reader))
    assert decoded.shape == expected.shape
    assert np.abs(decoded.astype(int) - expected).mean() < 2
    info = probe(path, count_frames=True)
    assert (info.n_frames, info.size, info.fps, info.has_audio) == (13, SIZE, 25, False)
    assert info.duration == pytest.approx(13 / 25, abs=0.011)
    assert list(tmp_path.iterdir()) == [path]


def test_strong_colours_keep_their_hue(tmp_path: Path) -> None:
    colours = [(220, 30, 30), (30, 200, 40), (40, 40, 210), (128, 128, 128), (250, 250, 250)]
    with VideoWriter(tmp_path / "a.mp4", SIZE, 5) as writer:
        for colour in colours:
            writer.write(np.broadcast_to(np.uint8(colour), (64, 96, 3)))
    for decoded, colour in zip(read_video(tmp_path / "a.mp4"), colours, strict=True):
        assert np.abs(decoded.mean((0, 1)) - colour).max() < 4


@pytest.mark.parametrize("size", [(95, 64), (96, 63), (95, 63)])
def test_odd_sizes_repeat_their_edge(tmp_path: Path, size: tuple[int, int]) -> None:
    expected = frames(3, size)
    with VideoWriter(tmp_path / "a.mp4", size, 25, crf=5) as writer:
        writer.write(expected)
    decoded = np.stack(list(read_video(tmp_path / "a.mp4"))).astype(int)
    assert decoded.shape == (3, 64, 96, 3)
    width, height = size
    assert np.abs(decoded[:, :height, :width] - expected).mean() < 3
    assert np.abs(decoded[:, -1, :width] - expected[:, -1]).mean() < 3


@pytest.mark.parametrize("fps", [24, 25, 29.97, 30, 60, 12.5])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("extra", [-7, 0, 7])
def test_audio_and_image_end_within_one_frame(
    tmp_path: Path, fps: float, suffix: str, extra: int
) -> None:
    """Also when fewer or more frames are written than the audio lasts."""
    path, speech = tmp_path / f"a{suffix}", Speech(beep(1.337))
    count = frame_count(speech.duration, fps) + extra
    with VideoWriter(path, (64, 64), fps, speech) as writer:
        writer.write(frames(count, (64, 64)))
    info = probe(path, count_frames=True)
    assert info.n_frames == count
    assert info.has_audio
    assert info.fps == pytest.approx(fps, abs=0.01)
    assert abs(len(decoded_audio(path)) / 48000 - count / fps) <= 1 / fps


def test_the_audio_starts_where_it_did(tmp_path: Path) -> None:
    for suffix in (".mp4", ".mkv"):
        path = tmp_path / f"a{suffix}"
        with VideoWriter(path, SIZE, 25, Speech(beep(2, start=1.0))) as writer:
            writer.write(frames(50))
        audio = np.abs(decoded_audio(path))
        assert np.argmax(audio > 0.2) / 48000 == pytest.approx(1.0, abs=0.005)


def test_the_original_file_is_the_audio_where_there_is_one(tmp_path: Path) -> None:
    """A stereo recording stays stereo although the waveform is mono."""
    source = tmp_path / "a.wav"
    command = [ffmpeg_path(), "-v", "error", "-f", "lavfi", "-i", "sine=9000:d=1:sample_rate=44100"]
    subprocess.run([*command, "-ac", "2", str(source)], check=True, stdin=subprocess.DEVNULL)
    speech = load_speech(source)
    for path, stereo in ((source, True), (None, False), (tmp_path / "gone.wav", False)):
        target = tmp_path / "b.mp4"
        with VideoWriter(target, SIZE, 25, Speech(speech.waveform, path)) as writer:
            writer.write(frames(25))
        command = [ffmpeg_path(), "-i", str(target)]
        told = subprocess.run(command, capture_output=True, text=True, check=False).stderr
        assert ("48000 Hz, stereo" in told) is stereo
        assert ("48000 Hz, mono" in told) is not stereo


def test_the_metadata_says_that_the_video_is_synthetic(tmp_path: Path) -> None:
    for suffix in (".mp4", ".mov", ".mkv"):
        path = tmp_path / f"a{suffix}"
        for options, told in (
            ({}, SYNTHETIC_NOTE),
            ({"comment": "Ünïcode: a=b"}, "Ünïcode: a=b"),
            ({"comment": "two\nlines"}, "two\nlines"),
            ({"comment": None}, None),
        ):
            with VideoWriter(path, SIZE, 25, **options) as writer:
                writer.write(frames(1))
            assert probe(path).comment == told
    assert "synthetic" in SYNTHETIC_NOTE and "joyvasa_lib" in SYNTHETIC_NOTE


def test_an_error_while_frames_are_made_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    for error in (RuntimeError, KeyboardInterrupt):
        target = tmp_path / "a.mp4"
        target.write_bytes(b"old")
        with (
            pytest.raises(error, match="no more"),
            VideoWriter(target, SIZE, 25, Speech(beep(1))) as writer,
        ):
            writer.write(frames(10))
            process = writer._ffmpeg._process
            assert process.poll() is None
            raise error("no more")
        assert process.poll() is not None
        assert target.read_bytes() == b"old"
        assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "scratch"]
        assert list(scratch.iterdir()) == []


def test_frames_of_another_kind_are_refused_and_leave_no_file(tmp_path: Path) -> None:
    wrong = (frames(1, (64, 96)), frames(1) / 255, frames(1)[0, 0], frames(1)[None])
    for frame in wrong:
        with (
            pytest.raises(MediaError, match=r"\[64, 96, 3\]"),
            VideoWriter(tmp_path / "a.mp4", SIZE, 25) as writer,
        ):
            writer.write(frame)
    assert list(tmp_path.iterdir()) == []


def test_no_frames_or_audio_that_fails_is_an_error_and_leaves_no_file(tmp_path: Path) -> None:
    target = tmp_path / "a.mp4"
    with pytest.raises(OutputError, match="No frames"), VideoWriter(target, SIZE, 25):
        pass
    bad = tmp_path / "bad.wav"
    bad.write_text("not audio")
    with (
        pytest.raises(OutputError, match=r"a\.mp4") as caught,
        VideoWriter(target, SIZE, 25, Speech(beep(1), bad)) as writer,
    ):
        for _ in range(2000):
            writer.write(frames(1))
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == [bad]
    with pytest.raises(OutputError, match="not open"):
        writer.write(frames(1))


@pytest.mark.parametrize(
    ("name", "options", "word"),
    [
        ("a.avi", {}, ".mp4, .mov, .mkv"),
        ("a", {}, ".mp4, .mov, .mkv"),
        ("a.mp4", {"fps": 0}, "fps=0"),
        ("a.mp4", {"fps": float("nan")}, "fps=nan"),
        ("a.mp4", {"crf": 60}, "crf must be a whole number from 0 to 51, not 60"),
        ("a.mp4", {"size": (0, 64)}, "size=(0, 64)"),
        ("a.mp4", {"overwrite": False}, "already exists"),
        ("no/a.mp4", {}, "does not exist"),
    ],
)
def test_impossible_options_are_refused_before_the_work(
    tmp_path: Path, name: str, options: dict[str, object], word: str
) -> None:
    (tmp_path / "a.mp4").write_bytes(b"old")
    with pytest.raises(JoyVASAError) as caught:
        VideoWriter(tmp_path / name, **{"size": SIZE, "fps": 25, **options})
    assert word in str(caught.value) and "\n" not in str(caught.value)
    assert isinstance(caught.value, OptionError | OutputError)
    assert (tmp_path / "a.mp4").read_bytes() == b"old"


def test_strange_names_are_only_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("-y.mp4", "concat:b.mp4", "a b%03d.mp4", "口.MP4"):
        with VideoWriter(name, SIZE, 25) as writer:
            writer.write(frames(2))
        assert len(list(read_video(name))) == 2
        assert Path(name).is_file()


def test_a_turned_video_is_read_upright(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", SIZE, 25) as writer:
        writer.write(frames(3))
    turned = tmp_path / "b.mp4"
    command = [ffmpeg_path(), "-v", "error", "-display_rotation", "90", "-i", tmp_path / "a.mp4"]
    subprocess.run([*command, "-c", "copy", turned], check=True, stdin=subprocess.DEVNULL)
    reader = read_video(turned)
    assert reader.size == (64, 96)
    first = next(iter(reader))
    assert np.abs(first.astype(int) - np.rot90(frames(1)[0])).mean() < 3


def test_a_video_that_names_no_rate_is_read_at_the_mean_of_its_frames_times(
    tmp_path: Path,
) -> None:
    with VideoWriter(tmp_path / "a.mp4", SIZE, 25) as writer:
        writer.write(frames(50))
    uneven = "settb=1/1000,setpts=40*N+mod(7*N\\,17)"  # as a browser's recorder writes them
    command = [ffmpeg_path(), "-v", "error", "-i", tmp_path / "a.mp4", "-vf", uneven]
    command += ["-fps_mode", "passthrough", "-enc_time_base", "1:1000", "-c:v", "ffv1"]
    path = tmp_path / "b.mkv"
    subprocess.run([*command, path], check=True, stdin=subprocess.DEVNULL)
    data = bytearray(path.read_bytes())
    at = data.index(b"\x23\xe3\x83\x84")  # DefaultDuration of 4 bytes becomes a Void of as many
    data[at : at + 2] = b"\xec\x86"
    path.write_bytes(data)
    reader = read_video(path)
    assert reader.fps == pytest.approx(25, rel=0.01)
    assert len(list(reader)) == pytest.approx(50, abs=1)


def test_a_reader_that_is_left_early_ends_its_ffmpeg_and_can_start_again(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", SIZE, 25) as writer:
        writer.write(frames(60))
    reader = read_video(tmp_path / "a.mp4")
    iterator = iter(reader)
    first = next(iterator)
    iterator.close()
    np.testing.assert_array_equal(next(iter(reader)), first)


def test_what_is_no_video_gets_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "words.mp4").write_text("not a video")
    write_wav(tmp_path / "audio.wav", beep(1))
    for name, word in (
        ("words.mp4", "neither an audio nor a video"),
        ("audio.wav", "no moving image"),
        ("missing.mp4", "no video file"),
    ):
        with pytest.raises(MediaError) as caught:
            read_video(tmp_path / name)
        assert word in str(caught.value) and name in str(caught.value)
    info = probe(tmp_path / "audio.wav")
    assert (info.duration, info.has_audio, info.size, info.fps) == (1.0, True, None, None)


def test_the_cover_of_a_song_is_not_a_video() -> None:
    info = parse_description(
        "Input #0, mp3, from 'file:a.mp3':\n"
        "  Metadata:\n"
        "    comment         : Stream #0:5: Video: h264, 9x9, 25 fps\n"
        "  Duration: 01:02:03.50, start: 0.025057, bitrate: 128 kb/s\n"
        "  Stream #0:0: Audio: mp3, 44100 Hz, stereo, fltp, 128 kb/s\n"
        "  Stream #0:1: Video: mjpeg, yuvj420p, 500x500, 90k tbr, 90k tbn (attached pic)\n"
    )
    assert info is not None
    assert (info.duration, info.size, info.has_audio) == (3723.5, None, True)
    assert info.comment == "Stream #0:5: Video: h264, 9x9, 25 fps"


def test_the_frame_count_is_the_nearest_whole_number() -> None:
    counted = [frame_count(d, f) for d, f in ((1.0, 25), (1.019, 25), (1.021, 25), (10, 29.97))]
    assert counted == [25, 25, 26, 300]
