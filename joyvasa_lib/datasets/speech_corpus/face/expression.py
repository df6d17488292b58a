"""What brows, cheeks and lips do beside speech: accents, smiles that come and go, pressed lips.

Brows rise on some accents, mostly where the head moves too, and seldom alone (Ambrazaitis and House
2017); a rise of the voice comes with one (Cavé et al. 1996). Smiles start and end with phrases and
take half a second to a second. Amounts are those that give the deviations of real speakers.

Axis legend: ``t`` frames at 25 Hz.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.speech_corpus.face.accents import Phrase
from joyvasa_lib.datasets.speech_corpus.face.curves import frame_times, held, wandering
from joyvasa_lib.datasets.speech_corpus.face.speaker import Speaker
from joyvasa_lib.datasets.speech_corpus.speech_recording import SpeechEvent
from joyvasa_lib.motion.data import FPS

Doubles = NDArray[np.float64]

_RAISES, _RAISE = 0.5, (0.45, 0.2)
"""Share of accents with a brow raise at strength 1, its mean size and deviation."""
_FROWNS, _FROWN = 0.12, (0.35, 0.12)
"""Share of phrases spoken with lowered brows, and how low."""
_ASKING = 0.6
"""Share of questions that end with raised brows."""
_SMILES, _SMILE = 0.4, (0.26, 0.1)
"""Share of phrases that are smiled on, and how much."""
_RESTING_SMILE, _LAUGHING = 0.02, 0.7
"""Smile between phrases that are smiled on, and in laughter."""
_PRESSES, _PRESS = 0.35, (0.3, 0.1)
"""Share of pauses in which lips press, and how much."""
_LONG_PAUSE = 0.5
"""Seconds of the shortest pause with pressed lips."""


def brows(
    phrases: Sequence[Phrase], frames: int, speaker: Speaker, rng: np.random.Generator
) -> dict[str, Doubles]:
    """Activations [t] of ``browInnerUp``, ``browOuterUp``, ``browDown`` and ``eyeWide``."""
    times, dial = frame_times(frames), speaker.dial("brows").astype(np.float64)
    up, down = np.zeros(frames), np.zeros(frames)
    for phrase in phrases:
        often = _at(dial, phrase.start)
        for accent in phrase.accents:
            if rng.random() > _RAISES * accent.strength * min(often, 1.5):
                continue
            size = max(0.1, rng.normal(*_RAISE)) * (0.6 + 0.6 * accent.strength)
            onset = rng.uniform(0.12, 0.22)
            hold = rng.gamma(2.0, 0.11)
            shape = held(times, accent.time - 0.7 * onset, onset, hold, rng.uniform(0.2, 0.45))
            up = np.maximum(up, size * shape)
        if phrase.asks and rng.random() < _ASKING:
            start = max(phrase.start, phrase.end - rng.uniform(0.4, 0.9))
            hold = phrase.end - start + rng.uniform(0.1, 0.4)
            up = np.maximum(up, rng.uniform(0.35, 0.75) * held(times, start, 0.25, hold, 0.4))
        elif rng.random() < _FROWNS:
            length = phrase.end - phrase.start
            size = max(0.1, rng.normal(*_FROWN))
            down = np.maximum(down, size * held(times, phrase.start - 0.1, 0.3, length, 0.5))
    drift = 0.09 * wandering(rng, frames, 0.2)
    level = dial * (up + np.maximum(drift, 0.0))
    return {
        "browInnerUp": np.minimum(level * rng.uniform(0.85, 1.15), 1.0),
        "browOuterUp": np.minimum(level, 1.0),
        "browDown": np.clip(dial * (down + np.maximum(-drift, 0.0)) - 0.8 * level, 0.0, 1.0),
        "eyeWide": 0.25 * np.minimum(level, 1.0),
    }


def smile(
    phrases: Sequence[Phrase],
    laughter: Sequence[SpeechEvent],
    frames: int,
    speaker: Speaker,
    rng: np.random.Generator,
) -> dict[str, Doubles]:
    """Activations [t] of ``mouthSmile``, ``cheekSquint`` and ``eyeSquint``."""
    times, dial = frame_times(frames), speaker.dial("smile").astype(np.float64)
    level = np.full(frames, _RESTING_SMILE)
    number = 0
    while number < len(phrases):
        length = int(rng.integers(1, 4))
        group = phrases[number : number + length]
        number += length
        if rng.random() > _SMILES:
            continue
        size = max(0.1, rng.normal(*_SMILE))
        start = group[0].start + rng.uniform(-0.4, 0.6)
        hold = max(0.3, group[-1].end + rng.uniform(-0.3, 0.6) - start)
        shape = held(times, start, rng.uniform(0.5, 1.0), hold, rng.uniform(0.6, 1.4))
        level = np.maximum(level, size * shape)
    level = dial * level
    for event in laughter:
        hold = event.end - event.start
        level = np.maximum(level, _LAUGHING * held(times, event.start - 0.2, 0.35, hold, 0.9))
    squint = 0.05 + 0.06 * wandering(rng, frames, 0.25)
    return {
        "mouthSmile": level,
        "cheekSquint": 0.45 * level,
        "eyeSquint": np.clip(squint + 0.5 * level, 0.0, 0.8),
    }


def pauses(
    phrases: Sequence[Phrase], frames: int, speaker: Speaker, rng: np.random.Generator
) -> dict[str, Doubles]:
    """Activations [t] of lips that press in some pauses: ``mouthPress`` and the rolls."""
    times, dial = frame_times(frames), speaker.dial("articulation").astype(np.float64)
    level = np.zeros(frames)
    for phrase, following in pairwise(phrases):
        if following.pause < _LONG_PAUSE or rng.random() > _PRESSES:
            continue
        start = phrase.end + rng.uniform(0.05, 0.15)
        hold = max(0.0, following.start - 0.35 - start - 0.2)
        level += max(0.1, rng.normal(*_PRESS)) * held(times, start, 0.2, min(hold, 0.7), 0.25)
    level = np.minimum(dial, 1.0) * level
    return {"mouthPress": level, "mouthRollUpper": 0.6 * level, "mouthRollLower": 0.5 * level}


def breaths(breath: Sequence[SpeechEvent], phrases: Sequence[Phrase], frames: int) -> Doubles:
    """[t] by how much lips part to breathe in, in outer eye-corner distances."""
    times = frame_times(frames)
    opening = np.zeros(frames)
    for event in breath:
        length = event.end - event.start
        spoken = any(one.start < event.end and event.start < one.end for one in phrases)
        if not spoken and length > 0.1:
            opening = np.maximum(
                opening, 0.03 * held(times, event.start - 0.05, 0.12, length - 0.1, 0.15)
            )
    return opening


def _at(curve: Doubles, time: float) -> float:
    return float(curve[min(max(int(time * FPS), 0), len(curve) - 1)]) if len(curve) else 0.0
