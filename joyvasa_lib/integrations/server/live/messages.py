"""The messages of ``/v1/live``, as both sides write them.

The client begins with a text message ``{"type": "start", "portrait": "<id>", ...}``, see
:class:`Start`. Its binary messages are 16-bit little-endian mono samples at the ``sample_rate`` of
``start``; whether they are said or heard is what the last of the messages ``say`` and ``listen``
told, ``say`` before the first. Other text messages are ``flush``, ``interrupt``, ``emotion`` and
``style`` with a ``value``, ``metrics`` and ``close``, each as ``{"type": ...}``.

The server answers ``start`` with ``{"type": "ready", "width", "height", "fps", "sample_rate",
"warnings"}``, ``metrics`` with ``{"type": "metrics", ...}`` and what it cannot do with ``{"type":
"error", "message"}``. Its binary messages are frames, see :func:`frame_message`.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import cv2
from pydantic import BaseModel, Field, ValidationError

from joyvasa_lib.errors import OptionError
from joyvasa_lib.live.frame import LiveFrame

Style = str | dict[str, float] | None


class Start(BaseModel):
    """The first message.

    Attributes:
        portrait: id of a portrait that was sent before.
        sample_rate: samples a second of all sound of the client, 8000 to 48000.
        size: pixels of a frame's longer side at most, from 64; the server has a limit, too.
        style: a name, dials as text or as numbers, or None.
        emotion: emotions with levels, as text, or None.
        quality: of JPEG, 1 to 100.
    """

    portrait: str = Field(max_length=100)
    sample_rate: int = Field(16000, ge=8000, le=48000)
    size: int = Field(512, ge=64)
    style: Style = None
    emotion: str | None = Field(None, max_length=500)
    quality: int = Field(80, ge=1, le=100)


def read_message(text: str) -> dict[str, Any]:
    """A text message: an object with a type.

    Raises:
        OptionError: it is something else.
    """
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise OptionError(f"A text message is a JSON object with a type ({error})") from error
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise OptionError("A text message is a JSON object with a type")
    return message


def read_start(text: str) -> Start:
    """The first message.

    Raises:
        OptionError: it is another one, or a value is not allowed.
    """
    message = read_message(text)
    if message["type"] != "start":
        raise OptionError(f"The first message is start, not {message['type'][:40]!r}")
    try:
        return Start.model_validate(message)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"][:1]))
        raise OptionError(f"start: {where}: {first['msg']}") from error


def frame_message(frame: LiveFrame, index: int, quality: int) -> bytes:
    """One frame: the length of a header as uint32 LE, the header, a JPEG image, PCM16.

    The header is JSON: ``index`` counts frames from 0, ``time`` is the presentation time in
    seconds, ``state`` is speaking, listening or idle, ``utterance_start`` and ``utterance_end`` are
    booleans, ``periods`` the frame periods that it stands for, ``jpeg`` and ``audio`` lengths in
    bytes, and ``sample_rate`` that of the sound.

    Args:
        frame: the frame.
        index: its number from 0.
        quality: of JPEG, 1 to 100.
    """
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR), options)
    image, audio = data.tobytes(), frame.pcm16()
    state = "speaking" if frame.speaking else "listening" if frame.listening else "idle"
    header = {
        "index": index,
        "time": round(frame.time, 6),
        "state": state,
        "utterance_start": bool(frame.utterance_start),
        "utterance_end": bool(frame.utterance_end),
        "periods": int(frame.periods),
        "jpeg": len(image),
        "audio": len(audio),
        "sample_rate": int(frame.sample_rate),
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    return b"".join((struct.pack("<I", len(text)), text, image, audio))
