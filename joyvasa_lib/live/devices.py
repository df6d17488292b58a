"""Devices of a conversation: microphone, loudspeaker, virtual camera and a window.

They need the extra ``live`` (sounddevice, pyvirtualcam) and what it stands on: PortAudio for sound,
a virtual camera's driver (v4l2loopback on Linux, OBS elsewhere), a screen for the window. Nothing
is opened before it is asked for, and what is not there is told in one sentence.

Axis legend: ``h`` and ``w`` pixels, ``n`` samples.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from importlib import import_module
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from joyvasa_lib.errors import JoyVASAError, MediaError, MissingDependencyError, OutputError
from joyvasa_lib.live.frame import LiveFrame

MICROPHONE_RATE = 16000
"""Samples a second that are asked of a microphone: what speech is understood at."""
_BLOCK = 320
"""Samples of a microphone's piece: 20 ms."""


def _extra(name: str, purpose: str) -> Any:
    """A package of the extra ``live``.

    Raises:
        MissingDependencyError: it is not installed, or the library it stands on is not.
    """
    try:
        return import_module(name)
    except (ImportError, OSError) as error:  # OSError: PortAudio is not there
        raise MissingDependencyError(
            f"{purpose} needs {name} ({error}); install it with pip install 'joyvasa-lib[live]'"
            + (" and PortAudio (apt install libportaudio2)" if name == "sounddevice" else "")
        ) from error


class _Device:
    """Something open that is closed at the end; a context manager."""

    def close(self) -> None:
        """Lets go of it."""
        raise NotImplementedError

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Microphone(_Device):
    """Hands on what a microphone hears, in pieces of 20 ms, from a thread of its own.

    Args:
        receive: takes samples float32 [n] and their rate, such as ``avatar.push_audio``. An error
            it raises ends the recording.
        device: name or number of the microphone; the system's own if None.

    Raises:
        MissingDependencyError: sounddevice or PortAudio is not there.
        MediaError: there is no such microphone, or it cannot be opened.
    """

    def __init__(
        self, receive: Callable[[NDArray[np.float32], int], None], device: str | int | None = None
    ) -> None:
        sound = _extra("sounddevice", "A microphone")
        self.failure: JoyVASAError | None = None

        def heard(samples: NDArray[np.float32], *_: Any) -> None:
            try:
                receive(samples[:, 0].copy(), MICROPHONE_RATE)
            except JoyVASAError as error:
                self.failure = error
                raise sound.CallbackAbort from error

        try:
            self._stream = sound.InputStream(
                samplerate=MICROPHONE_RATE,
                blocksize=_BLOCK,
                channels=1,
                dtype="float32",
                device=device,
                callback=heard,
            )
            self._stream.start()
        except (sound.PortAudioError, ValueError) as error:
            raise MediaError(
                f"No microphone can be opened ({error}); plug one in, or name another: python -m "
                "sounddevice lists them"
            ) from error

    def close(self) -> None:
        """Stops listening."""
        self._stream.close()


class Loudspeaker(_Device):
    """Plays the sound of frames as they are shown, with silence in between.

    Args:
        sample_rate: of the sound.
        device: name or number of the loudspeaker; the system's own if None.

    Raises:
        MissingDependencyError: sounddevice or PortAudio is not there.
        OutputError: there is no such loudspeaker, or it cannot be opened.
    """

    def __init__(self, sample_rate: int, device: str | int | None = None) -> None:
        sound = _extra("sounddevice", "A loudspeaker")
        self._waiting: queue.SimpleQueue[NDArray[np.float32]] = queue.SimpleQueue()
        self._rest: NDArray[np.float32] = np.zeros(0, np.float32)
        try:
            self._stream = sound.OutputStream(
                samplerate=sample_rate,
                channels=1,
                dtype="float32",
                device=device,
                callback=self._play,
            )
            self._stream.start()
        except (sound.PortAudioError, ValueError) as error:
            raise OutputError(
                f"No loudspeaker can be opened ({error}); python -m sounddevice lists them"
            ) from error

    def _play(self, out: NDArray[np.float32], frames: int, *_: Any) -> None:
        while len(self._rest) < frames and not self._waiting.empty():
            self._rest = np.concatenate([self._rest, self._waiting.get()])
        now, self._rest = self._rest[:frames], self._rest[frames:]
        out[: len(now), 0], out[len(now) :, 0] = now, 0.0

    @property
    def delay(self) -> float:
        """Seconds from a frame until its sound is heard, by which a camera is held back."""
        return float(self._stream.latency)

    def send(self, frame: LiveFrame) -> None:
        """Plays the sound of a frame after what was sent before."""
        if len(frame.audio):
            self._waiting.put(frame.audio)

    def close(self) -> None:
        """Stops playing."""
        self._stream.close()


class VirtualCamera(_Device):
    """A camera that other programs see.

    Args:
        size: width and height of the frames in pixels.
        fps: frames a second.
        device: of the camera, such as ``/dev/video4``; the first one there is if None.
        delay: seconds by which frames are held back, so that they meet sound that is played later.

    Raises:
        MissingDependencyError: pyvirtualcam is not there.
        OutputError: there is no virtual camera.
    """

    def __init__(
        self, size: tuple[int, int], fps: float, device: str | None = None, delay: float = 0.0
    ) -> None:
        package = _extra("pyvirtualcam", "A virtual camera")
        self._held: queue.SimpleQueue[NDArray[np.uint8]] = queue.SimpleQueue()
        self._late = round(max(0.0, delay) * fps)
        try:
            self._camera = package.Camera(*size, fps, device=device)
        except (RuntimeError, ValueError) as error:
            raise OutputError(
                f"No virtual camera can be opened ({' '.join(str(error).split())}); on Linux load "
                "one with modprobe v4l2loopback, elsewhere install OBS"
            ) from error

    def send(self, frame: LiveFrame) -> None:
        """Shows a frame."""
        self._held.put(frame.image)
        if self._held.qsize() > self._late:
            self._camera.send(np.ascontiguousarray(self._held.get()))

    def close(self) -> None:
        """Lets go of the camera."""
        self._camera.close()


class Window(_Device):
    """A window on the screen; made, used and closed in the main thread.

    Args:
        size: width and height of the frames in pixels.
        title: of the window.

    Raises:
        MissingDependencyError: this Python has no tkinter.
        OutputError: there is no screen.
    """

    def __init__(self, size: tuple[int, int], title: str = "joyvasa") -> None:
        try:
            import tkinter

            from PIL import ImageTk
        except ImportError as error:
            raise MissingDependencyError(
                f"A window needs tkinter ({error}); install it (apt install python3-tk), or write "
                "a recording with --output"
            ) from error
        self._photo = ImageTk.PhotoImage
        try:
            self._root = tkinter.Tk()
        except tkinter.TclError as error:
            raise OutputError(
                f"There is no screen for a window ({error}); write a recording with --output"
            ) from error
        self._root.title(title)
        self._root.geometry(f"{size[0]}x{size[1]}")
        self._label = tkinter.Label(self._root, borderwidth=0)
        self._label.pack()
        self.open = True
        self._root.protocol("WM_DELETE_WINDOW", self._left)
        self._shown: Any = None

    def _left(self) -> None:
        self.open = False

    def send(self, frame: LiveFrame) -> None:
        """Shows a frame."""
        self._shown = self._photo(Image.fromarray(frame.image))  # tkinter keeps no reference
        self._label.configure(image=self._shown)
        self._root.update()

    def close(self) -> None:
        """Closes the window."""
        self._root.destroy()
