"""From a recording to the motion of the face that speaks it: what stage two learns.

Axis legend: ``t`` frames at 25 Hz, ``s`` steps at 50 Hz, 59 channels: 52 blendshapes, scale,
translation, rotation.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.speech_corpus.face.accents import find_phrases, speech_level
from joyvasa_lib.datasets.speech_corpus.face.curves import frame_times, held
from joyvasa_lib.datasets.speech_corpus.face.expression import breaths, brows, pauses, smile
from joyvasa_lib.datasets.speech_corpus.face.head import head_motion
from joyvasa_lib.datasets.speech_corpus.face.lips import lip_curves, lip_targets, mouth_activations
from joyvasa_lib.datasets.speech_corpus.face.speaker import Speaker
from joyvasa_lib.datasets.speech_corpus.phonemes import label_steps, split_diphthongs
from joyvasa_lib.datasets.speech_corpus.speech_recording import SpeechEvent, SpeechRecording
from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.motion.data import FPS
from joyvasa_lib.motion.living.eyes import EYE_BLENDSHAPES, EyeTrack

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

CHANNELS = 59
_SPEAKS = 0.5
_ROUND_LIPS_SMILE_LESS = 0.7
"""Share of a smile that a full pucker takes away."""
_LOPSIDED = ("mouthUpperUp", "mouthLowerDown", "mouthStretch", "mouthSmile", "mouthDimple")


def animate(
    recording: SpeechRecording, speaker: Speaker, rng: np.random.Generator
) -> tuple[Floats, NDArray[np.uint8]]:
    """Makes a face say what was said, as people do.

    Args:
        recording: what is heard: phonemes, pitch, energy and events.
        speaker: of ``t = round(25 * seconds)`` frames; whose face.
        rng: source of every random choice.

    Returns:
        Values [t, 59], and phoneme classes [2 t] moved by the lead of the lips, so that they mark
        what the mouth does.
    """
    frames = round(recording.seconds * FPS)
    phrases = find_phrases(recording)
    speaking = speech_level(phrases, frames)
    parts = split_diphthongs(recording.phonemes)
    laughter = recording.events_of("laughter")
    lips, smiles, raises, presses, head, looks = rng.spawn(6)  # a dial moves its own part alone
    targets = lip_targets()
    aperture, width, shapes = lip_curves(parts, frames, lips, targets, targets.late)
    aperture = np.maximum(aperture, breaths(recording.events_of("breath"), phrases, frames))
    aperture = np.maximum(aperture, _laughing(laughter, recording.energy, frames))
    face = mouth_activations(aperture, width, shapes, speaker)
    smiling = smile(phrases, laughter, frames, speaker, smiles)
    smiling["mouthSmile"] *= 1.0 - _ROUND_LIPS_SMILE_LESS * np.minimum(face["mouthPucker"], 1.0)
    _add(face, smiling)
    _add(face, brows(phrases, frames, speaker, raises))
    _add(face, pauses(phrases, frames, speaker, presses))
    rotation, translation = head_motion(phrases, speaking, speaker, head)
    values = np.zeros((frames, CHANNELS), np.float32)
    for name, curve in face.items():
        _place(values, name, curve, speaker.lopsided if name in _LOPSIDED else 0.0)
    eyes = EyeTrack(int(looks.integers(2**31)))(rotation.astype(np.float32), speaking > _SPEAKS)
    values[:, [BLENDSHAPES.index(name) for name in EYE_BLENDSHAPES]] = eyes
    values[:, 52] = 1.0
    values[:, 53:56], values[:, 56:59] = translation, rotation
    lead = targets.kernels["aperture"][1] - targets.late
    early = [
        replace(one, start=max(one.start - lead, 0.0), end=max(one.end - lead, 0.0))
        for one in parts
    ]
    return values, label_steps(early, 2 * frames)


def _add(face: dict[str, Doubles], more: dict[str, Doubles]) -> None:
    for name, curve in more.items():
        face[name] = face[name] + curve if name in face else curve


def _place(values: Floats, name: str, curve: Doubles, lopsided: float) -> None:
    """Writes the channel of a blendshape, or those of both sides."""
    if name in BLENDSHAPES:
        values[:, BLENDSHAPES.index(name)] = np.clip(curve, 0.0, 1.0)
        return
    for side, factor in (("Left", 1.0 + lopsided), ("Right", 1.0 - lopsided)):
        values[:, BLENDSHAPES.index(name + side)] = np.clip(factor * curve, 0.0, 1.0)


def _laughing(laughter: list[SpeechEvent], energy: Floats, frames: int) -> Doubles:
    """[t] opening of a laughing mouth, in outer eye-corner distances: more in each burst."""
    times = frame_times(frames)
    opening = np.zeros(frames)
    steps = np.arange(len(energy)) / 100.0
    for event in laughter:
        inside = (steps >= event.start) & (steps <= event.end)
        if not inside.any():
            continue
        loud = np.interp(times, steps, energy) - float(energy[inside].max())
        burst = np.clip(1.0 + loud / 20.0, 0.0, 1.0)
        hold = max(0.0, event.end - event.start - 0.3)
        shape = held(times, event.start - 0.05, 0.2, hold, 0.3)
        opening = np.maximum(opening, shape * (0.05 + 0.06 * burst))
    return opening
