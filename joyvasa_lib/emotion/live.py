"""An emotion on a face whose future is not known: it may change at any frame, softly.

Where a whole performance is edited, lips tell by what they do for half a second before and after a
frame whether speech needs them. Here the one who speaks says so, and no frame waits.

Axis legend: ``n`` components of an emotion, ``k`` keypoints.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.emotion.action_units import COMPONENTS
from joyvasa_lib.emotion.curve import Curve
from joyvasa_lib.emotion.editing.speech_guard import FADE, SpeechGuard, guard_of
from joyvasa_lib.emotion.editing.stream import with_emotion
from joyvasa_lib.emotion.editing.unfolding import unit_lags
from joyvasa_lib.emotion.editor import EmotionEditor
from joyvasa_lib.emotion.unit_effects import pose_matrix
from joyvasa_lib.motion import Motion
from joyvasa_lib.motion.living.curves import ease

CHANGING = 0.6
"""Seconds in which a part of the face goes from one emotion to the next."""


class LiveEmotion:
    """Adds the emotion of the moment to one frame after the other."""

    def __init__(self, editor: EmotionEditor) -> None:
        """Starts with an emotion, a neutral one for none."""
        self._editor = editor
        self._before: Curve = np.zeros(len(COMPONENTS))
        self._now: Curve = self._sample(0.0)
        self._lags = unit_lags()
        self._seconds = CHANGING + float(self._lags.max())  # since the emotion was chosen
        self._need = 0.0
        self._prepare()

    def become(self, editor: EmotionEditor) -> None:
        """From here on the face goes over to another emotion.

        Raises:
            MotionError: there is no map for the motion's space.
        """
        self._before, self._seconds = self._now, 0.0
        self._editor = editor
        self._prepare()

    def _prepare(self) -> None:
        self._guard: SpeechGuard | None = None
        self._columns: NDArray[np.intp] | None = None

    def __call__(self, motion: Motion, speaking: bool) -> Motion:
        """One frame with the emotion.

        Args:
            motion: the frame.
            speaking: whether speech needs the lips.

        Raises:
            MotionError: there is no map for the motion's space.
        """
        step = 1.0 / (FADE * motion.fps)
        self._need = min(max(self._need + (step if speaking else -step), 0.0), 1.0)
        self._seconds += 1.0 / motion.fps
        share = ease((self._seconds - self._lags) / CHANGING)
        target = self._sample(self._seconds)
        self._now = self._before + share * (target - self._before)
        if not self._now.any():
            return motion
        mapping = self._editor.map_for(motion.space)
        if self._columns is None:
            self._columns = np.array([COMPONENTS.index(name) for name in mapping.units])
            if self._editor.protect_speech:
                self._guard = guard_of(motion.space)
        activations = self._now[None, self._columns].astype(np.float32)
        keypoints = self._editor.keypoints
        deformation = mapping.deformation(activations, motion.expression, keypoints)
        need = np.array([float(ease(self._need))])
        return with_emotion(motion, deformation, self._now[None] @ pose_matrix(), self._guard, need)

    def _sample(self, seconds: float) -> Curve:
        return np.asarray(self._editor.vectors(np.array([seconds]))[0])
