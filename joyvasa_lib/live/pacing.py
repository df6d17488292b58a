"""``Pacer``: when each tick is due, which image is rendered next, and what a reader is given.

No thread and no clock of its own: every call says what time it is, which makes pacing a matter of
numbers. Ticks lie on a grid that begins with the first reading. A reader who is late is given one
frame for several ticks that are due, with the sound of each; an image that is late is not waited
for longer than half a period, and the image before stands in for it. A reader who was away for
longer than a second finds time where it was.

Sound does not leave its lips: an image of speech is at most a tick behind its sound, and stands for
at most four ticks. Where images are later than that, time is held until there is one.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.live.frame import LiveFrame
from joyvasa_lib.live.metrics import Tally
from joyvasa_lib.live.stage import Shot
from joyvasa_lib.motion import Motion

Image = NDArray[np.uint8]

AWAY = 1.0
"""Seconds of lateness from which on a reader was away."""
LATE = 0.5
"""Frame periods for which an image that is late is waited for."""
LONGEST_LATE = 1.0
"""Seconds for which sound waits where the image would be more than one tick behind it."""
TOGETHER = 4
"""Ticks of speech that one image stands for at most: in their middle it is 60 ms ahead."""
MOST_AHEAD = 2
"""Ticks that are decided at most before they are due."""
_SLACK = 1.5
"""Factor on the usual time of an image, within which the next one is begun."""


class Pacer:
    """The grid of ticks; called under the avatar's lock."""

    def __init__(self, fps: float, decide: Callable[[float], Shot], tally: Tally) -> None:
        """Nothing is decided yet.

        Args:
            fps: frames a second.
            decide: the next shot, given the time.
            tally: counts what happens.
        """
        self.fps, self._decide, self._tally = fps, decide, tally
        self._start: float | None = None  # time of tick 0
        self._shots: deque[Shot] = deque()  # decided and not given out
        self._given = -1  # newest tick given out
        self._rendered = -1  # newest tick with an image, or without hope of one
        self._image: tuple[int, Image] | None = None  # newest that is not ahead of `_given`
        self._ahead: dict[int, Image] = {}
        self._in_utterance = False  # as a reader was told
        self._owes_end = False  # whether the reader is to be told that it was interrupted
        self._late_since: float | None = None  # since when sound waits for an image

    def due(self, tick: int) -> float:
        """Time of a tick; before the first reading all are due at once."""
        return -math.inf if self._start is None else self._start + tick / self.fps

    def silence(self) -> None:
        """Takes the sound away from what was decided and is not given out; speech ends here."""
        self._shots = deque(shot.silenced() for shot in self._shots)
        self._owes_end = self._in_utterance

    def to_render(self, now: float) -> tuple[int, Motion] | float:
        """The next image to render; or for how many seconds there is none."""
        tick = max(self._rendered, self._given) + 1
        if self._start is None:
            return (tick, self._shot(tick, now).motion) if tick == 0 else math.inf
        usual = self._tally.render_seconds
        period = 1.0 / self.fps
        # On a machine that is too slow some tick must come into reach before the next one does.
        lead = min(_SLACK * usual, MOST_AHEAD * period) if usual < period else usual + period
        # What cannot be ready half a period after it is due is left out.
        hopeful = math.ceil((now + usual - self._start) * self.fps - LATE)
        farthest = self._given + round(AWAY * self.fps)
        if self._speaking:  # an image of later than that could not be used
            usable = self._usable(self._tick(now))
            farthest = (self._given if usable is None else usable) + TOGETHER
        tick = max(tick, min(hopeful, farthest))
        wait = self.due(tick) - lead - now
        if tick - self._given > round(AWAY * self.fps):  # nobody reads
            return 1.0 / self.fps
        if wait > 0.0:
            return wait
        return tick, self._shot(tick, now).motion

    def rendered(self, tick: int, image: Image) -> None:
        """Takes an image."""
        self._rendered = max(self._rendered, tick)
        if tick <= self._given:  # too late for its tick, but newer than what is shown
            self._image = (tick, image)
        else:
            self._ahead[tick] = image

    def take(self, now: float) -> LiveFrame | float:
        """What a reader is given; or for how many seconds there is nothing."""
        if self._start is None:
            if not self._ahead:
                return math.inf
            self._start = now
        tick = self._tick(now)
        if tick <= self._given:
            return max(self.due(self._given + 1) - now, 0.0005)
        if (tick - self._given) / self.fps > AWAY:
            away = tick - self._given - 1
            self._tally.paused += away
            self._start += away / self.fps
            tick = self._given + 1
        self._shot(tick, now)
        if self._speaking:
            return self._speech(tick, now)
        late = 0.0 if tick in self._ahead else self._late(tick, now)
        return late if late > 0.0 else self._frame(tick, now)

    def _late(self, tick: int, now: float) -> float:
        """Seconds for which the image of a tick is still waited for."""
        return self.due(tick) + LATE / self.fps - now if tick > self._rendered else 0.0

    def _speech(self, newest: int, now: float) -> LiveFrame | float:
        """What a reader is given of speech, which must not leave its lips; ticks up to one are due.

        An image stands for the ticks before it that have none, or once more for the one after it.
        """
        usable = self._usable(newest)
        if usable is not None:
            return self._frame(usable, now)
        tick = self._given + 1
        if self._image is not None and self._image[0] == self._given:
            late = self._late(tick, now)
            return late if late > 0.0 else self._frame(tick, now)
        if self._late_since is None:
            self._late_since = now
        if now - self._late_since >= LONGEST_LATE or self._start is None:
            return self._frame(tick, now)
        if self._rendered > self._given + TOGETHER:  # images that come too early for their sound
            self._ahead.clear()
            self._rendered = self._given
        held = max(0, newest - self._given - TOGETHER)
        self._start += held / self.fps
        self._tally.held += held
        return 1.0 / self.fps

    def _usable(self, newest: int) -> int | None:
        """The newest image that may stand for all ticks before it, of ticks up to one."""
        last = min(newest, self._given + TOGETHER)
        return max((tick for tick in self._ahead if tick <= last), default=None)

    def _frame(self, tick: int, now: float) -> LiveFrame:
        self._shot(tick, now)
        first = self._given + 1
        shots = self._of_one_rate(tick)
        tick = shots[-1].tick
        fresh = [number for number in self._ahead if number <= tick]
        if fresh:
            self._image = (max(fresh), self._ahead[max(fresh)])
            for number in fresh:
                del self._ahead[number]
        assert self._image is not None
        self._given = tick
        shown, image = self._image
        started, ended = any(shot.start for shot in shots), any(shot.end for shot in shots)
        frame = LiveFrame(
            image=image,
            audio=np.concatenate([shot.audio for shot in shots]),
            sample_rate=next(
                (one.sample_rate for one in shots if one.speaking), shots[-1].sample_rate
            ),
            time=first / self.fps,
            periods=len(shots),
            speaking=any(shot.speaking for shot in shots),
            listening=shots[-1].listening,
            utterance_start=started,
            utterance_end=ended or self._owes_end,
            repeated=not fresh,
        )
        if self._owes_end:
            self._owes_end = self._in_utterance = False
        self._late_since = None
        for shot in shots:
            self._in_utterance = (self._in_utterance or shot.start) and not shot.end
        self._count(frame, shots, shown, now)
        return frame

    def _of_one_rate(self, tick: int) -> list[Shot]:
        """The shots up to a tick, or to where speech of another rate begins."""
        shots: list[Shot] = []
        rate: int | None = None
        while self._shots and self._shots[0].tick <= tick:
            shot = self._shots[0]
            if shot.speaking:
                if rate not in (None, shot.sample_rate):
                    break
                rate = shot.sample_rate
            shots.append(self._shots.popleft())
        return shots

    def _count(self, frame: LiveFrame, shots: list[Shot], shown: int, now: float) -> None:
        tally = self._tally
        tally.frames += 1
        tally.dropped += len(shots) - 1 + frame.repeated
        tally.repeated += frame.repeated
        tally.stalled += sum(shot.stalled for shot in shots)
        tally.seconds = (shots[-1].tick + 1) / self.fps
        for shot in shots:
            if shot.pushed_at is not None:
                tally.started(now - shot.pushed_at)
        if frame.speaking:
            tally.offset((shown - (shots[0].tick + shots[-1].tick) / 2.0) / self.fps)

    @property
    def _speaking(self) -> bool:
        """Whether an utterance goes on, or begins with a tick that is decided."""
        return self._in_utterance or any(shot.speaking for shot in self._shots)

    def _tick(self, now: float) -> int:
        """The newest tick that is due."""
        assert self._start is not None
        return math.floor((now - self._start) * self.fps + 1e-6)

    def _shot(self, tick: int, now: float) -> Shot:
        """The shot of a tick that is not given out yet; decides those before it, too."""
        while not self._shots or self._shots[-1].tick < tick:
            self._shots.append(self._decide(now))
        return next(shot for shot in self._shots if shot.tick == tick)
