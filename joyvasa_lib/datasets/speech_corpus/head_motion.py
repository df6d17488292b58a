"""Head motion of somebody speaking: slow wandering, changes of posture at phrases, nods on accents.

Sizes and speeds are those of people in conversation: a few degrees, nothing above about 2 Hz, more
while speaking than in silence (Hadar et al. 1983, "Kinematics of head movements accompanying
speech during conversation").

Axis legend: ``t`` frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class HeadMotionStyle:
    """How much a head moves.

    Attributes:
        wander: [pitch, yaw, roll] standard deviation of the slow wandering, degrees.
        posture: [pitch, yaw, roll] standard deviation of a posture, degrees.
        posture_seconds: mean time from one posture to the next.
        nod: mean depth of a nod on an accent, degrees.
    """

    wander: tuple[float, float, float] = (1.0, 1.5, 0.9)
    posture: tuple[float, float, float] = (1.6, 3.2, 1.5)
    posture_seconds: float = 2.6
    nod: float = 2.0


def speaking_head(
    loudness: Floats,
    rng: np.random.Generator,
    style: HeadMotionStyle | None = None,
    fps: float = 25.0,
) -> tuple[Floats, Floats]:
    """Makes up head motion for speech.

    Args:
        loudness: [t] level of the speech relative to its usual level, decibels; far below 0 in
            silence.
        rng: source of every random choice.
        style: how much it moves.
        fps: frames a second.

    Returns:
        Rotation [t, 3] pitch, yaw, roll in degrees, and translation [t, 3] in canonical units.
    """  # fmt: skip
    style = style or HeadMotionStyle()
    frames = len(loudness)
    speaking = gaussian_filter1d((loudness > -18.0).astype(np.float64), 0.4 * fps)
    rotation = np.zeros((frames, 3))
    onsets = _phrase_starts(loudness, fps)
    for axis in range(3):
        rotation[:, axis] = _wander(rng, frames, fps) * style.wander[axis]
    rotation += _postures(rng, frames, fps, onsets, style)
    rotation *= (0.35 + 0.65 * speaking)[:, None]
    rotation[:, 0] += _nods(rng, loudness, fps, style.nod)
    rotation = gaussian_filter1d(rotation, 0.06 * fps, axis=0)

    # The head turns about the neck, so it also shifts a little; the rest is breathing and swaying.
    translation = np.zeros((frames, 3))
    translation[:, 0] = 0.012 * _wander(rng, frames, fps) + 0.0015 * rotation[:, 1]
    translation[:, 1] = 0.010 * _wander(rng, frames, fps)
    return rotation.astype(np.float32), translation.astype(np.float32)


def _wander(rng: np.random.Generator, frames: int, fps: float) -> NDArray[np.float64]:
    """Slow noise [t] of unit spread between 0.1 and 0.8 Hz."""
    size = max(64, 1 << (frames + 256).bit_length())
    frequency = np.fft.rfftfreq(size, 1.0 / fps)
    shape = np.exp(-0.5 * (np.log(np.maximum(frequency, 1e-3) / 0.25) / 0.7) ** 2)
    noise = np.fft.irfft(np.fft.rfft(rng.normal(size=size)) * shape, size)
    return np.asarray(noise / noise.std())[:frames]


def _postures(
    rng: np.random.Generator, frames: int, fps: float, onsets: list[int], style: HeadMotionStyle
) -> NDArray[np.float64]:
    """Piecewise still positions [t, 3] with smooth moves between them, drawn to phrase starts."""
    times = [0.0]
    while times[-1] < frames:
        step = rng.gamma(3.0, style.posture_seconds / 3.0) * fps
        times.append(times[-1] + max(step, 0.8 * fps))
    moments = np.array(times[1:])
    for onset in onsets:
        nearest = int(np.abs(moments - onset).argmin())
        if abs(moments[nearest] - onset) < 0.6 * fps:
            moments[nearest] = onset
    result = np.zeros((frames, 3))
    now = rng.normal(size=3) * style.posture
    result[:] = now
    time = np.arange(frames)
    for moment in np.unique(moments):
        # Half of a posture stays in the next one.
        after = 0.45 * now + 0.89 * rng.normal(size=3) * style.posture
        length = rng.uniform(0.45, 1.1) * fps
        part = np.clip((time - moment + 0.5 * length) / length, 0.0, 1.0)
        # Minimum-jerk move (Flash & Hogan 1985, eq. 2).
        result += (part**3 * (10 - 15 * part + 6 * part**2))[:, None] * (after - now)
        now = after
    return result


def _nods(
    rng: np.random.Generator, loudness: Floats, fps: float, depth: float
) -> NDArray[np.float64]:
    smooth = gaussian_filter1d(loudness.astype(np.float64), 0.08 * fps)
    result = np.zeros(len(loudness))
    time = np.arange(len(loudness)) / fps
    last = -10.0
    for frame in range(1, len(smooth) - 1):
        peak = smooth[frame] >= smooth[frame - 1] and smooth[frame] > smooth[frame + 1]
        if not peak or smooth[frame] < 1.0 or frame / fps - last < 0.5 or rng.random() > 0.55:
            continue
        last = frame / fps
        width = rng.uniform(0.14, 0.24)
        size = depth * rng.gamma(3.0, 1 / 3.0) * min(1.5, 0.5 + smooth[frame] / 6.0)
        result += size * np.exp(-0.5 * ((time - last) / width) ** 2)
    return result


def _phrase_starts(loudness: Floats, fps: float) -> list[int]:
    quiet = loudness < -18.0
    starts, length = [], int(0.2 * fps)
    for frame in range(length, len(loudness)):
        if not quiet[frame] and quiet[frame - length : frame].all():
            starts.append(frame)
    return starts
