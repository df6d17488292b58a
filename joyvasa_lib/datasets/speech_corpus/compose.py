"""Puts a recording together: sentences, pauses, breath, laughter, and what sounds underneath.

Axis legend: ``n`` samples at 16 kHz.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.speech_corpus.casting import Said
from joyvasa_lib.datasets.speech_corpus.phonemes import SILENCE, TimedPhoneme
from joyvasa_lib.datasets.speech_corpus.sounds.breath import breath
from joyvasa_lib.datasets.speech_corpus.sounds.laughter import laughter
from joyvasa_lib.datasets.speech_corpus.sounds.music import music
from joyvasa_lib.datasets.speech_corpus.sounds.noise import noise
from joyvasa_lib.datasets.speech_corpus.speech_recording import SpeechEvent
from joyvasa_lib.media.audio import SAMPLE_RATE
from joyvasa_lib.motion.data import SAMPLES_PER_FRAME
from joyvasa_lib.speech.encoders.loudness import speech_level

Floats = NDArray[np.float32]
SHORTEST_PAUSE = 0.15
"""Seconds of silence that count as a pause."""
SHORTEST_ZEROS = 0.05
_SHORTEST_BREAK = 0.1
"""Seconds of silence that end a phrase."""
_BEFORE, _AFTER = 0.04, 0.08
"""Seconds that stay of an engine's own silence around a sentence."""
LEVEL = -23.0
"""Level of a sentence while a recording is put together, decibels."""


class Timeline:
    """The voice of a recording as it grows: one sentence, pause, breath or laugh after the other.

    Attributes:
        phonemes: what was said so far, in order and without gaps.
        events: breath and laughter so far.
        marks: how each sentence ends.
    """

    def __init__(self) -> None:
        """Starts at 0 seconds with nothing."""
        self._parts: list[Floats] = []
        self._samples = 0
        self._words = 0
        self.phonemes: list[TimedPhoneme] = []
        self.events: list[SpeechEvent] = []
        self.marks: list[str] = []

    @property
    def now(self) -> float:
        """Seconds so far."""
        return self._samples / SAMPLE_RATE

    def say(self, said: Said, decibels: float) -> None:
        """Adds a sentence, ``decibels`` louder than the usual one."""
        spoken = [p for p in said.phonemes if p.symbol != SILENCE]
        length = len(said.waveform) / SAMPLE_RATE
        first = max(0.0, spoken[0].start - _BEFORE)
        last = min(length, spoken[-1].end + _AFTER)
        waveform = said.waveform[round(first * SAMPLE_RATE) : round(last * SAMPLE_RATE)]
        gain = 10.0 ** ((LEVEL + decibels - speech_level(waveform)) / 20.0)
        shift, words = self.now - first, 0
        for phoneme in said.phonemes:
            start, end = max(phoneme.start, first), min(phoneme.end, last)
            if end <= start:
                continue
            moved = replace(phoneme, start=start + shift, end=end + shift)
            if phoneme.symbol == SILENCE:
                self._silence(moved.end)
                continue
            words = max(words, phoneme.word + 1)
            word = phoneme.word + self._words if phoneme.word >= 0 else -1
            self.phonemes.append(replace(moved, word=word, sentence=len(self.marks)))
        self._words += words
        self.marks.append(said.mark)
        self._add(waveform * np.float32(gain))

    def rest(self, seconds: float) -> None:
        """Adds silence."""
        self._add(np.zeros(max(0, round(seconds * SAMPLE_RATE)), np.float32))

    def sound(self, kind: str, waveform: Floats, decibels: float) -> None:
        """Adds breath or laughter of level 1, ``decibels`` louder than speech."""
        start = self.now
        self._add(waveform * np.float32(10.0 ** ((LEVEL + decibels) / 20.0)))
        self.events.append(SpeechEvent(kind, start, self.now, decibels))

    def finished(self) -> Floats:
        """Returns the voice in whole frames, float32 [n]; phonemes end with it."""
        self.rest((-self._samples % SAMPLES_PER_FRAME) / SAMPLE_RATE)
        self.phonemes = with_phrases(self.phonemes)
        return np.concatenate(self._parts) if self._parts else np.zeros(0, np.float32)

    def _add(self, waveform: Floats) -> None:
        self._parts.append(waveform.astype(np.float32))
        self._samples += len(waveform)
        self._silence(self.now)

    def _silence(self, end: float) -> None:
        """Fills with silence until ``end``."""
        last = self.phonemes[-1].end if self.phonemes else 0.0
        if end - last < 1e-6:
            return
        if self.phonemes and self.phonemes[-1].symbol == SILENCE:
            last = self.phonemes.pop().start
        self.phonemes.append(TimedPhoneme(SILENCE, last, end))


def with_phrases(phonemes: list[TimedPhoneme]) -> list[TimedPhoneme]:
    """Numbers the phrases, each from one silence to the next."""
    result, phrase, broken = [], -1, True
    for phoneme in phonemes:
        if phoneme.symbol == SILENCE:
            broken = broken or phoneme.end - phoneme.start >= _SHORTEST_BREAK
            result.append(phoneme)
            continue
        phrase += broken
        broken = False
        result.append(replace(phoneme, phrase=phrase))
    return result


def pause_seconds(rng: np.random.Generator) -> float:
    """Draws a pause between sentences, 0.15 to 6 s: most are short."""
    low, high = ((0.15, 1.0), (1.0, 3.0), (3.0, 6.0))[int(rng.choice(3, p=[0.8, 0.15, 0.05]))]
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def end_seconds(rng: np.random.Generator) -> float:
    """Draws the silence before the first sentence or after the last one."""
    low, high = (0.02, 0.15) if rng.random() < 0.25 else (0.15, 2.5)
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def add_pause(
    timeline: Timeline, rng: np.random.Generator, seconds: float, breathing: bool
) -> None:
    """Adds a pause; if ``breathing`` it ends with a breath, where there is room for one."""
    gap = rng.uniform(0.03, 0.12)
    length = min(rng.uniform(0.25, 0.9), seconds - gap - 0.1)
    if not breathing or length < 0.2:
        timeline.rest(seconds)
        return
    timeline.rest(seconds - gap - length)
    timeline.sound("breath", breath(rng, length), float(rng.uniform(-34.0, -14.0)))
    timeline.rest(gap)


def add_laugh(timeline: Timeline, rng: np.random.Generator, pitch: float) -> None:
    """Adds a bout of laughter between two short rests."""
    timeline.rest(rng.uniform(0.05, 0.4))
    formants = 1.0 if pitch < 165.0 else 1.16
    timeline.sound("laughter", laughter(rng, pitch, formants), float(rng.uniform(-8.0, 1.0)))
    timeline.rest(rng.uniform(0.1, 0.5))


@dataclass(frozen=True)
class Bed:
    """What sounds under a voice.

    Attributes:
        waveform: float32 [n].
        events: noise and music.
    """

    waveform: Floats
    events: tuple[SpeechEvent, ...] = ()


def noise_bed(rng: np.random.Generator, count: int, decibels: float) -> Bed:
    """Noise from the first sample to the last, ``decibels`` louder than speech."""
    seconds = count / SAMPLE_RATE
    sound = noise(rng, seconds) * np.float32(10.0 ** ((LEVEL + decibels) / 20.0))
    return Bed(sound, (SpeechEvent("noise", 0.0, seconds, decibels),))


def music_bed(rng: np.random.Generator, count: int, decibels: float) -> Bed:
    """Music throughout, or for a part of the time, with soft ends."""
    seconds = count / SAMPLE_RATE
    start, end = 0.0, seconds
    if rng.random() < 0.5 and seconds > 4.0:
        start = float(rng.uniform(0.0, 0.5) * seconds) * (rng.random() < 0.6)
        end = float(rng.uniform(start + 2.0, seconds))
    first, stop = round(start * SAMPLE_RATE), round(end * SAMPLE_RATE)
    part = music(rng, (stop - first) / SAMPLE_RATE)
    fade = min(len(part) // 2, round(rng.uniform(0.02, 0.6) * SAMPLE_RATE))
    ramp = np.linspace(0.0, 1.0, fade, dtype=np.float32)
    part[:fade] *= ramp
    part[len(part) - fade :] *= ramp[::-1]
    sound = np.zeros(count, np.float32)
    sound[first:stop] = part * np.float32(10.0 ** ((LEVEL + decibels) / 20.0))
    return Bed(sound, (SpeechEvent("music", start, end, decibels),))


def gate(
    rng: np.random.Generator, bed: Floats, voice: Floats, phonemes: list[TimedPhoneme]
) -> None:
    """Sets the bed to exact zeros in some pauses without breath or laughter, as gates do."""
    for phoneme in phonemes:
        first, stop = round(phoneme.start * SAMPLE_RATE) + 400, round(phoneme.end * SAMPLE_RATE)
        stop -= 400
        if phoneme.symbol != SILENCE or stop - first < 4000 or rng.random() < 0.5:
            continue
        quiet = np.abs(voice[first:stop]) == 0.0
        bed[first:stop][quiet] = 0.0


def pauses(phonemes: list[TimedPhoneme]) -> list[SpeechEvent]:
    """Returns the stretches in which nobody speaks."""
    return [
        SpeechEvent("pause", p.start, p.end)
        for p in phonemes
        if p.symbol == SILENCE and p.end - p.start >= SHORTEST_PAUSE
    ]


def zeros(samples: NDArray[np.int16]) -> list[SpeechEvent]:
    """Returns the stretches in which every sample is exactly 0."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], samples == 0, [0]]).astype(np.int8)))
    return [
        SpeechEvent("zeros", first / SAMPLE_RATE, stop / SAMPLE_RATE)
        for first, stop in zip(edges[::2], edges[1::2], strict=True)
        if stop - first >= SHORTEST_ZEROS * SAMPLE_RATE
    ]
