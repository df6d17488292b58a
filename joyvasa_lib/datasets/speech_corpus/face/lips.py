"""The mouth under timed phonemes.

Every sound pulls the opening and the width of the lips towards a target, for as long as it lasts,
with a dominance; what they do at a time is the mean of the targets around it, weighted by dominance
and a Gaussian kernel (after the dominance functions of Cohen and Massaro 1993). Targets and kernels
are fitted to real speakers; ``lip_targets.yaml`` says how.

Opening and width then become blendshapes: jaw and both lips share the opening, pucker and funnel
narrow, stretching widens. The shares and the effects of blendshapes are those that rendered
portraits show when they are read as the real speakers were.

Axis legend: ``m`` steps at 100 Hz, ``t`` frames at 25 Hz, ``g`` groups of sounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from joyvasa_lib.datasets.speech_corpus.face.speaker import Speaker
from joyvasa_lib.datasets.speech_corpus.phonemes import PHONEME_CLASSES, SILENCE, TimedPhoneme
from joyvasa_lib.documents import read_yaml
from joyvasa_lib.motion.data import FPS

Doubles = NDArray[np.float64]

STEPS = 100.0
"""Steps a second in which lips are computed."""
_DATA = Path(__file__).with_name("lip_targets.yaml")
_SPREAD = 0.12
"""Standard deviation of the logarithm by which one sound's opening differs from the next one's."""
_READY_AFTER, _READY_BEFORE = 0.25, 0.4
"""Seconds of a pause, after and before speech, in which lips stay parted; then they close."""
_OWN_SHAPES = ("upper", "lower", "pucker", "funnel", "press", "roll", "tuck", "tongue")

# Change of opening and width, in distances of the outer eye corners, for an activation of 1, as
# read from rendered portraits; the opening begins only after lips have parted.
_PARTING = 0.02
_JAW, _UPPER, _LOWER, _FUNNEL, _PUCKER = 0.35, 0.05, 0.045, 0.09, -0.02
_JAW_WIDTH, _UPPER_WIDTH, _FUNNEL_WIDTH, _PUCKER_WIDTH = -0.03, 0.016, -0.09, -0.078
_STRETCH_WIDTH, _DIMPLE_WIDTH = 0.085, 0.093
_MOST_STRETCH = 0.7


@dataclass(frozen=True, eq=False)
class LipTargets:
    """Where lips go.

    Attributes:
        group_of: [phoneme classes] group of each class.
        ready: group of pauses near speech.
        aperture: [g, 2] target in outer eye-corner distances, and its dominance.
        width: [g, 2] the same of the width against rest.
        shapes: [g, 8] of ``upper``, ``lower``, ``pucker``, ``funnel``, ``press``, ``roll``,
            ``tuck`` and ``tongue``.
        kernels: standard deviation and lead of ``aperture`` and ``width`` in seconds.
        stress: share by which stressed sounds open more and others less.
        late: seconds by which the times that they were fitted to come after those of synthesisers.
    """

    group_of: NDArray[np.intp]
    ready: int
    aperture: Doubles
    width: Doubles
    shapes: Doubles
    kernels: dict[str, tuple[float, float]]
    stress: float
    late: float = 0.0


@lru_cache(maxsize=1)
def lip_targets() -> LipTargets:
    """The fitted targets."""
    data = read_yaml(_DATA)
    groups = list(data["groups"].values())
    group_of = np.zeros(len(PHONEME_CLASSES), np.intp)
    for number, group in enumerate(groups):
        for name in group["sounds"].split():
            group_of[PHONEME_CLASSES.index(name)] = number

    def targets(name: str) -> Doubles:
        return np.array([group[name] for group in groups]) * [data["unit"][name], 1.0]

    return LipTargets(
        group_of,
        list(data["groups"]).index("ready"),
        targets("aperture"),
        targets("width"),
        np.array([[group.get(name, 0.0) for name in _OWN_SHAPES] for group in groups]),
        {name: (float(pair[0]), float(pair[1])) for name, pair in data["kernel"].items()},
        float(data["stress"]),
        float(data["late"]),
    )


def lip_curves(
    phonemes: Sequence[TimedPhoneme],
    frames: int,
    rng: np.random.Generator | None = None,
    targets: LipTargets | None = None,
    late: float = 0.0,
) -> tuple[Doubles, Doubles, Doubles]:
    """Opening [t], width [t] against rest, and the shapes [t, 8] that go with them.

    Args:
        phonemes: in order, without gaps, diphthongs split.
        frames: t.
        rng: makes one sound differ from the next; without it all of a kind are alike.
        targets: the fitted ones if not given.
        late: seconds by which everything comes later than the fitted leads say.

    Returns:
        The opening is below 0 where lips press.
    """
    targets = targets or lip_targets()
    steps = max(1, round(frames * STEPS / FPS))
    count = len(targets.aperture)
    spoken = np.zeros((steps, count))
    gain = np.ones((steps, 1))
    ends = np.arange(steps + 1.0)
    for number, phoneme in enumerate(phonemes):
        group = targets.group_of[phoneme.phoneme_class]
        share = _lasting(ends, phoneme.start, phoneme.end)
        if phoneme.symbol == SILENCE:
            after = number > 0  # of the recording's start nobody knows what was before
            before = number + 1 < len(phonemes)
            closed = _lasting(
                ends,
                phoneme.start + _READY_AFTER * after,
                phoneme.end - _READY_BEFORE * before,
            )
            spoken[:, group] += closed
            spoken[:, targets.ready] += share - closed
            continue
        spoken[:, group] += share
        own = 1.0 + targets.stress * (1.0 if phoneme.stressed else -1.0)
        if rng is not None:
            own *= float(np.exp(rng.normal(0.0, _SPREAD)))
        gain[share > 0.5] = own
    goal, dominance = targets.aperture.T
    kernel = targets.kernels["aperture"][0], targets.kernels["aperture"][1] - late
    aperture = _blended(spoken * dominance, np.where(goal > 0, goal * gain, goal), kernel, frames)
    shapes = [_blended(spoken * dominance, column, kernel, frames) for column in targets.shapes.T]
    goal, dominance = targets.width.T
    kernel = targets.kernels["width"][0], targets.kernels["width"][1] - late
    width = _blended(spoken * dominance, goal, kernel, frames)
    return aperture, width, np.stack(shapes, axis=1)


def _lasting(ends: Doubles, start: float, end: float) -> Doubles:
    """Share [m] of each step from ``start`` to ``end`` in seconds."""
    first, last = start * STEPS, end * STEPS
    return np.clip(np.minimum(ends[1:], last) - np.maximum(ends[:-1], first), 0.0, 1.0)


def _blended(weight: Doubles, target: Doubles, kernel: tuple[float, float], frames: int) -> Doubles:
    """[t] mean of targets [g] or [m, g] under dominances [m, g] that a Gaussian spreads."""
    spread, lead = kernel
    pulled = gaussian_filter1d((weight * target).sum(axis=1), spread * STEPS, mode="nearest")
    total = gaussian_filter1d(weight.sum(axis=1), spread * STEPS, mode="nearest")
    value = pulled / np.maximum(total, 1e-6)
    middle = ((np.arange(frames) + 0.5) / FPS + lead) * STEPS
    return np.interp(middle, np.arange(len(value)) + 0.5, value)


def mouth_activations(
    aperture: Doubles, width: Doubles, shapes: Doubles, speaker: Speaker
) -> dict[str, Doubles]:
    """Activations [t] of the mouth's blendshapes, those of a pair without their side.

    Args:
        aperture: [t] opening.
        width: [t] against rest.
        shapes: [t, 8] result of :func:`lip_curves`.
        speaker: whose mouth.
    """
    own = dict(zip(_OWN_SHAPES, shapes.T, strict=True))
    energy = speaker.dial("articulation").astype(np.float64)
    opening = np.maximum(aperture, 0.0) * energy
    parted = np.clip(opening / 0.01, 0.0, 1.0)
    upper = np.minimum(own["upper"] * speaker.upper_lip * opening / _UPPER, 1.0)
    lower = np.minimum(own["lower"] * opening / _LOWER, 1.0)
    jaw = np.zeros_like(opening)
    pucker = own["pucker"] * energy
    funnel = own["funnel"] * energy * parted
    wanted = width * np.sqrt(energy) + speaker.widening * opening
    for _ in range(2):  # rounding opens or closes the lips, opening narrows them
        left = opening + _PARTING * parted - _UPPER * upper - _LOWER * lower
        jaw = np.clip((left - _FUNNEL * funnel - _PUCKER * pucker) / _JAW, 0.0, 0.9)
        made = _JAW_WIDTH * jaw + _UPPER_WIDTH * upper + _FUNNEL_WIDTH * funnel
        need = wanted - made - _PUCKER_WIDTH * pucker
        pucker = np.clip(pucker + np.minimum(need, 0.0) / _PUCKER_WIDTH, 0.0, 0.9)
    stretch = np.maximum(need, 0.0)
    pressed = np.clip(-aperture / 0.03, 0.0, 1.0)
    return {
        "jawOpen": jaw,
        "mouthUpperUp": upper,
        "mouthLowerDown": lower,
        "mouthFunnel": funnel,
        "mouthPucker": pucker,
        "mouthStretch": np.minimum(stretch / _STRETCH_WIDTH, _MOST_STRETCH),
        "mouthDimple": np.maximum(stretch - _MOST_STRETCH * _STRETCH_WIDTH, 0.0) / _DIMPLE_WIDTH,
        "mouthPress": own["press"] * (0.4 + 0.6 * pressed),
        "mouthRollUpper": own["roll"] * pressed,
        "mouthRollLower": own["roll"] * pressed + own["tuck"],
        "mouthShrugLower": own["tuck"],
        "tongueOut": own["tongue"],
    }
