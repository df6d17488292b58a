"""Runs espeak-ng once: a request as JSON on standard input, speech and events on standard output.

A program of its own, which imports nothing of this package: espeak-ng keeps its state in global
variables, and a fresh process makes a recording depend on its request alone.

Request: ``voice``, ``rate`` (words a minute), ``pitch`` and ``range`` (0 to 99), ``texts``, and
``speak``. Answer: one line of JSON, ``{"rate": …, "texts": [{"clauses": […], "events": […],
"samples": n}, …]}``, then the samples of all texts as int16. An event is ``[sample, "phoneme",
IPA]`` or ``[sample, "word", number]``.
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any, ClassVar

_WORD, _PHONEME = 1, 7
_SYNCHRONOUS, _PHONEME_EVENTS_IN_IPA = 2, 3
_UTF8, _IPA_WITH_BARS = 1, (ord("_") << 8) | 2


class _Id(ctypes.Union):
    _fields_: ClassVar = [("number", ctypes.c_int), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_: ClassVar = [
        ("type", ctypes.c_int),
        ("unique", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


def main() -> int:
    """Answers one request."""
    request = json.loads(sys.stdin.buffer.read())
    library = ctypes.CDLL("libespeak-ng.so.1")
    rate = library.espeak_Initialize(_SYNCHRONOUS, 0, None, _PHONEME_EVENTS_IN_IPA)
    events: list[list[Any]] = []
    sound: list[bytes] = []

    def receive(samples: Any, count: int, found: Any) -> int:
        if count:
            sound.append(ctypes.string_at(samples, 2 * count))
        index = 0
        while found[index].type:
            event = found[index]
            if event.type == _PHONEME:
                name = event.id.string.decode("utf-8", "ignore")
                events.append([event.sample, "phoneme", name])
            elif event.type == _WORD:
                events.append([event.sample, "word", event.id.number])
            index += 1
        return 0

    callback = _Callback(receive)
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(request["voice"].encode()) != 0:
        sys.stderr.write(f"espeak-ng has no voice {request['voice']!r}")
        return 3
    for parameter, name in ((1, "rate"), (3, "pitch"), (4, "range")):
        library.espeak_SetParameter(parameter, int(request[name]), 0)
    answers, spoken = [], []
    for text in request["texts"]:
        events.clear()
        sound.clear()
        if request["speak"]:
            data = text.encode()
            library.espeak_Synth(data, len(data) + 1, 0, 1, 0, _UTF8, None, None)
        waveform = b"".join(sound)
        answers.append(
            {
                "clauses": _clauses(library, text),
                "events": list(events),
                "samples": len(waveform) // 2,
            }
        )
        spoken.append(waveform)
    answer = json.dumps({"rate": rate, "texts": answers}, ensure_ascii=False)
    sys.stdout.buffer.write(answer.encode() + b"\n" + b"".join(spoken))
    return 0


def _clauses(library: ctypes.CDLL, text: str) -> list[str]:
    """IPA of each clause, with stress and ``"_"`` between phonemes."""
    read = library.espeak_TextToPhonemes
    read.restype = ctypes.c_char_p
    data = ctypes.create_string_buffer(text.encode() + b"\0")
    place = ctypes.c_void_p(ctypes.addressof(data))
    clauses = []
    while place.value:
        clauses.append(read(ctypes.byref(place), _UTF8, _IPA_WITH_BARS).decode("utf-8", "ignore"))
    return clauses


if __name__ == "__main__":
    sys.exit(main())
