"""Music: chords, a bass and a beat, drawn anew each time. Nothing is quoted.

Axis legend: ``n`` samples at 16 kHz.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.speech_corpus.sounds.breath import unit
from joyvasa_lib.media.audio import SAMPLE_RATE

Floats = NDArray[np.float32]
_CHORDS = ((0, 4, 7), (0, 3, 7), (0, 4, 7, 11), (0, 3, 7, 10), (0, 5, 7), (0, 2, 7))
_ROOTS = (0, 2, 4, 5, 7, 9)


def music(rng: np.random.Generator, seconds: float) -> Floats:
    """Returns music, float32 [n], of level 1 (root mean square)."""
    count = round(seconds * SAMPLE_RATE)
    beat = 60.0 / rng.uniform(70.0, 150.0)
    key = rng.uniform(40.0, 58.0)  # MIDI number of the bass
    overtones = np.arange(1.0, 1 + int(rng.integers(3, 10))) ** -rng.uniform(0.8, 2.0)
    decay = rng.uniform(0.3, 2.5)
    arpeggio, drums, bass = rng.random() < 0.4, rng.random() < 0.6, rng.random() < 0.7
    progression = [
        (int(rng.choice(_ROOTS)), _CHORDS[int(rng.integers(len(_CHORDS)))])
        for _ in range(int(rng.integers(2, 5)))
    ]
    track = np.zeros(count + 4 * SAMPLE_RATE)
    beats = int(seconds / beat) + 1
    for index in range(beats):
        root, chord = progression[(index // 4) % len(progression)]
        notes = [12 + root + step for step in chord]
        if arpeggio:
            notes = [notes[index % len(notes)]]
        elif index % 4:
            notes = []
        if bass and index % 2 == 0:
            notes.append(root)
        for note in notes:
            frequency = 440.0 * 2.0 ** ((key + note - 69.0) / 12.0)
            _add(track, index * beat, _note(frequency, overtones, decay, rng))
        if drums:
            _add(track, index * beat, _drum(rng, index % 2 == 1))
    return unit(track[:count])


def _add(track: NDArray[np.float64], start: float, sound: NDArray[np.float64]) -> None:
    first = round(start * SAMPLE_RATE)
    stop = min(first + len(sound), len(track))
    track[first:stop] += sound[: max(0, stop - first)]


def _note(
    frequency: float, overtones: NDArray[np.float64], decay: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    time = np.arange(round(min(3.0, 3.0 * decay) * SAMPLE_RATE)) / SAMPLE_RATE
    sound = np.zeros(len(time))
    for number, strength in enumerate(overtones, 1):
        if number * frequency < 0.45 * SAMPLE_RATE:
            sound += strength * np.sin(
                2.0 * np.pi * number * frequency * time + rng.uniform(0.0, 2.0 * np.pi)
            )
    return np.asarray(sound * np.exp(-time / decay) * np.minimum(time / 0.01, 1.0))


def _drum(rng: np.random.Generator, bright: bool) -> NDArray[np.float64]:
    time = np.arange(round(0.2 * SAMPLE_RATE)) / SAMPLE_RATE
    if bright:
        noise = np.diff(rng.standard_normal(len(time)), prepend=0.0)
        return np.asarray(0.7 * noise * np.exp(-time / 0.04))
    return np.asarray(2.0 * np.sin(2.0 * np.pi * 60.0 * time) * np.exp(-time / 0.06))
