"""``Service``: what one server works with: the pipeline, threads, jobs, portraits."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

from joyvasa_lib.errors import LiveError
from joyvasa_lib.integrations.server.limits import Limits
from joyvasa_lib.integrations.server.metrics import Metrics
from joyvasa_lib.integrations.server.work.jobs import Jobs
from joyvasa_lib.integrations.server.work.portraits import Portraits
from joyvasa_lib.pipeline import JoyVASAPipeline

T = TypeVar("T")

_READERS = 2
"""Uploads that are decoded at once."""
_SWEEP = 10.0
"""Seconds between two looks for what is too old."""
_ENDING, _LOOK = 1.0, 0.05
"""Seconds that a client waits for another's avatar to end, and between two looks."""
_YIELDING = 10
"""Niceness of threads that give way to live avatars, where threads have one of their own."""


class Service:
    """Everything behind the routes. Made and closed in the event loop.

    Attributes:
        pipe: what makes videos and avatars; loaded once.
        limits: how much.
        metrics: what is counted.
        portraits: those that are kept.
        jobs: those that wait, run, or have a result.
        stopping: set when everything is to end.
    """

    def __init__(
        self, pipe: JoyVASAPipeline, limits: Limits, metrics: Metrics, folder: Path
    ) -> None:
        """Starts no work yet.

        Args:
            pipe: the pipeline.
            limits: how much.
            metrics: where it is counted.
            folder: where uploads and results lie; empty, and emptied by its owner.
        """
        self.pipe, self.limits, self.metrics = pipe, limits, metrics
        self._folder = folder
        self._working = ThreadPoolExecutor(limits.jobs, "joyvasa-job", _give_way)
        self._reading = ThreadPoolExecutor(_READERS, "joyvasa-read", _give_way)
        self._live = ThreadPoolExecutor(2 * limits.live_slots + 1, "joyvasa-serve-live")
        self._live_used = 0
        self.portraits = Portraits(limits)
        self.jobs = Jobs(self._working, limits, metrics)
        self.stopping = asyncio.Event()
        self._sweeping = asyncio.get_running_loop().create_task(self._sweep())

    @property
    def live_used(self) -> int:
        """Live avatars now."""
        return self._live_used

    def new_folder(self) -> Path:
        """An empty folder for one upload."""
        path = self._folder / secrets.token_hex(16)
        path.mkdir(mode=0o700)
        return path

    async def read(self, work: Callable[[], T]) -> T:
        """Does work that reads uploads, in a thread of a few."""
        return await asyncio.get_running_loop().run_in_executor(self._reading, work)

    async def in_live(self, work: Callable[[], T]) -> T:
        """Does work of a live avatar, in a thread that waits for no other client's."""
        return await asyncio.get_running_loop().run_in_executor(self._live, work)

    @asynccontextmanager
    async def live_slot(self) -> AsyncIterator[None]:
        """Room for one live avatar while the block runs.

        Waits a moment for an avatar that is about to end, as that of a client who comes again.

        Raises:
            LiveError: there is none.
        """
        most = self.limits.live_slots
        looks = round(_ENDING / _LOOK)
        while self._live_used >= most and looks > 0:
            looks -= 1
            await asyncio.sleep(_LOOK)
        if self._live_used >= most:
            self.metrics.live_refused.inc()
            raise LiveError(
                f"All {most} live avatars of this server are in use; try again later"
                if most > 1
                else "The one live avatar of this server is in use; try again later"
            )
        self._live_used += 1
        try:
            yield
        finally:
            self._live_used -= 1

    def stop(self) -> None:
        """Lets streams and live avatars end, and jobs stop where they are."""
        self.stopping.set()
        for job in self.jobs.all():
            job.cancel()

    async def close(self) -> None:
        """Ends everything and waits for it."""
        self.stop()
        self._sweeping.cancel()
        with suppress(asyncio.CancelledError):
            await self._sweeping
        await self.jobs.close()
        loop = asyncio.get_running_loop()
        for pool in (self._working, self._reading, self._live):
            await loop.run_in_executor(None, _end, pool)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP)
            self.portraits.sweep()
            self.jobs.sweep()


def _end(pool: ThreadPoolExecutor) -> None:
    pool.shutdown(cancel_futures=True)


def _give_way() -> None:
    """Lets a thread's work wait for that of live avatars; on Linux alone, where it is its own."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _YIELDING)
