"""``Performer``: what the face does in the next frame, whoever decided it.

A frame is speech, or the presence of somebody who does not speak. Where one follows the other
without warning, as when the person is interrupted, what is shown would jump. So the difference is
kept and fades: the face's within 120 ms, the head's within a second.

Axis legend: ``v`` numbers of a motion vector, ``k`` keypoints.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.emotion.editor import EmotionEditor
from joyvasa_lib.emotion.live import LiveEmotion
from joyvasa_lib.motion import Motion, MotionSpace
from joyvasa_lib.motion.living.curves import ease
from joyvasa_lib.motion.living.eyes import EYE_BLENDSHAPES
from joyvasa_lib.motion.living.presence import Presence

Floats = NDArray[np.float32]

FACE_FADES, HEAD_FADES = 0.12, 1.0
"""Seconds in which the difference to what was shown before fades."""


@dataclass(frozen=True)
class Cue:
    """What the next frame is about.

    Attributes:
        speech: [v] motion of speech; None where the person does not speak.
        source: what the speech is part of; another one may begin anywhere else.
        listening: whether the person listens to somebody.
        heard: whether that one speaks just now.
        phrase_ended: whether a phrase of theirs has just ended.
    """

    speech: Floats | None = None
    source: int = 0
    listening: bool = False
    heard: bool = False
    phrase_ended: bool = False


class Performer:
    """Makes one frame of motion after the other."""

    def __init__(
        self,
        space: MotionSpace,
        fps: float,
        emotion: EmotionEditor,
        *,
        seed: int = 0,
        liveliness: float = 1.0,
    ) -> None:
        """Starts at rest.

        Args:
            space: of the motion.
            fps: frames a second.
            emotion: how the person feels.
            seed: of what the person does unasked.
            liveliness: factor from 0 to 2 on how much that is.
        """
        self._space, self._fps = space, fps
        self._presence = Presence(space, fps, seed, liveliness)
        self._emotion = LiveEmotion(emotion)
        self._source: int | None = None
        self._shown: Floats | None = None
        self._difference = np.zeros(space.vector_size, np.float32)
        self._age = 0
        lengths = (3 * space.keypoint_count, 7)
        self._fades = np.repeat(np.array([FACE_FADES, HEAD_FADES]), lengths)

    def feel(self, emotion: EmotionEditor) -> None:
        """From here on the face goes over to another emotion."""
        self._emotion.become(emotion)

    def __call__(self, cue: Cue) -> Motion:
        """The next frame.

        Raises:
            MotionError: there is no map from the emotion to the motion's space.
        """
        rest = self._presence(listening=cue.listening, phrase_ended=cue.phrase_ended)
        source = None if cue.speech is None else cue.source
        target = rest if cue.speech is None else cue.speech
        if source != self._source and self._shown is not None:
            self._difference, self._age = self._shown - target, 0
        self._source = source
        self._age += 1
        left = 1.0 - ease(self._age / (self._fades * self._fps))
        shown = (target + self._difference * left).astype(np.float32)
        self._shown = shown
        vector = shown.copy()
        vector[:-7] += self._presence.eyes(
            shown[-3:],
            speaking=cue.speech is not None,
            listening=cue.listening,
            heard=cue.heard,
        )
        motion = Motion.from_vector(vector[None], space=self._space, fps=self._fps)
        return self._emotion(motion, cue.speech is not None)


def without_eyes(motion: Motion) -> Motion:
    """A motion whose eyes look ahead and are open, for a performer to place them."""
    names = motion.space.blendshape_names
    columns = [names.index(name) for name in EYE_BLENDSHAPES if name in names]
    if not columns:
        return motion
    activations = motion.blendshapes.copy()
    activations[:, columns] = 0.0
    return motion.with_blendshapes(activations)
