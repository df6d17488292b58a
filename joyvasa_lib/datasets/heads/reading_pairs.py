"""Faces that show known action units, and the blendshape scores that are read from them.

Random heads are drawn, the compact preset moves them as it moves a portrait, and the landmarks of
each frame are scored: pairs from which a map from scores to action units is fitted.

Axis legend: ``m`` moments, ``n`` action-unit components, ``u`` 52 blendshapes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.checkpoints.tensors import read_tensors
from joyvasa_lib.datasets.heads.drawing.appearance import random_appearance
from joyvasa_lib.datasets.heads.drawing.renderer import HeadRenderer
from joyvasa_lib.datasets.heads.drawing.texture import SkinMap
from joyvasa_lib.datasets.heads.shape import random_shape
from joyvasa_lib.emotion.action_units import COMPONENTS, PAIR, UNITS
from joyvasa_lib.emotion.emotion import Emotion
from joyvasa_lib.emotion.prototypes import BASIC, COMPOUND
from joyvasa_lib.errors import CheckpointError
from joyvasa_lib.face.landmarks.blendshape_scores import blendshape_scores
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.media.files import atomic_path
from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.motion.keypoints import rotation_matrix
from joyvasa_lib.rig.head_rig import bundled_rig

if TYPE_CHECKING:
    from joyvasa_lib.pipeline import JoyVASAPipeline

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]

SHOWN_UNITS = (
    *("AU1", "AU2", "AU4", "AU5", "AU6", "AU7", "AU9", "AU10", "AU12", "AU14", "AU15", "AU16"),
    *("AU17", "AU18", "AU20", "AU22", "AU23", "AU24", "AU25", "AU26", "AU28", "AU43"),
)
"""Units that moments are made of: those that move brows, eyelids, nose, mouth and jaw."""
_SIDE = 512
_AT_REST, _NAMED, _OPEN_SMILE = 0.08, 0.5, 0.15
"""Shares of moments at rest, of named emotions and of open smiles; others have single units."""
_ONE_SIDED = 0.25
"""Share of two-sided units that act on one side only."""
_KIND = 15
"""What tells these heads from those of other sets, in their seed."""


@dataclass(frozen=True, eq=False)
class HeadReadings:
    """What is read from one head.

    Attributes:
        rest: [u] scores of the head at rest.
        scores: [m, u] scores of its moments.
        units: [m, n] components of the emotion that each moment shows.
    """

    rest: Floats
    scores: Floats
    units: Floats

    def save(self, path: Path) -> None:
        """Writes a safetensors file.

        Raises:
            OutputError: the file cannot be written.
        """
        from safetensors.numpy import save_file

        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            save_file({name: np.ascontiguousarray(x) for name, x in vars(self).items()}, temporary)

    @classmethod
    def load(cls, path: Path) -> HeadReadings:
        """Reads a file written by :meth:`save`.

        Raises:
            CheckpointError: the file is missing, damaged, or of another kind.
        """
        tensors, _ = read_tensors(path, "numpy")
        wanted = {field.name for field in fields(cls)}
        if set(tensors) != wanted:
            raise CheckpointError(f"{path} holds {sorted(tensors)}, not {sorted(wanted)}")
        return cls(**tensors)


def random_emotion(random: np.random.Generator) -> Emotion:
    """A face at rest, a named emotion with some play, an open smile, or a few single units."""
    kind = random.random()
    if kind < _AT_REST:
        return Emotion.neutral()
    if kind < _AT_REST + _NAMED:
        names = tuple(BASIC) if random.random() < 0.65 else tuple(COMPOUND)
        emotion = Emotion.named(str(random.choice(names)), float(random.uniform(0.15, 1.0)))
        emotion = emotion.mirrored() if random.random() < 0.5 else emotion
        emotion = Emotion(emotion.vector * _per_unit(random.uniform(0.7, 1.3, len(UNITS))))
        few = int(random.random() < 0.3)
    elif kind < _AT_REST + _NAMED + _OPEN_SMILE:
        # A smile that shows teeth raises the upper lip without a wrinkled nose.
        emotion = Emotion.happiness(float(random.uniform(0.2, 1.0)))
        lips = {"AU10": 0.8, "AU25": 1.0, "AU26": 0.6}
        emotion += Emotion.units({n: float(random.uniform(0.0, most)) for n, most in lips.items()})
        few = int(random.random() < 0.3)
    else:
        emotion, few = Emotion.neutral(), int(random.integers(1, 5))
    for code in random.choice(SHOWN_UNITS, few, replace=False):
        sides = UNITS[code].components
        if UNITS[code].sides == PAIR and random.random() < _ONE_SIDED:
            sides = (str(random.choice(sides)),)
        level = float(random.uniform(0.1, 1.0))
        emotion = emotion + Emotion.units(dict.fromkeys(sides, level))
    return Emotion(np.clip(emotion.vector, 0.0, 1.0))


def read_head_moments(
    pipe: JoyVASAPipeline, number: int, moments: int, held_out: bool = False
) -> HeadReadings:
    """Draws one head, moves it and reads it.

    Args:
        pipe: the compact preset.
        number: of the head; the same number gives the same head and moments.
        moments: number of moments.
        held_out: whether the head is one of those that nothing is fitted to.

    Returns:
        The readings; those of no moment where no face is found in the drawing.
    """
    random = np.random.default_rng((_KIND, int(held_out), number))
    image, detector = draw_head(random), MediaPipeFaceDetector()
    portrait = pipe.encode(image, detector=detector) if detector.detect(image) else None
    found = [] if portrait is None else detector.detect(portrait.at_rest)
    rest = np.zeros(len(BLENDSHAPES), np.float32)
    scores: list[Floats] = []
    units: list[NDArray[np.float64]] = []
    if portrait is not None and found:
        still = detector.follow(portrait.at_rest, found[0]) or found[0]
        rest = blendshape_scores(still.landmarks)
        for _ in range(moments):
            emotion = random_emotion(random)
            face = detector.follow(pipe.edit(portrait, emotion, paste_back=False), found[0])
            if face is not None:
                scores.append(blendshape_scores(face.landmarks))
                units.append(emotion.vector)
    return HeadReadings(
        rest,
        np.array(scores, np.float32).reshape(-1, len(BLENDSHAPES)),
        np.array(units, np.float32).reshape(-1, len(COMPONENTS)),
    )


def _per_unit(factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """One factor for all components of a unit."""
    each = [
        np.full(len(unit.components), factor)
        for unit, factor in zip(UNITS.values(), factors, strict=True)
    ]
    return np.concatenate(each)


def draw_head(random: np.random.Generator) -> Pixels:
    """A random head at rest: [512, 512, 3] uint8 RGB."""
    rig = bundled_rig()
    renderer = HeadRenderer(rig, random_appearance(rig, SkinMap(rig), random), _SIDE)
    turned = rotation_matrix(random.normal(0.0, [4.0, 6.0, 4.0])).astype(np.float32)
    scale = float(random.uniform(0.125, 0.15)) * _SIDE
    place = np.array([0.5 * _SIDE, 0.54 * _SIDE, 0.0])
    vertices = scale * (random_shape(rig, random) @ turned) + place
    return renderer.render(np.asarray(vertices, np.float32)).image
