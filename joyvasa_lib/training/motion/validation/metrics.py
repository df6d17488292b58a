"""How good generated motion is, on speech that was held out: numbers, not impressions.

Axis legend: ``t`` frames at 25 fps, ``u`` blendshapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.speech_corpus.recordings import SpeechItem
from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.speech.motion_generator import MotionGenerator
from joyvasa_lib.speech.options import GenerationKwargs, GenerationOptions
from joyvasa_lib.training.motion.validation.agreement import seam_jump

if TYPE_CHECKING:
    from typing_extensions import Unpack

Floats = NDArray[np.float32]
CORRELATED = ("jawOpen", "mouthFunnel", "mouthPucker", "mouthPressLeft", "mouthClose",
              "mouthRollLower", "mouthStretchLeft", "mouthSmileLeft", "mouthLowerDownLeft",
              "mouthUpperUpLeft")  # fmt: skip
_MOUTH = [BLENDSHAPES.index(name) for name in CORRELATED]


def curve(blendshapes: Floats, name: str) -> Floats:
    """Returns the curve [t] of a blendshape by name."""
    return blendshapes[:, BLENDSHAPES.index(name)]


def lip_gap(blendshapes: Floats) -> Floats:
    """Returns how far the lips are apart, in units of an open jaw, [t], at least 0."""
    gap = curve(blendshapes, "jawOpen") - curve(blendshapes, "mouthClose")
    for side in ("Left", "Right"):
        gap = gap + 0.3 * curve(blendshapes, f"mouthLowerDown{side}")
        gap = gap + 0.15 * curve(blendshapes, f"mouthUpperUp{side}")
        gap = gap - 0.1 * curve(blendshapes, f"mouthPress{side}")
    return np.maximum(gap, 0.0)


def blinks(blendshapes: Floats, threshold: float = 0.5) -> list[int]:
    """Returns the length in frames of each blink: runs in which the eyelids are mostly closed."""
    closed = (
        0.5 * (curve(blendshapes, "eyeBlinkLeft") + curve(blendshapes, "eyeBlinkRight")) > threshold
    )
    edges = np.flatnonzero(np.diff(np.concatenate([[0], closed.astype(int), [0]])))
    return [int(stop - start) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def measure(
    model: MotionGenerator,
    items: Sequence[SpeechItem],
    seconds: float,
    closures: Sequence[int],
    **options: Unpack[GenerationKwargs],
) -> dict[str, float]:
    """Generates motion for held-out items and compares it with the truth.

    Args:
        model: the generator.
        items: held-out recordings, taken from the front until ``seconds`` are reached.
        seconds: amount of speech.
        closures: phoneme classes of bilabial sounds.
        **options: of the generation.

    Returns:
        Metrics by name. ``closure_over_chance``: share of closure centres with the lip gap under
        a quarter of its median on other voiced frames, minus that share over all spoken frames.
        ``wrong_audio_gain``: mouth error with another recording's motion over that with its own.
        ``seam_jump``: see :func:`~joyvasa_lib.training.motion.validation.agreement.seam_jump`.
    """
    made: list[Floats] = []
    truth: list[Floats] = []
    pose: list[Floats] = []
    true_pose: list[Floats] = []
    phonemes: list[NDArray[np.int64]] = []
    total = 0.0
    for index, item in enumerate(items):
        if total >= seconds:
            break
        waveform = item.samples()
        motion = model.generate(waveform, GenerationOptions(seed=index), **options)
        frames = min(len(motion), len(item.blendshapes))
        made.append(motion.blendshapes[:frames])
        truth.append(item.blendshapes[:frames])
        pose.append(motion.rotation[:frames])
        true_pose.append(item.values[:frames, 56:59])
        phonemes.append(item.phonemes[: 2 * frames : 2])
        total += frames / 25.0
    metrics = _agreement(np.concatenate(made), np.concatenate(truth))
    metrics |= _closures(made, truth, phonemes, closures)
    metrics["wrong_audio_gain"] = _wrong_audio_gain(made, truth)
    metrics |= _liveliness(made, pose, total)
    metrics |= {f"true/{k}": v for k, v in _liveliness(truth, true_pose, total).items()}
    jump = seam_jump(made)
    if jump is not None:
        metrics["seam_jump"] = jump
    silent = np.concatenate(phonemes) == 0
    jaw = np.concatenate([np.abs(np.diff(curve(u, "jawOpen"), prepend=u[0, 24])) for u in made])
    if silent.any() and (~silent).any():
        metrics["silent_jaw_speed"] = float(jaw[silent].mean() / (jaw[~silent].mean() + 1e-9))
    return metrics


def _agreement(made: Floats, truth: Floats) -> dict[str, float]:
    metrics = {}
    for name in CORRELATED:
        a, b = curve(made, name), curve(truth, name)
        if b.std() > 1e-3 and a.std() > 1e-6:
            metrics[f"correlation/{name}"] = float(np.corrcoef(a, b)[0, 1])
    spread, true_spread = made[:, _MOUTH].std(0), truth[:, _MOUTH].std(0)
    metrics["amplitude_ratio"] = float(spread.sum() / true_spread.sum())
    speed = np.abs(np.diff(made[:, _MOUTH], axis=0)).mean()
    metrics["velocity_ratio"] = float(speed / np.abs(np.diff(truth[:, _MOUTH], axis=0)).mean())
    return metrics


def closure_centres(phonemes: NDArray[np.int64], closures: Sequence[int]) -> NDArray[np.intp]:
    """Returns the middle frame of each run of a closing phoneme in classes per frame [t]."""
    closed = np.isin(phonemes, closures).astype(int)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], closed, [0]])))
    return (edges[::2] + edges[1::2] - 1) // 2


def _closures(
    made: list[Floats],
    truth: list[Floats],
    phonemes: list[NDArray[np.int64]],
    closures: Sequence[int],
) -> dict[str, float]:
    metrics = {}
    for prefix, curves in (("", made), ("true/", truth)):
        hit: list[bool] = []
        base: list[bool] = []
        ratio: list[float] = []
        for blendshapes, spoken in zip(curves, phonemes, strict=True):
            gap = lip_gap(blendshapes)
            voiced = spoken != 0
            if not voiced.any():
                continue
            limit = 0.25 * float(np.median(gap[voiced]))
            nearby = np.minimum(gap, np.minimum(np.roll(gap, 1), np.roll(gap, -1)))
            centres = closure_centres(spoken, closures)
            hit += list(nearby[centres] < limit)
            base += list(nearby[voiced] < limit)
            ratio += list(nearby[centres] / (gap[voiced].mean() + 1e-6))
        if hit:
            metrics[f"{prefix}closure_hit"] = float(np.mean(hit))
            metrics[f"{prefix}closure_over_chance"] = float(np.mean(hit) - np.mean(base))
            metrics[f"{prefix}closure_gap_ratio"] = float(np.mean(ratio))
    return metrics


def _wrong_audio_gain(made: list[Floats], truth: list[Floats]) -> float:
    right = wrong = 0.0
    for index, own in enumerate(made):
        other = truth[(index + 1) % len(truth)]
        frames = min(len(own), len(other))
        true = truth[index][:frames]
        right += float(np.square(own[:frames, _MOUTH] - true[:, _MOUTH]).sum())
        wrong += float(np.square(own[:frames, _MOUTH] - other[:frames, _MOUTH]).sum())
    return wrong / max(right, 1e-9)


def _liveliness(curves: list[Floats], pose: list[Floats], seconds: float) -> dict[str, float]:
    lengths = [length for blendshapes in curves for length in blinks(blendshapes)]
    ranges = [
        float(np.ptp(rotation[start : start + 250, 1]))
        for rotation in pose
        for start in range(0, max(1, len(rotation) - 124), 250)
    ]
    speed = np.concatenate([np.abs(np.diff(rotation[:, 1])) for rotation in pose])
    return {
        "blinks_per_minute": 60.0 * len(lengths) / max(seconds, 1e-9),
        "blink_ms": 40.0 * float(np.mean(lengths)) if lengths else 0.0,
        "yaw_range_10s": float(np.mean(ranges)),
        "yaw_speed": float(25.0 * speed.mean()),
    }
