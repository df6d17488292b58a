"""The 23 rows of behaviour: what is measured, and what it is for people who speak.

Deviations are over the whole recording. The ranges of people are those of ``real_speakers.yaml``.

Axis legend: ``t`` frames.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.signal import welch

from joyvasa_lib.documents import read_yaml
from joyvasa_lib.evaluation.behaviour.track import RATE, BehaviourTrack
from joyvasa_lib.evaluation.curves import Curve, agreement, correlation, filled, silent_frames

Part = Literal["lips", "face", "score", "head"]

FAST_HZ = 4.0
"""Frequency above which the power of lips is counted as fast."""
LONGEST_LAG = 0.16
"""Seconds, in both directions, within which the best lag of lips and loudness is looked for."""
_WINDOW = 64
"""Frames of a window of Welch's spectrum (1967), 2.56 s, as the real speakers' were made."""
_DATA = Path(__file__).with_name("real_speakers.yaml")


@dataclass(frozen=True)
class RealRange:
    """What a row is for people.

    Attributes:
        median: of seven speakers and presenters.
        low: 10th percentile of 17 people, speakers and readers.
        high: their 90th percentile.
    """

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Row:
    """One row of behaviour.

    Attributes:
        key: its name in JSON.
        title: what is measured.
        short: name at the head of a column.
        unit: of the number, or empty.
        digits: decimals shown.
        part: ``"lips"`` and ``"face"`` are measured from lengths, ``"score"`` from a blendshape,
            ``"head"`` from the head's angles.
        measure: the number of a track at :data:`~joyvasa_lib.evaluation.behaviour.track.RATE` with
            its amplitudes [t], NaN in pauses, or None without sound; NaN if not measured.
    """

    key: str
    title: str
    short: str
    unit: str
    digits: int
    part: Part
    measure: Callable[[BehaviourTrack, Curve | None], float]

    @property
    def real(self) -> RealRange:
        """What it is for people."""
        return real_ranges()[self.key]


def _deviation(curve: Curve) -> float:
    return float(np.nanstd(curve)) if np.isfinite(curve).any() else float("nan")


def _percentile(curve: Curve, percent: float) -> float:
    return float(np.nanpercentile(curve, percent)) if np.isfinite(curve).any() else float("nan")


def _mean(curve: Curve) -> float:
    return float(np.nanmean(curve)) if np.isfinite(curve).any() else float("nan")


def fast_share(curve: Curve, fps: float = RATE) -> float:
    """Share of a curve's power above 4 Hz, by Welch's spectrum; NaN for a curve that is constant.

    Args:
        curve: [t]; NaN is interpolated.
        fps: frames a second.
    """
    values = filled(curve)
    if len(values) < 8 or not np.isfinite(values).all() or np.ptp(values) < 1e-9:
        return float("nan")
    frequencies, power = welch(values, fps, nperseg=min(_WINDOW, len(values)))
    return float(power[frequencies > FAST_HZ].sum() / power.sum())


def _follows(aperture: Curve, amplitude: Curve | None) -> float:
    if amplitude is None:
        return float("nan")
    return agreement(aperture, amplitude, RATE, LONGEST_LAG).best_correlation


def _speed(rotation: Curve) -> float:
    """Mean absolute speed of the three angles, degrees a second, by central differences."""
    return _mean(np.abs(np.gradient(rotation, axis=0)) * RATE) if len(rotation) > 1 else np.nan


def _score(key: str, title: str, short: str, blendshape: str) -> Row:
    return Row(key, title, short, "", 3, "score", lambda t, _: _deviation(t.score(blendshape)))


def _angle(key: str, title: str, short: str, axis: int) -> Row:
    return Row(key, title, short, "°", 2, "head", lambda t, _: _deviation(t.rotation[:, axis]))


# fmt: off
ROWS = (
    Row("aperture_sd", "lip aperture, std", "open", "", 3, "lips",
        lambda t, _: _deviation(t.aperture)),
    Row("aperture_p95", "lip aperture, 95th percentile", "open95", "", 3, "lips",
        lambda t, _: _percentile(t.aperture, 95.0)),
    Row("aperture_fast_share", "lip aperture, power above 4 Hz", "fast", "", 3, "lips",
        lambda t, _: fast_share(t.aperture)),
    Row("width_sd", "inner mouth width, std", "wide", "", 3, "lips",
        lambda t, _: _deviation(t.width)),
    Row("width_fast_share", "mouth width, power above 4 Hz", "fast", "", 3, "lips",
        lambda t, _: fast_share(t.width)),
    Row("aperture_width_correlation", "correlation of aperture, width", "o~w", "", 2, "lips",
        lambda t, _: correlation(t.aperture, t.width)),
    Row("aperture_loudness_correlation", "correlation of aperture, loudness", "loud", "", 2,
        "lips", lambda t, heard: _follows(t.aperture, heard)),
    Row("brow_height_sd", "brow height, std", "brows", "", 3, "face",
        lambda t, _: _deviation(t.brows)),
    _score("brow_inner_up_sd", "browInnerUp score, std", "bIU", "browInnerUp"),
    Row("gaze_sd", "gaze (iris in the eye), std", "gaze", "", 3, "face",
        lambda t, _: _deviation(t.gaze)),
    _score("eye_squint_sd", "eyeSquint score, std", "squint", "eyeSquintLeft"),
    Row("smile_mean", "mouthSmile score, mean", "smile", "", 3, "score",
        lambda t, _: _mean(t.score("mouthSmileLeft"))),
    _score("smile_sd", "mouthSmile score, std", "±", "mouthSmileLeft"),
    _score("upper_lip_up_sd", "mouthUpperUp score, std", "upper", "mouthUpperUpLeft"),
    _score("lower_lip_down_sd", "mouthLowerDown score, std", "lower", "mouthLowerDownLeft"),
    _score("jaw_open_sd", "jawOpen score, std", "jaw", "jawOpen"),
    _score("pucker_sd", "mouthPucker score, std", "pucker", "mouthPucker"),
    _score("funnel_sd", "mouthFunnel score, std", "funnel", "mouthFunnel"),
    _score("press_sd", "mouthPress score, std", "press", "mouthPressLeft"),
    _angle("yaw_sd", "head yaw, std", "yaw", 1),
    _angle("pitch_sd", "head pitch, std", "pitch", 0),
    _angle("roll_sd", "head roll, std", "roll", 2),
    Row("head_speed", "head speed, mean of the three angles", "speed", "°/s", 1, "head",
        lambda t, _: _speed(t.rotation)),
)
# fmt: on
"""In the order in which they are shown; lengths are in distances of the outer eye corners."""


def speech_amplitude(levels: Curve) -> Curve:
    """[t] root mean square of the sound in each frame, NaN in pauses of a fifth of a second.

    Pauses are left out because closed lips in silence would make any mouth follow loudness.

    Args:
        levels: [t] loudness in decibels, at :data:`RATE` frames a second.
    """
    return np.where(silent_frames(levels, RATE), np.nan, 10.0 ** (levels / 20.0))


@lru_cache(maxsize=1)
def real_ranges() -> dict[str, RealRange]:
    """What each row is for people, by its key."""
    return {key: RealRange(**values) for key, values in read_yaml(_DATA)["rows"].items()}


def real_source() -> str:
    """Who these people are."""
    return str(read_yaml(_DATA)["source"])
