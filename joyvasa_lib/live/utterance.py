"""``Utterance``: one thing that is said, from its first sound until its last frame is shown.

Three threads meet here: sound is pushed by the user's, motion is made of it by the motion thread,
and both are taken tick by tick for what is shown. Everything but :meth:`Utterance.work` is called
under the avatar's lock; ``work`` computes on what :meth:`Utterance.pending` took under the lock.

Axis legend: ``n`` samples, ``v`` numbers of a motion vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.live.sound import Resampler, Samples, SoundQueue
from joyvasa_lib.motion import Motion
from joyvasa_lib.motion.data import FPS

Floats = NDArray[np.float32]


class SpokenMotion(Protocol):
    """What makes the motion of one utterance, as ``speech.low_delay.LowDelayStream``."""

    @property
    def ready(self) -> bool:
        """Whether a step would give frames."""
        ...

    def push(self, chunk: Samples) -> None:
        """Takes samples at 16 kHz."""
        ...

    def finish(self) -> None:
        """Ends the sound."""
        ...

    def step(self, dials: Floats | None = None) -> Motion | None:
        """The next frames."""
        ...


@dataclass(frozen=True)
class Work:
    """Sound that the motion thread has taken from an utterance."""

    sound: Samples
    last: bool


class Utterance:
    """Sound and motion of something that is said."""

    def __init__(
        self, stream: SpokenMotion, sample_rate: int, fps: float, pushed_at: float
    ) -> None:
        """Begins with the first sound.

        Args:
            stream: makes the motion.
            sample_rate: of the sound.
            fps: of the frames shown.
            pushed_at: seconds on the avatar's clock.
        """
        self.sample_rate, self.pushed_at = sample_rate, pushed_at
        self.flushed = False
        self.dropped = False
        self._stream, self._fps = stream, fps
        self._resample = Resampler(sample_rate)
        self._heard, self._played = SoundQueue(), SoundQueue()  # to be understood, to be played
        self._samples = 0  # pushed in all
        self._given = 0  # samples taken to be played
        self._done = False  # whether all motion is there
        self._ticks = 0  # in all, once that is known
        self._ended = False  # whether the stream knows that no sound follows
        self._frames: list[Floats] = []  # motion vectors [v] at 25 a second
        self._first = 0  # number of the frame with which `_frames` starts
        self.tick = 0
        """Number of the tick that is taken next."""

    @property
    def waiting(self) -> float:
        """Seconds of sound that are not taken yet."""
        return len(self._played) / self.sample_rate

    def push(self, sound: Samples) -> None:
        """Takes samples [n] in [-1, 1]."""
        self._samples += len(sound)
        self._heard.put(sound)
        self._played.put(sound)

    def pending(self) -> Work | None:
        """Takes what the motion thread has to do; None for nothing."""
        if self._done or self.dropped:
            return None
        last = self.flushed
        if not len(self._heard) and not last and not self._stream.ready:
            return None
        return Work(self._heard.take(len(self._heard)), last)

    def work(self, work: Work, dials: Floats | None) -> tuple[list[Floats], bool]:
        """Makes motion, without the lock; returns new vectors, and whether they are the last."""
        if not self._ended:
            self._stream.push(self._resample(work.sound, work.last))
        if work.last and not self._ended:
            self._stream.finish()
            self._ended = True
        motion = self._stream.step(dials)
        made = [] if motion is None else list(motion.vector)
        return made, work.last and not self._stream.ready

    def add(self, vectors: list[Floats], last: bool) -> None:
        """Takes motion that was made."""
        self._frames += vectors
        if last and not self._done:
            whole = max(1, round(self._samples / self.sample_rate * self._fps))
            # Of few frames a second the last may be shown before it is known to be the last.
            self._ticks = max(whole, self.tick + 1) if self.made else 0
            self._done = True

    @property
    def made(self) -> int:
        """Frames of motion that are there."""
        return self._first + len(self._frames)

    @property
    def ticks(self) -> int | None:
        """Ticks in all; None while that is not known."""
        return self._ticks if self._done else None

    @property
    def over(self) -> bool:
        """Whether every tick was taken."""
        return self.ticks is not None and self.tick >= self.ticks

    @property
    def playable(self) -> bool:
        """Whether the next tick can be taken."""
        if self.ticks is not None:
            return self.tick < self.ticks
        return self._place(self.tick)[2] < self.made

    @property
    def complete(self) -> bool:
        """Whether all motion is there."""
        return self._done

    def take(self) -> tuple[Floats, Samples]:
        """The motion vector [v] and the sound [n] of the next tick."""
        lower, share, upper = self._place(self.tick)
        vector = self._frame(lower)
        if share > 0.0:
            vector = vector + np.float32(share) * (self._frame(upper) - vector)
        self.tick += 1
        drop = min(lower - self._first, len(self._frames) - 1)
        if drop > 0:
            del self._frames[:drop]
            self._first += drop
        if self.over:
            sound = self._played.take(len(self._played))
        else:
            until = round(self.tick * self.sample_rate / self._fps)
            sound = self._played.take(until - self._given)
        self._given += len(sound)
        return vector, sound

    def _place(self, tick: int) -> tuple[int, float, int]:
        """The frames of motion between which a tick lies, and how far from the first."""
        place = tick * FPS / self._fps
        lower = int(place + 1e-6)
        share = max(0.0, place - lower)
        return (lower, 0.0, lower) if share < 1e-6 else (lower, share, lower + 1)

    def _frame(self, number: int) -> Floats:
        return self._frames[min(max(number - self._first, 0), len(self._frames) - 1)]
