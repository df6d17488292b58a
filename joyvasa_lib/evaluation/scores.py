"""What a face track is worth: lips against sounds, blinks, head, as small dataclasses of numbers.

A number that could not be measured (no segments, no sound, no closure) is None.

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
"""Lips count as closed where they are open by less than this share of the usual in speech."""
REST_QUANTILE = 0.02
"""The mouth is taken to be shut in this share of all frames; trackers do not give 0 then."""
SLACK = 0.12
"""Seconds after a sound ends and before one begins in which the mouth may move."""
BLINK_DEPTH, BLINK_EDGE = 0.45, 0.2
"""A blink closes the lids by more than the first; it lasts while they are closed by the second."""
LONGEST_BLINK = 0.6
"""Seconds; eyes that stay closed for longer do not blink."""
LEAST_AGREEMENT = 0.3
"""Correlation of opening and loudness from which their lag means something."""
STRETCH = 10.0
"""Seconds over which head ranges are taken."""


@dataclass(frozen=True)
class MouthScores:
    """Lips against sounds.

    Attributes:
        aperture: usual lip opening in speech over the distance of the outer eye corners.
        closure_hit: P(closed | p b m): share of bilabials during which the lips meet.
        closure_chance: P(closed anywhere): the same share for equally long stretches of speech.
        closure_over_chance: their difference; 0 for a mouth that knows nothing of the sound.
        open_vowel_contrast: opening on open vowels less that on all other sounds, in standard
            deviations.
        silence_motion: speed of the mouth in pauses over its speed in speech.
        loudness_correlation: of opening and loudness in speech; near 1 is a loudness meter.
        sound_lag_ms: milliseconds by which opening follows loudness, where both agree best; None
            where they hardly agree.
        jitter_share: share of the energy of the mouth's speed above 6 Hz; 0 is smooth. Landmarks
            of a video shiver by themselves: compare videos with videos.
    """

    aperture: float | None = None
    closure_hit: float | None = None
    closure_chance: float | None = None
    closure_over_chance: float | None = None
    open_vowel_contrast: float | None = None
    silence_motion: float | None = None
    loudness_correlation: float | None = None
    sound_lag_ms: float | None = None
    jitter_share: float | None = None


@dataclass(frozen=True)
class BlinkScores:
    """Blinks.

    Attributes:
        per_minute: how many.
        duration_ms: median milliseconds during which lids are at least a fifth closed.
    """

    per_minute: float
    duration_ms: float | None = None


@dataclass(frozen=True)
class HeadScores:
    """Head motion, degrees.

    Attributes:
        yaw_range: highest less lowest yaw within ten seconds, mean over the performance.
        pitch_range: of pitch.
        roll_range: of roll.
        speed: mean of the turning speed below 6 Hz, degrees a second.
        jitter: root mean square of what the three angles have above 6 Hz. Landmarks of a video
            bring 0.1 to 0.3 with them, more in small faces.
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
        segments: which sound is spoken when.
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
        sound_lag_ms=lag,
        jitter_share=_jitter_share(aperture, track.fps),
    )


def closed_below(aperture: Curve, speech: NDArray[np.bool_]) -> float:
    """The opening under which the lips of this face count as closed."""
    rest = float(np.quantile(aperture, REST_QUANTILE))
    return rest + CLOSED_SHARE * (float(np.median(aperture[speech])) - rest)


def blink_scores(track: FaceTrack) -> BlinkScores:
    """Counts and times blinks."""
    lids = filled(track.lids)
    minutes = len(track) / track.fps / 60.0
    if len(track) == 0 or not np.isfinite(lids).all():
        return BlinkScores(0.0)
    lengths = []
    for start, stop in runs(lids > BLINK_EDGE):
        if lids[start:stop].max() <= BLINK_DEPTH:
            continue
        length = _crossing_length(lids, start, stop) / track.fps
        if length <= LONGEST_BLINK:
            lengths.append(length)
    return BlinkScores(
        per_minute=len(lengths) / minutes,
        duration_ms=1000.0 * float(np.median(lengths)) if lengths else None,
    )


def head_scores(track: FaceTrack) -> HeadScores:
    """Measures how far, how fast and how calmly the head turns."""
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
    """Mask [t]: by the segments where they are known, else by loudness."""
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
        # Half a frame of tolerance on either side: labels are worth no more.
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
    # The jaw needs the first third of a vowel to get there.
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


def _crossing_length(lids: Curve, start: int, stop: int) -> float:
    """Frames between the times at which lids [t] cross the edge, by straight lines."""
    first, last = float(start), float(stop - 1)
    if start > 0:
        first -= (lids[start] - BLINK_EDGE) / (lids[start] - lids[start - 1])
    if stop < len(lids):
        last += (lids[stop - 1] - BLINK_EDGE) / (lids[stop - 1] - lids[stop])
    return last - first
