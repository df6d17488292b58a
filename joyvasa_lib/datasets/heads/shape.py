"""Random head shapes, expressions and poses of the bundled rig.

Axis legend: ``v`` vertices, ``u`` 52 blendshapes. Everything is drawn from one generator, so a seed
fixes a head.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.motion.operations.limits import clip_blendshapes, reconcile_blendshapes
from joyvasa_lib.motion.space import get_space
from joyvasa_lib.rig.head_rig import HeadRig
from joyvasa_lib.rig.regions import NOSE_FRONT

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

_INDEX = {name: index for index, name in enumerate(BLENDSHAPES)}
_BLINK = 0.35
"""Share of expressions whose eyelids are partly or fully closed."""

_VISEMES: tuple[dict[str, float], ...] = (
    {"jawOpen": 0.6},
    {"jawOpen": 0.35, "mouthStretch": 0.3},
    {"jawOpen": 0.15, "mouthStretch": 0.5, "mouthSmile": 0.3, "mouthLowerDown": 0.35},
    {"jawOpen": 0.25, "mouthFunnel": 0.6},
    {"jawOpen": 0.1, "mouthPucker": 0.75, "mouthFunnel": 0.3},
    {"mouthPress": 0.5, "mouthRollLower": 0.3, "mouthRollUpper": 0.3},
    {"jawOpen": 0.06, "mouthRollLower": 0.5, "mouthUpperUp": 0.3},
    {"jawOpen": 0.12, "mouthUpperUp": 0.3, "mouthLowerDown": 0.3},
    {"jawOpen": 0.2, "tongueOut": 0.15, "mouthLowerDown": 0.2},
    {"jawOpen": 0.05, "mouthShrugUpper": 0.3},
    {},
)
"""Visemes at their usual opening: vowels, rounded vowels, lips pressed, lip to teeth, fricatives,
the tongue between the teeth, alveolar consonants, rest."""
_EXPRESSIONS: tuple[dict[str, float], ...] = (
    {"mouthSmile": 0.8, "cheekSquint": 0.5, "mouthUpperUp": 0.35, "mouthLowerDown": 0.2},
    {"mouthSmile": 0.5, "cheekSquint": 0.2},
    {"mouthFrown": 0.6, "browInnerUp": 0.5, "mouthShrugLower": 0.3},
    {"browDown": 0.7, "eyeSquint": 0.4, "noseSneer": 0.3},
    {"browInnerUp": 0.6, "browOuterUp": 0.6, "eyeWide": 0.5},
    {"eyeSquint": 0.6},
    {"mouthDimple": 0.5},
    {"mouthLeft": 0.4},
    {"mouthRight": 0.4},
    {},
    {},
)
"""Expressions that accompany speech: broad and slight smile, sadness, anger, surprise, squint, and
asymmetric mouths; twice none."""


def _add(
    blendshapes: Floats, pattern: dict[str, float], amount: float, random: np.random.Generator
) -> None:
    for name, value in pattern.items():
        if name in _INDEX:
            blendshapes[_INDEX[name]] += amount * value
        else:
            tilt = random.normal(0.0, 0.12)
            blendshapes[_INDEX[name + "Left"]] += amount * value * (1.0 + tilt)
            blendshapes[_INDEX[name + "Right"]] += amount * value * (1.0 - tilt)


def random_blendshapes(random: np.random.Generator) -> Floats:
    """One facial expression, mostly of speaking people.

    Args:
        random: source of randomness.

    Returns:
        [u] activations in [0, 1].
    """
    blendshapes = np.zeros(len(BLENDSHAPES), dtype=np.float32)
    for _ in range(2):
        viseme = _VISEMES[random.integers(len(_VISEMES))]
        _add(blendshapes, viseme, float(random.uniform(0.0, 1.1)), random)
    _add(
        blendshapes,
        _EXPRESSIONS[random.integers(len(_EXPRESSIONS))],
        random.uniform(0.0, 1.0),
        random,
    )
    if random.random() < _BLINK:
        closing = 1.0 if random.random() < 0.5 else random.uniform(0.15, 1.0)
        blendshapes[[_INDEX["eyeBlinkLeft"], _INDEX["eyeBlinkRight"]]] = closing
        if random.random() < 0.1:
            blendshapes[_INDEX["eyeBlinkLeft"]] = 0.0  # a wink
    across, up = random.normal(0.0, 0.2, 2)
    gaze = {
        "eyeLookOutLeft": across,
        "eyeLookInRight": across,
        "eyeLookInLeft": -across,
        "eyeLookOutRight": -across,
        "eyeLookUpLeft": up,
        "eyeLookUpRight": up,
        "eyeLookDownLeft": -up,
        "eyeLookDownRight": -up,
    }
    for name, value in gaze.items():
        blendshapes[_INDEX[name]] += max(value, 0.0)
    blendshapes += (random.random(len(blendshapes)) < 0.06) * random.uniform(
        0.0, 0.3, len(blendshapes)
    )
    blendshapes[_INDEX["jawOpen"]] = min(blendshapes[_INDEX["jawOpen"]], 0.85)
    blendshapes[[_INDEX["cheekPuff"], _INDEX["tongueOut"]]] *= 0.5
    reconciled = reconcile_blendshapes(blendshapes[None].astype(np.float32), get_space())
    return np.asarray(clip_blendshapes(reconciled, highest=1.0)[0], dtype=np.float32)


def random_shape(rig: HeadRig, random: np.random.Generator) -> Floats:
    """A neutral head [v, 3] in rig units: identity, asymmetry, sometimes cartoon proportions."""
    spread = 0.85 if random.random() < 0.8 else 1.3
    identity = np.clip(random.normal(0.0, spread, len(rig.identity)), -2.8, 2.8)
    shape = rig.mean + np.tensordot(identity.astype(np.float32), rig.identity, 1)
    # A slow asymmetric bend: a few sine waves of the position.
    for _ in range(3):
        wave = random.normal(0.0, 1.2, 3)
        push = random.normal(0.0, 0.012, 3)
        shape = shape + np.sin(rig.mean @ wave + random.uniform(0, 6.28))[:, None] * push
    if random.random() < 0.2:
        shape = _exaggerate(rig, shape, random)
    return np.asarray(shape, dtype=np.float32)


def _exaggerate(rig: HeadRig, shape: Floats, random: np.random.Generator) -> Floats:
    """Scales the eyes, jaw, skull or nose about their centres."""
    regions = {
        "eyes": (rig.mean[rig.iris_vertex], 0.55, (0.9, 1.45)),
        "jaw": (np.array([[0.0, 1.2, 0.3]]), 0.9, (0.75, 1.3)),
        "skull": (np.array([[0.0, -1.9, 1.0]]), 1.3, (0.85, 1.35)),
        "nose": (rig.mean[rig.landmark_vertex[[NOSE_FRONT]]], 0.35, (0.7, 1.5)),
    }
    out = shape.copy()
    for centres, reach, (low, high) in regions.values():
        if random.random() < 0.5:
            continue
        factor = random.uniform(low, high)
        for centre in centres:
            weight = np.exp(-0.5 * ((rig.mean - centre) ** 2).sum(1) / reach**2)
            out += (weight * (factor - 1.0))[:, None] * (rig.mean - centre)
    return out
