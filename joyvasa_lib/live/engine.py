"""``Engine``: the threads of an avatar, and the one lock under which they meet.

Threads
    The user's threads push sound and give orders; these calls wait for the lock alone, which is
    held for microseconds, or for the milliseconds of deciding a tick.

    ``joyvasa-live-motion`` takes sound from the utterances in their order and makes motion of it,
    one window at a time: the lock is held to take the sound and to add the motion, not in between.

    ``joyvasa-live-render`` asks the pacer for the next tick that is near, and renders its motion:
    the lock is held to decide the tick and to hand the image over.

    The reader, whichever thread it is, waits until a tick is due and takes it.

What is between them
    Utterances (sound that waits, motion that waits), the stage that decides ticks in order, and the
    pacer with its images. All of them are plain objects without locks or clocks. Whoever changes
    something that another one may wait for wakes all through the one condition.

Ends and errors
    A thread that fails keeps its error and ends everything; the next call of the user raises it.
    :meth:`Engine.close` ends both threads and waits for them: at most for one window of motion and
    one image; the interpreter's end does the same. An avatar that nobody refers to any more ends
    soon after.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.errors import JoyVASAError, LiveError, MediaError
from joyvasa_lib.live.frame import LiveFrame
from joyvasa_lib.live.metrics import LiveMetrics, Tally
from joyvasa_lib.live.pacing import Pacer
from joyvasa_lib.live.performer import Performer
from joyvasa_lib.live.sound import Resampler, Samples
from joyvasa_lib.live.stage import Stage
from joyvasa_lib.live.styles import StyleRamp
from joyvasa_lib.live.utterance import SpokenMotion, Utterance, Work
from joyvasa_lib.motion import Motion

Image = NDArray[np.uint8]

LONGEST_WAITING = 600.0
"""Seconds of sound that may wait to be said."""
_NAP = 0.1
"""Seconds after which whoever waits looks again, whatever happens."""
_log = logging.getLogger(__name__)


class Engine:
    """Everything behind an avatar."""

    def __init__(
        self,
        begin: Callable[[int], SpokenMotion],
        render: Callable[[Motion], Image],
        performer: Performer,
        fps: float,
        style: StyleRamp,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Starts the threads.

        Args:
            begin: starts the motion of an utterance, given its number from 0.
            render: a motion of one frame to an image [h, w, 3] uint8 RGB.
            performer: what the face does.
            fps: frames a second.
            style: how the person speaks.
            clock: seconds that only grow.
        """
        self._begin, self._render, self._clock, self._style = begin, render, clock, style
        self._changed = threading.Condition()
        self._tally = Tally(fps)
        self._stage = Stage(performer, fps)
        self._pacer = Pacer(fps, self._stage.next, self._tally)
        self._listener: tuple[int, Resampler] | None = None
        self._begun = 0
        self._closed = False
        self._failure: BaseException | None = None
        self._threads = [
            threading.Thread(
                target=self._run, args=(work,), name=f"joyvasa-live-{name}", daemon=True
            )
            for name, work in (("motion", self._move), ("render", self._draw))
        ]
        atexit.register(self.close)  # until the threads have ended
        for thread in self._threads:
            thread.start()

    # What the user's threads call

    def push(self, sound: Samples, sample_rate: int) -> None:
        """Adds sound to what is said.

        Raises:
            LiveError: the avatar is closed, a thread of it failed, or the rate changes within an
                utterance.
            MediaError: too much sound waits.
        """
        with self._changed:
            self._check()
            utterance = self._stage.open
            if utterance is not None and utterance.sample_rate != sample_rate:
                raise LiveError(
                    f"An utterance has one sample rate: this one {utterance.sample_rate}, and "
                    f"{sample_rate} was pushed; call flush() before another one"
                )
            if not len(sound):
                return
            if self._stage.waiting + len(sound) / sample_rate > LONGEST_WAITING:
                raise MediaError(
                    f"More than {LONGEST_WAITING:g} s of sound would wait to be said; push it as "
                    "it is needed, and read frames"
                )
            if utterance is None:
                stream = self._begin(self._begun)
                utterance = Utterance(stream, sample_rate, self._pacer.fps, self._clock())
                self._stage.utterances.append(utterance)
                self._begun += 1
            utterance.push(sound)
            self._stage.pushed()
            self._changed.notify_all()

    def flush(self) -> None:
        """Ends the utterance."""
        with self._changed:
            self._check()
            if self._stage.open is not None:
                self._stage.open.flushed = True
                self._changed.notify_all()

    def interrupt(self) -> None:
        """Drops what is said and not shown."""
        with self._changed:
            self._check()
            if self._stage.interrupt():
                self._tally.interruptions += 1
            self._pacer.silence()
            self._changed.notify_all()

    def hear(self, sound: Samples, sample_rate: int) -> None:
        """Takes what somebody else says."""
        with self._changed:
            self._check()
            if self._listener is None or self._listener[0] != sample_rate:
                self._listener = (sample_rate, Resampler(sample_rate))
            self._stage.hearing.push(self._listener[1](sound))

    def change(self, order: Callable[[Performer, StyleRamp], None]) -> None:
        """Gives an order to the face or to the style."""
        with self._changed:
            self._check()
            order(self._stage.performer, self._style)

    def take(self) -> LiveFrame | float | None:
        """A frame that is due; or the seconds until one may be; or None at the end."""
        with self._changed:
            return self._take()

    def wait(self) -> LiveFrame | None:
        """The next frame, when it is due; None at the end."""
        with self._changed:
            while True:
                taken = self._take()
                if not isinstance(taken, float):
                    return taken
                self._changed.wait(min(taken, _NAP))

    def _take(self) -> LiveFrame | float | None:
        if self._failure is not None:
            self._check()
        if self._closed:
            return None
        taken = self._pacer.take(self._clock())
        if isinstance(taken, LiveFrame):
            self._changed.notify_all()
        return taken

    def wait_until_ready(self) -> None:
        """Waits for the first image.

        Raises:
            JoyVASAError: what kept it from being rendered.
        """
        with self._changed:
            while not self._closed and not self._tally.render_count:
                self._changed.wait(_NAP)
            self._check()

    @property
    def waiting(self) -> float:
        """Seconds of sound that are not shown yet."""
        with self._changed:
            return self._stage.waiting

    def metrics(self) -> LiveMetrics:
        """The numbers of the moment."""
        with self._changed:
            return self._tally.snapshot()

    def stop(self) -> None:
        """Ends the threads soon, without waiting or locking: safe wherever garbage is collected."""
        self._closed = True

    def close(self) -> None:
        """Ends the threads and waits for them; again does nothing."""
        with self._changed:
            was_open, self._closed = not self._closed, True
            self._stage.interrupt()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        if was_open:
            _log.info("A live avatar was closed: %s", self._tally.snapshot())

    def _check(self) -> None:
        """Raises what a thread failed with, or that the avatar is closed."""
        failure = self._failure
        if isinstance(failure, JoyVASAError):
            raise failure
        if failure is not None:
            name = type(failure).__name__
            raise LiveError(f"The avatar cannot go on: {name}: {failure}") from failure
        if self._closed:
            raise LiveError("The avatar is closed; make another one with pipe.live()")

    # What its own threads do

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # nobody is above to see it: the user's next call raises it
            with self._changed:
                self._failure = self._failure or error
                self._closed = True
                self._changed.notify_all()
        finally:
            atexit.unregister(self.close)

    def _move(self) -> None:
        """Makes motion of sound until the end."""
        while True:
            found = self._next_work()
            if found is None:
                return
            utterance, work = found
            dials = self._style.dials
            started = time.perf_counter()
            vectors, last = utterance.work(work, dials)
            with self._changed:
                if vectors:
                    self._style.advance(len(vectors))
                    self._tally.moved(time.perf_counter() - started, len(vectors))
                utterance.add(vectors, last)
                self._changed.notify_all()

    def _draw(self) -> None:
        """Renders images until the end."""
        while True:
            wanted = self._next_image()
            if wanted is None:
                return
            tick, motion = wanted
            started = time.perf_counter()
            image = self._render(motion)
            with self._changed:
                self._tally.rendered(time.perf_counter() - started)
                self._pacer.rendered(tick, image)
                self._changed.notify_all()

    def _next_image(self) -> tuple[int, Motion] | None:
        """Waits for a tick that is near, with its motion; None at the end."""
        with self._changed:
            while not self._closed:
                wanted = self._pacer.to_render(self._clock())
                if not isinstance(wanted, float):
                    return wanted
                self._changed.wait(min(wanted, _NAP))
        return None

    def _next_work(self) -> tuple[Utterance, Work] | None:
        """Waits for sound without motion, of the first utterance that has some; None at the end."""
        with self._changed:
            while not self._closed:
                for utterance in self._stage.utterances:
                    work = utterance.pending()
                    if work is not None:
                        return utterance, work
                self._changed.wait(_NAP)
        return None
