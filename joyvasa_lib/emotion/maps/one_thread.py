"""Runs a small network on one thread, where synchronising threads costs more than the arithmetic.

On a busy machine the map of action units took forty times as long on two threads as on one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from joyvasa_lib.concurrency import Lock

_lock = Lock()
_inside = 0
_outside_threads = 1


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Sets torch's number of threads to one within the block, and restores it afterwards.

    The number is global to the process. The first block to be entered stores it and every block
    that ends restores it, so that blocks in several threads may overlap.
    """
    import torch

    global _inside, _outside_threads
    with _lock:
        if _inside == 0:
            _outside_threads = torch.get_num_threads()
        _inside += 1
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            torch.set_num_threads(_outside_threads)


def _renew() -> None:
    """A forked child has none of the threads that are inside a block."""
    global _inside, _outside_threads
    _inside, _outside_threads = 0, 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
