"""Devices: what is not there is told in a sentence, what is there gets what is due."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from joyvasa_lib.errors import LiveError, MediaError, MissingDependencyError, OutputError
from joyvasa_lib.live.devices import Loudspeaker, Microphone, VirtualCamera, Window
from joyvasa_lib.live.frame import LiveFrame


class PortAudioError(Exception):
    pass


class CallbackAbort(Exception):
    pass


class Stream:
    """A stream of sounddevice that a test plays."""

    latency = 0.1

    def __init__(self, **options: Any) -> None:
        if options["device"] == "none":
            raise PortAudioError("Error querying device -1")
        self.options, self.running = options, False

    def start(self) -> None:
        self.running = True

    def close(self) -> None:
        self.running = False


class Camera:
    """A camera of pyvirtualcam."""

    sent: list[np.ndarray[Any, Any]]

    def __init__(self, width: int, height: int, fps: float, device: str | None) -> None:
        if device == "none":
            raise RuntimeError("'v4l2loopback' backend:\n no device")
        self.size, self.sent = (width, height), []

    def send(self, image: np.ndarray[Any, Any]) -> None:
        self.sent.append(image)

    def close(self) -> None:
        self.size = (0, 0)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    sound: Any = ModuleType("sounddevice")
    sound.PortAudioError, sound.CallbackAbort = PortAudioError, CallbackAbort
    sound.InputStream = sound.OutputStream = Stream
    monkeypatch.setitem(sys.modules, "sounddevice", sound)
    camera: Any = ModuleType("pyvirtualcam")
    camera.Camera = Camera
    monkeypatch.setitem(sys.modules, "pyvirtualcam", camera)


def frame(grey: int, sound: np.ndarray[Any, Any] | None = None) -> LiveFrame:
    audio = np.zeros(0, np.float32) if sound is None else sound
    return LiveFrame(np.full((4, 6, 3), grey, np.uint8), audio, 16000, 0.0)


MAKERS: dict[str, Any] = {
    "sounddevice": (
        lambda: Microphone(lambda *_: None),
        lambda: Loudspeaker(16000),
    ),
    "pyvirtualcam": (lambda: VirtualCamera((6, 4), 25.0),),
}


@pytest.mark.parametrize("package", MAKERS)
def test_without_the_extra_the_command_that_installs_it_is_told(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    for make in MAKERS[package]:
        with pytest.raises(MissingDependencyError, match=r"pip install 'joyvasa-lib\[live\]'"):
            make()


def test_without_a_device_what_to_do_is_told(installed: None) -> None:
    with pytest.raises(MediaError, match="No microphone can be opened"):
        Microphone(lambda *_: None, "none")
    with pytest.raises(OutputError, match="No loudspeaker can be opened"):
        Loudspeaker(16000, "none")
    with pytest.raises(OutputError, match="modprobe v4l2loopback") as caught:
        VirtualCamera((6, 4), 25.0, "none")
    assert "\n" not in str(caught.value)


def test_without_a_screen_a_window_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tkinter")
    monkeypatch.delenv("DISPLAY", raising=False)
    if sys.platform != "linux":
        pytest.skip("only there a screen can be taken away")
    with pytest.raises(OutputError, match="no screen"):
        Window((6, 4))


def test_a_microphone_hands_on_what_it_hears_until_somebody_refuses(installed: None) -> None:
    got: list[tuple[int, int]] = []

    def receive(samples: Any, rate: int) -> None:
        got.append((len(samples), rate))
        if len(got) > 1:
            raise LiveError("closed")

    with Microphone(receive) as microphone:
        hear = microphone._stream.options["callback"]
        hear(np.zeros((320, 1), np.float32), 320, None, None)
        assert microphone.failure is None
        with pytest.raises(CallbackAbort):
            hear(np.zeros((320, 1), np.float32), 320, None, None)
        assert isinstance(microphone.failure, LiveError)
    assert got == [(320, 16000)] * 2
    assert not microphone._stream.running


def test_a_loudspeaker_plays_all_in_order_and_silence_after(installed: None) -> None:
    sound = np.arange(1, 1001, dtype=np.float32) / 1000
    with Loudspeaker(16000) as speaker:
        for start in range(0, 1000, 250):
            speaker.send(frame(0, sound[start : start + 250]))
        speaker.send(frame(0))
        played = []
        for _ in range(4):
            block = np.full((300, 1), 9.0, np.float32)
            speaker._play(block, 300)
            played.append(block[:, 0])
    whole = np.concatenate(played)
    assert np.array_equal(whole[:1000], sound) and not whole[1000:].any()


def test_a_camera_is_as_late_as_the_sound(installed: None) -> None:
    with VirtualCamera((6, 4), 25.0, delay=0.08) as camera:
        backend = camera._camera
        for grey in range(6):
            camera.send(frame(grey))
        assert [int(image[0, 0, 0]) for image in backend.sent] == [0, 1, 2, 3]
    assert backend.size == (0, 0)


def test_a_window_shows_frames_until_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    tkinter = pytest.importorskip("tkinter")
    from PIL import ImageTk

    shown: list[Any] = []
    root = SimpleNamespace(
        title=lambda _: None,
        geometry=shown.append,
        protocol=lambda name, action: setattr(root, "leave", action),
        update=lambda: None,
        destroy=lambda: shown.append("closed"),
    )
    label = SimpleNamespace(pack=lambda: None, configure=lambda image: shown.append(image))
    monkeypatch.setattr(tkinter, "Tk", lambda: root)
    monkeypatch.setattr(tkinter, "Label", lambda *_, **__: label)
    monkeypatch.setattr(ImageTk, "PhotoImage", lambda image: image.getpixel((0, 0)))
    with Window((6, 4)) as window:
        window.send(frame(7))
        assert window.open
        root.leave()
        assert not window.open
    assert shown == ["6x4", (7, 7, 7), "closed"]
