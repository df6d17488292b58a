"""``EditStream``: edits one motion piece by piece, with bounded memory and delay.

Axis legend: ``t`` frames, ``n`` components of an emotion, ``k`` keypoints.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.emotion.action_units import COMPONENTS
from joyvasa_lib.emotion.curve import Curve, frame_times
from joyvasa_lib.emotion.editing.liveliness import LOOK_AHEAD, LOOK_BACK, Liveliness
from joyvasa_lib.emotion.editing.speech_guard import SpeechGuard, reach
from joyvasa_lib.emotion.maps.unit_map import UnitToExpression
from joyvasa_lib.emotion.unit_effects import pose_matrix
from joyvasa_lib.motion import Motion
from joyvasa_lib.motion.operations.joining import require_same_kind

BLOCK = 2048
"""Frames edited at once, which bounds the memory of a long motion."""
_EYELIDS = ("AU43_left", "AU43_right")
_EYELID_BLENDSHAPES = ("eyeBlinkLeft", "eyeBlinkRight")


def with_emotion(
    motion: Motion,
    deformation: NDArray[np.float32],
    pose: Curve,
    guard: SpeechGuard | None = None,
    need: Curve | None = None,
) -> Motion:
    """The motion with what an emotion adds to it.

    Args:
        motion: t frames.
        deformation: [t, k, 3] or [1, k, 3] of the expression.
        pose: [t, 4] degrees of pitch, yaw and roll, and the logarithm of the scale.
        guard: protects the speech; None to leave the mouth to the emotion.
        need: [t] how much speech needs the lips, for the guard.
    """
    expression, change = motion.expression.astype(np.float64), deformation.astype(np.float64)
    if guard is not None and need is not None:
        change = guard.protect(expression, change, need)
    return replace(
        motion,
        expression=(expression + change).astype(np.float32),
        rotation=(motion.rotation + pose[:, :3]).astype(np.float32),
        scale=(motion.scale * np.exp(pose[:, 3:])).astype(np.float32),
    )


class EditStream:
    """Takes consecutive pieces of a motion and yields the edited ones.

    Args:
        emotion: vectors [t, n] in [-1, 1] at times [t] in seconds.
        mapping: from action units to expression.
        guard: protects the speech; None to leave the mouth to the emotion.
        lively: adds wavering, head movement and blinks; None to hold the expression.
        keypoints: [k, 3] canonical keypoints of the person, or None.
    """

    def __init__(
        self,
        emotion: Callable[[Curve], Curve],
        mapping: UnitToExpression,
        guard: SpeechGuard | None = None,
        lively: Liveliness | None = None,
        keypoints: NDArray[np.float32] | None = None,
    ) -> None:
        self._emotion, self._map, self._keypoints = emotion, mapping, keypoints
        self._guard, self._lively = guard, lively
        self._columns = np.array([COMPONENTS.index(name) for name in mapping.units])
        self._eyelid_columns = [
            mapping.units.index(name) for name in _EYELIDS if name in mapping.units
        ]
        self._done = 0  # frames already yielded
        self._held: Motion | None = None  # frames received but not yet yielded
        self._openings: Curve = np.zeros(0)  # starts `reach` frames before the first held one
        self._closures: Curve = np.zeros((0, 2))  # of eyelids, starts up to LOOK_BACK before it

    def push(self, piece: Motion) -> Iterator[Motion]:
        """Takes the next frames; yields those that are finished.

        Raises:
            MotionError: the piece differs from the earlier ones in motion space, frame rate or
                reference.
        """
        if self._held is not None:
            require_same_kind(self._held, piece)
        if len(piece) == 0:
            return
        expression = piece.expression.astype(np.float64)
        if self._guard is not None:
            openings = self._guard.openings(expression)
            if self._held is None:  # pad the start with the first frame
                openings = np.concatenate([np.repeat(openings[:1], reach(piece.fps)), openings])
            self._openings = np.concatenate([self._openings, openings])
        if self._lively is not None:
            self._closures = np.concatenate([self._closures, _eyelids(piece)])
        held = piece if self._held is None else Motion.concatenate([self._held, piece])
        self._held = held
        yield from self._emit(len(held) - self._ahead(held.fps))

    def finish(self) -> Iterator[Motion]:
        """Ends the motion; yields the remaining frames."""
        if self._held is None:
            return
        if self._guard is not None:  # pad the end with the last frame
            last = np.repeat(self._openings[-1:], reach(self._held.fps))
            self._openings = np.concatenate([self._openings, last])
        yield from self._emit(len(self._held))

    def _ahead(self, fps: float) -> int:
        """Frames that must be known after one before it can be yielded."""
        speech = reach(fps) if self._guard is not None else 0
        return max(speech, math.ceil(LOOK_AHEAD * fps) if self._lively is not None else 0)

    def _emit(self, ready: int) -> Iterator[Motion]:
        assert self._held is not None
        while ready > 0:
            count = min(ready, BLOCK)
            yield self._edited(self._held[:count])
            self._held = self._held[count:]
            self._done += count
            ready -= count
            if self._guard is not None:
                self._openings = self._openings[count:]
            if self._lively is not None:
                behind = math.ceil(LOOK_BACK * self._held.fps) + 1
                keep = min(len(self._closures), len(self._held) + behind)
                self._closures = self._closures[len(self._closures) - keep :]

    def _edited(self, motion: Motion) -> Motion:
        """The edited motion of the first held frames."""
        times = frame_times(self._done, len(motion), motion.fps)
        lively = self._lively
        vectors = self._emotion(times) if lively is None else lively.expression(times)
        shown = vectors if lively is None else vectors + lively.gaze(times, vectors)
        activations = np.clip(shown[:, self._columns], -1.0, 1.0).astype(np.float32)
        if self._lively is not None and self._eyelid_columns:
            activations[:, self._eyelid_columns] += self._blinks(times, motion.fps)
            activations = np.clip(activations, -1.0, 1.0)
        need: Curve | None = None
        if self._guard is not None:
            assert self._held is not None
            both_sides = self._openings[: len(motion) + 2 * reach(motion.fps)]
            need = self._guard.need(both_sides, motion.fps)
        pose = vectors @ pose_matrix()
        if self._lively is not None:
            pose[:, :3] += self._lively.head(times, vectors)
        deformation = self._map.deformation(activations, motion.expression, self._keypoints)
        return with_emotion(motion, deformation, pose, self._guard, need)

    def _blinks(self, times: Curve, fps: float) -> NDArray[np.float32]:
        """What blinks add to the eyelids' own closure [t, 2], so that the larger one results."""
        assert self._lively is not None and self._held is not None
        before = len(self._closures) - len(self._held)
        own = self._closures[before : before + len(times)]
        known = frame_times(self._done - before, len(self._closures), fps)
        blinks = self._lively.blinks(times, known, self._closures.max(axis=1))
        return np.maximum(blinks[:, None] - own, 0.0).astype(np.float32)


def _eyelids(motion: Motion) -> Curve:
    """Closure [t, 2] of the eyelids; 0 where the space has no blendshapes of them."""
    columns = motion.space.blendshape_indices(_EYELID_BLENDSHAPES)
    if len(columns) != len(_EYELID_BLENDSHAPES):
        return np.zeros((len(motion), len(_EYELID_BLENDSHAPES)))
    return np.clip(motion.blendshapes[:, columns].astype(np.float64), 0.0, 1.0)
