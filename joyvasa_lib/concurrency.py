"""Threads, forked processes and processors: what is counted, loaded once and run beforehand.

A forked child inherits locks and thread pools, but none of the threads that would release or serve
them. What is made here is renewed in the child.
"""

from __future__ import annotations

import logging
import math
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Generic, TypeVar

from threadpoolctl import LibController, ThreadpoolController

T = TypeVar("T")

_log = logging.getLogger(__name__)
_CGROUPS = Path("/sys/fs/cgroup")


def processors() -> int:
    """Number of threads worth starting, at least 1.

    ``OMP_NUM_THREADS`` if it is set; of a list such as ``4,2``, which OpenMP reads as one number
    per level of nesting, the first. Else :func:`cores`.
    """
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if wanted.isascii() and wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    if wanted:
        _log.warning("OMP_NUM_THREADS=%r is no number of threads and is ignored", wanted)
    return cores()


def cores() -> int:
    """Processors that this process may use, at least 1.

    Those of its affinity mask, limited by the quota of its control group (version 1 or 2), as
    containers have.
    """
    try:
        allowed = len(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # not on macOS and Windows
        allowed = os.cpu_count() or 1
    quota = processor_quota(_CGROUPS, Path("/proc/self/cgroup"))
    return max(1, math.ceil(min(allowed, quota)))


def processor_quota(root: Path, membership: Path) -> float:
    """Processors that the control groups of this process leave it; infinite without a limit.

    Args:
        root: where the control groups are mounted.
        membership: the file that lists this process's groups, ``/proc/self/cgroup``.
    """
    paths = {"": "/", "cpu": "/"}  # the root of the mount is the own group inside a container
    for line in _text(membership).splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for name in controllers.split(","):
            if name == "cpu" or (name == "" and number == "0"):
                paths[name] = path
    quotas = [math.inf]
    for name, path in paths.items():
        groups = Path(path.lstrip("/"))
        for group in (groups, *groups.parents):
            if name == "":
                quotas.append(_ratio(*_text(root / group / "cpu.max").split()[:2]))
                continue
            for controller in ("cpu", "cpu,cpuacct"):
                place = root / controller / group
                quota, period = (_text(place / f"cpu.cfs_{x}_us") for x in ("quota", "period"))
                quotas.append(_ratio(quota, period))
    return min(quotas)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _ratio(quota: str = "", period: str = "") -> float:
    """Quota over period, both in microseconds; infinite for ``max``, -1 and what is no number."""
    if quota.isdigit() and period.isdigit() and int(quota) and int(period):
        return int(quota) / int(period)
    return math.inf


class Lock:
    """A lock that a thread may take again, free in a forked child whoever held it.

    Copies and pickled ones are locks of their own, so that what holds one can be copied.
    """

    def __init__(self) -> None:
        self.renew()
        _locks.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        with suppress(RuntimeError):  # renewed in between, in a child forked inside the block
            self._lock.release()

    def __reduce__(self) -> tuple[type[Lock], tuple[()]]:
        return Lock, ()

    def renew(self) -> None:
        """Frees it, whoever holds it."""
        self._lock = threading.RLock()


class Loaded(Generic[T]):
    """A value that is loaded when first asked for, once, whichever threads ask."""

    def __init__(self, load: Callable[[], T]) -> None:
        """Nothing is loaded yet.

        Args:
            load: makes the value; called again after it raised an error.
        """
        self._load = load
        self._values: list[T] = []
        self._lock = Lock()

    @property
    def value(self) -> T:
        """The value; raises what loading raises."""
        if not self._values:
            with self._lock:
                if not self._values:
                    self._values.append(self._load())
        return self._values[0]


_locks: weakref.WeakSet[Lock] = weakref.WeakSet()
_running: set[threading.Thread] = set()


class _SteadyProducts:
    """Who computes under :func:`steady_products`, and what their number of threads was before."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._before: list[tuple[LibController, int]] = []
        self._libraries = Loaded(_blas)

    def enter(self) -> None:
        with self._lock:
            if not self._inside:
                self._before = [(one, one.get_num_threads() or 1) for one in self._libraries.value]
                _set_threads((library, 1) for library, _ in self._before)
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                _set_threads(self._before)


def _blas() -> list[LibController]:
    """The libraries that multiply matrices for NumPy and SciPy, which has its own."""
    import scipy.linalg  # noqa: F401

    return ThreadpoolController().select(internal_api=["openblas", "blis"]).lib_controllers


def _set_threads(wanted: Iterable[tuple[LibController, int]]) -> None:
    for library, threads in wanted:
        # One thread at a time may set the number; the last that leaves is not always the first.
        release = getattr(library, "clear_controlling_thread", None)
        if release is not None:
            release(force=True)
        library.set_num_threads(threads)
        if release is not None:
            release(force=True)


_steady = _SteadyProducts()


@contextmanager
def steady_products() -> Iterator[None]:
    """Matrix products of NumPy and SciPy that do not depend on the number of threads meanwhile.

    OpenBLAS rounds a product differently for each number of threads; what a landmarker then reads
    from a rendered frame may differ by a pixel. Threads that are inside together share one thread
    of the library each; when the last one leaves, the number is as before. Also a decorator.
    """
    _steady.enter()
    try:
        yield
    finally:
        _steady.leave()


class Stopped(BaseException):
    """Ends work in the background when the interpreter is about to exit."""


def in_background(work: Callable[[], object], name: str) -> threading.Thread:
    """Does work beforehand that whoever needs it would otherwise do later.

    An error is logged as a warning and not raised: the later use raises it. A process forks only
    when the work is done, since the child could not go on with it.

    Args:
        work: done on a thread of its own.
        name: of the thread.
    """

    def run() -> None:
        try:
            work()
        except Stopped:
            pass
        except Exception as error:
            if threading.main_thread().is_alive():  # else a lack of threads, at exit
                _log.warning("Preparing in the background failed: %s: %s",
                             type(error).__name__, error)  # fmt: skip
        finally:
            _running.discard(threading.current_thread())

    thread = threading.Thread(target=run, name=name)
    _running.add(thread)
    thread.start()
    return thread


def stop_at_exit() -> None:
    """Called at points where work in the background may end.

    Raises:
        Stopped: this is such work, and the main thread has ended.
    """
    if threading.current_thread() in _running and not threading.main_thread().is_alive():
        raise Stopped


def _wait_for_background() -> None:
    for thread in list(_running - {threading.current_thread()}):
        thread.join()


def _renew() -> None:
    _running.clear()
    for lock in list(_locks):
        lock.renew()
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "set_num_threads"):
        torch.set_num_threads(1)  # OpenMP waits forever for the parent's threads


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_wait_for_background, after_in_child=_renew)
