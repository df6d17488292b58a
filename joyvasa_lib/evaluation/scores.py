"""Scores of a face track: lips compared with speech, blinks and head motion.

A score that could not be measured (no segments, no audio, no closure) is None.

Axis legend: ``t`` frames.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter1d

from joyvasa_lib.evaluation.curves import (
    JITTER_HZ,
    Curve,
    agreement,
    correlation,
    fast_part,
    filled,
    runs,
    silent_frames,
)
from joyvasa_lib.evaluation.segments import Segment, frames_in
from joyvasa_lib.evaluation.track import FaceTrack

CLOSED_SHARE = 0.25
"""Lips count as closed below this share of their median opening in speech."""
REST_QUANTILE = 0.02
"""Quantile of the opening that is taken as a closed mouth, where trackers do not give 0."""
SLACK = 0.12
"""Seconds of a pause, after speech ends and before it begins, in which the mouth may move."""
BLINK_DEPTH, BLINK_EDGE = 0.45, 0.2
"""Least closure of the eyelids in a blink, and the closure at which it begins and ends."""
LONGEST_BLINK = 0.6
"""Longest blink in seconds; eyes closed for longer are not counted."""
LEAST_AGREEMENT = 0.3
"""Least correlation of opening and loudness for which their lag is reported."""
STRETCH = 10.0
"""Seconds of the windows in which ranges of the head are measured."""


@dataclass(frozen=True)
class MouthScores:
    """Lips compared with speech.

    Attributes:
        aperture: median lip opening in speech, in distances of the outer eye corners.
        closure_hit: P(closed | p b m): share of bilabials during which the lips meet.
        closure_chance: P(closed anywhere): the same share for windows of equal length anywhere in
            speech.
        closure_over_chance: their difference; 0 for a mouth that is independent of the speech.
        open_vowel_contrast: mean opening on open vowels minus that on all other phones, in standard
            deviations.
        silence_motion: speed of the mouth in pauses relative to its speed in speech.
        loudness_correlation: of opening and loudness in speech; near 1 the mouth shows nothing but
            loudness.
        audio_lag_ms: lag of the opening behind the loudness at their highest correlation,
            milliseconds; None where they hardly correlate.
        jitter_share: share of the energy of the mouth's speed above 6 Hz; 0 is smooth. Landmarks
            found in videos add jitter of their own: compare videos with videos.
    """

    aperture: float | None = None
    closure_hit: float | None = None
    closure_chance: float | None = None
    closure_over_chance: float | None = None
    open_vowel_contrast: float | None = None
    silence_motion: float | None = None
    loudness_correlation: float | None = None
    audio_lag_ms: float | None = None
    jitter_share: float | None = None


@dataclass(frozen=True)
class BlinkScores:
    """Blinks.

    Attributes:
        per_minute: number of blinks per minute.
        duration_ms: median time for which eyelids are at least a fifth closed, milliseconds.
    """

    per_minute: float
    duration_ms: float | None = None


@dataclass(frozen=True)
class HeadScores:
    """Head motion in degrees.

    Attributes:
        yaw_range: highest minus lowest yaw within ten seconds, mean over the performance.
        pitch_range: the same of pitch.
        roll_range: the same of roll.
        speed: mean turning speed below 6 Hz, degrees per second.
        jitter: root mean square of the three angles above 6 Hz. Landmarks found in videos add 0.1
            to 0.3, more in small faces.
    """

    yaw_range: float
    pitch_range: float
    roll_range: float
    speed: float
    jitter: float


def mouth_scores(
    track: FaceTrack,
    segments: Sequence[Segment] | None = None,
    levels: Curve | None = None,
) -> MouthScores:
    """Scores the lips.

    Args:
        track: the face.
        segments: phones with their times.
        levels: [t] loudness in decibels, see :func:`~joyvasa_lib.evaluation.curves.loudness`.
    """
    aperture = filled(track.aperture)
    if not np.isfinite(aperture).all() or len(aperture) < 3:
        return MouthScores()
    silent = _silence(len(track), track.fps, segments, levels)
    speech = ~silent
    if not speech.any():
        return MouthScores()
    hit, chance = _closures(aperture, segments or (), track.fps, speech)
    over = None if hit is None or chance is None else hit - chance
    follow, lag = None, None
    if levels is not None and speech.any():
        follow = _number(correlation(aperture[speech], levels[: len(aperture)][speech]))
        audible = np.maximum(levels, np.quantile(levels, 0.95) - 40.0)
        found = agreement(aperture, audible, track.fps)
        lag = found.lag_ms if found.best_correlation > LEAST_AGREEMENT else None
    return MouthScores(
        aperture=float(np.median(aperture[speech])),
        closure_hit=hit,
        closure_chance=chance,
        closure_over_chance=over,
        open_vowel_contrast=_open_vowels(aperture, segments or (), track.fps, speech),
        silence_motion=_silence_motion(aperture, silent, track.fps),
        loudness_correlation=follow,
        audio_lag_ms=lag,
        jitter_share=_jitter_share(aperture, track.fps),
    )


def closed_below(aperture: Curve, speech: NDArray[np.bool_]) -> float:
    """The opening below which the lips of this face count as closed."""
    rest = float(np.quantile(aperture, REST_QUANTILE))
    return rest + CLOSED_SHARE * (float(np.median(aperture[speech])) - rest)


def blink_scores(track: FaceTrack) -> BlinkScores:
    """Scores the blinks."""
    eyelids = filled(track.eyelids)
    minutes = len(track) / track.fps / 60.0
    if len(track) == 0 or not np.isfinite(eyelids).all():
        return BlinkScores(0.0)
    lengths = []
    for start, stop in runs(eyelids > BLINK_EDGE):
        if eyelids[start:stop].max() <= BLINK_DEPTH:
            continue
        length = _crossing_length(eyelids, start, stop) / track.fps
        if length <= LONGEST_BLINK:
            lengths.append(length)
    return BlinkScores(
        per_minute=len(lengths) / minutes,
        duration_ms=1000.0 * float(np.median(lengths)) if lengths else None,
    )


def head_scores(track: FaceTrack) -> HeadScores:
    """Scores the head's motion."""
    angles = np.stack([filled(track.rotation[:, axis]) for axis in range(3)], axis=1)
    if len(angles) < 2 or not np.isfinite(angles).all():
        return HeadScores(0.0, 0.0, 0.0, 0.0, 0.0)
    window = min(len(angles), round(STRETCH * track.fps))
    starts = range(0, len(angles) - window + 1, window)
    ranges = np.mean([np.ptp(angles[s : s + window], axis=0) for s in starts], axis=0)
    fast = np.stack([fast_part(angles[:, axis], track.fps) for axis in range(3)], axis=1)
    speed = np.linalg.norm(np.diff(angles - fast, axis=0), axis=1) * track.fps
    jitter = float(np.sqrt(np.square(fast).sum(axis=1).mean()))
    pitch, yaw, roll = (float(value) for value in ranges)
    return HeadScores(yaw, pitch, roll, float(speed.mean()), jitter)


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _silence(
    n_frames: int, fps: float, segments: Sequence[Segment] | None, levels: Curve | None
) -> NDArray[np.bool_]:
    """Mask [t] of silent frames: from segments if there are any, else from loudness."""
    if segments:
        return ~frames_in([one for one in segments if not one.is_silence], n_frames, fps)
    if levels is not None:
        return silent_frames(levels[:n_frames], fps)
    return np.zeros(n_frames, dtype=bool)


def _closures(
    aperture: Curve, segments: Sequence[Segment], fps: float, speech: NDArray[np.bool_]
) -> tuple[float | None, float | None]:
    limit = closed_below(aperture, speech)
    hits, chances = [], []
    for one in segments:
        centre = int((one.start + one.end) / 2 * fps)
        if not one.is_closure or not 0 <= centre < len(aperture):
            continue
        # Half a frame of tolerance on both sides, the accuracy of labels.
        width = max(3, 2 * round((one.end - one.start) * fps / 2) + 1)
        closed = minimum_filter1d(aperture, width, mode="nearest") < limit
        hits.append(bool(closed[centre]))
        chances.append(float(closed[speech].mean()))
    if not hits:
        return None, None
    return float(np.mean(hits)), float(np.mean(chances))


def _open_vowels(
    aperture: Curve, segments: Sequence[Segment], fps: float, speech: NDArray[np.bool_]
) -> float | None:
    vowels = [one for one in segments if one.is_open_vowel]
    # In the first third of a vowel the jaw is still moving.
    late = [Segment(v.phone, v.start + (v.end - v.start) / 3, v.end) for v in vowels]
    inside = frames_in(late, len(aperture), fps) & speech
    others = speech & ~frames_in(vowels, len(aperture), fps)
    spread = float(aperture[speech].std())
    if not inside.any() or not others.any() or spread < 1e-9:
        return None
    return float((aperture[inside].mean() - aperture[others].mean()) / spread)


def _silence_motion(aperture: Curve, silent: NDArray[np.bool_], fps: float) -> float | None:
    speed = np.abs(np.diff(aperture))
    slack = math.ceil(SLACK * fps)
    still = np.zeros(len(speed), dtype=bool)
    for start, stop in runs(silent):
        still[start + (slack if start else 0) : stop - 1 - (slack if stop < len(silent) else 0)] = (
            True
        )
    moving = ~(silent[1:] | silent[:-1])
    if not still.any() or not moving.any() or speed[moving].mean() < 1e-9:
        return None
    return float(speed[still].mean() / speed[moving].mean())


def _jitter_share(aperture: Curve, fps: float) -> float | None:
    speed = np.diff(aperture)
    energy = float(np.square(speed).sum())
    if energy < 1e-12 or fps <= 2.0 * JITTER_HZ:
        return None
    return float(np.square(fast_part(speed, fps)).sum()) / energy


def _crossing_length(eyelids: Curve, start: int, stop: int) -> float:
    """Frames between the times at which eyelids [t] cross the edge, interpolated linearly."""
    first, last = float(start), float(stop - 1)
    if start > 0:
        first -= (eyelids[start] - BLINK_EDGE) / (eyelids[start] - eyelids[start - 1])
    if stop < len(eyelids):
        last += (eyelids[stop - 1] - BLINK_EDGE) / (eyelids[stop - 1] - eyelids[stop])
    return last - first
