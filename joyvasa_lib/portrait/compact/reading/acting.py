"""Lets the first frame of a video act, to learn how this face responds as landmarks see it.

A landmarker smooths faces over: a brow that rises moves the landmarks of the forehead on one face
and hardly those of the brow on another. So the compact preset animates the first frame, one
movement at a time, and what the landmarks do then tells what they mean in the frames after it.

Axis legend: ``k`` acted samples, ``u`` 52 blendshapes, ``s`` side.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.concurrency import steady_products
from joyvasa_lib.errors import NoFaceError
from joyvasa_lib.face.crop import FaceCrop, crop_whole
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.face.landmarks.mediapipe import SCHEME, MediaPipeFaceDetector
from joyvasa_lib.motion import Motion
from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.motion.driving.blendshapes import compose_blendshapes
from joyvasa_lib.motion.driving.options import DrivingOptions
from joyvasa_lib.portrait.compact.portrait import CompactPortrait
from joyvasa_lib.portrait.compact.reading.expression import ActedSamples, ExpressionReader
from joyvasa_lib.portrait.model import PortraitModel
from joyvasa_lib.rig.fitting import NOT_FITTED
from joyvasa_lib.rig.head_rig import Floats

Pixels = NDArray[np.uint8]

_SIDE = 256
"""Side of the crop that acts, pixels: that of the landmarker's input."""
_ONE = 0.5
"""Activation of blendshapes that act alone."""
_JAW = 0.35
_KEPT = 4
"""Readers that are kept, half a megabyte each."""
_TOGETHER: tuple[tuple[tuple[str, ...], tuple[float, ...]], ...] = (
    (("jawOpen",), (0.12, 0.6)),
    (("eyeBlinkLeft", "eyeBlinkRight"), (0.5, 1.0)),
    (("browInnerUp", "browOuterUpLeft", "browOuterUpRight"), (0.4, 0.8)),
    (("browDownLeft", "browDownRight"), (0.4, 0.8)),
    (("mouthSmileLeft", "mouthSmileRight"), (0.35, 0.7)),
    (("mouthPucker",), (0.25, 0.8)),
    (("mouthFunnel",), (0.25,)),
    (("mouthUpperUpLeft", "mouthUpperUpRight"), (0.5,)),
    (("mouthLowerDownLeft", "mouthLowerDownRight"), (0.5,)),
    (("mouthStretchLeft", "mouthStretchRight"), (0.5,)),
    (("mouthFrownLeft", "mouthFrownRight"), (0.5,)),
    (("mouthPressLeft", "mouthPressRight"), (0.5,)),
    (("eyeSquintLeft", "eyeSquintRight"), (0.5,)),
    (("eyeWideLeft", "eyeWideRight"), (0.5,)),
    (("eyeLookInLeft", "eyeLookOutRight"), (0.3, 0.6)),
    (("eyeLookOutLeft", "eyeLookInRight"), (0.3, 0.6)),
)
"""Movements that faces make as one, and how strongly they act."""
_TURNS = ((8.0, 0.0, 0.0), (0.0, 10.0, 0.0), (0.0, 0.0, 8.0))
"""Pitch, yaw and roll by which the resting head turns, both ways, degrees."""


@lru_cache(maxsize=1)
def performance() -> Floats:
    """[k, u] what acts: nothing, each blendshape alone, and movements as faces make them."""
    rows: list[dict[str, float]] = [{}]
    for name in BLENDSHAPES:
        if name in NOT_FITTED:
            continue
        row = {name: _JAW if name == "jawOpen" else _ONE}
        if name == "mouthClose":  # lips that stay together over an open jaw
            row["jawOpen"] = _JAW
        rows.append(row)
    rows += [dict.fromkeys(names, value) for names, values in _TOGETHER for value in values]
    activations = np.zeros((len(rows), len(BLENDSHAPES)), np.float32)
    for values, row in zip(activations, rows, strict=True):
        for name, value in row.items():
            values[BLENDSHAPES.index(name)] = value
    return activations


class ExpressionReaders:
    """Makes the reader of a person's expressions, and keeps those of the last persons.

    Clips that were cut from one video begin with the same crop.

    """

    def __init__(self) -> None:
        """Keeps none yet."""
        self._kept: tuple[tuple[bytes, ExpressionReader], ...] = ()

    def __call__(self, model: PortraitModel, crop: FaceCrop) -> ExpressionReader:
        """The reader of the person whom a crop shows.

        Args:
            model: of the compact preset.
            crop: with 478 landmarks.

        Raises:
            NoFaceError: see :func:`act`.
        """
        seen = hashlib.blake2b(crop.image.tobytes() + crop.landmarks.tobytes()).digest()
        kept = self._kept
        reader = dict(kept).get(seen) or ExpressionReader(act(model, crop))
        # One assignment, so that threads need no lock: at worst one of two readers is not kept.
        self._kept = ((seen, reader), *(one for one in kept if one[0] != seen))[:_KEPT]
        return reader


@steady_products()
def act(model: PortraitModel, crop: FaceCrop) -> ActedSamples:
    """How the face of a crop responds to each blendshape.

    Args:
        model: of the compact preset.
        crop: with 478 landmarks.

    Raises:
        NoFaceError: the landmarker does not see the face on its animated image.
    """
    small = crop_whole(crop.image, _seen_in(crop), _SIDE)
    portrait = model.encode(small)
    assert isinstance(portrait, CompactPortrait)
    turns = np.array([[sign * angle for angle in turn] for turn in _TURNS for sign in (1, -1)])
    wanted = np.concatenate([performance(), np.zeros((len(turns), len(BLENDSHAPES)), np.float32)])
    rotation = np.zeros((len(wanted), 3), np.float32)
    rotation[-len(turns) :] = turns
    motion = Motion.from_blendshapes(wanted, rotation=rotation, translation=np.zeros_like(rotation))
    driving = DrivingOptions(mouth="relative")
    frames = (np.asarray(part) for part in model.render(portrait, motion, driving=driving))
    landmarks, seen = _landmarks((image for part in frames for image in part), _seen_in(small))
    own = portrait.fit.blendshapes
    shown = compose_blendshapes(own, wanted, driving, space=model.space)[seen]
    turned = np.asarray(np.abs(rotation[seen]).max(axis=1) > 0)
    turned[0], acts = False, ~turned
    acts[0] = False
    return ActedSamples(
        first=landmarks[0],
        own=own,
        landmarks=landmarks[acts],
        acted=shown[acts] - shown[0],
        turned=landmarks[turned],
    )


def _landmarks(frames: Iterable[Pixels], face: Face) -> tuple[Floats, list[int]]:
    """Landmarks [k, 478, 3] of the frames in which the face is seen, and those frames' numbers.

    Raises:
        NoFaceError: it is not seen in the first.
    """
    detector = MediaPipeFaceDetector()
    landmarks, seen = [], []
    for number, frame in enumerate(frames):
        if number == 0:  # the first look starts from another square
            face = detector.follow(frame, face) or face
        found = detector.follow(frame, face)
        if found is not None:
            landmarks.append(found.landmarks)
            seen.append(number)
    if not seen or seen[0] != 0:
        raise NoFaceError("The face is not seen on its own animated image")
    return np.stack(landmarks), seen


def _seen_in(crop: FaceCrop) -> Face:
    """The face of a crop, in the crop's own pixels."""
    points = crop.landmarks
    box = np.concatenate([points[:, :2].min(0), points[:, :2].max(0)])
    return Face(box, points, crop.face.score, SCHEME)
