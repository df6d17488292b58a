"""``Jobs``: a bounded queue of videos to make in threads, whose results are kept for a while."""

from __future__ import annotations

import asyncio
import logging
import secrets
import shutil
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from joyvasa_lib.errors import Cancelled, JoyVASAError
from joyvasa_lib.integrations.server.limits import Limits
from joyvasa_lib.integrations.server.metrics import Metrics

_log = logging.getLogger(__name__)
RESULT = "result.mp4"


class QueueFull(Exception):
    """As many jobs wait as are allowed."""


class Job:
    """One video.

    Attributes:
        id: a name that nobody guesses.
        folder: what it reads and writes.
        state: ``queued``, ``running``, ``done``, ``failed`` or ``cancelled``.
        done: frames made so far.
        total: frames in all; 0 until that is known.
        error: why it failed, in one line.
        failure: what it failed with.
        warnings: what makes a good result doubtful.
        finished: set when it is done, failed or cancelled.
        changed: time of the clock when its state changed last.
    """

    def __init__(self, folder: Path, warnings: tuple[str, ...] = ()) -> None:
        """A job that has not begun."""
        self.id = secrets.token_urlsafe(24)
        self.folder, self.warnings = folder, warnings
        self.state = "queued"
        self.done = self.total = 0
        self.error: str | None = None
        self.failure: BaseException | None = None
        self.finished = asyncio.Event()
        self.changed = 0.0
        self._cancelled = False

    @property
    def result(self) -> Path:
        """The video."""
        return self.folder / RESULT

    def report(self, done: int, total: int) -> None:
        """Says how far the work is; called by the thread that works.

        Raises:
            Cancelled: nobody wants the result any longer.
        """
        if self._cancelled:
            raise Cancelled
        self.done, self.total = done, total

    def cancel(self) -> None:
        """Lets the work end at its next report."""
        self._cancelled = True

    def describe(self) -> dict[str, Any]:
        """What a client is told."""
        progress = min(1.0, self.done / self.total) if self.total else 0.0
        return {
            "id": self.id,
            "state": self.state,
            "frames": self.done,
            "frames_total": self.total or None,
            "progress": 1.0 if self.state == "done" else round(progress, 4),
            "error": self.error,
            "warnings": list(self.warnings),
        }


Work = Callable[[Job], None]


class Jobs:
    """All jobs of a server. Used in one thread, the event loop's."""

    def __init__(
        self,
        executor: Executor,
        limits: Limits,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """None yet.

        Args:
            executor: threads that work.
            limits: how many at once, how many wait, how long results stay.
            metrics: where ends are counted.
            clock: seconds that only grow.
        """
        self._executor, self._limits, self._metrics = executor, limits, metrics
        self._clock = clock
        self._jobs: dict[str, Job] = {}
        self._waiting: deque[tuple[Job, Work]] = deque()
        self._running: dict[asyncio.Task[None], Job] = {}

    @property
    def waiting(self) -> int:
        """Jobs that wait."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Jobs that are worked on."""
        return len(self._running)

    def all(self) -> list[Job]:
        """Jobs that are not forgotten."""
        return list(self._jobs.values())

    def check_room(self) -> None:
        """Raises where no further job may wait.

        Raises:
            QueueFull: as many wait as are allowed.
        """
        free = self._limits.jobs - len(self._running)
        if len(self._waiting) - max(0, free) >= self._limits.queue:
            raise QueueFull

    def submit(self, job: Job, work: Work) -> None:
        """Lets a job wait for its turn.

        Args:
            job: the job.
            work: makes the video at ``job.result``, in a thread.

        Raises:
            QueueFull: as many wait as are allowed.
        """
        self.check_room()
        self._jobs[job.id] = job
        job.changed = self._clock()
        self._waiting.append((job, work))
        self._begin()

    def get(self, name: str) -> Job | None:
        """The job of a name; None where there is none, or none any longer."""
        self.sweep()
        return self._jobs.get(name)

    async def remove(self, job: Job) -> None:
        """Stops a job where it is, and forgets it and its files."""
        self._forget(job)
        await job.finished.wait()

    def sweep(self) -> None:
        """Forgets results that are too old or too many, the oldest first."""
        ended = [job for job in self._jobs.values() if job.finished.is_set()]
        ended.sort(key=lambda job: job.changed)
        before = self._clock() - self._limits.result_seconds
        surplus = len(ended) - self._limits.results
        for number, job in enumerate(ended):
            if number < surplus or job.changed < before:
                self._forget(job)

    async def close(self) -> None:
        """Ends all work."""
        for job in list(self._jobs.values()):
            self._forget(job)
        while self._running:
            await asyncio.wait(list(self._running))

    def _forget(self, job: Job) -> None:
        self._jobs.pop(job.id, None)
        job.cancel()
        if job in self._running.values():
            return  # its files go when its thread has ended
        waiting = [one for one in self._waiting if one[0] is job]
        for one in waiting:
            self._waiting.remove(one)
            self._end(job, "cancelled")
        shutil.rmtree(job.folder, ignore_errors=True)

    def _begin(self) -> None:
        while self._waiting and len(self._running) < self._limits.jobs:
            job, work = self._waiting.popleft()
            task = asyncio.get_running_loop().create_task(self._run(job, work))
            self._running[task] = job
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        job = self._running.pop(task)
        if job.id not in self._jobs:  # it was forgotten meanwhile
            shutil.rmtree(job.folder, ignore_errors=True)
        job.finished.set()
        self._begin()

    async def _run(self, job: Job, work: Work) -> None:
        job.state, job.changed = "running", self._clock()
        future = asyncio.get_running_loop().run_in_executor(self._executor, work, job)
        await asyncio.wait([future])
        error = future.exception()
        if error is None:
            self._metrics.job_seconds.observe(self._clock() - job.changed)
            self._metrics.job_frames.inc(job.done)
            self._end(job, "done")
        elif isinstance(error, Cancelled):
            self._end(job, "cancelled")
        else:
            job.failure, known = error, isinstance(error, JoyVASAError)
            if not known:
                _log.error("A job failed", exc_info=error)
            told = str(error).replace(str(job.folder), "the server's folder")
            job.error = told if known else "The job failed; the server's log says why"
            self._end(job, "failed")
        for path in (job.folder / "image", job.folder / "audio"):
            path.unlink(missing_ok=True)

    def _end(self, job: Job, state: str) -> None:
        job.state, job.changed = state, self._clock()
        self._metrics.jobs.labels(state).inc()
        if state == "cancelled" and job not in self._running.values():
            job.finished.set()
