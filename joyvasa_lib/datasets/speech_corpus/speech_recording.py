"""A recording as it is heard: sound, phonemes, pitch, energy and events, without any motion.

Axis legend: ``n`` samples at 16 kHz, ``m`` steps at 100 Hz, ``p`` phonemes, ``e`` events,
``q`` sentences.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.checkpoints import archives
from joyvasa_lib.datasets.speech_corpus.phonemes import SILENCE, TimedPhoneme, is_phoneme
from joyvasa_lib.errors import MediaError
from joyvasa_lib.media.audio import SAMPLE_RATE
from joyvasa_lib.media.files import atomic_path

Floats = NDArray[np.float32]
EVENT_KINDS: tuple[str, ...] = (
    "pause", "breath", "laughter", "zeros", "noise", "music",
)  # fmt: skip


@dataclass(frozen=True)
class SpeechEvent:
    """Something that happens apart from phonemes.

    Attributes:
        kind: one of ``EVENT_KINDS``. ``pause``: nobody speaks for 0.15 s or longer, the ends of the
            recording included; breath, laughter, noise and music may be in it. ``breath``: heard
            breathing. ``laughter``: bursts of voiced breath. ``zeros``: every sample is 0 for 50 ms
            or longer. ``noise`` and ``music``: what lies under the speech, or sounds alone.
        start: seconds.
        end: seconds.
        level: decibels relative to the level of the speech; 0 for pause and zeros.
    """

    kind: str
    start: float
    end: float
    level: float = 0.0


@dataclass(frozen=True)
class SpeechRecording:
    """One recording.

    Attributes:
        name: unique name, its split first.
        waveform: int16 [n] or float32 [n], 16 kHz mono, everything that is heard; ``n`` is a
            multiple of 640, one frame at 25 Hz.
        phonemes: in order, without gaps from 0 to the end of the recording; silence included.
        pitch: float32 [m], fundamental frequency of the voice in hertz at ``i / 100`` seconds, 0
            where it is not voiced; ``m = n // 160``.
        energy: float32 [m], level of voice, breath and laughter without noise and music, decibels
            relative to full scale, at least -100.
        events: sorted by their start.
        marks: [q], how each sentence ends: ``"."``, ``"?"`` or ``"!"``.
        text: what is said, "" for pseudo-words.
        language: whose words, "" where nobody speaks.
        voice: who speaks, "" where nobody does.
        engine: what speaks: ``"kokoro"``, ``"joe"``, ``"espeak"``, ``"flite"``, or ``"none"``.
    """

    name: str
    waveform: NDArray[np.int16] | Floats
    phonemes: tuple[TimedPhoneme, ...]
    pitch: Floats
    energy: Floats
    events: tuple[SpeechEvent, ...] = ()
    marks: tuple[str, ...] = ()
    text: str = ""
    language: str = ""
    voice: str = ""
    engine: str = ""

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.waveform) / SAMPLE_RATE

    def samples(self) -> Floats:
        """The waveform as float32 [n] in [-1, 1]."""
        factor = 1.0 / 32768.0 if self.waveform.dtype == np.int16 else 1.0
        return self.waveform.astype(np.float32) * np.float32(factor)

    def events_of(self, kind: str) -> list[SpeechEvent]:
        """Events of one kind, in order."""
        return [event for event in self.events if event.kind == kind]


def write_recording(recording: SpeechRecording, path: Path) -> None:
    """Writes a recording as an uncompressed ``.npz``, whole or not at all.

    Arrays: ``waveform`` int16 [n]; ``symbols`` text [p], ``starts`` and ``ends`` float32 [p] in
    seconds, ``stressed`` bool [p], ``words``, ``phrases`` and ``sentences`` int16 [p], -1 for none;
    ``pitch`` and ``energy`` float32 [m]; ``event_kinds`` text [e], ``event_spans`` float32 [e, 2]
    in seconds, ``event_levels`` float32 [e]; ``marks`` text [q]; ``text``, ``language``, ``voice``
    and ``engine``.
    """
    phonemes, events = recording.phonemes, recording.events
    arrays: dict[str, Any] = {
        "waveform": recording.waveform,
        "symbols": np.array([p.symbol for p in phonemes]),
        "starts": np.array([p.start for p in phonemes], np.float32),
        "ends": np.array([p.end for p in phonemes], np.float32),
        "stressed": np.array([p.stressed for p in phonemes], bool),
        "words": np.array([p.word for p in phonemes], np.int16),
        "phrases": np.array([p.phrase for p in phonemes], np.int16),
        "sentences": np.array([p.sentence for p in phonemes], np.int16),
        "pitch": recording.pitch,
        "energy": recording.energy,
        "event_kinds": np.array([event.kind for event in events], "U8"),
        "event_spans": np.array([[e.start, e.end] for e in events], np.float32).reshape(-1, 2),
        "event_levels": np.array([event.level for event in events], np.float32),
        "marks": np.array(recording.marks, "U1"),
    }
    for name in ("text", "language", "voice", "engine"):
        arrays[name] = np.array(getattr(recording, name))
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def read_recording(path: str | Path) -> SpeechRecording:
    """Reads what :func:`write_recording` wrote.

    Raises:
        MediaError: the file is damaged, above a budget, or of a corpus made before sound and
            motion were apart.
    """
    path = Path(path)
    try:
        with archives.open_archive(path) as archive:
            archives.check_unpacked(archive)
        with np.load(path, allow_pickle=False) as file:
            if "ends" not in file:
                raise MediaError(
                    f"{path} holds no ends of phonemes: it is of an older corpus; "
                    "make a new one with: joyvasa train corpus"
                )
            columns = [file[name].tolist() for name in _PHONEME_ARRAYS]
            phonemes = tuple(TimedPhoneme(*row) for row in zip(*columns, strict=True))
            spans = zip(file["event_kinds"], file["event_spans"], file["event_levels"], strict=True)
            events = tuple(
                SpeechEvent(str(kind), float(span[0]), float(span[1]), float(level))
                for kind, span, level in spans
            )
            about = {name: str(file[name]) for name in ("text", "language", "voice", "engine")}
            marks = tuple(str(mark) for mark in file["marks"])
            found = SpeechRecording(
                path.stem,
                file["waveform"],
                phonemes,
                file["pitch"],
                file["energy"],
                events,
                marks,
                **about,
            )
    except (OSError, KeyError, EOFError, MemoryError, ValueError, *archives.FAULTS) as error:
        raise MediaError(f"{path} is no readable recording ({error}); remove it") from error
    for phoneme in found.phonemes:
        if phoneme.symbol != SILENCE and not is_phoneme(phoneme.symbol):
            raise MediaError(f"{path} has an unknown phoneme {phoneme.symbol!r}; remove it")
    return found


_PHONEME_ARRAYS = ("symbols", "starts", "ends", "stressed", "words", "phrases", "sentences")
