"""From timed phonemes to the motion of a face: what stage two learns.

OpenFaceFX blends the mouth shapes of neighbouring sounds; what is changed around it is what
measurements against real talking videos asked for: articulation that leads the audio, lips that
close, vowels that open with their loudness, a mouth that rests in silence, blinks that close.

Axis legend: ``t`` frames at 25 Hz, ``s`` steps at 50 Hz, ``m`` steps at 100 Hz, 59 channels:
52 blendshapes, scale, translation, rotation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from joyvasa_lib.datasets.speech_corpus.extra import missing_extra
from joyvasa_lib.datasets.speech_corpus.head_motion import HeadMotionStyle, speaking_head
from joyvasa_lib.datasets.speech_corpus.phonemes import (
    CLOSURES,
    PHONEME_CLASSES,
    SILENCE,
    TimedPhoneme,
    label_steps,
    split_diphthongs,
)
from joyvasa_lib.datasets.speech_corpus.speech_recording import SpeechRecording
from joyvasa_lib.motion.blendshapes import BLENDSHAPES, REGIONS
from joyvasa_lib.motion.blinks import BlinkTrack
from joyvasa_lib.motion.data import FPS

Floats = NDArray[np.float32]
LEAD_FRAMES = 1
"""Lips lead: real mouths and loudness peak together when rule-based curves are 40 ms early."""
_ACTIVE = 0.01
"""Power of the loudest steps above which a step counts as speech, 20 dB below."""
_SILENT = 1e-8
"""Power of silence."""

_PAIRS = {
    "mouthStretch",
    "mouthSmile",
    "mouthUpperUp",
    "mouthLowerDown",
    "mouthPress",
    "mouthDimple",
}
VISEME_BLENDSHAPES: dict[str, dict[str, float]] = {
    "sil": {},
    "PP": {"mouthPress": 0.45, "mouthRollLower": 0.2, "mouthRollUpper": 0.2},
    "FF": {"mouthShrugLower": 0.4, "mouthUpperUp": 0.25, "mouthRollLower": 0.4, "jawOpen": 0.05},
    "TH": {"tongueOut": 0.5, "jawOpen": 0.12, "mouthUpperUp": 0.14, "mouthLowerDown": 0.16},
    "DD": {"jawOpen": 0.14, "mouthUpperUp": 0.12, "mouthLowerDown": 0.12},
    "kk": {"jawOpen": 0.2, "mouthLowerDown": 0.1, "mouthUpperUp": 0.05},
    "CH": {"mouthFunnel": 0.55, "mouthPucker": 0.3, "jawOpen": 0.1},
    "SS": {"jawOpen": 0.05, "mouthStretch": 0.25, "mouthUpperUp": 0.2, "mouthLowerDown": 0.25},
    "nn": {"jawOpen": 0.12, "mouthUpperUp": 0.08, "mouthLowerDown": 0.1},
    "RR": {"mouthPucker": 0.4, "mouthFunnel": 0.3, "jawOpen": 0.14},
    "aa": {"jawOpen": 0.62, "mouthLowerDown": 0.14, "mouthUpperUp": 0.1},
    "E": {"jawOpen": 0.4, "mouthStretch": 0.28, "mouthDimple": 0.15, "mouthLowerDown": 0.1},
    "I": {"jawOpen": 0.18, "mouthStretch": 0.42, "mouthSmile": 0.28, "mouthUpperUp": 0.15,
          "mouthLowerDown": 0.1},
    "O": {"mouthFunnel": 0.6, "mouthPucker": 0.38, "jawOpen": 0.42},
    "U": {"mouthPucker": 0.8, "mouthFunnel": 0.45, "jawOpen": 0.13},
}  # fmt: skip
"""Blendshapes of each viseme of the Oculus-15 set; those of a pair without their side."""

_APART = [BLENDSHAPES.index(name) for name in (
    "jawOpen", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "mouthFunnel")]  # fmt: skip
_LOUD = [BLENDSHAPES.index(name) for name in (
    "jawOpen", "mouthLowerDownLeft", "mouthLowerDownRight")]  # fmt: skip
_LIPS = [BLENDSHAPES.index(name) for name in ("mouthPressLeft", "mouthPressRight")]
_MOUTH = [BLENDSHAPES.index(name) for name in REGIONS["mouth"]]
_LIDS = [BLENDSHAPES.index(name) for name in ("eyeBlinkLeft", "eyeBlinkRight")]
_BROWS = [BLENDSHAPES.index(name) for name in (
    "browInnerUp", "browOuterUpLeft", "browOuterUpRight")]  # fmt: skip
_CLOSED_CLASSES = [PHONEME_CLASSES.index(name) for name in CLOSURES]
_SPELLING = {
    "ɸ": "f", "β": "v", "ʐ": "ʒ", "ʑ": "ʒ", "ɕ": "ʃ", "ɴ": "ŋ", "ɤ": "ə", "ɯ": "ɨ", "ts": "s",
    "dz": "z", "tɕ": "tʃ", "dʑ": "dʒ", SILENCE: "sil",
}  # fmt: skip


def animate(
    recording: SpeechRecording, rng: np.random.Generator, head: HeadMotionStyle | None = None
) -> tuple[Floats, NDArray[np.uint8]]:
    """Makes the face say what was said.

    Args:
        recording: what is heard: phonemes, pitch, energy and events.
        rng: source of blinks, brows and head motion.
        head: how much the head moves.

    Returns:
        Values [t, 59], ``t = round(n / 640)``, and phoneme classes [2 t] moved by the lead of the
        articulation, so that they mark what the mouth does.

    Raises:
        MissingDependencyError: OpenFaceFX is not installed.
    """
    frames = round(recording.seconds * FPS)
    loudness = relative_loudness(recording.energy, frames)
    parts = split_diphthongs(recording.phonemes)
    values = np.zeros((frames, 59), np.float32)
    values[:, :52] = _articulation(parts, frames)
    values[:, _LOUD] *= _emphasis(loudness)[:, None]
    steps = label_steps(parts, 2 * frames)
    values[:, :52], steps = _as_people_do(values[:, :52], steps)
    seed = int(rng.integers(2**31))
    values[:, _LIDS] = BlinkTrack(seed, FPS)(frames)[:, None]
    values[:, _BROWS] = _brow_flashes(loudness, rng)[:, None] * np.array([0.7, 1.0, 1.0])
    rotation, translation = speaking_head(loudness, rng, head)
    values[:, 52] = 1.0
    values[:, 53:56], values[:, 56:59] = translation, rotation
    return values, steps


def relative_loudness(energy: Floats, frames: int) -> Floats:
    """Level [t] of each frame against that of the whole speech, decibels, -60 to 20.

    Args:
        energy: decibels [m] at 100 Hz.
        frames: t.
    """
    power = 10.0 ** (energy[: 4 * frames].astype(np.float64) / 10.0)
    power = np.pad(power, (0, 4 * frames - len(power)))
    loudest = np.quantile(power, 0.95) if frames else 0.0
    active = power[power >= _ACTIVE * loudest]
    level = float(10.0 * np.log10(active.mean() + 1e-12)) if loudest > _SILENT else 0.0
    frame = 10.0 * np.log10(power.reshape(frames, 4).mean(1) + 1e-12)
    return np.clip(frame - level, -60.0, 20.0).astype(np.float32)


def _articulation(phonemes: Sequence[TimedPhoneme], frames: int) -> Floats:
    """Blendshapes [t, 52] by OpenFaceFX's coarticulation."""
    try:
        from openfacefx import IPA_MAPPING, PhonemeSegment, build_viseme_curves
        from openfacefx.visemes import VISEMES
    except ImportError as error:
        raise missing_extra("openfacefx") from error
    segments: list[Any] = [
        PhonemeSegment(_SPELLING.get(p.symbol, p.symbol), p.start, p.end) for p in phonemes
    ]
    times, weights = build_viseme_curves(segments, fps=100, mapping=IPA_MAPPING)
    table = np.zeros((len(VISEMES), len(BLENDSHAPES)))
    for row, viseme in enumerate(VISEMES):
        for name, amount in VISEME_BLENDSHAPES[viseme].items():
            for shape in (name + "Left", name + "Right") if name in _PAIRS else (name,):
                table[row, BLENDSHAPES.index(shape)] = amount
    curves = np.asarray(weights) @ table
    # A frame of a film shows the time it was open for, not an instant.
    curves = gaussian_filter1d(curves, 1.2, axis=0)
    middle = (np.arange(frames) + 0.5) / FPS
    return np.stack([np.interp(middle, times, c) for c in curves.T], -1).astype(np.float32)


def _emphasis(loudness: Floats) -> Floats:
    """Factor [t] on the opening of the mouth: louder syllables open wider, up to 25 %."""
    level = gaussian_filter1d(np.maximum(loudness, -12.0), 2.0)
    return np.clip(1.0 + 0.045 * (level + 1.5), 0.65, 1.25).astype(np.float32)


def _as_people_do(
    blendshapes: Floats, steps: NDArray[np.uint8]
) -> tuple[Floats, NDArray[np.uint8]]:
    """Lets the mouth lead the audio, and the lips close."""
    lead, frames = LEAD_FRAMES, len(blendshapes)
    steps = np.concatenate([steps[2 * lead :], np.zeros(2 * lead, np.uint8)])
    result = blendshapes.copy()
    moved = np.concatenate(
        [blendshapes[lead:, _MOUTH], np.repeat(blendshapes[-1:, _MOUTH], lead, 0)]
    )
    result[:, _MOUTH] = moved[:frames]
    share = np.isin(steps, _CLOSED_CLASSES).reshape(frames, 2).mean(1)
    touching = np.isin(steps, _CLOSED_CLASSES).reshape(frames, 2).max(1)
    # Lips take about 100 ms to meet and to part: a closure never lasts for one frame alone.
    closed = gaussian_filter1d(np.maximum(0.85 * touching, share), 0.75) * 1.9
    closed = np.minimum(closed, 1.0)
    result[:, _APART] *= (1.0 - 0.94 * closed)[:, None]
    result[:, _LIPS] = np.maximum(result[:, _LIPS], 0.45 * closed[:, None])
    # Silence longer than a breath lets the mouth come to rest.
    speaking = (steps != 0).reshape(frames, 2).max(1).astype(np.float64)
    speaking = np.clip(gaussian_filter1d(speaking, 2.0) * 1.8, 0.0, 1.0)
    result[:, _MOUTH] *= speaking[:, None]
    return result, steps


def _brow_flashes(loudness: Floats, rng: np.random.Generator) -> Floats:
    """Brow raise [t] on some of the loudest syllables."""
    smooth = gaussian_filter1d(loudness.astype(np.float64), 2.0)
    result = np.zeros(len(loudness))
    time = np.arange(len(loudness)) / FPS
    for frame in range(1, len(smooth) - 1):
        peak = smooth[frame] >= smooth[frame - 1] and smooth[frame] > smooth[frame + 1]
        if peak and smooth[frame] > 1.5 and rng.random() < 0.25:
            width = rng.uniform(0.12, 0.3)
            bump = np.exp(-0.5 * ((time - frame / FPS) / width) ** 2)
            result = np.maximum(result, rng.uniform(0.15, 0.55) * bump)
    return result.astype(np.float32)
