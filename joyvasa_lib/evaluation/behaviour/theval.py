"""Five of THEval's eight measures of talking-head videos (Quignon et al., arXiv 2511.04520).

Its other three (global aesthetics, quality of the mouth, quality of the face) are what the networks
Q-Align, MUSIQ and TOPIQ say, which are not part of this package; they are not measured. Written
from the definitions. Where THEval runs a network for something else, it is measured with what the
package has, and the numbers are close to THEval's, not the same:

* the head's angles and its place in the image come from the landmarks, not from FaceXFormer and
  RetinaFace;
* pauses are told by loudness, not by Silero's voice activity detector.

Two flaws belong to the definitions. ``lip_sync`` is smallest where the mouth opens as far as the
sound is loud, which people's mouths do not. ``head_motion_dynamics`` adds degrees to pixels of the
video as it is stored: the same head in a larger image moves more.

Axis legend: ``t`` frames, ``n`` landmarks, ``p`` pairs of landmarks of the lips.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.evaluation.curves import Curve, loudness, silent_frames
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.media.audio import Speech
from joyvasa_lib.rig.regions import (
    EYE_CORNERS,
    EYES,
    INNER_LOWER_LIP,
    INNER_UPPER_LIP,
    LIPS,
    OUTER_EYE_CORNERS,
)

_SIDE = 256.0
"""Pixels of the square that THEval squeezes a frame to before it looks at the lips."""
_LIPS = np.array(sorted(set(LIPS)))
_FIRST, _SECOND = np.triu_indices(len(_LIPS), k=1)
_UPPER, _LOWER = list(INNER_UPPER_LIP[1:9]), list(INNER_LOWER_LIP[1:9])
_LONG_PAUSE = 0.3
"""Seconds from which on silence counts for the stability of silent lips."""
_VOLUME_RATE = 20.0
"""Windows of loudness a second."""
_LEAST_SPEECH = 0.1
"""Share of a video that must be speech for ``lip_sync``."""
_NUMBERS = 4


@dataclass(frozen=True)
class THEvalScores:
    """Five of THEval's measures; None where one could not be measured.

    Attributes:
        lip_dynamics: standard deviation over time of the distance of two landmarks of the lips,
            mean over all pairs, in pixels of the frame squeezed to 256 x 256.
        head_motion_dynamics: square root of (mean deviation of the angles x mean variance of their
            steps from frame to frame + mean variance of the face's centre in pixels).
        eyebrow_dynamics: mean change from frame to frame of the distance of a brow from its eye,
            in distances of the eyes.
        silent_lip_stability: median distance from its mean of the opening of the lips in pauses of
            at least 0.3 s, in distances of the outer eye corners.
        lip_sync: mean difference of opening and loudness in speech, each scaled to its own range.
    """

    lip_dynamics: float | None = None
    head_motion_dynamics: float | None = None
    eyebrow_dynamics: float | None = None
    silent_lip_stability: float | None = None
    lip_sync: float | None = None

    def closeness(self, name: str) -> float | None:
        """THEval's score of a measure: 1 - abs(value - real) / abs(real), 1 is as in real videos.

        Args:
            name: of the attribute.
        """
        value: float | None = getattr(self, name)
        real: float = getattr(THEVAL_REAL, name)
        return None if value is None else 1.0 - abs(value - real) / abs(real)


THEVAL_REAL = THEvalScores(1.716603, 18.46757, 0.006777, 0.0263, 0.2528)
"""The measures of THEval's real videos, as published with its code."""
THEVAL_MEASURES = tuple(field.name for field in fields(THEvalScores))


class THEvalTracker:
    """Collects what these measures need over the frames of a video, a few bytes a frame.

    Args:
        fps: frames a second.
    """

    def __init__(self, fps: float) -> None:
        self.fps = fps
        self._count = 0
        self._mean = np.zeros(len(_FIRST))
        self._squares = np.zeros(len(_FIRST))
        self._brows: NDArray[np.float64] | None = None
        self._brow_steps: list[float] = [0.0, 0.0]
        self._numbers = array("f")

    def see(self, face: Face | None, shape: tuple[int, ...]) -> None:
        """Takes the face of the next frame.

        Args:
            face: with 478 landmarks; None where it is not seen.
            shape: of the frame, height and width first.
        """
        if face is None:
            self._numbers.extend([float("nan")] * _NUMBERS)
            return
        points = face.landmarks[:, :2].astype(np.float64)
        squeezed = points * (_SIDE / np.array([shape[1], shape[0]]))
        self._see_lips(squeezed[_LIPS])
        self._see_brows(points)
        gap = squeezed[_LOWER, 1] - squeezed[_UPPER, 1]
        left, right = OUTER_EYE_CORNERS
        eyes = np.hypot(*(squeezed[right] - squeezed[left]))
        corners = [squeezed[list(pair), 0].mean() for pair in EYE_CORNERS]
        self._numbers.extend(
            (
                float(np.abs(gap).mean() / max(eyes, 1e-9)),
                float(abs(gap.mean()) / max(abs(corners[1] - corners[0]), 1e-9)),
                *((face.box[:2] + face.box[2:]) / 2.0).tolist(),
            )
        )

    def scores(self, rotation: Curve, speech: Speech | None) -> THEvalScores:
        """The measures over all frames so far.

        Args:
            rotation: [t, 3] angles of the head over the same frames, NaN where it was not seen.
            speech: the sound, or None without.
        """
        rows = np.frombuffer(self._numbers, np.float32).reshape(-1, _NUMBERS).astype(np.float64)
        spread = np.sqrt(self._squares / self._count).mean() if self._count > 1 else None
        total, steps = self._brow_steps
        silent, sync = None, None
        if speech is not None:
            silent, sync = self._heard(rows, speech)
        return THEvalScores(
            lip_dynamics=None if spread is None else float(spread),
            head_motion_dynamics=_head_motion(rotation, rows[:, 2:]),
            eyebrow_dynamics=total / steps if steps else None,
            silent_lip_stability=silent,
            lip_sync=sync,
        )

    def _see_lips(self, lips: Curve) -> None:
        """Running variance of the distance of each pair (Welford 1962)."""
        apart = np.hypot(*(lips[_FIRST] - lips[_SECOND]).T)
        self._count += 1
        before = apart - self._mean
        self._mean += before / self._count
        self._squares += before * (apart - self._mean)

    def _see_brows(self, points: Curve) -> None:
        eyes = np.stack([points[list(eye.lids)].mean(axis=0) for eye in EYES])
        brows = np.stack([points[list(eye.brow)].mean(axis=0) for eye in EYES])
        scale = max(float(np.hypot(*(eyes[0] - eyes[1]))), 1e-9)
        heights = np.hypot(*(brows - eyes).T) / scale
        if self._brows is not None:
            self._brow_steps[0] += float(np.abs(heights - self._brows).sum())
            self._brow_steps[1] += 2
        self._brows = heights

    def _heard(self, rows: Curve, sound: Speech) -> tuple[float | None, float | None]:
        """Stability of silent lips, and agreement of opening and loudness in speech."""
        count = len(rows)
        levels = loudness(sound.blocks(), count, self.fps)
        quiet = rows[silent_frames(levels, self.fps, _LONG_PAUSE), 0]
        quiet = quiet[np.isfinite(quiet)]
        stability = float(np.median(np.abs(quiet - quiet.mean()))) if len(quiet) > 1 else None
        speech = ~silent_frames(levels, self.fps) & np.isfinite(rows[:, 1])
        if speech.sum() < 2 or speech.mean() < _LEAST_SPEECH:
            return stability, None
        windows = max(1, int(np.ceil(count / self.fps * _VOLUME_RATE)))
        volume = 10.0 ** (loudness(sound.blocks(), windows, _VOLUME_RATE) / 20.0)
        centres = (np.arange(windows) + 0.5) / _VOLUME_RATE
        heard = np.interp(np.arange(count) / self.fps, centres, volume)
        opening, loud = (_own_range(curve[speech]) for curve in (rows[:, 1], heard))
        return stability, float(np.abs(opening - loud).mean())


def _head_motion(rotation: Curve, place: Curve) -> float | None:
    seen = np.isfinite(rotation).all(axis=1) & np.isfinite(place).all(axis=1)
    if seen.sum() < 3:
        return None
    angles, centres = rotation[seen], place[seen]
    steps = np.diff(angles, axis=0).var(axis=0).mean()
    return float(np.sqrt(angles.std(axis=0).mean() * steps + centres.var(axis=0).mean()))


def _own_range(curve: Curve) -> Curve:
    low, high = float(curve.min()), float(curve.max())
    return (curve - low) / (high - low + 1e-8)
