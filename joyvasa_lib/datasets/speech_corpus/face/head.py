"""How a head moves with speech.

Most of what a head does in speech follows accents and phrases: nods whose lowest point lies near
the end of the accented syllable (Esteve-Gibert et al. 2014), sharp ones at loud peaks, wide slow
moves after long pauses, others at the ends of clauses (Hadar et al. 1984), tilts at weak
boundaries and nods at strong ones (Ishi et al. 2014). About a quarter of the words have one
(Ambrazaitis et al. 2015). Angles and speeds are those of public speakers: 3 to 4 degrees, about
10 degrees a second.

Axis legend: ``t`` frames at 25 Hz.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from joyvasa_lib.datasets.speech_corpus.face.accents import Phrase
from joyvasa_lib.datasets.speech_corpus.face.curves import frame_times, held, move, wandering
from joyvasa_lib.datasets.speech_corpus.face.speaker import Speaker
from joyvasa_lib.motion.data import FPS

Doubles = NDArray[np.float64]

_SWAY = np.array([2.6, 3.0, 2.6])
"""Standard deviation of the swaying in speech, degrees of pitch, yaw and roll."""
_SWAY_HERTZ = (0.65, 0.55, 0.6)
_POSTURE = np.array([3.4, 4.2, 3.5])
"""Standard deviation of postures, degrees."""
_STAYS = 0.35
"""Share of a posture that stays in the next one."""
_BEATS, _NOD, _TURN, _TILT = 0.75, 5.0, 3.0, 3.0
"""Share of accents with a beat at strength 1; sizes of nods, turns and tilts in degrees."""
_AT_REST = 0.3
"""Share of the swaying that is left while nobody speaks."""
_LATE = 0.03
"""Seconds by which the head follows the voice (Fotedar and Ghosh 2017)."""


def head_motion(
    phrases: Sequence[Phrase],
    speaking: Doubles,
    speaker: Speaker,
    rng: np.random.Generator,
) -> tuple[Doubles, Doubles]:
    """Rotation [t, 3] in degrees (pitch, yaw, roll) and translation [t, 3] in canonical units.

    Args:
        phrases: of the recording.
        speaking: [t] 0 in silence to 1 in speech.
        speaker: whose head.
        rng: source of every random choice.
    """
    frames = len(speaking)
    times = frame_times(frames)
    gain = speaker.dial("head").astype(np.float64)[:, None]
    active = (_AT_REST + (1.0 - _AT_REST) * speaking)[:, None]
    sway = [wandering(rng, frames, hertz) for hertz in _SWAY_HERTZ]
    rotation = _SWAY * np.stack(sway, axis=1) * active
    rotation += _postures(times, phrases, speaker, rng)
    beats = np.zeros((frames, 3))
    for phrase in phrases:
        beats += _beats(times, phrase, rng)
    rotation = gain * gaussian_filter1d(rotation + beats, 0.7, axis=0, mode="nearest")
    # The head turns about the neck, so it also shifts a little; the rest is breathing and swaying.
    translation = np.zeros((frames, 3))
    still = np.minimum(gain[:, 0], 1.0)
    translation[:, 0] = 0.012 * still * wandering(rng, frames, 0.25) + 0.0015 * rotation[:, 1]
    translation[:, 1] = 0.010 * still * wandering(rng, frames, 0.25)
    return rotation, translation


def _postures(
    times: Doubles, phrases: Sequence[Phrase], speaker: Speaker, rng: np.random.Generator
) -> Doubles:
    """Positions [t, 3] that change at phrases, faster at short pauses than after long ones."""
    result = np.zeros((len(times), 3))
    now = rng.normal(size=3) * _POSTURE * 0.5
    result += now
    moments = [(one.start - 0.1, 0.4 + 0.5 * min(one.pause, 1.2)) for one in phrases]
    length = len(times) / FPS
    time = 0.0
    while True:  # long phrases and long silences have some inside
        time += max(0.8, float(rng.gamma(4.0, speaker.posture_seconds / 4.0)))
        if time >= length:
            break
        if all(abs(time - moment) > 0.7 for moment, _ in moments):
            moments.append((time, float(rng.uniform(0.5, 0.9))))
    for start, seconds in sorted(moments):
        after = _STAYS * now + np.sqrt(1.0 - _STAYS**2) * rng.normal(size=3) * _POSTURE
        result += move(times, start, seconds)[:, None] * (after - now)
        now = after
    return result


def _beats(times: Doubles, phrase: Phrase, rng: np.random.Generator) -> Doubles:
    """[t, 3] nods, turns and tilts with the accents of a phrase."""
    result = np.zeros((len(times), 3))
    for accent in phrase.accents:
        if rng.random() > _BEATS * (0.4 + 0.6 * accent.strength):
            continue
        size = (0.5 + 0.7 * accent.strength) * float(rng.gamma(5.0, 0.2))
        lowest = (accent.time if accent.last else accent.end) + _LATE
        down, up = rng.uniform(0.14, 0.22), rng.uniform(0.2, 0.4)
        axes = rng.normal(size=3) * [0.0, _TURN, _TILT]
        axes[0] = _NOD * (1.0 if rng.random() < 0.8 else -0.7)
        result += held(times, lowest - down, down, 0.02, up)[:, None] * (size * axes)
    if phrase.accents and rng.random() < 0.5:  # at the end a nod, or a tilt
        axis = 0 if phrase.end - phrase.start > 1.5 or rng.random() < 0.5 else 2
        angle = abs(rng.normal(2.2, 0.8)) * (1.0 if axis == 0 or rng.random() < 0.5 else -1.0)
        result[:, axis] += angle * held(times, phrase.end - 0.2, 0.25, 0.08, 0.45)
    return result
