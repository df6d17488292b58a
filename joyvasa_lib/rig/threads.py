"""Frames of a batch on several threads: the compiled kernels release the interpreter's lock.

Numba's own parallel loops take several times as long to compile, which would delay the first frame
after installation.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_threads(), thread_name_prefix="frames")


def _threads() -> int:
    return max(1, min(8, int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)))


def for_each_frame(work: Callable[[int], None], frames: int) -> None:
    """Calls ``work`` with every frame number below ``frames``, on up to eight threads.

    ``work`` must not call this function itself.
    """
    if frames <= 1 or _threads() == 1:
        for index in range(frames):
            work(index)
        return
    work(0)  # compiles, if that is still to be done, before the threads start
    list(_pool().map(work, range(1, frames)))
