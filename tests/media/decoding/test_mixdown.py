"""Recordings of several channels: their mean, or the loudest where they cancel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from joyvasa_lib.media import audio
from joyvasa_lib.media.audio import iter_speech, load_speech
from joyvasa_lib.media.decoding import ffmpeg, mixdown
from joyvasa_lib.media.decoding.ffmpeg import FFmpeg
from joyvasa_lib.media.decoding.mixdown import HEARD
from joyvasa_lib.media.excerpt import ExcerptReader
from joyvasa_lib.media.video import Speech, VideoWriter

TONE = 0.5 * np.sin(2 * np.pi * 220 * np.arange(16000) / 16000)
OTHER = 0.3 * np.sin(2 * np.pi * 330 * np.arange(16000) / 16000)


def written(path: Path, *channels: np.ndarray, layout: str = "") -> Path:
    """A 16 kHz file of these channels."""
    arguments = ["-f", "f32le", "-ar", "16000", "-ac", str(len(channels))]
    arguments += ["-channel_layout", layout] if layout else []
    arguments += ["-i", "pipe:0", "-c:a", "pcm_f32le", "-y", f"file:{path}"]
    with FFmpeg(arguments, feed=True) as process:
        process.stdin.write(np.stack(channels, 1).astype("<f4").tobytes())
        assert process.finish() == 0
    return path


def test_two_channels_become_their_mean(tmp_path: Path) -> None:
    found = load_speech(written(tmp_path / "a.wav", TONE, OTHER)).waveform
    np.testing.assert_allclose(found, (TONE + OTHER) / 2, atol=1e-5)
    found = load_speech(written(tmp_path / "b.wav", TONE, 0 * TONE)).waveform
    np.testing.assert_allclose(found, TONE / 2, atol=1e-5)


@pytest.mark.parametrize("layout", ["quad", "5.1", "7.1(wide)", "3.0(back)", "22.2"])
def test_many_channels_become_one_and_each_is_known(tmp_path: Path, layout: str) -> None:
    count = {"quad": 4, "5.1": 6, "7.1(wide)": 8, "3.0(back)": 3, "22.2": 24}[layout]
    parts = [TONE] + [0 * TONE] * (count - 1)
    found = load_speech(written(tmp_path / "a.wav", *parts, layout=layout)).waveform
    share = found @ TONE / (TONE @ TONE)
    np.testing.assert_allclose(found, share * TONE, atol=1e-5)
    assert 0.02 < share < 0.6
    opposite = [TONE, -1.01 * TONE, *parts[2:]]
    found = load_speech(written(tmp_path / "b.wav", *opposite, layout=layout)).waveform
    np.testing.assert_allclose(found, -1.01 * TONE, atol=1e-5)


@pytest.mark.parametrize("channels", [(1, 2), (2, 1)])
def test_a_recording_whose_channels_change_goes_on_where_it_was(
    tmp_path: Path, channels: tuple[int, int]
) -> None:
    path = tmp_path / "joined.aac"
    for count, tone in zip(channels, (TONE, OTHER), strict=True):
        part = written(tmp_path / "part.wav", *[tone] * count)
        encoded = tmp_path / "part.aac"
        arguments = ["-i", f"file:{part}", "-c:a", "aac", "-y", f"file:{encoded}"]
        with FFmpeg(arguments) as process:
            assert process.finish() == 0
        with path.open("ab") as file:
            file.write(encoded.read_bytes())
    speech = load_speech(path)
    with VideoWriter(tmp_path / "a.mkv", (64, 64), 25, speech) as writer:
        writer.write(np.full((50, 64, 64, 3), 90, np.uint8))
    for heard in (speech.waveform, load_speech(tmp_path / "a.mkv").waveform):
        assert len(heard) == pytest.approx(33000, abs=2000)  # the encoder adds up to 3 packets
        first, second = heard[4000:14000], heard[20000:30000]
        assert np.abs(first).max() == pytest.approx(0.5, rel=0.05)
        # One channel is 3 dB fainter on each of two, as ffmpeg has it.
        assert 0.2 < np.abs(second).max() < 0.32


def test_a_program_older_than_version_7_decodes_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "a.wav", TONE, OTHER)
    now = load_speech(path).waveform
    monkeypatch.setattr(mixdown, "_decodes_again", lambda: False)
    np.testing.assert_array_equal(load_speech(path).waveform, now)


def test_channels_in_opposite_phase_do_not_cancel(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", 0.5 * TONE, -0.51 * TONE)
    np.testing.assert_allclose(load_speech(path).waveform, -0.51 * TONE, atol=1e-5)


@pytest.mark.parametrize("seconds", [0.7, 10.0, 45.0])
def test_the_choice_is_of_the_first_half_minute_in_pieces_of_any_length(
    tmp_path: Path, seconds: float
) -> None:
    left = np.concatenate([np.tile(0.5 * TONE, HEARD), np.tile(TONE, 8)])
    right = np.concatenate([np.tile(-0.51 * TONE, HEARD), np.tile(TONE, 8)])
    path = written(tmp_path / "a.wav", left, right)
    whole = np.concatenate(list(iter_speech(path, seconds)))
    np.testing.assert_allclose(whole, right, atol=1e-5)


def test_a_file_of_two_channels_is_decoded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "a.wav", TONE, OTHER)
    started: list[list[str]] = []

    class Counted(FFmpeg):
        def __init__(self, arguments: list[str], **options: bool) -> None:
            started.append(arguments)
            super().__init__(arguments, **options)

    monkeypatch.setattr(ffmpeg, "FFmpeg", Counted)
    monkeypatch.setattr(audio, "FFmpeg", Counted)
    assert len(load_speech(path)) == 16000
    assert len(started) == 1


def test_an_excerpt_of_a_video_with_opposite_channels_is_heard(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mkv", (64, 64), 25, Speech(np.float32(TONE))) as writer:
        writer.write(np.full((25, 64, 64, 3), 90, np.uint8))
    path = tmp_path / "b.mkv"
    swapped = ["-i", f"file:{tmp_path / 'a.mkv'}", "-af", "pan=stereo|c0=c0|c1=-1*c0"]
    with FFmpeg([*swapped, "-c:v", "copy", "-c:a", "pcm_s16le", f"file:{path}"]) as process:
        assert process.finish() == 0
    with ExcerptReader(path, fps=25) as reader:
        assert len(list(reader)) == 25
        heard = reader.waveform() / 32768
    assert heard.ndim == 1 and abs(len(heard) - 16000) < 1100
    assert np.abs(heard).max() > 0.4
