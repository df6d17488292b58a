"""An excerpt of a video: frames at the right times, and the audio that belongs to them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from joyvasa_lib.errors import MediaError
from joyvasa_lib.media.audio import SAMPLE_RATE, Speech, load_speech, write_wav
from joyvasa_lib.media.decoding.ffmpeg import ffmpeg_path
from joyvasa_lib.media.excerpt import ExcerptReader
from joyvasa_lib.media.video import VideoWriter, read_video

pytestmark = pytest.mark.slow

FLASH = 2.0
"""Seconds at which the image turns white and the audio begins, for a tenth of a second."""


def ffmpeg(*arguments: str) -> None:
    command = [ffmpeg_path(), "-v", "error", "-y", *arguments]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def clapper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds at 30 fps with a flash and a beep at the same time."""
    path = tmp_path_factory.mktemp("clapper") / "clapper.mkv"
    time = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
    beep = 0.5 * np.sin(2 * np.pi * 1000 * time) * ((time >= FLASH) & (time < FLASH + 0.1))
    with VideoWriter(path, (64, 48), 30, Speech(beep.astype(np.float32))) as writer:
        for number in range(90):
            lit = FLASH <= number / 30 < FLASH + 0.1
            writer.write(np.full((48, 64, 3), 255 if lit else 0, np.uint8))
    return path


def read(path: Path, start: float = 0.0, seconds: float | None = None, fps: float = 25.0):
    with ExcerptReader(path, start, seconds, fps=fps) as reader:
        light = np.array([frame.mean() for frame in reader])
        return light, reader.waveform() / 32768


def events(light: np.ndarray, audio: np.ndarray, fps: float = 25.0) -> tuple[float, float]:
    """Seconds of the first light and the first audio."""
    seen, heard = np.flatnonzero(light > 128), np.flatnonzero(np.abs(audio) > 0.05)
    return seen[0] / fps, heard[0] / SAMPLE_RATE


@pytest.mark.parametrize("fps", [25.0, 30.0, 24.0])
def test_frame_i_is_what_is_shown_at_i_over_fps(clapper: Path, fps: float) -> None:
    light, audio = read(clapper, fps=fps)
    seen, heard = events(light, audio, fps)
    assert len(light) == 3 * fps
    assert seen == pytest.approx(FLASH, abs=0.51 / fps)
    assert heard == pytest.approx(FLASH, abs=0.002)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".avi"])
@pytest.mark.parametrize("start", [1.0, 1.52])
def test_an_excerpt_is_the_same_part_of_the_whole(
    clapper: Path, tmp_path: Path, suffix: str, start: float
) -> None:
    path = tmp_path / f"clapper{suffix}"
    codecs = ["-c:v", "mpeg4", "-q:v", "2", "-c:a", "mp2", "-ar", "44100"]
    ffmpeg("-i", str(clapper), *(codecs if suffix == ".avi" else ["-c", "copy"]), str(path))
    whole, part = events(*read(path)), events(*read(path, start, 1.2))
    assert part[0] + start == pytest.approx(whole[0], abs=0.021)
    assert part[1] + start == pytest.approx(whole[1], abs=0.002)
    light, audio = read(path, start, 0.4)
    assert (len(light), len(audio)) == (10, pytest.approx(0.4 * SAMPLE_RATE, abs=1))


def apart(clapper: Path, path: Path, late: str) -> Path:
    """The clapper with one stream 0.4 seconds later than the other."""
    maps = ["-map", "0:v", "-map", "1:a"] if late == "image" else ["-map", "1:v", "-map", "0:a"]
    codecs = ["-c:v", "mpeg2video", "-q:v", "3", "-c:a", "mp2", "-ar", "44100"]
    ffmpeg("-itsoffset", "0.4", "-i", str(clapper), "-i", str(clapper), *maps, *codecs, str(path))
    return path


@pytest.mark.parametrize("late", ["image", "audio"])
@pytest.mark.parametrize("suffix", [".ts", ".mpg", ".mp4", ".mkv"])
def test_image_and_audio_read_one_by_one_stay_apart_as_in_the_file(
    clapper: Path, tmp_path: Path, suffix: str, late: str
) -> None:
    path = apart(clapper, tmp_path / f"apart{suffix}", late)
    reader = read_video(path)
    light = np.array([frame.mean() for frame in reader])
    seen, heard = events(light, load_speech(path).waveform, reader.fps)
    shift = seen - heard if late == "image" else heard - seen
    assert shift == pytest.approx(0.4, abs=0.045)


@pytest.mark.parametrize("suffix", [".ts", ".mpg"])
def test_a_video_s_audio_put_to_other_frames_keeps_its_time(
    clapper: Path, tmp_path: Path, suffix: str
) -> None:
    path = apart(clapper, tmp_path / f"apart{suffix}", "audio")
    reader, copied = read_video(path), tmp_path / "copied.mp4"
    with VideoWriter(copied, reader.size, reader.fps, load_speech(path)) as writer:
        for frame in reader:
            writer.write(frame)
    seen, heard = events(*read(copied))
    assert heard - seen == pytest.approx(0.4, abs=0.045)


@pytest.mark.parametrize("late", ["image", "audio"])
@pytest.mark.parametrize("suffix", [".ts", ".mpg", ".mp4", ".mkv"])
def test_streams_that_start_apart_stay_apart(
    clapper: Path, tmp_path: Path, suffix: str, late: str
) -> None:
    """Decoded one by one, streams of .ts and .mpg would each seem to start at 0."""
    path = apart(clapper, tmp_path / f"apart{suffix}", late)
    for start in (0.0, 1.0):
        seen, heard = events(*read(path, start))
        shift = seen - heard if late == "image" else heard - seen
        assert shift == pytest.approx(0.4, abs=0.045)


def test_pixels_are_square_and_images_not_too_large(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", np.full(SAMPLE_RATE, 0.1))
    path = tmp_path / "wide.mkv"
    ffmpeg(
        *["-f", "lavfi", "-i", "color=red:s=720x576:r=25:d=1", "-i", str(tmp_path / "a.wav")],
        *["-vf", "setsar=64/45", "-c:v", "mpeg4", str(path)],
    )
    with ExcerptReader(path, fps=25.0, longest=1920) as reader:
        assert next(iter(reader)).shape == (576, 1024, 3)
    with ExcerptReader(path, fps=25.0, longest=512) as reader:
        assert next(iter(reader)).shape == (288, 512, 3)


def test_what_is_no_video_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"no video at all" * 100)
    with ExcerptReader(path, fps=25.0) as reader, pytest.raises(MediaError, match="damaged"):
        list(reader)
    with pytest.raises(MediaError, match="no video file"):
        ExcerptReader(tmp_path / "b.mp4", fps=25.0)
