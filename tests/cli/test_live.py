"""``joyvasa live``: a recording is spoken as if it were live; what cannot be is told first."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import places
from command_line import Joyvasa, Refused
from joyvasa_lib.live import devices
from joyvasa_lib.live.frame import LiveFrame
from joyvasa_lib.media.audio import load_speech
from joyvasa_lib.media.video import probe
from live_parts import live_threads

pytestmark = pytest.mark.slow

ASTRONAUT = places.DEMO / "astronaut.jpg"


def test_a_file_is_spoken_as_if_it_were_live(joyvasa: Joyvasa, words: Path, tmp_path: Path) -> None:
    output = tmp_path / "live.mp4"
    said = json.loads(
        joyvasa("live", ASTRONAUT, words, "-o", output, "--size", 256, "--json", "--style", "calm")
    )
    found = probe(output, count_frames=True)
    assert found.has_audio and max(found.size) <= 256
    assert said["utterances"] == 1 and said["output"] == str(output)
    assert found.n_frames == round(25 * said["seconds"])
    heard, meant = load_speech(output).waveform, load_speech(words).waveform
    lags = np.correlate(heard.astype(float), meant.astype(float), "valid")
    assert lags.max() > 0.7 * float(np.square(meant).sum()), "the sound is in the recording"
    assert not live_threads()


def test_a_recording_ends_after_the_seconds_that_are_asked_for(
    joyvasa: Joyvasa, words: Path, tmp_path: Path
) -> None:
    output = tmp_path / "live.mp4"
    joyvasa("live", ASTRONAUT, words, "-o", output, "--size", 128, "--seconds", 0.4, "--full")
    assert 0.36 <= probe(output).duration <= 0.6
    assert max(probe(output).size) == 128


class Screen:
    """A window that is closed after some frames."""

    shown: list[LiveFrame]

    def __init__(self, size: tuple[int, int]) -> None:
        self.open = True
        Screen.shown = []

    def send(self, frame: LiveFrame) -> None:
        Screen.shown.append(frame)
        self.open = len(Screen.shown) < 5

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *_: Any) -> None:
        self.open = False


def test_a_window_that_is_closed_ends_it(
    joyvasa: Joyvasa, words: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "Window", Screen)
    assert "frames in" in joyvasa("live", ASTRONAUT, words, "--window", "--size", 128)
    assert len(Screen.shown) == 5


class Stopped(Screen):
    """Somebody presses Ctrl-C after five frames."""

    def send(self, frame: LiveFrame) -> None:
        super().send(frame)
        if not self.open:
            raise KeyboardInterrupt


class Heard:
    """A microphone in which nobody speaks."""

    failure = None

    def __init__(self, receive: Any, device: str | None) -> None:
        receive(np.zeros(320, np.float32), 16000)

    def __enter__(self) -> Heard:
        return self

    def __exit__(self, *_: Any) -> None:
        pass


def test_what_a_microphone_said_until_ctrl_c_is_kept(
    joyvasa: Joyvasa, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "Window", Stopped)
    monkeypatch.setattr(devices, "Microphone", Heard)
    output = tmp_path / "live.mp4"
    joyvasa("live", ASTRONAUT, "--microphone", "--window", "-o", output, "--size", 128)
    assert probe(output, count_frames=True).n_frames >= 5


def test_a_file_that_is_stopped_leaves_no_recording(
    refused: Refused, words: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "Window", Stopped)
    refused("live", ASTRONAUT, words, "--window", "-o", tmp_path / "live.mp4", "--size", 128)
    assert list(tmp_path.iterdir()) == []


OUT = ("-o", "live.mp4")
WRONG: dict[str, tuple[tuple[object, ...], str]] = {
    "no sound": (OUT, "or --microphone, one of both"),
    "two": (("{words}", "--microphone", *OUT), "one of both"),
    "not seen": (("{words}",), "Nothing would be seen"),
    "suffix": (("{words}", "-o", "live.gif"), "live.gif"),
    "seconds": (("{words}", *OUT, "--seconds", 0), "--seconds must be"),
    "size": (("{words}", *OUT, "--size", 3), "size must be"),
    "fps": (("{words}", *OUT, "--fps", 500), "fps must be"),
    "style": (("{words}", *OUT, "--style", "wild"), "'wild'"),
    "absent": (("absent.wav", *OUT), "absent.wav"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_is_refused(
    refused: Refused, words: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, message = WRONG[name]
    given = [words if one == "{words}" else one for one in arguments]
    assert message in refused("live", ASTRONAUT, *given)
    assert list(tmp_path.iterdir()) == [] and not live_threads()


@pytest.mark.parametrize(
    ("option", "package"),
    [
        ("--microphone", "sounddevice"),
        ("--loudspeaker", "sounddevice"),
        ("--camera", "pyvirtualcam"),
    ],
)
def test_a_device_without_its_extra_is_told_and_leaves_nothing(
    refused: Refused,
    words: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    option: str,
    package: str,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    output = tmp_path / "live.mp4"
    sound = () if option == "--microphone" else (words,)
    said = refused("live", ASTRONAUT, *sound, "-o", output, option, "--seconds", 1, "--size", 128)
    assert "pip install 'joyvasa-lib[live]'" in said
    assert not output.exists() and not live_threads()
