"""Expressions read from a video, as keyframes of emotions.

Axis legend: ``t`` readings, ``n`` action-unit components, ``u`` 52 blendshapes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import closing

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from joyvasa_lib.emotion.keyframes.curve import Keyframe
from joyvasa_lib.emotion.reading.still import face_scores
from joyvasa_lib.emotion.reading.unit_reader import bundled_reader
from joyvasa_lib.emotion.vector import EmotionVector
from joyvasa_lib.errors import NoFaceError
from joyvasa_lib.face.landmarks.blendshape_scores import blendshape_scores
from joyvasa_lib.face.landmarks.detector import face_rank
from joyvasa_lib.face.tracking import follow_person
from joyvasa_lib.media.decoding.video_reader import read_video
from joyvasa_lib.media.image import ImageSource

Floats = NDArray[np.float64]

_READINGS = 6.0
"""Readings a second, at most; expressions take half a second to appear, looks 0.1 s to read."""
_SMOOTHED = 0.12
"""Seconds: standard deviation of the window over which scores are averaged."""
_REST = 0.1
"""Quantile of each score over a video that counts as the face at rest."""
_SEEN = 0.5
"""Least share of readings in which the face must be seen."""
_ALIKE = 0.06
"""Largest error of a component that leaving out a keyframe may make."""


def read_video_keyframes(
    path: str | os.PathLike[str],
    neutral: ImageSource | None = None,
    face: str | int = "largest",
) -> list[Keyframe]:
    """Keyframes of what a face in a video shows, only where something changes.

    Frames are read once, and none is kept. While the face is not seen, its scores are interpolated
    linearly.

    Args:
        path: the video.
        neutral: an image of the same person at rest; without one, the lowest tenth of each score
            in the video counts as rest.
        face: ``"largest"`` or the rank by size, in the first frame with a face.

    Raises:
        MediaError: the video or the image cannot be read.
        NoFaceError: the face is seen in less than half of the video.
        OptionError: ``face`` is neither ``"largest"`` nor a rank.
    """
    face_rank(face)  # refuses what is none, before anything is read
    still = None if neutral is None else face_scores(neutral)
    reader = read_video(path)
    every = max(1, round(reader.fps / _READINGS))
    rate = reader.fps / every
    seen, scores, count = [], [], 0
    with closing(iter(reader)) as frames:
        for _, found in follow_person(_each(frames, every), rate, which=face):
            if found is not None:
                seen.append(count)
                scores.append(blendshape_scores(found.landmarks))
            count += 1
    if len(seen) < max(1.0, _SEEN * count):
        raise NoFaceError(
            f"A face is seen in {len(seen)} of {count} frames looked at in {path}; give a video "
            "that shows one person's face"
        )
    known = np.asarray(scores, dtype=np.float64)
    filled = np.stack([np.interp(np.arange(count), seen, curve) for curve in known.T], axis=1)
    smooth = gaussian_filter1d(filled, _SMOOTHED * rate, axis=0, mode="nearest")
    rest = np.quantile(smooth, _REST, axis=0) if still is None else still
    units = bundled_reader().read(smooth.astype(np.float32), rest.astype(np.float32))
    times = np.arange(count) / rate
    return [
        Keyframe(float(times[index]), EmotionVector(np.round(units[index], 2)), "linear")
        for index in needed_keyframes(times, units, _ALIKE)
    ]


def needed_keyframes(times: Floats, values: Floats, tolerance: float) -> list[int]:
    """Indices [k] of the readings between which all others lie on straight lines.

    After Douglas and Peucker 1973: the reading that is farthest off is kept, until none is off by
    more than the tolerance.

    Args:
        times: [t] increasing.
        values: [t, n].
        tolerance: largest error of a value.
    """
    kept = {0, len(times) - 1}
    spans = [(0, len(times) - 1)]
    while spans:
        first, last = spans.pop()
        inner = np.arange(first + 1, last)
        if not len(inner):
            continue
        share = ((times[inner] - times[first]) / (times[last] - times[first]))[:, None]
        line = (1.0 - share) * values[first] + share * values[last]
        off = np.abs(values[inner] - line).max(axis=1)
        if off.max() > tolerance:
            middle = int(inner[np.argmax(off)])
            kept.add(middle)
            spans += [(first, middle), (middle, last)]
    if len(kept) == 2 and np.abs(values[-1] - values[0]).max() <= tolerance:
        return [0]
    return sorted(kept)


def _each(frames: Iterable[NDArray[np.uint8]], every: int) -> Iterator[NDArray[np.uint8]]:
    """Every so many-th frame, from the first on."""
    for index, frame in enumerate(frames):
        if index % every == 0:
            yield frame
