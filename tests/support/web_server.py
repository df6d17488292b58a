"""A real server on a port of this machine, with quick parts behind it; and what talks to it."""

from __future__ import annotations

import io
import json
import struct
import threading
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image

from joyvasa_lib.integrations.server.limits import Limits
from joyvasa_lib.media.image import load_image
from joyvasa_lib.speech.style import style_track
from live_parts import make_avatar, tone

HANGS = 60.0
"""Seconds after which a test counts as one that hangs."""


class QuickPipe:
    """A pipeline that reads real files and makes avatars of quick parts."""

    def __init__(self, **parts: Any) -> None:
        self.motion_generator = SimpleNamespace(check=lambda **_: None)
        self.parts = parts
        self.encoded: list[dict[str, Any]] = []

    def encode(self, image: Path, **options: Any) -> Any:
        self.encoded.append(options)
        return SimpleNamespace(crop=SimpleNamespace(full_image=load_image(image)), warnings=())

    def live(self, portrait: Any, **options: Any) -> Any:
        if options["style"] is not None:
            style_track(options["style"])
        return make_avatar(**self.parts)


def picture(size: tuple[int, int] = (80, 64)) -> bytes:
    """A PNG image."""
    file = io.BytesIO()
    Image.new("RGB", size, "teal").save(file, "PNG")
    return file.getvalue()


def recording(seconds: float = 0.4) -> bytes:
    """A WAV file at 16 kHz."""
    file = io.BytesIO()
    with wave.open(file, "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(2)
        target.setframerate(16000)
        target.writeframes(pcm(seconds))
    return file.getvalue()


def pcm(seconds: float, rate: int = 16000) -> bytes:
    """A tone as 16-bit samples."""
    return (tone(seconds, rate) * 32767).astype("<i2").tobytes()


@dataclass
class Running:
    """A server that answers."""

    url: str
    service: Any
    folder: Path
    stop: Callable[[], None]

    @property
    def live(self) -> str:
        return self.url.replace("http", "ws") + "/v1/live"

    def files(self) -> list[Path]:
        """What lies in the folder of uploads and results."""
        return sorted(path for path in self.folder.rglob("*") if path.is_file())


@contextmanager
def running(pipe: Any, folder: Path, **options: Any) -> Iterator[Running]:
    """A server on a thread, until the block ends; then nothing of it may be left."""
    from joyvasa_lib.integrations.server import run

    services: list[Any] = []
    ready = threading.Event()

    def started(service: Any) -> None:
        services.append(service)
        ready.set()

    limits = options.pop("limits", Limits())
    server = run.make_server(pipe, limits=limits, folder=folder, started=started, **options)
    with run.listen("127.0.0.1", 0) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            assert ready.wait(HANGS)
            yield Running(url, services[0], folder, lambda: server.handle_exit(15, None))
        finally:
            server.handle_exit(15, None)
            thread.join(HANGS)
            assert not thread.is_alive(), "the server does not end"
    assert list(folder.iterdir()) == [], "the folder is empty again"


def until(holds: Callable[[], Any], what: str = "") -> Any:
    """Waits until something holds, and gives it."""
    ends = time.monotonic() + HANGS
    while time.monotonic() < ends:
        found = holds()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"never: {what}")


@dataclass
class Shown:
    """A frame as a client reads it."""

    header: dict[str, Any]
    image: np.ndarray[Any, Any]
    audio: bytes


def read_frame(data: bytes) -> Shown:
    """Takes a binary message apart."""
    (length,) = struct.unpack_from("<I", data)
    header = json.loads(data[4 : 4 + length])
    start = 4 + length
    jpeg = data[start : start + header["jpeg"]]
    audio = data[start + header["jpeg"] :]
    assert len(audio) == header["audio"]
    return Shown(header, np.asarray(Image.open(io.BytesIO(jpeg))), audio)
