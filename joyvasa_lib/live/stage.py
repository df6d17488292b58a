"""``Stage``: what is shown and said in each tick, one after the other.

A tick is one frame period. The stage knows no time of its own, no threads and no images: it is
asked for the next tick, and told what time it is. Everything is decided late, so that an answer is
shown soon, and once: what was decided is shown, but an interruption takes its sound away.

Speech starts when so much of its motion is there that it does not have to stop again: what is
pushed at once starts at once; what is pushed as it is spoken waits until a third of a second after
its first sound, when its second window of motion is on its way. Where it had to stop anyway,
because the machine is busy or the sound comes late, the next utterance waits longer.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from joyvasa_lib.live.performer import Cue, Floats, Performer
from joyvasa_lib.live.sound import Samples
from joyvasa_lib.live.utterance import Utterance
from joyvasa_lib.media.audio import SAMPLE_RATE
from joyvasa_lib.motion import Motion
from joyvasa_lib.motion.living.hearing import Hearing

HEAD_START = 0.32
"""Seconds after the first sound when speech that comes as it is spoken starts."""
ENOUGH = 8
"""Frames of motion with which speech starts whenever its sound came."""
MOST_HEAD_START = 0.7
HELD = 0.12
"""Seconds for which a face holds still when the sound of its speech does not go on."""
PATIENCE = 0.6
"""Seconds without sound after which an utterance counts as ended."""
LONGEST_LOOK = 0.25
"""Seconds without sound that a tick counts for at most: in a longer delay whoever pushes the sound
had to wait, too."""
ATTENTION = 1.5
"""Seconds for which somebody goes on listening to one who has stopped speaking."""


@dataclass(frozen=True)
class Shot:
    """One tick: what is shown and said in it.

    Attributes:
        tick: its number.
        motion: one frame.
        audio: the sound.
        sample_rate: of the sound.
        speaking: see :class:`~joyvasa_lib.live.frame.LiveFrame`, as the others.
        listening: whether the person listens.
        start: whether an utterance starts.
        end: whether one ends.
        pushed_at: of a start, when its first sound was pushed.
        stalled: whether speech had to wait for sound or motion.
    """

    tick: int
    motion: Motion
    audio: Samples
    sample_rate: int
    speaking: bool = False
    listening: bool = False
    start: bool = False
    end: bool = False
    pushed_at: float | None = None
    stalled: bool = False

    def silenced(self) -> Shot:
        """The same movement without its sound, after an interruption."""
        return replace(self, audio=self.audio[:0], speaking=False, start=False, end=False)


class Stage:
    """Utterances that wait, the one that is spoken, and who is listened to."""

    def __init__(self, performer: Performer, fps: float) -> None:
        """Starts idle."""
        self.performer, self.fps = performer, fps
        self.utterances: deque[Utterance] = deque()
        self.hearing = Hearing()
        self.tick = 0
        """Number of the tick that is decided next."""
        self._started = False  # whether the first utterance is being spoken
        self._number = 0
        self._last: Floats | None = None  # motion of the last tick of speech
        self._held = 0  # ticks since then, while more is awaited
        self._silent = 0.0  # seconds since the first tick after sound was pushed
        self._decided = math.inf  # when the last tick since then was decided
        self._attention = 0.0
        self._head_start = HEAD_START
        self._stalled = 0  # ticks of the utterance that is spoken
        self._rate = SAMPLE_RATE

    @property
    def waiting(self) -> float:
        """Seconds of sound that are not shown yet."""
        return sum(utterance.waiting for utterance in self.utterances)

    @property
    def open(self) -> Utterance | None:
        """The utterance that goes on with the next sound."""
        if self.utterances and not self.utterances[-1].flushed:
            return self.utterances[-1]
        return None

    def pushed(self) -> None:
        """Told when sound was pushed."""
        self._silent, self._decided = 0.0, math.inf

    def interrupt(self) -> bool:
        """Drops everything that is said or waits; returns whether there was something."""
        found = bool(self.utterances)
        for utterance in self.utterances:
            utterance.dropped = True
        self.utterances.clear()
        self._leave()
        return found

    def next(self, now: float) -> Shot:
        """Decides the next tick.

        Args:
            now: seconds on the clock by which sound was pushed.

        Raises:
            MotionError: there is no map from the emotion to the motion's space.
        """
        moment = self.hearing.listen(1.0 / self.fps)
        self._attention = ATTENTION if moment.speech else self._attention - 1.0 / self.fps
        self._end_what_was_left(now)
        utterance = self._current(now)
        speech, audio, number = None, _SILENCE, self._number
        spoken = utterance is not None and utterance.playable
        start = end = False
        if utterance is not None and spoken:
            start = utterance.tick == 0
            speech, audio = utterance.take()
            self._last, self._held = speech, 0
            end = utterance.over
            if end:
                self.utterances.popleft()
                self._finish()
        elif utterance is not None:  # its sound or its motion is late
            self._held += 1
            self._stalled += 1
            speech = self._last if self._held <= HELD * self.fps else None
        listening = self._attention > 0.0 and not spoken
        cue = Cue(
            speech,
            number,
            listening=listening,
            heard=moment.speech,
            phrase_ended=moment.phrase_ended,
        )
        self.tick += 1
        return Shot(
            self.tick - 1,
            self.performer(cue),
            audio,
            self._rate,
            speaking=spoken,
            listening=listening,
            start=start,
            end=end,
            pushed_at=utterance.pushed_at if utterance is not None and start else None,
            stalled=utterance is not None and not spoken,
        )

    def _end_what_was_left(self, now: float) -> None:
        """Ends an utterance whose sound has stopped coming.

        It is time that counts, not ticks: after a delay many of them are decided at once.
        """
        self._silent += max(0.0, min(now - self._decided, LONGEST_LOOK))
        self._decided = now
        left = self.open
        if left is not None and self._silent > PATIENCE:
            left.flushed = True

    def _current(self, now: float) -> Utterance | None:
        """The utterance that is spoken now, from the moment on when it can be."""
        while self.utterances and self.utterances[0].ticks == 0:  # shorter than half a frame
            self.utterances.popleft()
        if not self.utterances:
            return None
        first = self.utterances[0]
        if not self._started and first.playable:
            waited = now - first.pushed_at >= self._head_start
            self._started = waited or first.complete or first.made >= ENOUGH
            self._rate = first.sample_rate
        return first if self._started else None

    def _finish(self) -> None:
        """After an utterance: the next one waits longer if this one had to stop."""
        period = 1.0 / self.fps
        change = period * min(self._stalled, 3) if self._stalled else -period
        self._head_start = float(np.clip(self._head_start + change, HEAD_START, MOST_HEAD_START))
        self._leave()

    def _leave(self) -> None:
        self._started, self._last = False, None
        self._held = self._stalled = 0
        self._number += 1


_SILENCE: Samples = np.zeros(0, np.float32)
