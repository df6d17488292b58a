"""Frames of a batch on several threads: the compiled kernels release the interpreter's lock.

Numba's own parallel loops take several times as long to compile, which would delay the first frame
after installation.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from joyvasa_lib.concurrency import Loaded, processors

MOST = 8
"""Threads that are started at most."""


def _threads() -> int:
    return min(MOST, processors())


def _new_pool() -> Loaded[ThreadPoolExecutor]:
    return Loaded(lambda: ThreadPoolExecutor(_threads(), thread_name_prefix="frames"))


_pool = _new_pool()


def _renew_pool() -> None:
    global _pool
    _pool = _new_pool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_pool)  # a forked child has none of the threads


def for_each_frame(work: Callable[[int], None], frames: int) -> None:
    """Calls ``work`` with every frame number below ``frames``, on up to eight threads.

    ``work`` must not call this function itself.
    """
    if frames <= 1 or _threads() == 1:
        for index in range(frames):
            work(index)
        return
    work(0)  # compiles, if that is still to be done, before the threads start
    list(_pool.value.map(work, range(1, frames)))
