"""``Performance``: a motion of known length that is generated piece by piece while it is read.

An hour of speech is rendered while its motion is still being generated; only the piece at hand is
in memory. Axis legend: ``t`` frames.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion.arguments import checked_fps
from joyvasa_lib.motion.editing import MotionEdit, checked_edit
from joyvasa_lib.motion.motion import Motion
from joyvasa_lib.motion.operations.retiming import reach, resample
from joyvasa_lib.motion.space import MotionSpace

LONGEST_KEPT = 15000
"""Frames (ten minutes, 12 MB); a longer performance is made again each time it is read."""
PIECE = 256
"""Frames of the pieces in which a motion that is there already is handed out."""


class Performance:
    """Consecutive pieces of one motion, made when they are read.

    Args:
        n_frames: frames in all.
        fps: frames a second.
        space: what the keypoints are.
        pieces: makes the iterator over the pieces; the same ones each time.

    Attributes:
        seconds: time spent so far on making pieces.
    """

    def __init__(
        self,
        n_frames: int,
        fps: float,
        space: MotionSpace,
        pieces: Callable[[], Iterable[Motion]],
    ) -> None:
        self.n_frames = n_frames
        self.fps = fps
        self.space = space
        self.seconds = 0.0
        self._pieces = pieces
        self._motion: Motion | None = None

    @classmethod
    def of(cls, motion: Motion | Performance) -> Performance:
        """A motion that is there already, handed out in pieces; a performance as it is.

        Raises:
            MotionError: it is neither.
        """
        if isinstance(motion, Performance):
            return motion
        if not isinstance(motion, Motion):
            raise MotionError(
                f"A Motion or a Performance is needed here, not {type(motion).__name__}"
            )
        performance = cls(len(motion), motion.fps, motion.space, lambda: ())
        performance._motion = motion
        return performance

    def __len__(self) -> int:
        """Frames in all."""
        return self.n_frames

    def __iter__(self) -> Iterator[Motion]:
        """The pieces; a short performance that was read to its end is not made again.

        Raises:
            MotionError: fewer or more frames came than there should be.
        """
        if self._motion is not None:
            for start in range(0, len(self), PIECE):
                yield self._motion[start : start + PIECE]
            return
        made: list[Motion] = []
        done, started = 0, time.perf_counter()
        for piece in self._pieces():
            self.seconds += time.perf_counter() - started
            done += len(piece)
            if self.n_frames <= LONGEST_KEPT:
                made.append(piece)
            yield piece
            started = time.perf_counter()
        if done != self.n_frames:
            raise MotionError(f"The performance has {done} frames where {self.n_frames} were due")
        if made:
            self._motion = Motion.concatenate(made)

    @property
    def motion(self) -> Motion:
        """All of it, kept from then on; an hour takes 72 MB."""
        if self._motion is None:
            self._motion = Motion.concatenate(list(self))
        return self._motion

    def with_gains(
        self, *, blink: float = 1.0, mouth: float = 1.0, brows: float = 1.0
    ) -> Performance:
        """The performance with parts of it made larger or smaller, as :meth:`Motion.with_gains`.

        Raises:
            MotionError: a gain is negative or not finite.
        """
        gains = {"blink": blink, "mouth": mouth, "brows": brows}
        Motion.neutral(1, space=self.space).with_gains(**gains)  # checks now
        if set(gains.values()) == {1.0}:
            return self
        if not self.space.has_blendshapes:  # gains are about the median over the whole motion there
            return Performance.of(self.motion.with_gains(**gains))
        return Performance(
            self.n_frames,
            self.fps,
            self.space,
            lambda: (piece.with_gains(**gains) for piece in self),
        )

    def edit(self, edit: MotionEdit[Motion], **options: Any) -> Performance:
        """The performance with an emotion, as :meth:`Motion.edit`, still made piece by piece.

        Raises:
            OptionError: what is given cannot edit, or an option is unknown or out of range.
            MotionError: the emotion cannot be expressed in the performance's space.
        """
        change = checked_edit(edit)
        change.edit_motion(Motion.neutral(1, space=self.space), **options)  # checks now
        return Performance(
            self.n_frames, self.fps, self.space, lambda: change.edit_pieces(self, **options)
        )

    def retime(self, *, fps: float, n_frames: int) -> Performance:
        """The performance at another frame rate or of another length, as :meth:`Motion.retime`.

        Raises:
            MotionError: a value is not positive, or there are no frames.
        """
        rate = checked_fps(fps)
        if n_frames < 1 or self.n_frames < 1:
            raise MotionError(f"A performance of {self.n_frames} frames cannot last {n_frames}")
        if (n_frames, rate) == (self.n_frames, self.fps):
            return self
        step = self.n_frames / n_frames
        return Performance(
            n_frames,
            rate,
            self.space,
            lambda: _retimed(self, step, rate, (self.n_frames, n_frames)),
        )

    def with_progress(self, progress: Callable[[int], None]) -> Performance:
        """The performance, which tells how many of its frames are made while it is read.

        Args:
            progress: called with the number of frames after each piece. What it raises, such as
                :class:`~joyvasa_lib.errors.Cancelled`, ends the reading.
        """
        return Performance(self.n_frames, self.fps, self.space, lambda: _told(self, progress))


def retime_pieces(pieces: Iterable[Motion], fps: float) -> Iterator[Motion]:
    """Consecutive pieces of one motion of unknown length at another frame rate.

    In bounded memory. Pieces that have the rate already pass as they are.

    Args:
        pieces: the motion; all pieces have one rate.
        fps: frames a second wanted, above 0.

    Yields:
        Pieces whose frames are ``round(duration * fps)`` in all.
    """
    source = iter(pieces)
    first = next(source, None)
    if first is None:
        return
    whole = chain((first,), source)
    if first.fps == fps:
        yield from whole
    else:
        yield from _retimed(whole, first.fps / fps, fps)


def _told(source: Performance, progress: Callable[[int], None]) -> Iterator[Motion]:
    done = 0
    for piece in source:
        done += len(piece)
        progress(done)
        yield piece


def _retimed(
    source: Iterable[Motion], step: float, fps: float, total: tuple[int, int] | None = None
) -> Iterator[Motion]:
    """Pieces of ``source`` seen every ``step`` frames; the same numbers as in one piece.

    Args:
        source: consecutive pieces.
        step: input frames for one output frame.
        fps: rate of the result.
        total: input and output frames in all, where they are known.
    """
    due, n_frames = total or (math.inf, 0)
    margin = reach(step)
    held: NDArray[np.float64] = np.zeros((0, 0))
    first, done = 0, 0  # number of held[0]; output frames made
    piece: Motion | None = None

    def made(like: Motion, ready: int) -> Motion:
        vector = resample(held, ready - done, step, first_output=done, first_input=first)
        return Motion.from_vector(vector, space=like.space, fps=fps, reference=like.reference)

    for piece in source:
        held = np.concatenate([held.reshape(-1, piece.space.vector_size), piece.vector])
        held[:, -3:] = np.unwrap(held[:, -3:], period=360.0, axis=0)
        received = first + len(held)
        ready = n_frames if received >= due else int((received - margin) / step)
        if ready <= done:
            continue
        yield made(piece, ready)
        done = ready
        drop = max(0, int(done * step) - margin - first)
        held, first = held[drop:], first + drop
    if total is None and piece is not None:
        n_frames = max(1, round((first + len(held)) / step))
        if n_frames > done:
            yield made(piece, n_frames)
