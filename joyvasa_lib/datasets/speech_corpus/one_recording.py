"""Makes one recording of the corpus: who speaks, what is heard around it, how loud it is.

Axis legend: ``n`` samples at 16 kHz.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.speech_corpus import compose
from joyvasa_lib.datasets.speech_corpus.casting import Casting, Role, Said, Speaker, role_of
from joyvasa_lib.datasets.speech_corpus.phonemes import SILENCE
from joyvasa_lib.datasets.speech_corpus.prosody import energy, pitch, reshaped
from joyvasa_lib.datasets.speech_corpus.sounds.laughter import laughter
from joyvasa_lib.datasets.speech_corpus.speech_recording import SpeechEvent, SpeechRecording
from joyvasa_lib.media.audio import SAMPLE_RATE

Floats = NDArray[np.float32]
_LEVEL_OF_VOICE = (-36.0, -14.0)
"""Lowest and highest level of the speech, decibels relative to full scale."""
_LOUDEST = 0.97


@dataclass(frozen=True)
class Surroundings:
    """What the recipe says of everything but speakers; see ``SpeechCorpusConfig``."""

    seconds: tuple[float, float]
    reshaped: float
    whispered: float
    breaths: float
    laughter: float
    noise: float
    music: float


@dataclass(frozen=True)
class _Throat:
    """Arguments of :func:`~.prosody.reshaped`."""

    pitch: float
    melody: float
    formants: float
    whispered: bool

    def __call__(self, said: Said) -> Said:
        waveform = reshaped(said.waveform, self.pitch, self.melody, self.formants, self.whispered)
        return replace(said, waveform=waveform)


def make_recording(
    casting: Casting,
    surroundings: Surroundings,
    split: str,
    number: int,
    rng: np.random.Generator,
) -> SpeechRecording:
    """Makes a recording, which depends on its arguments alone.

    Raises:
        MissingDependencyError: an engine or a package is not installed.
    """
    role = role_of(casting, split, number)
    timeline, texts, voice = compose.Timeline(), [], ""
    if role.engine == "none":
        _stillness(timeline, rng, surroundings)
    else:
        speaker = Speaker(casting, role, rng)
        voice = speaker.name
        texts = _speech(timeline, rng, surroundings, speaker, role)
    track = timeline.finished()
    bed = _bed(rng, surroundings, track, timeline, role.engine == "none")
    gain = _gain(rng, track + bed.waveform)
    samples = np.round((track + bed.waveform) * gain * 32767.0).astype(np.int16)
    end = len(samples) / SAMPLE_RATE
    events = [*timeline.events, *bed.events, *compose.pauses(timeline.phonemes)]
    events += compose.zeros(samples)
    return SpeechRecording(
        name=f"{split}-{number:05d}",
        waveform=samples,
        phonemes=tuple(timeline.phonemes),
        pitch=_pitch_of(track, timeline),
        energy=energy(track * gain),
        events=tuple(
            sorted((replace(e, end=min(e.end, end)) for e in events), key=lambda e: e.start)
        ),
        marks=tuple(timeline.marks),
        text=" ".join(texts).strip(),
        language=role.language,
        voice=voice,
        engine=role.engine,
    )


def _speech(
    timeline: compose.Timeline,
    rng: np.random.Generator,
    surroundings: Surroundings,
    speaker: Speaker,
    role: Role,
) -> list[str]:
    """Speaks until there is enough; returns what was read."""
    shortest, longest = surroundings.seconds
    wanted = rng.uniform(shortest, longest)
    throat = None
    if role.split == "train" and rng.random() < surroundings.reshaped:
        throat = _Throat(
            float(np.exp(rng.uniform(-0.35, 0.35))),
            float(rng.uniform(0.5, 1.6)),
            float(np.exp(rng.uniform(-0.12, 0.12))),
            bool(rng.random() < surroundings.whispered),
        )
    laugh_after = int(rng.integers(4)) if rng.random() < surroundings.laughter else -1
    breathing = rng.random() < surroundings.breaths
    compose.add_pause(timeline, rng, compose.end_seconds(rng), breathing)
    texts: list[str] = []
    last_pitch = 180.0
    for index, said in enumerate(speaker.sentences()):
        if all(p.symbol == SILENCE for p in said.phonemes):
            continue
        length = len(said.waveform) / SAMPLE_RATE
        if texts and (timeline.now + length > longest - 0.2 or timeline.now > 0.9 * wanted):
            break
        if throat is not None:
            said = throat(said)
        timeline.say(said, float(rng.normal(0.0, 1.5)))
        texts.append(said.text)
        if index == laugh_after:
            tone = pitch(said.waveform)
            last_pitch = float(np.median(tone[tone > 0])) if (tone > 0).any() else last_pitch
            compose.add_laugh(timeline, rng, last_pitch)
        room = longest - timeline.now - 0.2
        if room < 1.0 or timeline.now > 0.9 * wanted:
            break
        breathing = rng.random() < surroundings.breaths
        pause = min(compose.pause_seconds(rng), room)
        compose.add_pause(timeline, rng, pause, breathing)
    last = min(compose.end_seconds(rng), max(0.05, longest - timeline.now))
    timeline.rest(max(last, shortest - timeline.now))
    return texts


def _stillness(
    timeline: compose.Timeline, rng: np.random.Generator, surroundings: Surroundings
) -> None:
    """Nobody speaks; there may be breath, or somebody laughs."""
    length = rng.uniform(*surroundings.seconds)
    if rng.random() < 0.3:
        while timeline.now < length - 3.0:
            compose.add_pause(timeline, rng, rng.uniform(1.5, 4.0), True)
    elif rng.random() < 0.15:
        timeline.rest(rng.uniform(0.5, 2.0))
        tone = float(rng.uniform(100.0, 230.0))
        sound = laughter(rng, tone, 1.0 if tone < 165.0 else 1.16)
        timeline.sound("laughter", sound, float(rng.uniform(-8.0, 1.0)))
    timeline.rest(max(0.0, length - timeline.now))


def _bed(
    rng: np.random.Generator,
    surroundings: Surroundings,
    track: Floats,
    timeline: compose.Timeline,
    alone: bool,
) -> compose.Bed:
    """Noise and music; where nobody speaks they are as loud as speech would be."""
    sound = np.zeros(len(track), np.float32)
    events: list[SpeechEvent] = []
    kinds = [
        name
        for name, share in (("noise", surroundings.noise), ("music", surroundings.music))
        if rng.random() < (max(0.45, share) if alone else share)
    ]
    for kind in kinds:
        if kind == "noise":
            quiet = rng.random() < (0.5 if alone else 0.8)
            decibels = float(rng.uniform(-60.0, -30.0) if quiet else rng.uniform(-30.0, -10.0))
            bed = compose.noise_bed(rng, len(track), decibels)
        else:
            decibels = float(rng.uniform(-12.0, 3.0) if alone else rng.uniform(-25.0, -3.0))
            bed = compose.music_bed(rng, len(track), decibels)
        sound += bed.waveform
        events += bed.events
    if kinds and rng.random() < 0.25:
        compose.gate(rng, sound, track, timeline.phonemes)
    return compose.Bed(sound, tuple(events))


def _gain(rng: np.random.Generator, mix: Floats) -> np.float32:
    """Factor to a level like that of recordings, without clipping."""
    wanted = rng.uniform(*_LEVEL_OF_VOICE) - compose.LEVEL
    loudest = float(np.abs(mix).max()) if len(mix) else 0.0
    return np.float32(min(10.0 ** (wanted / 20.0), _LOUDEST / max(loudest, 1e-6)))


def _pitch_of(track: Floats, timeline: compose.Timeline) -> Floats:
    """Pitch where there is a voice, in speech or laughter."""
    found = pitch(track)
    times = np.arange(len(found)) / 100.0
    voiced = np.zeros(len(found), bool)
    for phoneme in timeline.phonemes:
        if phoneme.symbol != SILENCE:
            voiced |= (times >= phoneme.start - 0.02) & (times <= phoneme.end + 0.02)
    for event in timeline.events:
        if event.kind == "laughter":
            voiced |= (times >= event.start) & (times <= event.end)
    return np.where(voiced, found, 0.0).astype(np.float32)
