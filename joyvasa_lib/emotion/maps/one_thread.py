"""Small networks on one thread: many small products wait for each other's threads, not for numbers.

On two threads of a busy machine the map of action units took forty times as long as on one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_lock = Lock()
_inside = 0
_outside_threads = 1


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Torch's products on one thread within the block; afterwards on as many as before.

    The number belongs to the process: whoever comes first remembers it, and every thread that
    leaves puts it back, so that blocks of several threads may overlap.
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
