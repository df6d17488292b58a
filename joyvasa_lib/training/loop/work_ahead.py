"""Batches made in threads before they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class WorkAhead(Generic[T]):
    """Calls a function of 0, 1, 2, ... in threads before the results are asked for."""

    def __init__(self, make: Callable[[int], T], threads: int, ahead: int = 4) -> None:
        """Starts nothing yet.

        Args:
            make: result of a number; called from several threads at once.
            threads: 0 to call it only when asked.
            ahead: results that may wait.
        """
        self.make, self.ahead = make, ahead
        self._pool = ThreadPoolExecutor(threads, "joyvasa-data") if threads else None
        self._waiting: dict[int, Future[T]] = {}

    def __call__(self, index: int) -> T:
        """Returns the result of ``index``; each call should ask for the next number."""
        if self._pool is None:
            return self.make(index)
        for number in range(index, index + self.ahead):
            if number not in self._waiting:
                self._waiting[number] = self._pool.submit(self.make, number)
        return self._waiting.pop(index).result()

    def close(self) -> None:
        """Drops the results that were not asked for."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
