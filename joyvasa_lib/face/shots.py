"""Shots of a video: where it is cut, and whether two shots show the same person.

Axis legend: ``e`` samples of a face.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.face.crop_geometry import face_square
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.face.sampling import as_rgb, sample

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

_CUT, _SUDDEN = 20.0, 2.0
"""Mean change of a small grey image, in levels, that is a cut, if it is also so many times that of
the frames before: people who throw themselves about reach 16 levels, cuts 40."""
_BEFORE = 3
"""Frames whose change a cut is compared with."""
_THUMB = 48
_SIDE, _AROUND = 24, 1.1
"""Pixels of the small upright face that is compared, and its square over the landmarks' box."""
SAME_PERSON = 0.85
"""Correlation of two small faces from which they are one person's: the best of two shots of one
person is .9 and more, of two people .84 at most."""


def split_shots(frames: Iterable[Pixels]) -> Iterator[Iterator[Pixels]]:
    """The frames of each shot of a video, one after the other; none is kept.

    Args:
        frames: [h, w, 3] uint8 RGB. A shot that was not read to its end is skipped.
    """
    source = iter(frames)
    waiting: list[Pixels] = []
    last: Floats | None = None
    changes: list[float] = []

    def shot() -> Iterator[Pixels]:
        nonlocal last
        if waiting:
            yield waiting.pop()
        for frame in source:
            thumb = _thumb(frame)
            change = 0.0 if last is None else float(np.abs(thumb - last).mean())
            cut = change > max(_CUT, _SUDDEN * max(changes[-_BEFORE:], default=0.0))
            last = thumb
            changes.append(change)
            del changes[:-_BEFORE]
            if cut:
                changes.clear()
                waiting.append(frame)
                del frame
                return
            yield frame
            del frame

    while True:
        current = shot()
        first = [frame for frame in [next(current, None)] if frame is not None]
        if not first:
            return
        yield _with_first(first, current)
        for _ in current:
            pass
        if not waiting:
            return


def _with_first(first: list[Pixels], rest: Iterator[Pixels]) -> Iterator[Pixels]:
    """The one frame of a list, which is let go, then the rest."""
    if first:
        yield first.pop()
    yield from rest


def face_sample(frame: Pixels, face: Face) -> Floats:
    """A small upright face [n] of mean 0 and length 1: the product of two is their correlation."""
    square = face_square(face.landmarks, face.scheme, scale=_AROUND, shift=(0.0, 0.0))
    small = sample(as_rgb(frame), square.matrix(_SIDE), _SIDE)
    values = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32).ravel()
    values -= values.mean()
    return np.asarray(values / max(float(np.linalg.norm(values)), 1e-6), np.float32)


def likeness(one: Floats, other: Floats) -> float:
    """The best correlation between two sets of samples [e, n] of :func:`face_sample`."""
    return float((one @ other.T).max())


def _thumb(frame: Pixels) -> Floats:
    small = cv2.resize(as_rgb(frame), (_THUMB, _THUMB), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.float32)
