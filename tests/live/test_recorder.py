"""A recording lasts as long as what was seen, and its sound lies where it was heard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from joyvasa_lib.errors import OptionError, OutputError
from joyvasa_lib.live.frame import LiveFrame
from joyvasa_lib.live.recorder import Recorder
from joyvasa_lib.media.audio import load_speech
from joyvasa_lib.media.video import probe, read_video
from live_parts import tone

SIZE = (64, 48)


def frame(tick: int, grey: int = 0, periods: int = 1, audio: float = 0.0) -> LiveFrame:
    sound = tone(audio, rate=24000) if audio else np.zeros(0, np.float32)
    return LiveFrame(
        np.full((48, 64, 3), grey, np.uint8), sound, 24000, tick / 25.0, periods, bool(audio)
    )


def test_dropped_frames_are_filled_and_the_sound_is_in_its_place(tmp_path: Path) -> None:
    with Recorder(tmp_path / "live.mp4", SIZE, 25.0) as recorder:
        for tick in range(25):
            recorder.write(frame(tick, grey=50))
        recorder.write(frame(25, grey=200, periods=10, audio=0.4))
        for tick in range(35, 50):
            recorder.write(frame(tick, grey=50))
        assert recorder.n_frames == 50
    found = probe(tmp_path / "live.mp4", count_frames=True)
    assert found.n_frames == 50 and found.has_audio
    grey = [float(image.mean()) for image in read_video(tmp_path / "live.mp4")]
    assert all(abs(value - 50) < 6 for value in (*grey[:25], *grey[35:]))
    assert all(abs(value - 200) < 6 for value in grey[25:35])
    heard = load_speech(tmp_path / "live.mp4").waveform
    loud = np.flatnonzero(np.abs(heard) > 0.1) / 16000
    assert loud[0] == pytest.approx(1.0, abs=0.03)
    assert loud[-1] == pytest.approx(1.4, abs=0.03)


def test_a_recording_in_which_nothing_is_said_is_silent(tmp_path: Path) -> None:
    with Recorder(tmp_path / "live.mp4", SIZE, 25.0) as recorder:
        for tick in range(5):
            recorder.write(frame(tick))
    assert probe(tmp_path / "live.mp4", count_frames=True).n_frames == 5


def test_after_an_error_there_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), Recorder(tmp_path / "live.mp4", SIZE, 25.0) as recorder:
        recorder.write(frame(0))
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_told_first(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"live\.gif"):
        Recorder(tmp_path / "live.gif", SIZE, 25.0)
    with pytest.raises(OutputError, match="not open"):
        Recorder(tmp_path / "live.mp4", SIZE, 25.0).write(frame(0))
