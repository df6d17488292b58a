"""How far generated motion agrees with the truth, for any motion space and any recordings.

Values are compared in their own units, blendshapes or deformations of keypoints, so that what
can be seen counts and noise in channels that hardly move does not.
:mod:`~joyvasa_lib.training.motion.validation.metrics` has more for recordings whose phonemes are
known.

Axis legend: ``t`` frames at 25 fps, ``c`` values of a frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.motion.blendshapes import REGIONS
from joyvasa_lib.speech.diffusion.normalizer import MotionNormalizer
from joyvasa_lib.speech.motion_generator import MotionGenerator
from joyvasa_lib.speech.options import GenerationKwargs, GenerationOptions
from joyvasa_lib.speech.streaming import OVERLAP
from joyvasa_lib.training.motion.source import Recording, values_of

if TYPE_CHECKING:
    from typing_extensions import Unpack

Floats = NDArray[np.float32]
STILL = 1e-5
"""Spread of a channel below which it counts as not moving."""


@dataclass(frozen=True)
class Performance:
    """Motion generated for a recording beside what was recorded, both [t, c] values."""

    made: Floats
    truth: Floats


def perform(
    model: MotionGenerator,
    recordings: Iterable[Recording],
    seconds: float,
    **options: Unpack[GenerationKwargs],
) -> list[Performance]:
    """Generates motion for recordings, from the first until ``seconds`` are reached.

    Args:
        model: the generator.
        recordings: held-out ones.
        seconds: amount of speech; at least one recording is taken.
        **options: of the generation.
    """
    performances: list[Performance] = []
    total = 0.0
    for index, recording in enumerate(recordings):
        if performances and total >= seconds:
            break
        take = recording.load()
        if model.normalizer.layout == "units":
            options.setdefault("blinks", "model")
            options.setdefault("gaze", "model")
        motion = model.generate(take.waveform, GenerationOptions(seed=index), **options)
        made = values_of(motion, model.normalizer.layout)
        frames = min(len(made), len(take.values))
        performances.append(Performance(made[:frames], take.values[:frames]))
        total += frames / model.fps
    return performances


def mouth_channels(normalizer: MotionNormalizer) -> list[int]:
    """Returns which values of a frame shape the mouth."""
    space = normalizer.space
    if normalizer.layout == "units":
        return [space.blendshape_names.index(name) for name in REGIONS["mouth"]]
    return [3 * keypoint + axis for keypoint in space.keypoint_groups["mouth"] for axis in range(3)]


def agreement(
    performances: Sequence[Performance], normalizer: MotionNormalizer, window: int = 100
) -> dict[str, float]:
    """Returns what is right and wrong with generated motion, by name.

    * ``error``, ``mouth_error``: squared error of the face and the mouth over the variance of the
      truth; 1 is what a face that keeps still in the mean position would have.
    * ``wrong_audio_error``: of the mouth, with motion made for another recording.
    * ``sync_gain``: ``wrong_audio_error / mouth_error``; 1 where speech makes no difference.
    * ``mouth_correlation``: mean over the mouth's values that move, each by its spread.
    * ``amplitude_ratio``, ``velocity_ratio``: spread and speed of the mouth over the true ones.
    * ``head_amplitude_ratio``, ``head_velocity_ratio``: the same of the head's rotation.
    * ``seam_jump``: :func:`seam_jump`; only where there are seams.

    Args:
        performances: result of :func:`perform`.
        normalizer: says which channel is what.
        window: frames of a window of the generation.
    """
    mouth = mouth_channels(normalizer)
    face = normalizer.pose.start
    rotation = [face + 4, face + 5, face + 6]
    made = np.concatenate([p.made for p in performances])
    truth = np.concatenate([p.truth for p in performances])
    spread = np.maximum(truth.var(axis=0, dtype=np.float64), 1e-12)
    errors = np.square(made - truth, dtype=np.float64).mean(axis=0)
    right = float(errors[mouth].sum() / spread[mouth].sum())
    wrong = wrong_audio_error(performances, mouth) * len(mouth) / float(spread[mouth].sum())
    found = {
        "error": float(errors[:face].sum() / spread[:face].sum()),
        "mouth_error": right,
        "wrong_audio_error": wrong,
        "sync_gain": wrong / max(right, 1e-9),
    }
    moving = [c for c in mouth if truth[:, c].std() > STILL and made[:, c].std() > STILL]
    if moving:
        each = [float(np.corrcoef(made[:, c], truth[:, c])[0, 1]) for c in moving]
        found["mouth_correlation"] = float(np.average(each, weights=spread[moving] ** 0.5))
    for prefix, part in (("", mouth), ("head_", rotation)):
        wide = truth[:, part].std(0).sum()
        speeds = [
            np.concatenate([np.abs(np.diff(x[:, part], axis=0)) for x in curves]).mean()
            for curves in ([p.made for p in performances], [p.truth for p in performances])
        ]
        found[f"{prefix}amplitude_ratio"] = float(made[:, part].std(0).sum() / max(wide, 1e-9))
        found[f"{prefix}velocity_ratio"] = float(speeds[0] / max(speeds[1], 1e-9))
    size = np.maximum(normalizer.scale[: made.shape[1]], 1e-9)
    jump = seam_jump([np.asarray(p.made / size, np.float32) for p in performances], window)
    return found if jump is None else {**found, "seam_jump": jump}


def wrong_audio_error(performances: Sequence[Performance], part: Sequence[int]) -> float:
    """Returns the mean squared error of each truth against motion made for the next one's speech.

    A single recording is compared with its own motion half its length later.
    """
    errors, count = 0.0, 0
    for index, own in enumerate(performances):
        if len(performances) > 1:
            other = performances[(index + 1) % len(performances)].made
        else:
            other = np.roll(own.made, len(own.made) // 2, axis=0)
        frames = min(len(other), len(own.truth))
        difference = other[:frames, part] - own.truth[:frames, part]
        errors += float(np.square(difference).sum())
        count += difference.size
    return errors / max(count, 1)


def seam_jump(curves: Sequence[Floats], window: int = 100) -> float | None:
    """Returns the mean change from frame to frame where windows meet, over that elsewhere.

    Args:
        curves: motions [t, c] as the generator made them.
        window: frames of a window.

    Returns:
        1 where seams cannot be told from other frames; None where no curve has a seam.
    """
    at: list[Floats] = []
    elsewhere: list[Floats] = []
    step = window - OVERLAP
    for curve in curves:
        change = np.abs(np.diff(curve, axis=0)).mean(axis=1)  # from frame i to i + 1
        position = (np.arange(len(change)) + 1) % step
        seam = (position <= OVERLAP) & (np.arange(len(change)) + 1 >= step)
        at.append(change[seam])
        elsewhere.append(change[~seam])
    if not sum(len(part) for part in at):
        return None
    mean = float(np.concatenate(elsewhere).mean())
    return float(np.concatenate(at).mean()) / max(mean, 1e-9)
