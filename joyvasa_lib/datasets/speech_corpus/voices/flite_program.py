"""Runs Flite once: a request as JSON on standard input, speech and times on standard output.

A program of its own, which imports nothing of this package: an error inside Flite ends the process
it happens in.

Request: ``voice`` (such as ``"slt"``), ``stretch`` of the durations, ``texts``. Answer: one line of
JSON, ``{"texts": [{"rate": …, "samples": n, "segments": [[name, end, stressed, word], …]}, …]}``
with ends in seconds and the number of the word, then the samples of all texts as int16.
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any, ClassVar


class _Wave(ctypes.Structure):
    _fields_: ClassVar = [
        ("type", ctypes.c_char_p),
        ("sample_rate", ctypes.c_int),
        ("num_samples", ctypes.c_int),
        ("num_channels", ctypes.c_int),
        ("samples", ctypes.POINTER(ctypes.c_short)),
    ]


class _Voice(ctypes.Structure):
    _fields_: ClassVar = [("name", ctypes.c_char_p), ("features", ctypes.c_void_p)]


_POINTER, _TEXT = ctypes.c_void_p, ctypes.c_char_p
_FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "flite_synth_text": (_POINTER, _TEXT, _POINTER),
    "utt_relation": (_POINTER, _POINTER, _TEXT),
    "relation_head": (_POINTER, _POINTER),
    "item_next": (_POINTER, _POINTER),
    "item_feat_float": (ctypes.c_float, _POINTER, _TEXT),
    "ffeature_string": (_TEXT, _POINTER, _TEXT),
    "utt_wave": (_POINTER, _POINTER),
    "path_to_item": (_POINTER, _POINTER, _TEXT),
    "feat_set_float": (None, _POINTER, _TEXT, ctypes.c_float),
    "delete_utterance": (None, _POINTER),
}
"""Return value and arguments."""


def main() -> int:
    """Answers one request."""
    request = json.loads(sys.stdin.buffer.read())
    name = request["voice"]
    library = ctypes.CDLL("libflite.so.1", ctypes.RTLD_GLOBAL)
    for part in ("usenglish", "cmulex"):
        ctypes.CDLL(f"libflite_{part}.so.1", ctypes.RTLD_GLOBAL)
    voices = ctypes.CDLL(f"libflite_cmu_us_{name}.so.1")
    for function, (result, *arguments) in _FUNCTIONS.items():
        getattr(library, function).restype = result
        getattr(library, function).argtypes = arguments
    library.flite_init()
    register = getattr(voices, f"register_cmu_us_{name}")
    register.restype, register.argtypes = _POINTER, [_TEXT]
    voice = register(None)
    features = ctypes.cast(voice, ctypes.POINTER(_Voice)).contents.features
    library.feat_set_float(features, b"duration_stretch", float(request["stretch"]))
    answers, spoken = [], []
    for text in request["texts"]:
        utterance = library.flite_synth_text(text.encode("ascii", "ignore"), voice)
        wave = ctypes.cast(library.utt_wave(utterance), ctypes.POINTER(_Wave)).contents
        answers.append(
            {
                "rate": wave.sample_rate,
                "samples": wave.num_samples,
                "segments": _segments(library, utterance),
            }
        )
        spoken.append(ctypes.string_at(wave.samples, 2 * wave.num_samples))
        library.delete_utterance(utterance)
    sys.stdout.buffer.write(json.dumps({"texts": answers}).encode() + b"\n" + b"".join(spoken))
    return 0


def _segments(library: ctypes.CDLL, utterance: Any) -> list[list[Any]]:
    result: list[list[Any]] = []
    item = library.relation_head(library.utt_relation(utterance, b"Segment"))
    word, last = -1, None
    while item:
        name = library.ffeature_string(item, b"name").decode()
        token = library.path_to_item(item, b"R:SylStructure.parent.parent")
        if token and token != last:
            word, last = word + 1, token
        stressed = library.ffeature_string(item, b"R:SylStructure.parent.stress") == b"1"
        end = library.item_feat_float(item, b"end")
        result.append([name, end, stressed, word if token else -1])
        item = library.item_next(item)
    return result


if __name__ == "__main__":
    sys.exit(main())
